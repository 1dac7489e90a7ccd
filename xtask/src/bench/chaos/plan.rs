//! What is done to which build and when, before any of them begins: the same for the same seed.

use std::fmt;
use std::str::FromStr;

use crate::bench::flags::known;
use crate::governor::simulation::Random;

/// What kind of accident a build has to survive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Compilers and linkers are killed, by us.
    Signals,
    /// Others take the cage's memory, and the kernel kills.
    Hog,
    Governor,
    Wrapper,
    /// The governor's socket is removed.
    Socket,
    /// The ledger becomes garbage.
    Ledger,
    /// There is no room for what xtask writes of its own.
    Disk,
}

/// One build of the benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) kind: Kind,
    /// Among those of its kind, from 1.
    pub(super) number: usize,
}

/// One accident.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Blow {
    /// Seconds after the build began.
    pub(super) at_s: f64,
    pub(super) aim: Aim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Aim {
    /// Any rustc of a unit.
    Compiler,
    /// One that has told cargo of its metadata: units that stand on it may run already.
    BehindMetadata,
    Linker,
    Governor,
    Wrapper,
    Socket,
    Ledger,
    Hog,
}

pub(super) const KINDS: [Kind; 7] =
    [Kind::Signals, Kind::Hog, Kind::Governor, Kind::Wrapper, Kind::Socket, Kind::Ledger, Kind::Disk];
const AIMS: [Aim; 8] =
    [Aim::Compiler, Aim::BehindMetadata, Aim::Linker, Aim::Governor, Aim::Wrapper, Aim::Socket, Aim::Ledger, Aim::Hog];

const MOST_SIGNALS: usize = 5;
const LEAST_HOGS: usize = 3;
const MOST_HOGS: usize = 6;
/// A governor that dies more than five times is not started again, and a command that lost more than three wrappers is
/// not run again: both are meant so, and tested elsewhere.
const GOVERNORS: usize = 3;
const WRAPPERS: usize = 2;
const SOCKETS: usize = 2;
/// Each with the death of the governor that has read the ledger before.
const LEDGERS: usize = 4;
/// Moments are within this part of the expected time: the first unit has to be there, the last not yet done.
const FROM: f64 = 0.02;
const TO: f64 = 0.97;
/// Of the kills that nothing else decides, one in so many is a linker's. Linkers run for a small part of the time.
const A_LINKER_IN: usize = 4;

/// `builds` builds, `hogs` of them with a hog and evenly among the others, then one of each of `kinds`.
pub(super) fn turns(builds: usize, hogs: usize, kinds: &[Kind]) -> Vec<Turn> {
    let mut turns = Vec::new();
    let (mut signals_so_far, mut hogs_so_far) = (0, 0);
    for index in 0..builds {
        let hogs_by_now = (index + 1) * hogs.min(builds) / builds;
        if hogs_by_now > hogs_so_far {
            hogs_so_far += 1;
            turns.push(Turn { kind: Kind::Hog, number: hogs_so_far });
        } else {
            signals_so_far += 1;
            turns.push(Turn { kind: Kind::Signals, number: signals_so_far });
        }
    }
    turns.extend(kinds.iter().map(|kind| Turn { kind: *kind, number: 1 }));
    turns
}

/// The accidents of one build that is expected to take so many seconds, in their order.
pub(super) fn blows(turn: Turn, seed: u64, expected_s: f64) -> Vec<Blow> {
    let mut random = random(turn, seed);
    let count = match turn.kind {
        Kind::Signals => 1 + random.below(MOST_SIGNALS),
        Kind::Hog => LEAST_HOGS + random.below(MOST_HOGS - LEAST_HOGS + 1),
        Kind::Governor => GOVERNORS,
        Kind::Wrapper => WRAPPERS,
        Kind::Socket => SOCKETS,
        Kind::Ledger => LEDGERS,
        Kind::Disk => 0,
    };
    let mut moments: Vec<f64> = (0..count).map(|_| random.between(FROM, TO) * expected_s).collect();
    moments.sort_by(f64::total_cmp);
    let aims: Vec<Aim> = (0..count).map(|index| aim(turn, index, &mut random)).collect();
    moments.into_iter().zip(aims).map(|(at_s, aim)| Blow { at_s, aim }).collect()
}

/// Random numbers of one build, whichever builds were there before it.
pub(super) fn random(turn: Turn, seed: u64) -> Random {
    let kind = KINDS.iter().position(|kind| *kind == turn.kind).unwrap_or(0) as u64;
    Random::new(Random::new(seed ^ (kind << 32) ^ turn.number as u64).next())
}

