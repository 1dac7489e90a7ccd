//! What a unit may take that nobody ever measured, by the size of its source.
//!
//! A rule of proportion, so a sum of logarithms: ten times the source is so many times the memory, optimisation so many
//! times the processor time. How many times is fitted to the units that the ledger has, by least squares.

use std::path::Path;

use super::unit::{Identity, Kind};

/// What is known of a unit before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) optimised: bool,
    /// Of its `.rs` files; 0 where they cannot be read.
    pub(crate) source_kib: u64,
    /// Of the libraries that it names.
    pub(crate) input_kib: u64,
    /// How many libraries it names.
    pub(crate) needs: usize,
}

/// A unit that was measured. Its peak is anonymous memory with one thread, bytes; times are seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) package: String,
    pub(crate) shape: Shape,
    pub(crate) peak: u64,
    pub(crate) cpu_s: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Model {
    /// ln MiB.
    peak: Fit,
    /// ln seconds.
    cpu: Fit,
}

/// How far the model is off for units above 100 MiB that it has not seen, nor another one of their package: measured
/// divided by predicted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ErrorReport {
    pub(crate) units: usize,
    /// Share of the units whose peak was predicted no more than 15 percent too high or too low.
    pub(crate) within_15: f64,
    pub(crate) within_50: f64,
    pub(crate) median: f64,
    /// One in twenty is further above its prediction than this.
    pub(crate) p95: f64,
}

#[derive(Debug, Clone, PartialEq)]
struct Fit {
    /// One for each of [`Shape::features`].
    factors: [f64; FEATURES],
    /// How far the rows are off, as a standard deviation.
    sigma: f64,
}

const FEATURES: usize = 7;

/// Fitted to a cold dev build of this workspace: 204 units, rustc 1.95, one job. What that build had none of is from
/// polars-core: optimised it took an eighth more memory and seven times the processor time, checked only four tenths.
/// So it is close for what is like this workspace, and with its sigma on top high for most else.
const USUAL_PEAK: Fit = Fit { factors: [2.16, 0.35, 0.12, 0.09, -0.71, -0.5, 0.44], sigma: 0.6 };
const USUAL_CPU: Fit = Fit { factors: [-2.52, 0.40, 1.95, 0.07, -0.71, -0.9, 0.66], sigma: 0.7 };

/// Fewer rows than this leave a fit of seven factors to chance.
const ROWS_NEEDED: usize = 12;
/// The pull towards the usual factors, of the weight of all rows: it decides what the rows leave open, and only that.
const RIDGE: f64 = 1e-3;
/// Standard deviations that a peak is predicted above the fit: nine in ten units stay below. The scheduler sees what is
/// too high once the unit runs and lets others in; what is too low it sees when memory is short.
const ABOVE: f64 = 1.28;
/// What a crate is taken for whose source cannot be read: a larger one than most.
const UNKNOWN_SOURCE_KIB: u64 = 500;
/// No rustc takes less, and beyond ten tebibytes it no longer matters how much.
const PEAKS_MIB: std::ops::RangeInclusive<f64> = 8.0..=1e7;
const LONGEST_S: f64 = 1e6;
const MIB: f64 = 1_048_576.0;
/// Whose error is reported: lighter units fit anyway.
const REPORTED: u64 = 100 << 20;
const ENTRIES_AT_MOST: usize = 20_000;

impl Shape {
    pub(crate) fn of(identity: &Identity, source_kib: u64, input_kib: u64, needs: usize) -> Self {
        Shape { kind: identity.kind, optimised: is_optimised(&identity.opt_level), source_kib, input_kib, needs }
    }

    fn features(&self) -> [f64; FEATURES] {
        let source_kib = if self.source_kib == 0 { UNKNOWN_SOURCE_KIB } else { self.source_kib };
        let yes = |condition: bool| f64::from(u8::from(condition));
        let ln = |count: u64| (count as f64).ln_1p();
        [
            1.0,
            ln(source_kib),
            yes(self.optimised),
            if self.kind.links() { ln(self.input_kib) } else { 0.0 },
            yes(matches!(self.kind, Kind::ProcMacro | Kind::BuildScript)),
            yes(self.kind == Kind::Check),
            // Whoever stands on much of others' generic code generates it.
            ln(self.needs as u64),
        ]
    }
}

