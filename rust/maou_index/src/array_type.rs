//! The kinds of records that maou writes.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// What the records of an index are.
///
/// An id is a string in [`Hcpe`](Self::Hcpe) and a 64-bit hash in the others. The reader takes what the file holds;
/// the kind decides what [`SearchIndex::build_mock`](crate::SearchIndex::build_mock) makes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrayType {
    Hcpe,
    Preprocessing,
    Stage1,
    Stage2,
}

impl ArrayType {
    /// The names that [`FromStr`] takes, in any case.
    pub const NAMES: [&'static str; 4] = ["hcpe", "preprocessing", "stage1", "stage2"];

    const ALL: [Self; 4] = [Self::Hcpe, Self::Preprocessing, Self::Stage1, Self::Stage2];

    /// The lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hcpe => "hcpe",
            Self::Preprocessing => "preprocessing",
            Self::Stage1 => "stage1",
            Self::Stage2 => "stage2",
        }
    }
}

impl fmt::Display for ArrayType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ArrayType {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(given))
            .ok_or_else(|| Error::UnknownArrayType { given: given.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_any_case() {
        for (kind, name) in ArrayType::ALL.into_iter().zip(ArrayType::NAMES) {
            assert_eq!(kind.to_string(), name);
            assert_eq!(name.parse::<ArrayType>().unwrap(), kind);
            assert_eq!(name.to_uppercase().parse::<ArrayType>().unwrap(), kind);
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        for given in ["", "hcp", "stage3", " hcpe", "intermediate"] {
            let error = given.parse::<ArrayType>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("unknown array_type `{given}`: use one of hcpe, preprocessing, stage1, stage2")
            );
        }
    }
}