fn aim(turn: Turn, index: usize, random: &mut Random) -> Aim {
    match turn.kind {
        // Every third, over all builds: some builds have only one.
        Kind::Signals if (turn.number + index).is_multiple_of(3) => Aim::BehindMetadata,
        Kind::Signals if random.below(A_LINKER_IN) == 0 => Aim::Linker,
        Kind::Signals => Aim::Compiler,
        Kind::Hog => Aim::Hog,
        Kind::Governor => Aim::Governor,
        Kind::Wrapper => Aim::Wrapper,
        Kind::Socket => Aim::Socket,
        // Only a governor that starts reads it.
        Kind::Ledger if !index.is_multiple_of(2) => Aim::Governor,
        Kind::Ledger | Kind::Disk => Aim::Ledger,
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Signals => "signals",
            Kind::Hog => "hog",
            Kind::Governor => "governor",
            Kind::Wrapper => "wrapper",
            Kind::Socket => "socket",
            Kind::Ledger => "ledger",
            Kind::Disk => "disk",
        }
    }
}

impl Aim {
    pub(super) fn name(self) -> &'static str {
        match self {
            Aim::Compiler => "compiler",
            Aim::BehindMetadata => "behind metadata",
            Aim::Linker => "linker",
            Aim::Governor => "governor",
            Aim::Wrapper => "wrapper",
            Aim::Socket => "socket",
            Aim::Ledger => "ledger",
            Aim::Hog => "hog",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        AIMS.into_iter().find(|aim| aim.name() == name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kind = KINDS.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| known(text, &KINDS.map(Kind::name)))
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind.name(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNALS: Turn = Turn { kind: Kind::Signals, number: 1 };

    #[test]
    fn hogs_are_spread_among_the_builds() {
        let names = |turns: Vec<Turn>| turns.iter().map(Turn::to_string).collect::<Vec<_>>().join(", ");
        assert_eq!(names(turns(6, 2, &[])), "signals 1, signals 2, hog 1, signals 3, signals 4, hog 2");
        assert_eq!(names(turns(1, 5, &[Kind::Disk])), "hog 1, disk 1");
        assert_eq!(names(turns(0, 0, &[Kind::Socket])), "socket 1");
        let all = turns(30, 10, &KINDS[2..]);
        assert_eq!(all.iter().filter(|turn| turn.kind == Kind::Hog).count(), 10);
        assert_eq!(all.len(), 35);
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(blows(SIGNALS, 7, 100.0), blows(SIGNALS, 7, 100.0));
        assert_ne!(blows(SIGNALS, 7, 100.0), blows(SIGNALS, 8, 100.0));
        assert_ne!(blows(SIGNALS, 7, 100.0), blows(Turn { number: 2, ..SIGNALS }, 7, 100.0));
    }

    #[test]
    fn moments_are_in_order_and_within_the_build() {
        for number in 1..50 {
            for kind in KINDS {
                let blows = blows(Turn { kind, number }, 1, 100.0);
                assert!(blows.is_sorted_by(|a, b| a.at_s <= b.at_s));
                assert!(blows.iter().all(|blow| (2.0..=97.0).contains(&blow.at_s)), "{blows:?}");
                let range = match kind {
                    Kind::Signals => 1..=5,
                    Kind::Hog => 3..=6,
                    Kind::Disk => 0..=0,
                    _ => 2..=4,
                };
                assert!(range.contains(&blows.len()), "{kind:?}: {}", blows.len());
            }
        }
    }

    #[test]
    fn every_third_kill_is_behind_the_metadata() {
        let aims: Vec<Aim> =
            (1..=60).flat_map(|number| blows(Turn { number, ..SIGNALS }, 3, 100.0)).map(|blow| blow.aim).collect();
        let of = |aim: Aim| aims.iter().filter(|other| **other == aim).count();
        let third = aims.len() / 3;
        assert!(of(Aim::BehindMetadata).abs_diff(third) < third / 3, "{} of {}", of(Aim::BehindMetadata), aims.len());
        assert!(of(Aim::Linker) > 0 && of(Aim::Compiler) > of(Aim::Linker));
    }

    #[test]
    fn names_are_read_as_they_are_shown() {
        assert!(KINDS.into_iter().all(|kind| kind.name().parse() == Ok(kind)));
        assert!(AIMS.into_iter().all(|aim| Aim::from_name(aim.name()) == Some(aim)));
        assert!("soket".parse::<Kind>().expect_err("unknown").contains("did you mean `socket`?"));
    }
}
