//! Our configuration made from PgBouncer's: what is carried over, in which words, and what is not.
//!
//! Knows PgBouncer's settings up to 1.26 (its documentation, config.md) and ours. Reads the files that the ini names. Must
//! not write anything, nor start anything.

mod convert;
mod databases;
mod document;
mod error;
mod ini;
mod left;
mod logins;
mod network;
mod numbers;
mod pairs;
mod settings;
mod source;
mod tls;
mod userlist;
mod users;

use std::path::{Path, PathBuf};

pub use error::ImportError;
pub use left::LeftOut;

use document::Document;
use source::{Given, Source};

/// A configuration that was made from PgBouncer's.
#[derive(Debug)]
pub struct Import {
    /// Our configuration, TOML with comments.
    pub text: String,
    /// Files that it names, below [`Import::secrets_dir`].
    pub secrets: Vec<SecretFile>,
    /// What it does not say although the ini does.
    pub left: Vec<LeftOut>,
}

/// A file that holds one password or verifier.
pub struct SecretFile {
    /// Its name in the directory for secrets.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl std::fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretFile({})", self.name)
    }
}

/// What becomes of passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keeping {
    /// They are left out.
    Nowhere,
    /// Each is to be a file in this directory, as the configuration names it.
    Below(PathBuf),
}

/// Makes our configuration from this ini file and what it includes.
///
/// # Errors
/// A file that cannot be read, or that PgBouncer would refuse.
pub fn import(ini: &Path, keeping: Keeping) -> Result<Import, ImportError> {
    let source = Source::read(ini)?;
    let mut carrier = Carrier::new(&source, keeping);
    network::carry(&mut carrier)?;
    databases::carry_server(&mut carrier)?;
    settings::carry(&mut carrier)?;
    tls::carry(&mut carrier)?;
    databases::carry(&mut carrier)?;
    users::carry(&mut carrier)?;
    logins::carry(&mut carrier)?;
    Ok(carrier.finish(ini))
}

/// What an import has come to so far.
struct Carrier<'a> {
    source: &'a Source,
    keeping: Keeping,
    document: Document,
    secrets: Vec<SecretFile>,
    left: Vec<LeftOut>,
    unneeded: Vec<String>,
}

impl<'a> Carrier<'a> {
    fn new(source: &'a Source, keeping: Keeping) -> Self {
        let (secrets, left, unneeded) = (Vec::new(), Vec::new(), Vec::new());
        Self { source, keeping, document: Document::default(), secrets, left, unneeded }
    }

    /// A setting of `[pgbouncer]` as it holds: as given, or its default.
    fn setting(&self, name: &'static str) -> Given {
        self.source.setting(name, settings::default_of(name))
    }

    /// Writes one of our settings, with where it comes from.
    fn set(&mut self, key: &str, value: impl Into<toml::Value>, from: &str) {
        self.document.set(key, value.into(), from);
    }

    /// Names what is not carried, once.
    fn leave(&mut self, given: &Given, why: &str, instead: &str) {
        let left = LeftOut::new(&given.name, &given.value, why, instead);
        if !self.left.contains(&left) {
            self.left.push(left);
        }
    }

    /// Names what needs no counterpart; a default is not worth a line.
    fn pass_over(&mut self, given: &Given, why: &str) {
        if !given.is_default() {
            self.unneeded.push(format!("{} = {}: {why}", given.name, given.value));
        }
    }

    /// Keeps a secret in a file of its own and returns its path in the configuration. None when there are to be no files.
    fn keep(&mut self, owner: &str, ending: &str, text: &str) -> Option<String> {
        let Keeping::Below(dir) = &self.keeping else { return None };
        let stem: String = owner.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let taken = |name: &str| self.secrets.iter().any(|file| file.name == name);
        let mut name = format!("{stem}.{ending}");
        for number in 2.. {
            if !taken(&name) {
                break;
            }
            name = format!("{stem}-{number}.{ending}");
        }
        let path = dir.join(&name).to_string_lossy().into_owned();
        self.secrets.push(SecretFile { name, text: format!("{text}\n") });
        Some(path)
    }

    fn finish(self, ini: &Path) -> Import {
        let mut text = format!("# Made from {} by taskmaster import-pgbouncer.\n", ini.display());
        text.push_str(&self.document.to_string());
        let left: Vec<_> = self.left.iter().map(ToString::to_string).collect();
        for (heading, lines) in [("Not carried over", &left), ("Not needed here", &self.unneeded)] {
            if !lines.is_empty() {
                text.push_str(&format!("\n# {heading}:\n"));
                lines.iter().for_each(|line| text.push_str(&format!("#   {line}\n")));
            }
        }
        Import { text, secrets: self.secrets, left: self.left }
    }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

#[cfg(test)]
mod tests;
