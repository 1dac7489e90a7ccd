use std::path::PathBuf;

use super::*;
use crate::governor::prediction::STEPS;
use crate::governor::unit::Kind;

/// A folder of its own for each test, removed at its end.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("xtask-ledger-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("writable");
        Folder(path)
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.0.join("ledger.jsonl")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(super) fn identity(package: &str) -> Identity {
    Identity {
        package: package.into(),
        version: "0.1.0".into(),
        kind: Kind::Library,
        features: fnv::hex(*b""),
        opt_level: "0".into(),
        codegen_units: 256,
        options: fnv::hex(*b""),
        target: "x86_64-unknown-linux-gnu".into(),
        rustc: "1.95.0".into(),
    }
}

pub(super) fn measured(package: &str, mib: u64, cpu_s: f64) -> Measurement {
    Measurement {
        identity: identity(package),
        needs: Vec::new(),
        source_kib: 100,
        input_kib: 0,
        threads: 0,
        peak: mib << 20,
        cpu_s,
        wall_s: cpu_s,
        to_metadata_s: None,
        course: Course::default(),
        outcome: Ran::Done,
    }
}

fn killed(package: &str, mib: u64) -> Measurement {
    Measurement { outcome: Ran::Killed, ..measured(package, mib, 1.0) }
}

fn small() -> Shape {
    Shape::of(&identity("a"), 1, 0, 0)
}

fn unasked() -> Shape {
    panic!("the shape of a unit that is known")
}

