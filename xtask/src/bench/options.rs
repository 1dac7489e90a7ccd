//! Values on the command lines of benchmarks: numbers within their bounds, sizes, words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use pico_args::Arguments;

use super::flags::usage;
#[cfg(unix)]
use crate::memory;
use crate::outcome::UsageError;

pub(super) fn number<T>(
    arguments: &mut Arguments,
    name: &'static str,
    default: T,
    range: RangeInclusive<T>,
) -> Result<T, UsageError>
where
    T: FromStr + PartialOrd + Display,
{
    let Some(text) = text(arguments, name)? else { return Ok(default) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => {
            let (least, most) = range.into_inner();
            Err(UsageError::new(format!("{name} {text}: give a whole number from {least} to {most}")))
        }
    }
}

/// Bytes.
#[cfg(unix)]
pub(super) fn size(arguments: &mut Arguments, name: &'static str, default: u64) -> Result<u64, UsageError> {
    let Some(text) = text(arguments, name)? else { return Ok(default) };
    memory::parse_size(&text).map_err(|error| UsageError::new(format!("{name} {text}: {error:#}")))
}

/// Anything that can be read from a word.
#[cfg(unix)]
pub(super) fn value<T>(arguments: &mut Arguments, name: &'static str, default: &str) -> Result<T, UsageError>
where
    T: FromStr,
    T::Err: Display,
{
    let text = text(arguments, name)?;
    let text = text.as_deref().unwrap_or(default);
    text.parse().map_err(|reason| UsageError::new(format!("{name} {text}: {reason}")))
}

/// The one argument of `bench hog`.
#[cfg(unix)]
pub(super) fn mebibytes(arguments: &mut Arguments) -> Result<usize, UsageError> {
    arguments.free_from_str().map_err(usage)
}

pub(super) fn text(arguments: &mut Arguments, name: &'static str) -> Result<Option<String>, UsageError> {
    arguments.opt_value_from_str(name).map_err(usage)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn of(words: &str) -> Arguments {
        Arguments::from_vec(words.split_whitespace().map(Into::into).collect())
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number(&mut of("--n 300"), "--n", 1, 1..=999).expect("valid"), 300);
        assert_eq!(number(&mut of(""), "--n", 7_u64, 1..=999).expect("the default"), 7);
        for words in ["--n 0", "--n 1000", "--n x", "--n -1"] {
            let error = number(&mut of(words), "--n", 1_u32, 1..=999).expect_err("must be refused").to_string();
            assert!(error.contains("from 1 to 999"), "{error}");
        }
    }

    #[test]
    fn sizes_are_sizes() {
        assert_eq!(size(&mut of("--cage 2M"), "--cage", 1).expect("valid"), 2 << 20);
        assert!(size(&mut of("--cage much"), "--cage", 1).expect_err("no size").to_string().contains("--cage much"));
    }
}
