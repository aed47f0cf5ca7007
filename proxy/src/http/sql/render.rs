//! PostgreSQL's messages as the JSON that Neon's serverless driver reads.

use serde_json::{Map, Value, json};

use crate::error::{ClientFacing, Severity};
use crate::http::sql::question::{Rows, Shape, Values};

/// Oids of types that JSON has itself (PostgreSQL, catalog/pg_type.dat).
const BOOL: u32 = 16;
const INT2: u32 = 21;
const INT4: u32 = 23;
const JSON: u32 = 114;
const FLOAT4: u32 = 700;
const FLOAT8: u32 = 701;
const JSONB: u32 = 3802;

/// The fields of an ErrorResponse by their codes (PostgreSQL documentation, 55.8), and their names in an answer.
const FIELDS: [(u8, &str); 17] = [
    (b'M', "message"),
    (b'C', "code"),
    (b'S', "severity"),
    (b'D', "detail"),
    (b'H', "hint"),
    (b'P', "position"),
    (b'p', "internalPosition"),
    (b'q', "internalQuery"),
    (b'W', "where"),
    (b's', "schema"),
    (b't', "table"),
    (b'c', "column"),
    (b'd', "dataType"),
    (b'n', "constraint"),
    (b'F', "file"),
    (b'L', "line"),
    (b'R', "routine"),
];

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name as JSON.
    name: String,
    type_oid: u32,
}

/// The body of an ErrorResponse.
pub(super) fn error(body: &[u8]) -> Vec<u8> {
    let mut object = Map::new();
    for field in body.split(|byte| *byte == 0).filter(|field| !field.is_empty()) {
        let known = FIELDS.iter().find(|(code, _)| *code == field[0]);
        if let Some((_, name)) = known {
            let text = String::from_utf8_lossy(&field[1..]).into_owned();
            object.insert((*name).to_owned(), text.into());
        }
    }
    Value::Object(object).to_string().into_bytes()
}

/// An error of the proxy itself.
pub(super) fn own_error(error: &dyn ClientFacing) -> Vec<u8> {
    let severity = match error.severity() {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    json!({ "message": error.message(), "code": error.sqlstate().as_str(), "severity": severity,
            "detail": error.detail(), "hint": error.hint() })
    .to_string()
    .into_bytes()
}

/// The beginning of a result, from the body of its RowDescription; without columns when there is none.
pub(super) fn begin(
    out: &mut Vec<u8>,
    description: Option<&[u8]>,
    shape: Shape,
) -> Option<Vec<Column>> {
    let (fields, columns) = match description {
        Some(body) => fields(body)?,
        None => (Vec::new(), Vec::new()),
    };
    out.extend_from_slice(b"{\"fields\":");
    out.extend(Value::Array(fields).to_string().into_bytes());
    let as_array = if shape.rows == Rows::Arrays { "true" } else { "false" };
    out.extend(format!(",\"rowAsArray\":{as_array},\"rows\":[").into_bytes());
    Some(columns)
}

/// The end of a result, from the text of its CommandComplete.
pub(super) fn end(out: &mut Vec<u8>, tag: &str) {
    let command = tag.split(' ').next().unwrap_or_default();
    let count = tag.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok());
    let (command, count) = (Value::from(command), count.map_or(Value::Null, Value::from));
    out.extend(format!("],\"command\":{command},\"rowCount\":{count}}}").into_bytes());
}

/// A row, from the body of its DataRow. None when that is malformed.
pub(super) fn row(out: &mut Vec<u8>, body: &[u8], columns: &[Column], shape: Shape) -> Option<()> {
    let (opening, closing) = match shape.rows {
        Rows::Arrays => (b'[', b']'),
        Rows::Objects => (b'{', b'}'),
    };
    out.push(opening);
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    for (number, column) in columns.iter().enumerate().take(count) {
        if number > 0 {
            out.push(b',');
        }
        if shape.rows == Rows::Objects {
            out.extend_from_slice(column.name.as_bytes());
            out.push(b':');
        }
        let (len, after) = rest.split_first_chunk::<4>()?;
        match usize::try_from(i32::from_be_bytes(*len)) {
            Err(_) => {
                out.extend_from_slice(b"null");
                rest = after;
            }
            Ok(len) => {
                let (text, after) = after.split_at_checked(len)?;
                value(out, text, column.type_oid, shape.values);
                rest = after;
            }
        }
    }
    out.push(closing);
    Some(())
}

