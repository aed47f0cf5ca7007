//! The number of a step, and how far up or down a run goes.

use std::fmt;
use std::str::FromStr;

use crate::MigrateError;

/// The number of a step: 1 is the first. Written with four digits, as in the names of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u16);

impl Version {
    /// The first step.
    pub const FIRST: Version = Version(1);

    /// The step that comes after this one.
    pub fn next(self) -> Version {
        Version(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

impl FromStr for Version {
    type Err = MigrateError;

    /// Reads `3` or `0003`.
    ///
    /// # Errors
    /// [`MigrateError::BadVersion`] for anything else, and for 0.
    fn from_str(text: &str) -> Result<Self, MigrateError> {
        text.parse::<u16>()
            .ok()
            .filter(|number| (1..=9999).contains(number))
            .map(Version)
            .ok_or_else(|| MigrateError::BadVersion { text: text.to_owned() })
    }
}

/// How far `up` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpTo {
    /// To the last step that this binary knows.
    Latest,
    /// Up to this step, included.
    Version(Version),
}

impl FromStr for UpTo {
    type Err = MigrateError;

    /// Reads `latest`, `3` or `0003`.
    fn from_str(text: &str) -> Result<Self, MigrateError> {
        match text {
            "latest" => Ok(Self::Latest),
            number => number.parse().map(Self::Version),
        }
    }
}

/// How far `down` goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DownTo {
    /// Reverts the last applied step only.
    Previous,
    /// Reverts every step after this one, which stays.
    Version(Version),
    /// Reverts everything.
    Nothing,
}

impl FromStr for DownTo {
    type Err = MigrateError;

    /// Reads `previous`, `0` (nothing stays), `3` or `0003`.
    fn from_str(text: &str) -> Result<Self, MigrateError> {
        match text {
            "previous" => Ok(Self::Previous),
            zeros if !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0') => {
                Ok(Self::Nothing)
            }
            number => number.parse().map(Self::Version),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_and_without_zeros_and_written_with_four_digits() {
        assert_eq!("3".parse::<Version>().unwrap().to_string(), "0003");
        assert_eq!("0003".parse::<Version>().unwrap(), "3".parse().unwrap());
        for bad in ["", "0", "-1", "10000", "1a", "latest"] {
            assert!(bad.parse::<Version>().is_err(), "{bad:?} was read as a version");
        }
    }

    #[test]
    fn targets_are_read() {
        assert_eq!("latest".parse::<UpTo>().unwrap(), UpTo::Latest);
        assert_eq!("1".parse::<UpTo>().unwrap(), UpTo::Version(Version::FIRST));
        assert_eq!("previous".parse::<DownTo>().unwrap(), DownTo::Previous);
        assert_eq!("0000".parse::<DownTo>().unwrap(), DownTo::Nothing);
        assert_eq!("2".parse::<DownTo>().unwrap(), DownTo::Version(Version::FIRST.next()));
        assert!("all".parse::<DownTo>().is_err());
    }
}
