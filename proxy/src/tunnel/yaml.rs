//! YAML with the place of everything in it. Must not know what it says.

use std::fmt;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, ScanError, YamlData};

/// A place in a file, both numbers from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A value and where it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    Truth(bool),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key, where it is, and its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// The text is no YAML.
#[derive(Debug)]
pub(super) struct NoYaml {
    pub(super) place: Place,
    pub(super) reason: String,
}

impl Node {
    /// Reads the first document; an empty one is an empty map.
    pub(super) fn read(text: &str) -> Result<Self, NoYaml> {
        let documents = MarkedYaml::load_from_str(text).map_err(|error| no_yaml(&error))?;
        let empty = Self { place: Place { line: 1, column: 1 }, value: Value::Map(Vec::new()) };
        Ok(documents.first().map_or(empty, node))
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The text, when it is one.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn node(marked: &MarkedYaml<'_>) -> Node {
    let value = match &marked.data {
        YamlData::Value(Scalar::Null) => Value::Null,
        YamlData::Value(Scalar::Boolean(truth)) => Value::Truth(*truth),
        YamlData::Value(Scalar::Integer(number)) => Value::Number(number.to_string()),
        YamlData::Value(Scalar::FloatingPoint(number)) => Value::Number(number.to_string()),
        YamlData::Value(Scalar::String(text)) => Value::Text(text.to_string()),
        YamlData::Sequence(nodes) => Value::List(nodes.iter().map(node).collect()),
        YamlData::Mapping(map) => Value::Map(map.iter().map(entry).collect()),
        YamlData::Tagged(_, inner) => return node(inner),
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Alias(_) | YamlData::BadValue => Value::Null,
    };
    Node { place: place(marked), value }
}

fn entry((key, value): (&MarkedYaml<'_>, &MarkedYaml<'_>)) -> Entry {
    let name = match node(key).value {
        Value::Text(text) | Value::Number(text) => text,
        Value::Truth(truth) => truth.to_string(),
        _ => String::new(),
    };
    Entry { key: name, place: place(key), node: node(value) }
}

fn place(marked: &MarkedYaml<'_>) -> Place {
    let start = marked.span.start;
    Place { line: start.line(), column: start.col() + 1 }
}

fn no_yaml(error: &ScanError) -> NoYaml {
    let marker = error.marker();
    let place = Place { line: marker.line(), column: marker.col() + 1 };
    NoYaml { place, reason: error.info().to_owned() }
}