fn value(out: &mut Vec<u8>, text: &[u8], type_oid: u32, values: Values) {
    let text = String::from_utf8_lossy(text);
    if values == Values::Json && is_json(&text, type_oid) {
        match text.as_ref() {
            "t" if type_oid == BOOL => out.extend_from_slice(b"true"),
            "f" if type_oid == BOOL => out.extend_from_slice(b"false"),
            text => out.extend_from_slice(text.as_bytes()),
        }
        return;
    }
    // Writing into memory does not fail.
    let _ = serde_json::to_writer(out, text.as_ref());
}

/// Whether the text of such a value is JSON, or nearly so: NaN and infinities are not.
fn is_json(text: &str, type_oid: u32) -> bool {
    match type_oid {
        BOOL | INT2 | INT4 | JSON | JSONB => true,
        FLOAT4 | FLOAT8 => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => false,
    }
}

/// The columns of a RowDescription as the driver has them, and as rows need them.
fn fields(body: &[u8]) -> Option<(Vec<Value>, Vec<Column>)> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for _ in 0..u16::from_be_bytes(*count) {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8_lossy(&rest[..end]).into_owned();
        let (numbers, after) = rest[end + 1..].split_first_chunk::<18>()?;
        rest = after;
        let u32_at = |at: usize| {
            u32::from_be_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]])
        };
        let i16_at = |at: usize| i16::from_be_bytes([numbers[at], numbers[at + 1]]);
        let type_oid = u32_at(6);
        fields.push(json!({
            "name": name, "tableID": u32_at(0), "columnID": i16_at(4), "dataTypeID": type_oid,
            "dataTypeSize": i16_at(10), "dataTypeModifier": u32_at(12) as i32, "format": "text",
        }));
        columns.push(Column { name: Value::from(name).to_string(), type_oid });
    }
    Some((fields, columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(columns: &[(&str, u32)]) -> Vec<u8> {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for (name, oid) in columns {
            body.extend(
                [name.as_bytes(), &[0], &[0, 0, 0, 9], &[0, 2], &oid.to_be_bytes()].concat(),
            );
            body.extend([&4_i16.to_be_bytes()[..], &(-1_i32).to_be_bytes(), &[0, 0]].concat());
        }
        body
    }

    fn data(values: &[Option<&str>]) -> Vec<u8> {
        let mut body = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            match value {
                Some(text) => {
                    body.extend([&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat())
                }
                None => body.extend((-1_i32).to_be_bytes()),
            }
        }
        body
    }

    fn rendered(shape: Shape) -> Value {
        let columns = [("n", INT4), ("t\"", 25), ("b", BOOL), ("f", FLOAT8), ("j", JSONB)];
        let mut out = Vec::new();
        let columns = begin(&mut out, Some(&description(&columns)), shape).unwrap();
        let values = [Some("1"), Some("é\n\""), Some("t"), Some("NaN"), Some("{\"a\": 1}")];
        row(&mut out, &data(&values), &columns, shape).unwrap();
        out.push(b',');
        row(&mut out, &data(&[None; 5]), &columns, shape).unwrap();
        end(&mut out, "SELECT 2");
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn results_have_the_drivers_form() {
        let raw = rendered(Shape { rows: Rows::Arrays, values: Values::Text });
        assert_eq!(raw["rows"][0], json!(["1", "é\n\"", "t", "NaN", "{\"a\": 1}"]));
        assert_eq!(raw["rows"][1], json!([null, null, null, null, null]));
        assert_eq!((&raw["command"], &raw["rowCount"]), (&json!("SELECT"), &json!(2)));
        assert_eq!(
            raw["fields"][0],
            json!({ "name": "n", "tableID": 9, "columnID": 2, "dataTypeID": 23,
            "dataTypeSize": 4, "dataTypeModifier": -1, "format": "text" })
        );
        let typed = rendered(Shape { rows: Rows::Objects, values: Values::Json });
        assert_eq!(
            typed["rows"][0],
            json!({ "n": 1, "t\"": "é\n\"", "b": true, "f": "NaN", "j": { "a": 1 } })
        );
    }

    #[test]
    fn what_is_cut_off_is_no_row() {
        let columns = [Column { name: "\"n\"".into(), type_oid: INT4 }];
        let body = data(&[Some("12345")]);
        let shape = Shape { rows: Rows::Arrays, values: Values::Text };
        for cut in 0..body.len() {
            assert_eq!(row(&mut Vec::new(), &body[..cut], &columns, shape), None, "{cut}");
        }
        let body = description(&[("n", INT4)]);
        for cut in 0..body.len() {
            assert!(fields(&body[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn errors_keep_what_the_server_said() {
        let body = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0Rint4div\0\0";
        let error: Value = serde_json::from_slice(&error(body)).unwrap();
        assert_eq!(
            error,
            json!({ "severity": "ERROR", "code": "22012", "message": "division by zero", "routine": "int4div" })
        );
    }
}