fn written(path: &Path, rows: &[Measurement]) {
    std::fs::write(path, rows.iter().map(line::write).collect::<String>()).expect("writable");
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

fn seed(rows: &[Measurement]) -> String {
    rows.iter().map(line::write).collect()
}

#[test]
fn what_was_recorded_is_predicted_by_the_next_build() {
    let folder = Folder::new("next");
    let path = folder.0.join("target/xtask/ledger.jsonl");
    let mut ledger = Ledger::open(&path);
    let course = Course((1..=STEPS as u64).map(|step| step << 20).collect());
    ledger.record(&Measurement { course, ..measured("a", 100, 12.0) });
    assert_eq!((ledger.write_error(), ledger.broken_lines()), (None, 0));
    for ledger in [ledger, Ledger::open(&path)] {
        let prediction = ledger.predict(&identity("a"), unasked);
        assert_eq!((prediction.basis, mib(prediction.peak)), (Basis::Measured, 110));
        assert_eq!((prediction.cpu_s, prediction.tail_s), (12.0, 12.0));
        assert_eq!(mib(prediction.thread_cost), 5);
        assert_eq!(prediction.course.0.last(), Some(&prediction.peak), "scaled to the peak");
        assert_eq!(prediction.course.0.len(), STEPS);
    }
}

#[test]
fn the_best_basis_wins() {
    let folder = Folder::new("basis");
    let other_version = |mib| {
        let mut row = measured("a", mib, 1.0);
        row.identity.version = "0.1.9".into();
        row
    };
    let basis = |here: &[Measurement], seeded: &[Measurement]| {
        written(&folder.ledger(), here);
        let prediction = Ledger::with_seed(&folder.ledger(), &seed(seeded)).predict(&identity("a"), small);
        (prediction.basis, mib(prediction.peak))
    };
    let seeded = [measured("a", 200, 1.0)];
    assert_eq!(basis(&[measured("a", 100, 1.0)], &seeded), (Basis::Measured, 110));
    assert_eq!(basis(&[other_version(100)], &seeded), (Basis::Seed, 220));
    assert_eq!(basis(&[other_version(1000)], &[]), (Basis::Relative, 1173), "a new version and the margin");
    assert_eq!(basis(&[other_version(1000)], &[other_version(100)]).1, 1173, "what was measured here comes first");
    let (basis_of_none, peak) = basis(&[measured("b", 1000, 1.0)], &[]);
    assert!(basis_of_none == Basis::Estimate && peak < 60, "{peak}");
}

#[test]
fn a_killed_run_raises_any_prediction_and_lowers_none() {
    let folder = Folder::new("killed");
    let peak = |here: &[Measurement], seeded: &[Measurement]| {
        written(&folder.ledger(), here);
        let prediction = Ledger::with_seed(&folder.ledger(), &seed(seeded)).predict(&identity("a"), small);
        (prediction.basis, mib(prediction.peak))
    };
    let seeded = [measured("a", 200, 1.0)];
    assert_eq!(peak(&[killed("a", 300)], &seeded), (Basis::Seed, 330));
    assert_eq!(peak(&[killed("a", 100)], &seeded), (Basis::Seed, 220));
    assert_eq!(peak(&[killed("a", 300)], &[]), (Basis::Estimate, 330));
    assert_eq!(peak(&[measured("a", 200, 1.0), killed("a", 300)], &[]), (Basis::Measured, 330));
    assert_eq!(peak(&[measured("a", 200, 1.0), killed("a", 100)], &[]), (Basis::Measured, 220));
    let faded = peak(&[killed("a", 300), measured("a", 200, 1.0)], &[]).1;
    assert!((221..330).contains(&faded), "{faded}");
}

#[test]
fn the_margin_comes_from_what_was_measured_twice() {
    let folder = Folder::new("margin");
    let repeated = |second: u64| -> Vec<Measurement> {
        (0..10).flat_map(|n| [measured(&format!("p{n}"), 100, 1.0), measured(&format!("p{n}"), second, 1.0)]).collect()
    };
    let peak = |rows: &[Measurement]| {
        written(&folder.ledger(), rows);
        let ledger = Ledger::with_seed(&folder.ledger(), "");
        mib(ledger.predict(&identity("p0"), unasked).peak)
    };
    assert_eq!(peak(&repeated(100)), 103, "steady units need little");
    assert_eq!(peak(&repeated(108)), 116, "8 % more than foretold, and 8 % on top");
    assert_eq!(peak(&repeated(200)), 230, "there is an end to it");
}

#[test]
fn a_first_build_learns_how_far_the_seed_is_off() {
    let folder = Folder::new("learns");
    let named = |n: u64, mib| measured(&format!("p{n}"), mib, 1.0);
    let seeded: Vec<Measurement> = (0..20).map(|n| named(n, 100)).collect();
    for (taken, expected) in [(100, 103), (112, 112), (150, 125), (60, 103)] {
        let _ = std::fs::remove_file(folder.ledger());
        let mut ledger = Ledger::with_seed(&folder.ledger(), &seed(&seeded));
        let late = |ledger: &Ledger| mib(ledger.predict(&identity("p19"), unasked).peak);
        (0..7).for_each(|n| ledger.record(&named(n, taken)));
        assert_eq!(late(&ledger), 110, "too few to say");
        ledger.record(&named(7, taken));
        assert_eq!(late(&ledger), expected, "{taken} where the seed says 100");
    }
}

#[test]
fn a_first_build_learns_how_fast_this_machine_is() {
    let folder = Folder::new("pace");
    let seeded: Vec<Measurement> = (0..9).map(|n| measured(&format!("p{n}"), 100, 4.0)).collect();
    let mut ledger = Ledger::with_seed(&folder.ledger(), &seed(&seeded));
    let cpu_s = |ledger: &Ledger, identity: &Identity| ledger.predict(identity, unasked).cpu_s;
    let relative = Identity { version: "9.9.9".to_owned(), ..identity("p8") };
    assert_eq!(cpu_s(&ledger, &identity("p8")), 4.0);
    (0..8).for_each(|n| ledger.record(&measured(&format!("p{n}"), 100, 1.0)));
    assert_eq!(cpu_s(&ledger, &identity("p8")), 1.0, "as the others");
    assert_eq!(cpu_s(&ledger, &relative), 1.0, "and so its relatives");
    assert_eq!(cpu_s(&ledger, &identity("p7")), 1.0, "what was measured here stays");
    let again = Ledger::with_seed(&folder.ledger(), &seed(&seeded));
    assert_eq!(again.tails[&key(&identity("p8"))], 1.0);
}

#[test]
fn thread_cost_is_measured_and_taken_off() {
    let folder = Folder::new("threads");
    let with = |package, mib, threads| Measurement { threads, ..measured(package, mib, 1.0) };
    written(&folder.ledger(), &[with("a", 1000, 0), with("a", 1400, 4), with("b", 1100, 1)]);
    let ledger = Ledger::with_seed(&folder.ledger(), "");
    let a = ledger.predict(&identity("a"), unasked);
    assert_eq!((mib(a.peak), mib(a.thread_cost)), (1100, 110), "a tenth a thread");
    let b = ledger.predict(&identity("b"), unasked);
    assert_eq!((mib(b.peak), mib(b.thread_cost)), (1100, 110), "as for other crates");
}

#[test]
fn broken_lines_are_counted_and_skipped() {
    let folder = Folder::new("broken");
    let good = line::write(&measured("a", 100, 1.0));
    let mut text = format!("{good}nonsense\n\n{{\"package\":1}}\n{}\n", &good[..good.len() / 2]).into_bytes();
    text.extend([0xff, 0x00, 0xfe, b'\n']);
    text.extend(line::write(&measured("b", 100, 1.0)).bytes());
    text.extend(&good.as_bytes()[..40]);
    std::fs::write(folder.ledger(), text).expect("writable");
    let mut ledger = Ledger::with_seed(&folder.ledger(), "");
    assert_eq!((ledger.broken_lines(), ledger.rows().count()), (5, 2));
    ledger.record(&measured("c", 100, 1.0));
    let again = Ledger::with_seed(&folder.ledger(), "");
    assert_eq!((again.broken_lines(), again.rows().count()), (5, 3), "the cut line did not take the next one with it");
}

#[test]
fn what_is_no_ledger_is_an_empty_one() {
    let folder = Folder::new("strange");
    std::fs::write(folder.ledger(), vec![0; 9 << 20]).expect("writable");
    assert_eq!(Ledger::with_seed(&folder.ledger(), "").rows().count(), 0);
    assert_eq!(Ledger::with_seed(&folder.0, "").rows().count(), 0);
    assert_eq!(Ledger::with_seed(Path::new(""), "nonsense").rows().count(), 0);
}

#[test]
fn what_cannot_be_written_is_said_and_remembered() {
    let folder = Folder::new("unwritable");
    std::fs::write(folder.ledger(), "").expect("writable");
    let mut ledger = Ledger::with_seed(&folder.ledger().join("below-a-file"), "");
    ledger.record(&measured("a", 100, 1.0));
    assert!(ledger.write_error().is_some_and(|error| error.contains("below-a-file")), "{:?}", ledger.write_error());
    assert_eq!(ledger.predict(&identity("a"), unasked).basis, Basis::Measured, "this build knows it all the same");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said_too() {
    let folder = Folder::new("full");
    std::os::unix::fs::symlink("/dev/full", folder.ledger()).expect("writable");
    let mut ledger = Ledger::with_seed(&folder.ledger(), "");
    ledger.record(&measured("a", 100, 1.0));
    assert!(ledger.write_error().is_some());
}

#[test]
fn a_long_ledger_is_compacted_and_predicts_the_same() {
    let folder = Folder::new("compact");
    let mut rows = Vec::new();
    for run in 0..6_u64 {
        rows.extend((0..20).map(|n| measured(&format!("p{n}"), 100 + n + run, 1.0)));
    }
    rows.extend([killed("p3", 400), killed("p3", 300), killed("new", 250)]);
    written(&folder.ledger(), &rows[..80]);
    let length = || folder.ledger().metadata().expect("there").len();
    let before = length();
    let few = Ledger::with_seed(&folder.ledger(), "");
    assert_eq!((length(), few.rows().count()), (before, 60), "four rows a unit stay in the file");

    written(&folder.ledger(), &rows);
    let first = Ledger::with_seed(&folder.ledger(), "");
    let kept = std::fs::read_to_string(folder.ledger()).expect("there");
    assert_eq!(kept.lines().count(), 62, "three of each, and what was killed since, the highest");
    let second = Ledger::with_seed(&folder.ledger(), "");
    for package in ["p0", "p3", "p19", "new"] {
        let prediction = first.predict(&identity(package), small);
        assert_eq!(second.predict(&identity(package), small), prediction, "{package}");
    }
    assert_eq!(mib(second.predict(&identity("p3"), unasked).peak), 440);
    assert!(rows.iter().rev().take(20).all(|row| kept.contains(&line::write(row)) || row.outcome == Ran::Killed));
    assert!(std::fs::read_dir(&folder.0).expect("there").count() <= 2, "nothing but the ledger and its lock");
}

#[test]
fn tails_follow_the_recorded_graph() {
    let folder = Folder::new("tails");
    let needs = |row: Measurement, names: &[&str]| Measurement {
        needs: names.iter().map(|name| key(&identity(name))).collect(),
        ..row
    };
    let of_kind = |kind, mut row: Measurement| {
        row.identity.kind = kind;
        row
    };
    let script = of_kind(Kind::BuildScript, measured("a", 50, 3.0));
    let library = Measurement { to_metadata_s: Some(2.0), ..measured("a", 50, 10.0) };
    let extension = needs(of_kind(Kind::Cdylib, measured("ext", 50, 5.0)), &["b", "gone"]);
    written(&folder.ledger(), &[script.clone(), library, needs(measured("b", 50, 20.0), &["a"]), extension.clone()]);
    let mut ledger = Ledger::with_seed(&folder.ledger(), "");
    let tail = |ledger: &Ledger, identity: &Identity| ledger.predict(identity, small).tail_s;
    assert_eq!(tail(&ledger, &extension.identity), 5.0);
    assert_eq!(tail(&ledger, &identity("b")), 25.0);
    assert_eq!(tail(&ledger, &identity("a")), 27.0, "its metadata, then the others");
    assert_eq!(tail(&ledger, &script.identity), 30.0, "the library waits for its build script");
    let newer = Identity { version: "0.2.0".into(), ..identity("a") };
    assert_eq!(tail(&ledger, &newer), 27.0, "a relative stands where the other one stood");

    ledger.record(&needs(measured("c", 50, 100.0), &["b"]));
    assert_eq!(tail(&ledger, &identity("c")), 100.0);
    assert_eq!(tail(&ledger, &identity("b")), 25.0);
    ledger.refresh();
    assert_eq!(tail(&ledger, &identity("b")), 110.0, "half of its time where nobody saw its metadata");
}

#[test]
fn who_waited_in_another_build_is_not_forgotten() {
    let folder = Folder::new("other-build");
    let key_of = |features: &str| key(&with_features("core", features));
    let core = |features: &str| Measurement { identity: with_features("core", features), ..measured("core", 50, 10.0) };
    let top = |features: &str| Measurement { needs: vec![key_of(features)], ..measured("top", 50, 20.0) };
    // The same crate on top, first of a plain build, then of one with another feature below it.
    written(&folder.ledger(), &[core("plain"), top("plain"), core("lazy"), top("lazy")]);
    let ledger = Ledger::with_seed(&folder.ledger(), "");
    let exported = Ledger::with_seed(&folder.0.join("nowhere.jsonl"), &ledger.export());
    for features in ["plain", "lazy"] {
        for ledger in [&ledger, &exported] {
            let tail = ledger.predict(&with_features("core", features), small).tail_s;
            assert_eq!(tail, 25.0, "half of its own time, then the other's ({features})");
        }
    }
}

#[test]
fn an_export_is_a_seed() {
    let folder = Folder::new("export");
    let course = Course(vec![100 << 20; STEPS]);
    let rows = [
        measured("b", 100, 2.0),
        Measurement { threads: 2, course, ..measured("b", 88, 4.0) },
        measured("a", 70, 1.0),
        killed("c", 10),
    ];
    written(&folder.ledger(), &rows);
    let text = Ledger::with_seed(&folder.ledger(), &seed(&[measured("z", 1, 1.0)])).export();
    let merged: Vec<Measurement> = text.lines().filter_map(|text| line::read(text).map(|(_, row)| row)).collect();
    assert_eq!(merged.iter().map(|row| row.identity.package.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((merged[1].threads, merged[1].cpu_s), (0, 3.0));
    assert_eq!(merged[1].course.0[0], merged[1].peak);
    let nowhere = folder.0.join("nowhere.jsonl");
    let seeded = Ledger::with_seed(&nowhere, &text);
    assert_eq!((seeded.predict(&identity("a"), unasked).basis, nowhere.exists()), (Basis::Seed, false));
    assert_eq!(text, Ledger::with_seed(&folder.ledger(), "").export(), "the same text each time");
}

#[test]
fn the_seed_is_whole() {
    assert_eq!(Lines::of(SEED).broken, 0);
}

fn with_features(package: &str, features: &str) -> Identity {
    Identity { features: features.into(), ..identity(package) }
}
