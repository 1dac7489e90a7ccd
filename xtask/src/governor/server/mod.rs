//! The governor as a process: everything that touches the outside, around the decisions of [`Scheduler`].
//!
//! One loop, one thread that decides. What happens elsewhere arrives as [`Incoming`] through one channel: a wrapper says
//! something or is gone, our starter is gone. Ten times a second a sample is due. Each of these becomes one event for
//! the scheduler, and what it answers is done at once; nothing in the loop waits for anybody.
//!
//! It is a process of its own, so that a build survives its death: cargo's pipes are held by whoever started us, and
//! who starts us again when we die. Wrappers then come back, or go on without.

mod act;
mod front_desk;
mod log;
mod options;
mod sampling;
mod visitor;

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::decoy::Decoys;
use super::frame::{FromWrapper, Offer};
use super::jobserver::Jobserver;
use super::ledger::Ledger;
use super::place;
use super::pool::{Claim, Pool};
use super::scheduler::{Action, Event, Scheduler, Share, Ticket};
use crate::events;
use crate::memory::{self, Sensor};
use crate::proc;
use front_desk::{Compiler, FrontDesk};
use log::Log;
pub(super) use options::Options;
use visitor::Visitor;

/// The name under which this binary is a governor.
pub(crate) const NAME: &str = "maou-governor";

/// What comes to the loop.
enum Incoming {
    /// A wrapper that has shown the key, and what it wants to run.
    Offer {
        ticket: Ticket,
        stream: UnixStream,
        offer: Offer,
        compiler: Compiler,
    },
    Said {
        ticket: Ticket,
        said: FromWrapper,
    },
    Left {
        ticket: Ticket,
    },
    /// Our starter wants no more units to start.
    Stop,
    /// Our starter's command has ended: it wants to know when it has heard all of it.
    Sync,
    /// Our starter has what it wanted.
    Done,
    /// Our starter is gone without a word.
    Abandoned,
}

struct Server {
    options: Options,
    started: Instant,
    scheduler: Scheduler,
    sensor: Box<dyn Sensor>,
    visitors: HashMap<Ticket, Visitor>,
    ledger: Ledger,
    pool: Option<Pool>,
    claim: Claim,
    /// The unit that the claim's wish is for.
    claimed_for: Option<Ticket>,
    share: Share,
    offers: Option<Jobserver>,
    log: Log,
    desk: FrontDesk,
    sampled: sampling::State,
    /// The ledger's names of the units of this build, by those of their files.
    keys_by_stem: HashMap<String, String>,
    /// KiB of source, by root file.
    sources: HashMap<PathBuf, u64>,
    told_of_ledger: bool,
    syncing: Option<Instant>,
    /// Ticks in a row without a wrapper or a build script.
    quiet_ticks: u64,
    decoys: Decoys,
    totals: events::Totals,
}

const TICK: Duration = Duration::from_millis(100);
/// Between two looks at whether a token was put down that a waiting unit could have: a tenth of a second would be lost at
/// each link of a chain of units.
const TOKEN_LOOK: Duration = Duration::from_millis(5);
/// How long what wrappers said last may take to arrive when their command has ended.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// Ticks between two looks at whether our socket is still there.
const SOCKET_TICKS: u64 = 10;
/// After so many ticks without a wrapper, nobody is left who would put a token down.
const QUIET_TICKS: u64 = 10;

/// Runs as a governor if that is what this process was started for.
pub(crate) fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = crate::env::all_arguments();
    let name = PathBuf::from(arguments.next()?);
    if name.file_stem()?.to_str()? != NAME {
        return None;
    }
    proc::catch_signals();
    let options = Options::parse(arguments.map(|argument| argument.to_string_lossy().into_owned()))?;
    let (sender, receiver) = mpsc::channel();
    Some(match Server::open(options, &sender) {
        Ok(mut server) => server.serve(&receiver),
        Err(error) => {
            crate::terminal::say!("error: {error:#}");
            ExitCode::FAILURE
        }
    })
}

impl Server {
    fn open(options: Options, sender: &Sender<Incoming>) -> anyhow::Result<Self> {
        let desk = FrontDesk::open(&options.folder, &options.key, sender.clone())?;
        front_desk::listen_to_starter(sender.clone());
        let mut sensor = memory::sensor(memory::Sensing::best());
        let machine = sensor.snapshot();
        let ledger = Ledger::open(&options.ledger);
        let pool = place::pool().ok().and_then(|folder| Pool::join(&folder, &machine.constraint.to_string()).ok());
        let offers = Jobserver::open(&place::offers(&options.folder)).ok();
        let mut server = Server {
            scheduler: Scheduler::new(options.slots),
            started: Instant::now(),
            sampled: sampling::State::new(machine),
            visitors: HashMap::new(),
            claim: Claim::default(),
            claimed_for: None,
            share: Share { slots: options.slots, reserved: 0, headroom: None, behind_others: false },
            log: Log::open(&options.events),
            options,
            sensor,
            ledger,
            pool,
            offers,
            desk,
            keys_by_stem: HashMap::new(),
            sources: HashMap::new(),
            told_of_ledger: false,
            syncing: None,
            quiet_ticks: 0,
            decoys: Decoys::new(),
            totals: events::Totals::default(),
        };
        server.sample();
        server.announce();
        server.spread_offers();
        Ok(server)
    }

