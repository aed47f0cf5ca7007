//! A PostgreSQL installed on this machine: where its programs, shared files and libraries are.
//!
//! Only reads the system. Must not know what is made from it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// The major versions the extension is built for, the newest first.
const MAJORS: [u32; 5] = [18, 17, 16, 15, 14];

/// The directories of one PostgreSQL installation, as `pg_config` reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// Programs: `initdb`, `postgres`.
    pub bindir: PathBuf,
    /// Read-only data: `postgres.bki`, `extension/`.
    pub sharedir: PathBuf,
    /// Loadable modules: `plpgsql.so`.
    pub pkglibdir: PathBuf,
    /// 15 for 15.20.
    pub major: u32,
}

impl Installation {
    /// The installation in `bindir`, or else one found on `PATH` or in the distributions' places.
    ///
    /// A `wanted` major version (that of an existing cluster) goes before a newer one.
    ///
    /// # Errors
    /// None is there, or its programs do not run.
    pub fn find(bindir: Option<&Path>, wanted: Option<u32>) -> Result<Self, EmbeddedError> {
        if let Some(bindir) = bindir {
            return Self::in_dir(bindir)?.ok_or_else(|| nowhere(&[bindir.to_owned()]));
        }
        let places = well_known();
        let mut found = None;
        for place in &places {
            let Some(installation) = Self::in_dir(place)? else { continue };
            if wanted.is_none_or(|major| major == installation.major) {
                return Ok(installation);
            }
            found = found.or(Some(installation));
        }
        found.ok_or_else(|| nowhere(&places))
    }

    fn in_dir(bindir: &Path) -> Result<Option<Self>, EmbeddedError> {
        // A link such as /usr/local/bin/initdb leads to the directory that has the rest.
        let Ok(initdb) = fs::canonicalize(bindir.join("initdb")) else { return Ok(None) };
        let bindir = initdb.parent().unwrap_or(bindir).to_owned();
        if !bindir.join("postgres").is_file() {
            return Ok(None);
        }
        let major = server_major(&bindir.join("postgres"))?;
        let (sharedir, pkglibdir) = data_dirs(&bindir, major)?;
        Ok(Some(Self { bindir, sharedir, pkglibdir, major }))
    }
}

fn nowhere(places: &[PathBuf]) -> EmbeddedError {
    let shown: Vec<_> = places.iter().map(|place| place.display().to_string()).collect();
    EmbeddedError::NoInstallation { searched: shown.join(", ") }
}

fn well_known() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter(|dir| dir.join("initdb").is_file());
    let debian = MAJORS.map(|major| PathBuf::from(format!("/usr/lib/postgresql/{major}/bin")));
    let redhat = MAJORS.map(|major| PathBuf::from(format!("/usr/pgsql-{major}/bin")));
    let source = PathBuf::from("/usr/local/pgsql/bin");
    on_path.chain(debian).chain(redhat).chain([source]).collect()
}

fn server_major(postgres: &Path) -> Result<u32, EmbeddedError> {
    let version = output_of(postgres, "--version")?;
    parse_major(&version).ok_or_else(|| EmbeddedError::BrokenInstallation {
        program: postgres.to_owned(),
        detail: format!("no version number in \"{version}\""),
    })
}

/// `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)` and `18beta1` alike.
fn parse_major(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL) ").nth(1)?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

fn data_dirs(bindir: &Path, major: u32) -> Result<(PathBuf, PathBuf), EmbeddedError> {
    let pg_config = bindir.join("pg_config");
    if pg_config.is_file() {
        let sharedir = output_of(&pg_config, "--sharedir")?.into();
        let pkglibdir = output_of(&pg_config, "--pkglibdir")?.into();
        return Ok((sharedir, pkglibdir));
    }
    guess_data_dirs(bindir, major).ok_or_else(|| EmbeddedError::BrokenInstallation {
        program: pg_config,
        detail: "it is not there, and postgres.bki is in none of the usual places".to_owned(),
    })
}

/// Server packages without `pg_config` keep to one of three layouts.
fn guess_data_dirs(bindir: &Path, major: u32) -> Option<(PathBuf, PathBuf)> {
    let prefix = bindir.parent()?;
    let debian = prefix.join(format!("../../../share/postgresql/{major}"));
    let layouts = [
        (prefix.join("share"), prefix.join("lib")),
        (prefix.join("share/postgresql"), prefix.join("lib/postgresql")),
        (debian, prefix.join("lib")),
    ];
    layouts.into_iter().find_map(|(share, lib)| {
        let share =
            fs::canonicalize(share).ok().filter(|dir| dir.join("postgres.bki").is_file())?;
        Some((share, fs::canonicalize(lib).ok()?))
    })
}

fn output_of(program: &Path, argument: &str) -> Result<String, EmbeddedError> {
    let broken = |detail| EmbeddedError::BrokenInstallation { program: program.to_owned(), detail };
    let run = Command::new(program).arg(argument).env("LC_ALL", "C").output();
    let output = run.map_err(|error| broken(error.to_string()))?;
    if !output.status.success() {
        return Err(broken(output.status.to_string()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_releases_and_betas() {
        let debian = "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)";
        assert_eq!(parse_major(debian), Some(15));
        assert_eq!(parse_major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(parse_major("postgres (PostgreSQL) 17"), Some(17));
        assert_eq!(parse_major("pgbouncer 1.24"), None);
    }

    #[test]
    fn a_directory_without_initdb_is_refused_by_name() {
        let refusal = Installation::find(Some(Path::new("/nonexistent")), None).unwrap_err();
        let text = refusal.to_string();
        assert!(text.contains("/nonexistent") && text.contains("--pg-bindir"), "{text}");
    }
}