impl Model {
    /// Rows without source, memory or time say nothing and do not count. With too few the usual factors stand.
    pub(crate) fn fit(rows: &[Row]) -> Self {
        Self::of(&rows.iter().collect::<Vec<_>>())
    }

    /// Anonymous memory, bytes; high on purpose.
    pub(crate) fn peak(&self, shape: &Shape) -> u64 {
        let mib = (self.peak.at(shape) + ABOVE * self.peak.sigma).exp();
        // Clamped before the cast.
        (mib.clamp(*PEAKS_MIB.start(), *PEAKS_MIB.end()) * MIB) as u64
    }

    pub(crate) fn cpu_s(&self, shape: &Shape) -> f64 {
        self.cpu.at(shape).exp().min(LONGEST_S)
    }

    /// Each package is predicted from the others, so that no crate vouches for itself.
    pub(crate) fn error(rows: &[Row]) -> ErrorReport {
        let mut packages: Vec<&str> = rows.iter().map(|row| row.package.as_str()).collect();
        packages.sort_unstable();
        packages.dedup();
        let mut ratios: Vec<f64> = Vec::new();
        for package in packages {
            let (own, others): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.package == package);
            let model = Self::of(&others);
            let heavy = own.into_iter().filter(|row| row.peak >= REPORTED);
            ratios.extend(heavy.map(|row| row.peak as f64 / model.peak(&row.shape) as f64));
        }
        ratios.sort_by(f64::total_cmp);
        let at = |share: usize| ratios.get(ratios.len() * share / 100).copied().unwrap_or(1.0);
        let within = |part: f64| {
            let near = ratios.iter().filter(|ratio| (ratio.recip() - 1.0).abs() <= part).count();
            near as f64 / ratios.len().max(1) as f64
        };
        ErrorReport {
            units: ratios.len(),
            within_15: within(0.15),
            within_50: within(0.5),
            median: at(50),
            p95: at(95),
        }
    }

    fn of(rows: &[&Row]) -> Self {
        let says_something =
            |row: &&Row| row.shape.source_kib > 0 && row.peak > 0 && row.cpu_s > 0.0 && row.cpu_s.is_finite();
        let usable: Vec<&Row> = rows.iter().copied().filter(says_something).collect();
        if usable.len() < ROWS_NEEDED {
            return Model { peak: USUAL_PEAK, cpu: USUAL_CPU };
        }
        Model {
            peak: Fit::to(&usable, |row| row.peak as f64 / MIB, &USUAL_PEAK),
            cpu: Fit::to(&usable, |row| row.cpu_s, &USUAL_CPU),
        }
    }
}

impl Fit {
    fn at(&self, shape: &Shape) -> f64 {
        dot(&self.factors, &shape.features())
    }

    /// The factors that leave the least squares, each row weighted by its memory. To be off by a fifth is nothing for a
    /// build script of 20 MiB; for the crate that decides the peak it is the difference between done and killed.
    fn to(rows: &[&Row], value: impl Fn(&Row) -> f64, usual: &Fit) -> Fit {
        let weight: f64 = rows.iter().map(|row| row.peak as f64).sum();
        let mut matrix = [[0.0; FEATURES]; FEATURES];
        let mut right = [0.0; FEATURES];
        // What is solved for is the difference from the usual factors: what the rows leave open stays as usual.
        for row in rows {
            let features = row.shape.features();
            let share = row.peak as f64 / weight;
            let rest = value(row).ln() - dot(&usual.factors, &features);
            for (i, feature) in features.iter().enumerate().filter(|(_, feature)| **feature != 0.0) {
                right[i] += share * feature * rest;
                for (cell, other) in matrix[i].iter_mut().zip(&features) {
                    *cell += share * feature * other;
                }
            }
        }
        for (i, row) in matrix.iter_mut().enumerate() {
            row[i] += RIDGE;
        }
        let Some(difference) = solve(matrix, right) else { return usual.clone() };
        let factors = std::array::from_fn(|i| usual.factors[i] + difference[i]);
        let squares = rows.iter().map(|row| {
            let off = value(row).ln() - dot(&factors, &row.shape.features());
            row.peak as f64 / weight * off * off
        });
        // Seven factors explain that many rows by themselves.
        let freedom = rows.len() as f64 / (rows.len() - FEATURES) as f64;
        Fit { factors, sigma: (squares.sum::<f64>() * freedom).sqrt() }
    }
}

