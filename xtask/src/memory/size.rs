//! Sizes, as people write and read them.

use anyhow::{Context as _, Result, anyhow, bail};

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Bytes in `text`: a number, whole or with a fraction, and a unit. `K`, `KB` and `KiB` are all 1024 bytes, as they
/// are for Docker, systemd and the kernel; no unit is bytes.
///
/// # Errors
///
/// When `text` is no size, or is zero, negative or beyond 2^63 bytes. The message does not repeat `text`: whoever
/// calls knows which option it was given to.
pub(crate) fn parse_size(text: &str) -> Result<u64> {
    parse(text).map_err(|reason| anyhow!("not a size ({reason}); write e.g. 1536M, 2G or 1.5GiB"))
}

fn parse(text: &str) -> Result<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = factor(unit.trim_start())?;
    if number.is_empty() {
        bail!("it does not begin with a number");
    }
    // Whole numbers stay whole: a float would round a large count of bytes.
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(factor),
        Err(_) => scaled(number, factor)?,
    };
    match bytes {
        Some(0) => bail!("it is zero"),
        Some(bytes) if i64::try_from(bytes).is_ok() => Ok(bytes),
        _ => bail!("it is larger than any memory"),
    }
}

fn scaled(number: &str, factor: u64) -> Result<Option<u64>> {
    let scaled = number.parse::<f64>().with_context(|| format!("`{number}` is no number"))? * factor as f64;
    Ok((scaled < i64::MAX as f64).then_some(scaled as u64))
}

fn factor(unit: &str) -> Result<u64> {
    let lower = unit.to_ascii_lowercase();
    Ok(match lower.as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ if lower.starts_with('-') => bail!("it is negative"),
        _ => bail!("no such unit: `{unit}`"),
    })
}

/// `bytes` for a reader: three digits or so, in the unit that fits. `1.5 GiB`, `812 MiB`.
pub(crate) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1023.5 would be shown as 1024.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    // Gibibytes need their fraction; nobody needs that of a mebibyte.
    let decimals = usize::from(unit >= 3 && value < 99.95);
    format!("{value:.decimals$} {}", UNITS[unit])
}

/// `bytes` in mebibytes, rounded to one decimal place: the unit of every number in a report.
pub(crate) fn mib(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_as_people_write_them() {
        for (text, bytes) in [
            ("2G", 2 << 30),
            ("1536M", 1536 << 20),
            ("800MiB", 800 << 20),
            ("1.5GiB", 1536 << 20),
            ("1.5 GiB", 1536 << 20),
            (" 768mb ", 768 << 20),
            ("1073741824", 1 << 30),
            ("512k", 512 << 10),
            (".5g", 512 << 20),
            ("1T", 1 << 40),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_says_so() {
        for (text, reason) in [
            ("12 parsecs", "no such unit: `parsecs`"),
            ("0", "it is zero"),
            ("0.0000001K", "it is zero"),
            ("-1G", "it is negative"),
            ("nan", "no such unit: `nan`"),
            ("inf", "no such unit: `inf`"),
            ("", "it does not begin with a number"),
            ("G", "it does not begin with a number"),
            ("1e3", "no such unit: `e3`"),
            ("1.2.3G", "`1.2.3` is no number"),
            ("99999999999999T", "it is larger than any memory"),
            ("18446744073709551616", "it is larger than any memory"),
        ] {
            let error = parse_size(text).unwrap_err().to_string();
            let expected = format!("not a size ({reason}); write e.g. 1536M, 2G or 1.5GiB");
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn sizes_as_people_read_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (812 << 20, "812 MiB"),
            ((1 << 30) - 1, "1.0 GiB"),
            (1536 << 20, "1.5 GiB"),
            (24_682_416 << 10, "23.5 GiB"),
            (100 << 30, "100 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn mebibytes_have_one_decimal_place() {
        assert_eq!(mib(1536 << 10), 1.5);
        assert_eq!(mib(1_000_000_000), 953.7);
    }
}
