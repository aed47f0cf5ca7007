//! One argument of a stored function: its name for messages, and the checks every text or number
//! passes before a rule looks at it. It must not know which function it belongs to.

use crate::error::DomainError;

/// The name of an argument, as the SQL signature spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Argument(pub(crate) &'static str);

impl Argument {
    /// The value, or 22004 when SQL passed NULL.
    pub(crate) fn required<T>(self, value: Option<T>) -> Result<T, DomainError> {
        value.ok_or(DomainError::Null { argument: self.0 })
    }

    /// The text when it fits into `length_max` characters (the unit of `varchar(n)`), else 22001.
    pub(crate) fn bounded(self, value: &str, length_max: usize) -> Result<&str, DomainError> {
        // A string has at least as many bytes as characters, so short ones need no counting.
        if value.len() <= length_max {
            return Ok(value);
        }
        let length = value.chars().count();
        if length <= length_max {
            return Ok(value);
        }
        Err(DomainError::TooLong { argument: self.0, length, length_max })
    }

    /// [`Self::bounded`] for a text that may be NULL.
    pub(crate) fn optional(
        self,
        value: Option<&str>,
        length_max: usize,
    ) -> Result<Option<&str>, DomainError> {
        value.map(|value| self.bounded(value, length_max)).transpose()
    }

    /// A name: not NULL (22004), not too long (22001), not blank (22023).
    pub(crate) fn name(self, value: Option<&str>, length_max: usize) -> Result<&str, DomainError> {
        let name = self.bounded(self.required(value)?, length_max)?;
        if is_blank(name) {
            return Err(DomainError::Blank { argument: self.0 });
        }
        Ok(name)
    }

    /// Whether a list is not longer than `len_max`, else 54000.
    pub(crate) fn rows(self, len: usize, len_max: usize) -> Result<(), DomainError> {
        if len <= len_max {
            return Ok(());
        }
        Err(DomainError::TooManyRows { argument: self.0, len, len_max })
    }

    /// The number when it lies in `min..=max`, else 22023.
    pub(crate) fn within(self, value: i32, min: i32, max: i32) -> Result<i32, DomainError> {
        if (min..=max).contains(&value) {
            return Ok(value);
        }
        Err(DomainError::OutOfRange { argument: self.0, value, min, max })
    }
}

/// Whether a text has no character but ASCII white space.
pub(crate) fn is_blank(value: &str) -> bool {
    value.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Argument = Argument("p_name");

    #[test]
    fn length_is_counted_in_characters() {
        assert!(NAME.bounded("ééééé", 5).is_ok());
        assert_eq!(
            NAME.bounded("éééééé", 5),
            Err(DomainError::TooLong { argument: "p_name", length: 6, length_max: 5 })
        );
    }

    #[test]
    fn null_blank_and_out_of_range_are_told_apart() {
        assert_eq!(NAME.name(None, 5).unwrap_err().sqlstate(), "22004");
        assert_eq!(NAME.name(Some(" \t\n"), 5).unwrap_err().sqlstate(), "22023");
        assert_eq!(NAME.within(-1, 0, 9).unwrap_err().sqlstate(), "22023");
        assert_eq!(NAME.within(9, 0, 9), Ok(9));
    }
}
