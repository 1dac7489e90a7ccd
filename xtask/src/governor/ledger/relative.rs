//! A crate that was measured, though not quite as it is built now, says more than its size does.

use crate::governor::estimate::is_optimised;
use crate::governor::unit::Identity;

/// How far one identity is from another, the closest first: whatever decides the memory most comes first.
pub(super) type Distance = (usize, [u64; 3], usize);

/// One codegen unit is the whole crate in one LLVM module: polars-core took 5,490 MiB so, and 1,825 in sixteen.
const ONE_UNIT: f64 = 3.0;
/// Sixteen units and 256 took 1,825 and 1,712.
const OTHER_UNITS: f64 = 1.1;
/// Polars-core took 1,208 MiB with what the `polars` facade turns on and 856 with what we need. Nobody knows which of two
/// sets of features is the larger: half of that way.
const OTHER_FEATURES: f64 = 1.2;
/// With line tables and checks, 890 instead of 856.
const OTHER_OPTIONS: f64 = 1.1;
const OTHER_PATCH: f64 = 1.02;
const OTHER_RELEASE: f64 = 1.1;
const OTHER_COMPILER: f64 = 1.05;
const OTHER_TARGET: f64 = 1.05;

/// How far `other` is, where it is the same package, made the same way, optimised or not; `None` for a stranger.
pub(super) fn distance(wanted: &Identity, other: &Identity) -> Option<Distance> {
    let related = wanted.package == other.package
        && wanted.kind == other.kind
        && is_optimised(&wanted.opt_level) == is_optimised(&other.opt_level);
    related.then(|| {
        let contents = [
            wanted.features != other.features,
            wanted.options != other.options,
            wanted.codegen_units != other.codegen_units,
        ];
        let surroundings =
            [wanted.opt_level != other.opt_level, wanted.target != other.target, wanted.rustc != other.rustc];
        (count(contents), version_distance(&wanted.version, &other.version), count(surroundings))
    })
}

/// What to multiply the peak of `other` with. Never less than one: too much is put right as soon as the unit runs, too
/// little when it is killed.
pub(super) fn scale(wanted: &Identity, other: &Identity) -> f64 {
    let factor = |differs: bool, factor: f64| if differs { factor } else { 1.0 };
    factor(wanted.features != other.features, OTHER_FEATURES)
        * factor(wanted.options != other.options, OTHER_OPTIONS)
        * factor(wanted.rustc != other.rustc, OTHER_COMPILER)
        * factor(wanted.target != other.target || wanted.opt_level != other.opt_level, OTHER_TARGET)
        * version_scale(&wanted.version, &other.version)
        * match (wanted.codegen_units, other.codegen_units) {
            (wanted, other) if wanted == other => 1.0,
            (_, 1) => 1.0,
            (1, _) => ONE_UNIT,
            _ => OTHER_UNITS,
        }
}

fn version_scale(wanted: &str, other: &str) -> f64 {
    match version_distance(wanted, other) {
        [0, 0, 0] => 1.0,
        [0, 0, _] => OTHER_PATCH,
        _ => OTHER_RELEASE,
    }
}

/// How far apart in the first place where they differ.
fn version_distance(wanted: &str, other: &str) -> [u64; 3] {
    let (wanted_parts, other_parts) = (parts(wanted), parts(other));
    let mut distance = [0; 3];
    for place in 0..distance.len() {
        distance[place] = wanted_parts[place].abs_diff(other_parts[place]);
        if distance[place] > 0 {
            return distance;
        }
    }
    // `1.0.0-rc.1` is not `1.0.0`.
    distance[2] = u64::from(wanted != other);
    distance
}

/// `1.2.3` of `1.2.3-rc.1+4`; what is no number is 0.
fn parts(version: &str) -> [u64; 3] {
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}

fn count(differences: [bool; 3]) -> usize {
    differences.into_iter().filter(|differs| *differs).count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::identity;
    use super::*;
    use crate::governor::unit::Kind;

    fn with(change: impl FnOnce(&mut Identity)) -> Identity {
        let mut identity = identity("a");
        change(&mut identity);
        identity
    }

    #[test]
    fn the_closest_is_the_most_alike() {
        let wanted = with(|unit| unit.version = "1.4.2".into());
        let far_to_near = [
            with(|unit| (unit.features, unit.options, unit.version) = ("x".into(), "x".into(), "1.4.2".into())),
            with(|unit| (unit.features, unit.version) = ("x".into(), "1.4.1".into())),
            with(|unit| (unit.features, unit.version) = ("x".into(), "1.4.2".into())),
            with(|unit| unit.version = "0.4.2".into()),
            with(|unit| unit.version = "1.1.2".into()),
            with(|unit| unit.version = "1.3.9".into()),
            with(|unit| unit.version = "1.4.0".into()),
            with(|unit| (unit.version, unit.rustc) = ("1.4.1".into(), "1.96.0".into())),
            with(|unit| unit.version = "1.4.1".into()),
            with(|unit| (unit.version, unit.rustc) = ("1.4.2".into(), "1.96.0".into())),
        ];
        let distances: Vec<Distance> = far_to_near.iter().filter_map(|other| distance(&wanted, other)).collect();
        assert_eq!(distances.len(), far_to_near.len());
        assert!(distances.is_sorted_by(|far, near| far > near), "{distances:?}");
    }

    #[test]
    fn strangers_are_none() {
        let wanted = identity("a");
        for other in [identity("b"), with(|unit| unit.kind = Kind::Check), with(|unit| unit.opt_level = "3".into())] {
            assert_eq!(distance(&wanted, &other), None);
        }
    }

    #[test]
    fn differences_only_raise() {
        let wanted = identity("a");
        assert_eq!(scale(&wanted, &wanted), 1.0);
        let patch = with(|unit| unit.version = "0.1.9".into());
        let release = with(|unit| unit.version = "0.2.0".into());
        assert!(1.0 < scale(&wanted, &patch) && scale(&wanted, &patch) < scale(&wanted, &release));
        let one = with(|unit| unit.codegen_units = 1);
        assert_eq!((scale(&wanted, &one), scale(&one, &wanted)), (1.0, 3.0));
    }

    #[test]
    fn versions_are_numbers() {
        assert_eq!(version_distance("1.10.0", "1.9.0"), [0, 1, 0]);
        assert_eq!(version_distance("1.0.0-rc.1", "1.0.0"), [0, 0, 1]);
        assert_eq!(version_distance("", "nightly"), [0, 0, 1]);
        assert_eq!(version_distance("18446744073709551615.0.0", "0.0.0")[0], u64::MAX);
    }
}