/// `0` on the one hand, `1` to `3`, `s` and `z` on the other.
pub(crate) fn is_optimised(opt_level: &str) -> bool {
    opt_level != "0"
}

/// Of all `.rs` files in and below the folder of a crate's root file, KiB, rounded up; 0 where none can be read. Symbolic
/// links are not followed, and a folder of no end is read up to a point.
pub(crate) fn source_kib(root_file: &Path) -> u64 {
    let Some(folder) = root_file.parent() else { return 0 };
    // A build script has the whole package's folder around it, and nothing of that is its own.
    if root_file.ends_with("build.rs") && folder.join("Cargo.toml").exists() {
        return root_file.metadata().map_or(0, |metadata| metadata.len().div_ceil(1024));
    }
    let mut bytes = 0;
    let mut entries_left = ENTRIES_AT_MOST;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Some(left) = entries_left.checked_sub(1) else { return to_kib(bytes) };
            entries_left = left;
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") => {
                    bytes += entry.metadata().map_or(0, |metadata| metadata.len());
                }
                _ => {}
            }
        }
    }
    to_kib(bytes)
}

fn to_kib(bytes: u64) -> u64 {
    bytes.div_ceil(1024)
}

fn dot(factors: &[f64; FEATURES], features: &[f64; FEATURES]) -> f64 {
    factors.iter().zip(features).map(|(factor, feature)| factor * feature).sum()
}

