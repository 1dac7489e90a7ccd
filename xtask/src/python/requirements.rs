//! The pins of a requirements file, as far as they are meant for one Python.

/// `name==version` of each requirement that is meant for Python `version`.
pub(super) fn pins(requirements: &str, version: (u32, u32)) -> Vec<String> {
    requirements
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("==") && !line.starts_with(['#', '-']))
        .filter_map(|line| {
            let line = line.trim_end_matches('\\').trim();
            let (pin, marker) = line.split_once(';').unwrap_or((line, ""));
            applies(marker, version).then(|| pin.trim().to_owned())
        })
        .collect()
}

/// Whether an environment marker holds, as far as it speaks of Python's version and the platform. What it says of
/// anything else counts as not for us: such a package is then simply not checked, and the installer decides.
fn applies(marker: &str, version: (u32, u32)) -> bool {
    if marker.trim().is_empty() {
        return true;
    }
    if marker.contains(" or ") {
        return false;
    }
    marker.split(" and ").all(|clause| {
        let mut words = clause.split_whitespace();
        let (Some(name), Some(operator), Some(value)) = (words.next(), words.next(), words.next()) else {
            return false;
        };
        let value = value.trim_matches(['\'', '"']);
        match name {
            "python_full_version" | "python_version" => compare(version, operator, value),
            _ => false,
        }
    })
}

fn compare(version: (u32, u32), operator: &str, value: &str) -> bool {
    let mut numbers = value.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let other = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match operator {
        ">=" => version >= other,
        ">" => version > other,
        "<" => version < other,
        "<=" => version <= other,
        "==" => version == other,
        "!=" => version != other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIREMENTS: &str = "\
# a comment with ==
maturin==1.16.0 \\
    --hash=sha256:00
numpy==2.2.6 ; python_full_version < '3.11' \\
    --hash=sha256:01
numpy==2.4.0 ; python_full_version >= '3.11' \\
    --hash=sha256:02
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:03
";

    #[test]
    fn pins_are_those_of_this_python() {
        assert_eq!(pins(REQUIREMENTS, (3, 10)), ["maturin==1.16.0", "numpy==2.2.6"]);
        assert_eq!(pins(REQUIREMENTS, (3, 13)), ["maturin==1.16.0", "numpy==2.4.0"]);
    }
}