    fn serve(&mut self, incoming: &Receiver<Incoming>) -> ExitCode {
        let mut next_tick = Instant::now() + TICK;
        loop {
            let wait = next_tick.saturating_duration_since(Instant::now());
            let watches_tokens = self.watches_tokens();
            let wait = if watches_tokens { wait.min(TOKEN_LOOK) } else { wait };
            match incoming.recv_timeout(wait) {
                Ok(Incoming::Offer { ticket, stream, offer, compiler }) => {
                    self.admit(ticket, stream, &offer, &compiler);
                }
                Ok(Incoming::Said { ticket, said }) => self.hear(ticket, &said),
                Ok(Incoming::Left { ticket }) => self.left(ticket),
                Ok(Incoming::Stop) => self.step(Event::Stop),
                Ok(Incoming::Sync) => self.syncing = Some(Instant::now() + LAST_WORDS),
                Ok(Incoming::Done) | Err(RecvTimeoutError::Disconnected) => return ExitCode::SUCCESS,
                Ok(Incoming::Abandoned) => return self.clean_up(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if watches_tokens {
                self.look_at_tokens();
            }
            if Instant::now() >= next_tick {
                next_tick = Instant::now() + TICK;
                self.tick();
            }
            self.sync();
        }
    }

    /// Says that all is told once every wrapper has gone, or has had its time to.
    fn sync(&mut self) {
        if self.syncing.is_some_and(|until| self.visitors.is_empty() || Instant::now() >= until) {
            self.syncing = None;
            self.replace_lost_offers();
            self.totals.unexplained_kills = self.unexplained_kills();
            self.totals.critical_path_s = self.ledger.critical_path_s();
            self.emit(&events::Event::Synced(self.totals));
        }
    }

    fn tick(&mut self) {
        self.sample();
        let is_quiet = self.visitors.is_empty() && self.sampled.scripts == 0;
        self.quiet_ticks = if is_quiet { self.quiet_ticks + 1 } else { 0 };
        if self.quiet_ticks == QUIET_TICKS {
            self.replace_lost_offers();
        } else {
            self.spread_offers();
        }
        if self.sampled.ticks.is_multiple_of(SOCKET_TICKS) && !place::socket(&self.options.folder).exists() {
            match self.desk.open_again() {
                Ok(()) => self.note("the socket had gone and was made again"),
                Err(error) => self.note(&format!("the socket has gone and cannot be made again: {error}")),
            }
        }
    }

    /// One decision, made and carried out while no other build of this user makes one.
    fn step(&mut self, event: Event) {
        let turn = self.pool.as_ref().map(Pool::turn);
        let now = self.now();
        let mut actions = self.hear_of_others(now, &event);
        actions.extend(self.scheduler.step(event, now));
        self.say_claim();
        drop(turn);
        for action in actions {
            self.act(&action);
        }
    }

    /// What the other builds claim, as of now.
    fn hear_of_others(&mut self, now: f64, before: &Event) -> Vec<Action> {
        let Some(pool) = &self.pool else { return Vec::new() };
        let others = pool.neighbours(&self.claim, self.options.slots);
        let spare = self.sampled.spare;
        let share = Share {
            slots: others.slots,
            // What they are promised comes out of the machine, and not out of what `--memory` leaves us.
            reserved: others.reserved.saturating_sub(spare),
            // The scheduler adds what an ended unit held to what the last sample found.
            headroom: (others.builds > 0 && !matches!(before, Event::Ended { .. })).then(|| self.read_headroom()),
            behind_others: others.before_us && others.reserved >= spare,
        };
        if std::mem::replace(&mut self.share, share) == share {
            return Vec::new();
        }
        self.scheduler.step(Event::Shared(share), now)
    }

    fn say_claim(&mut self) {
        let wanted = self.scheduler.wanted().unwrap_or(0);
        let first = std::mem::replace(&mut self.claimed_for, self.scheduler.first_in_line());
        let since = if wanted == 0 {
            0
        } else if self.claim.wanted == 0 || first != self.claimed_for {
            // Each unit waits for itself: else who has run short first would be before all others to the end.
            milliseconds_since_1970()
        } else {
            self.claim.wanted_since
        };
        self.claim = Claim {
            promised: self.scheduler.promised(),
            wanted,
            wanted_since: since,
            slots: self.scheduler.slots_used() as u64,
            running: self.scheduler.running() as u64,
            waiting: self.scheduler.waiting() as u64,
        };
        if let Some(pool) = &mut self.pool {
            pool.say(&self.claim);
        }
    }

    /// Lets cargo offer as many units as there are wrappers, and a few more; each of them waits here. Build scripts hold
    /// a token each too, and what they start in parallel takes from the few.
    fn spread_offers(&mut self) {
        let few = self.options.slots.max(2);
        let most = self.options.most_waiting;
        let about = (self.visitors.len() + self.sampled.scripts + few).min(most.max(few));
        if let Some(offers) = &mut self.offers {
            offers.set(about);
        }
    }

    /// A cargo that was killed has taken its tokens with it. The next one would have one unit at a time.
    fn replace_lost_offers(&mut self) {
        if let Some(offers) = &mut self.offers {
            offers.give_up_taken();
        }
        self.spread_offers();
    }

    fn announce(&mut self) {
        let event = events::Event::Governing {
            slots: self.options.slots,
            headroom: self.sampled.headroom,
            ledger_rows: self.ledger.rows().count(),
            broken_lines: self.ledger.broken_lines(),
        };
        self.emit(&event);
    }

    /// Our starter was killed, or is about to end at its user's wish: nothing of what it started may go on.
    fn clean_up(&mut self) -> ExitCode {
        for visitor in self.visitors.values() {
            visitor.end_compiler();
        }
        self.end_all();
        let _ = std::fs::remove_dir_all(&self.options.folder);
        ExitCode::FAILURE
    }

    fn emit(&mut self, event: &events::Event) {
        let now = self.now();
        self.log.write(event, now);
    }

    fn note(&mut self, text: &str) {
        self.emit(&events::Event::Note { text: text.to_owned() });
    }

    fn now(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

fn milliseconds_since_1970() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