/// `matrix * x = right`, by elimination. `None` where there is no one solution.
fn solve(mut matrix: [[f64; FEATURES]; FEATURES], mut right: [f64; FEATURES]) -> Option<[f64; FEATURES]> {
    for column in 0..FEATURES {
        let largest =
            (column..FEATURES).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, largest);
        right.swap(column, largest);
        let pivot = matrix[column];
        for row in column + 1..FEATURES {
            let factor = matrix[row][column] / pivot[column];
            for (cell, above) in matrix[row].iter_mut().zip(pivot) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    for row in (0..FEATURES).rev() {
        let known: f64 = (row + 1..FEATURES).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(source_kib: u64, needs: usize, optimised: bool) -> Shape {
        Shape { kind: Kind::Library, optimised, source_kib, input_kib: 0, needs }
    }

    /// Rows of a law of proportion that has nothing of the usual factors.
    fn lawful(law: impl Fn(&Shape) -> (f64, f64)) -> Vec<Row> {
        let mut rows = Vec::new();
        for n in 0..60_u64 {
            let mut shape = library(10 + n * n * 3, (n % 9) as usize, n % 3 == 0);
            if n % 5 == 0 {
                shape.kind = Kind::Binary;
                shape.input_kib = n * 1000;
            }
            let (mib, cpu_s) = law(&shape);
            rows.push(Row { package: format!("p{n}"), shape, peak: (mib * MIB) as u64, cpu_s });
        }
        rows
    }

    fn law(shape: &Shape) -> (f64, f64) {
        let source = shape.source_kib as f64 + 1.0;
        let needs = shape.needs as f64 + 1.0;
        let optimised = if shape.optimised { 2.0 } else { 1.0 };
        let input = if shape.kind.links() { (shape.input_kib as f64 + 1.0).powf(0.2) } else { 1.0 };
        (4.0 * source.powf(0.6) * needs.powf(0.3) * optimised * input, 0.02 * source.powf(0.8) * optimised * optimised)
    }

    #[test]
    fn a_law_is_found_again() {
        let model = Model::fit(&lawful(law));
        for shape in [library(3000, 5, false), library(900, 1, true), library(5000, 8, true)] {
            let (mib, cpu_s) = law(&shape);
            let peak = model.peak(&shape) as f64 / MIB;
            assert!((peak / mib - 1.0).abs() < 0.1, "{peak} instead of {mib}");
            assert!((model.cpu_s(&shape) / cpu_s - 1.0).abs() < 0.1, "{} instead of {cpu_s}", model.cpu_s(&shape));
        }
    }

    #[test]
    fn noise_is_met_with_a_margin() {
        let noise = |shape: &Shape| if shape.source_kib.is_multiple_of(2) { 1.5 } else { 1.0 / 1.5 };
        let rows = lawful(|shape| (law(shape).0 * noise(shape), law(shape).1));
        let model = Model::fit(&rows);
        let below = rows.iter().filter(|row| row.peak <= model.peak(&row.shape)).count();
        assert!(below * 10 >= rows.len() * 9, "{below} of {}", rows.len());
        let report = Model::error(&rows);
        assert!(report.units > 20 && report.median < 1.0 && report.p95 < 1.2, "{report:?}");
        assert!(report.within_15 < report.within_50 && report.within_50 < 1.0, "{report:?}");
    }

    #[test]
    fn few_rows_leave_the_usual() {
        let rows = lawful(law);
        let usual = Model::fit(&rows[..ROWS_NEEDED - 1]);
        assert_eq!(usual, Model::fit(&[]));
        let unread: Vec<Row> = rows.iter().map(|row| Row { shape: library(0, 0, false), ..row.clone() }).collect();
        assert_eq!(usual, Model::fit(&unread));
        // polars-core as this workspace builds it: 779 MiB.
        assert!((779 << 20..2000 << 20).contains(&usual.peak(&library(2468, 24, false))));
        assert!(usual.peak(&library(5, 0, false)) < 60 << 20);
    }

    #[test]
    fn what_no_row_has_stays_as_usual() {
        let rows: Vec<Row> = lawful(law).into_iter().filter(|row| !row.shape.optimised).collect();
        let model = Model::fit(&rows);
        let times = model.cpu_s(&library(1000, 3, true)) / model.cpu_s(&library(1000, 3, false));
        assert!((times - 1.95_f64.exp()).abs() < 0.01, "{times}");
    }

    #[test]
    fn odd_rows_do_no_harm() {
        let mut rows = lawful(law);
        for (row, cpu_s) in rows.iter_mut().zip([f64::NAN, f64::INFINITY, -1.0, 0.0]) {
            row.cpu_s = cpu_s;
        }
        let model = Model::fit(&rows);
        let largest = Shape { source_kib: u64::MAX, input_kib: u64::MAX, needs: usize::MAX, ..library(1, 1, true) };
        for shape in [library(0, 0, false), library(1000, 3, true), largest] {
            assert!(model.peak(&shape) >= 8 << 20 && model.cpu_s(&shape).is_finite(), "{shape:?}");
        }
        let alike: Vec<Row> = (0..40).map(|_| rows[9].clone()).collect();
        assert!(Model::fit(&alike).peak(&alike[0].shape).abs_diff(alike[0].peak) < alike[0].peak / 10);
    }

    #[test]
    fn only_rust_files_below_the_root_file_count() {
        let folder = std::env::temp_dir().join(format!("xtask-source-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(folder.join("src/deep/er")).expect("writable");
        for (name, kib) in [("src/lib.rs", 3), ("src/deep/er/a.rs", 2), ("src/deep/notes.md", 50), ("build.rs", 1)] {
            std::fs::write(folder.join(name), vec![b' '; kib * 1024]).expect("writable");
        }
        std::fs::write(folder.join("Cargo.toml"), "").expect("writable");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&folder, folder.join("src/around")).expect("writable");
        assert_eq!(source_kib(&folder.join("src/lib.rs")), 5);
        assert_eq!(source_kib(&folder.join("build.rs")), 1);
        assert_eq!(source_kib(&folder.join("nowhere/lib.rs")), 0);
        std::fs::remove_dir_all(&folder).expect("ours");
    }
}
