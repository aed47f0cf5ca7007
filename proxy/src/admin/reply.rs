//! Results as protocol messages (documentation, "Message Formats"). Must not know what they say.

use crate::admin::table::{Column, Kind, Row, Value};

/// ParseComplete.
pub(super) const PARSE_COMPLETE: &[u8] = b"1\0\0\0\x04";
/// BindComplete.
pub(super) const BIND_COMPLETE: &[u8] = b"2\0\0\0\x04";
/// CloseComplete.
pub(super) const CLOSE_COMPLETE: &[u8] = b"3\0\0\0\x04";
/// NoData.
pub(super) const NO_DATA: &[u8] = b"n\0\0\0\x04";
/// EmptyQueryResponse.
pub(super) const EMPTY_QUERY: &[u8] = b"I\0\0\0\x04";
/// ParameterDescription of a statement without parameters.
pub(super) const NO_PARAMETERS: &[u8] = b"t\0\0\0\x06\0\0";

/// Object ids of `text` and `bigint` (catalog/pg_type.dat).
const TEXT_OID: u32 = 25;
const INT8_OID: u32 = 20;

/// How a field is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Binary,
}

/// The formats that a Bind asks for: none, one for all columns, or one for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Formats(pub(super) Vec<Format>);

impl Formats {
    fn of(&self, column: usize) -> Format {
        match self.0.as_slice() {
            [one] => *one,
            each => each.get(column).copied().unwrap_or_default(),
        }
    }
}

/// RowDescription.
pub(super) fn row_description(out: &mut Vec<u8>, columns: &[Column], formats: &Formats) {
    message(out, b'T', |out| {
        out.extend((columns.len() as u16).to_be_bytes());
        for (index, (name, kind)) in columns.iter().enumerate() {
            out.extend_from_slice(name.as_bytes());
            let (oid, len) = match kind {
                Kind::Text => (TEXT_OID, -1_i16),
                Kind::Int => (INT8_OID, 8),
            };
            // Zero byte of the name; no table, no column of a table; no modifier.
            out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0]);
            out.extend(oid.to_be_bytes());
            out.extend(len.to_be_bytes());
            out.extend((-1_i32).to_be_bytes());
            out.extend((formats.of(index) as u16).to_be_bytes());
        }
    });
}

/// DataRow.
pub(super) fn data_row(out: &mut Vec<u8>, row: &Row, formats: &Formats) {
    message(out, b'D', |out| {
        out.extend((row.len() as u16).to_be_bytes());
        for (index, value) in row.iter().enumerate() {
            match (value, formats.of(index)) {
                (Value::Null, _) => out.extend((-1_i32).to_be_bytes()),
                (Value::Text(text), _) => field(out, text.as_bytes()),
                (Value::Int(number), Format::Text) => field(out, number.to_string().as_bytes()),
                (Value::Int(number), Format::Binary) => field(out, &number.to_be_bytes()),
            }
        }
    });
}

/// CommandComplete.
pub(super) fn command_complete(out: &mut Vec<u8>, tag: &str) {
    message(out, b'C', |out| {
        out.extend_from_slice(tag.as_bytes());
        out.push(0);
    });
}

fn field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn message(out: &mut Vec<u8>, tag: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(tag);
    let start = out.len();
    out.extend([0; 4]);
    write(out);
    let len = (out.len() - start) as u32;
    out[start..start + 4].copy_from_slice(&len.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::table::row;

    #[test]
    fn a_description_has_the_bytes_of_the_documentation() {
        let mut out = Vec::new();
        let columns = [("a", Kind::Text), ("b", Kind::Int)];
        row_description(&mut out, &columns, &Formats(vec![Format::Text, Format::Binary]));
        let text = b"a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0";
        let int = b"b\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\x01";
        let len = (4 + 2 + text.len() + int.len()) as u8;
        assert_eq!(out, [&[b'T', 0, 0, 0, len, 0, 2][..], text, int].concat());
    }

    #[test]
    fn a_number_is_written_as_text_and_as_eight_bytes() {
        let (mut text, mut binary) = (Vec::new(), Vec::new());
        let row = row!["x", 7_u64, None::<u64>];
        data_row(&mut text, &row, &Formats::default());
        assert_eq!(text, b"D\0\0\0\x14\0\x03\0\0\0\x01x\0\0\0\x017\xff\xff\xff\xff");
        data_row(&mut binary, &row, &Formats(vec![Format::Binary]));
        let fields = b"\0\x03\0\0\0\x01x\0\0\0\x08\0\0\0\0\0\0\0\x07\xff\xff\xff\xff";
        assert_eq!(binary, [&b"D\0\0\0\x1b"[..], fields].concat());
    }
}
