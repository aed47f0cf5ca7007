//! The scripts that `ALTER EXTENSION taskmaster UPDATE` runs: from each earlier version straight to this one.
//!
//! What an earlier version had and this one has not is written by hand, in `pg_extension/versions/`; all else is the
//! installation script with CREATE OR REPLACE, which keeps privileges and what depends on a function. A new version adds an
//! entry to [`EARLIER`]: its installation script, frozen, and what of it is gone.

use eyre::{bail, eyre};

/// A version that was released.
pub(crate) struct Earlier {
    /// Its number.
    pub(crate) version: &'static str,
    /// Its installation script.
    pub(crate) installation: &'static str,
    /// Drops what this version has no more.
    gone: &'static str,
}

/// All of them, the first one first.
pub(crate) const EARLIER: [Earlier; 1] = [Earlier {
    version: "0.1.0",
    installation: include_str!("../../versions/taskmaster--0.1.0.sql"),
    gone: include_str!("../../versions/0.1.0.gone.sql"),
}];

/// What may be created again in place of what is there (documentation, "CREATE FUNCTION", "CREATE AGGREGATE").
const REPLACEABLE: [&str; 2] = ["FUNCTION", "AGGREGATE"];

impl Earlier {
    /// The script from this version to the one that `installation` installs.
    ///
    /// # Errors
    /// When the installation holds what cannot be created again.
    pub(crate) fn update_script(&self, installation: &str) -> eyre::Result<String> {
        Ok(format!("{}{}", self.gone, replacing(installation)?))
    }
}

/// The same script for a database in which its objects may be there already.
fn replacing(installation: &str) -> eyre::Result<String> {
    let mut script = String::with_capacity(installation.len() * 2);
    for line in installation.lines() {
        script.push_str(&replacing_line(line)?);
        script.push('\n');
    }
    Ok(script)
}

/// Each statement of the generated script begins a line.
fn replacing_line(line: &str) -> eyre::Result<String> {
    let mut words = line.split_whitespace();
    match words.next() {
        Some("CREATE") => {
            let kind = words.next().ok_or_else(|| eyre!("a CREATE stands alone on its line"))?;
            if !REPLACEABLE.contains(&kind) {
                bail!("an update cannot create what may be there already: {line}");
            }
            let (_, rest) = line.split_once(kind).unwrap_or_default();
            Ok(format!("CREATE OR REPLACE {kind}{rest}"))
        }
        Some("ALTER" | "GRANT" | "REVOKE" | "DO" | "INSERT" | "SELECT") => {
            bail!("an update cannot run this a second time: {line}")
        }
        _ => Ok(line.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_aggregates_are_replaced() {
        let script =
            "CREATE  FUNCTION \"f\"(\n\t\"a\" INT\n)\nLANGUAGE c;\nCREATE AGGREGATE g(int) (\n);\n";
        let replaced = replacing(script).unwrap();
        let expected = script.replace("CREATE  FUNCTION", "CREATE OR REPLACE FUNCTION");
        assert_eq!(replaced, expected.replace("CREATE AGGREGATE", "CREATE OR REPLACE AGGREGATE"));
    }

    #[test]
    fn what_cannot_be_replaced_is_refused() {
        for script in ["CREATE TYPE t;", "INSERT INTO t VALUES (1);", "CREATE"] {
            assert!(replacing(script).is_err(), "{script}");
        }
    }

    #[test]
    fn what_is_gone_was_there() {
        for earlier in EARLIER {
            let drops = earlier.gone.lines().filter_map(|line| line.strip_prefix("DROP FUNCTION "));
            for dropped in drops {
                let (name, _) = dropped.split_once('(').unwrap();
                let made = format!("CREATE FUNCTION {name}(");
                assert!(earlier.installation.contains(&made), "{} {name}", earlier.version);
            }
        }
    }
}
