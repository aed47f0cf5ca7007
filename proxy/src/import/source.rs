//! What an ini file says, by section and name, before anything is made of it.
//!
//! Must not know our configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ImportError;
use super::ini::{self, Pair, Place};
use super::pairs::pairs;

/// A setting of PgBouncer: as it was given, or its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) place: Option<Place>,
}

impl Given {
    pub(super) fn is_default(&self) -> bool {
        self.place.is_none()
    }

    /// What a line of ours says about where it comes from.
    pub(super) fn origin(&self) -> String {
        match self.is_default() {
            true => format!("{}, PgBouncer's default", self.name),
            false => self.name.clone(),
        }
    }

    /// The refusal of a value that PgBouncer would refuse, too.
    pub(super) fn refuse(&self, rule: &str) -> ImportError {
        let place = self.place.clone().unwrap_or_else(|| Place::new(Path::new("pgbouncer"), 0));
        place.refuse(format!("{} = {}: {rule}", self.name, self.value))
    }
}

/// An entry of `[databases]`, `[users]` or `[peers]`.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: String,
    /// By name; never shown as a whole, because one may be a password.
    parameters: BTreeMap<String, String>,
    place: Place,
}

impl Item {
    /// One of its parameters, called by this section's name.
    pub(super) fn get(&self, section: &str, parameter: &str) -> Option<Given> {
        let value = self.parameters.get(parameter)?.clone();
        let name = format!("[{section}] {} {parameter}", self.name);
        Some(Given { name, value, place: Some(self.place.clone()) })
    }

    pub(super) fn text(&self, parameter: &str) -> Option<&str> {
        self.parameters.get(parameter).map(String::as_str)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }
}

/// A whole configuration of PgBouncer.
#[derive(Debug, Default)]
pub(super) struct Source {
    settings: BTreeMap<String, Given>,
    pub(super) databases: Vec<Item>,
    pub(super) users: Vec<Item>,
    pub(super) peers: Vec<Item>,
}

impl Source {
    /// Reads an ini file and what it includes.
    pub(super) fn read(path: &Path) -> Result<Self, ImportError> {
        let mut source = Self::default();
        for pair in ini::read(path)? {
            source.add(pair)?;
        }
        Ok(source)
    }

    fn add(&mut self, pair: Pair) -> Result<(), ImportError> {
        let Pair { section, key, value, place } = pair;
        let items = match section.as_str() {
            "pgbouncer" => {
                let given = Given { name: key.clone(), value, place: Some(place) };
                self.settings.insert(key, given);
                return Ok(());
            }
            "databases" if key == "pgbouncer" => {
                return Err(place.refuse("the database name pgbouncer is for the console"));
            }
            "databases" => &mut self.databases,
            "users" => &mut self.users,
            "peers" => &mut self.peers,
            _ => {
                let known = "[pgbouncer], [databases], [users] and [peers]";
                return Err(
                    place.refuse(format!("there is no section [{section}]; there are {known}"))
                );
            }
        };
        let parameters = pairs(&value).map_err(|what| place.refuse(format!("{key}: {what}")))?;
        // As in PgBouncer, the last one counts; it keeps the place of the first.
        let parameters = parameters.into_iter().collect();
        let item = Item { name: key, parameters, place };
        match items.iter_mut().find(|earlier| earlier.name == item.name) {
            Some(earlier) => *earlier = item,
            None => items.push(item),
        }
        Ok(())
    }

    /// A setting of `[pgbouncer]`.
    pub(super) fn setting(&self, name: &str, default: &str) -> Given {
        let given = self.settings.get(name).cloned();
        given.unwrap_or_else(|| Given {
            name: name.to_owned(),
            value: default.to_owned(),
            place: None,
        })
    }

    /// All that is given in `[pgbouncer]`.
    pub(super) fn given(&self) -> impl Iterator<Item = &Given> {
        self.settings.values()
    }

    /// The absolute path of a file that a setting names.
    pub(super) fn file(&self, given: &Given) -> PathBuf {
        let named_in = given.place.as_ref().map_or(Path::new(""), Place::file);
        let found = ini::found(&given.value, named_in);
        std::path::absolute(&found).unwrap_or(found)
    }
}
