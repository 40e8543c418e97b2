//! The form of a backup ([docs/backup.md]): lines of JSON, packed by zstd. A head, then for each table a line that names its
//! columns and one line for each row, then an end with the number of rows and the SHA-256 of all lines before it. What is
//! written comes out as bytes; what is read is not believed before its end was seen. Pure but for what it reads from.

mod read;
mod write;

use std::{borrow::Cow, io};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};
use serde_json::Value;

pub(crate) use self::{read::Reader, write::Writer};

/// Of this form. A reader takes no higher one.
const FORM: u32 = 1;

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
}

/// Which migrations the tables had, by number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schema {
    pub(crate) sqlite: Vec<i64>,
    pub(crate) postgres: Vec<i64>,
}

/// The first line. Members that a reader does not know are nothing to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    weir_backup: u32,
    /// Version of the orchestrator that wrote it.
    pub(crate) orchestrator: String,
    /// RFC 3339
    pub(crate) made: String,
    pub(crate) schema: Schema,
    /// SHA-256 of the public key of the authority that its agents joined, hexadecimal.
    pub(crate) authority: String,
}

/// A table begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    #[serde(rename = "table")]
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// The highest `number` that a row of it ever had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct End {
    rows: u64,
    sha256: String,
}

/// A line of what is read.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    Table(Table),
    Row(Vec<Cell<'static>>),
    /// All was there, as it was written.
    End,
}

/// Why it is no backup to go by.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error("it is no backup of an orchestrator")]
    NotOne,
    #[error("it has form {0} and this orchestrator knows {FORM}: take the orchestrator that wrote it, or a newer one")]
    Newer(u32),
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it ends before its end: the backup was broken off")]
    Cut,
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl Head {
    pub(crate) fn new(made: String, schema: Schema, authority: &[u8]) -> Self {
        let orchestrator = env!("CARGO_PKG_VERSION").to_owned();
        Self { weir_backup: FORM, orchestrator, made, schema, authority: hex(authority) }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Int(number) => to.serialize_i64(*number),
            // As text: readers of JSON round.
            Self::Real(number) => named("real", &format!("{number:?}"), to),
            Self::Text(text) => to.serialize_str(text),
            Self::Bytes(bytes) => named("b64", &STANDARD.encode(bytes), to),
        }
    }
}

fn named<S: Serializer>(kind: &'static str, text: &str, to: S) -> Result<S::Ok, S::Error> {
    let mut map = to.serialize_map(Some(1))?;
    map.serialize_entry(kind, text)?;
    map.end()
}

impl Cell<'static> {
    fn read(value: Value) -> Option<Self> {
        Some(match value {
            Value::Null => Self::Null,
            Value::Number(number) => Self::Int(number.as_i64()?),
            Value::String(text) => Self::Text(text.into()),
            Value::Object(map) => {
                let mut members = map.into_iter();
                let (Some((kind, Value::String(text))), None) = (members.next(), members.next()) else { return None };
                match &*kind {
                    "real" => Self::Real(text.parse().ok()?),
                    "b64" => Self::Bytes(STANDARD.decode(text).ok()?.into()),
                    _ => return None,
                }
            }
            Value::Bool(_) | Value::Array(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Head {
        Head::new("2026-01-01T00:00:00Z".to_owned(), Schema { sqlite: vec![1], postgres: vec![1, 2] }, &[7; 32])
    }

    fn written(rows: &[Vec<Cell<'_>>]) -> Vec<u8> {
        let mut writer = Writer::new(&head()).unwrap();
        let mut out = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            let columns = (0..row.len()).map(|n| n.to_string()).collect();
            writer.table(&Table { name: place.to_string(), columns, newest: None }).unwrap();
            writer.row(row).unwrap();
            out.extend(writer.take());
        }
        out.extend(writer.finish().unwrap());
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<Cell<'static>>>, ArchiveError> {
        let mut reader = Reader::open(bytes)?;
        let mut rows = Vec::new();
        loop {
            match reader.next()? {
                Line::Table(_) => {}
                Line::Row(row) => rows.push(row),
                Line::End => return Ok(rows),
            }
        }
    }

    fn cell() -> impl Strategy<Value = Cell<'static>> {
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Int),
            (-1e300..1e300).prop_map(Cell::Real),
            any::<String>().prop_map(|text| Cell::Text(text.into())),
            any::<Vec<u8>>().prop_map(|bytes| Cell::Bytes(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(rows in prop::collection::vec(prop::collection::vec(cell(), 1..6), 0..6)) {
            prop_assert_eq!(read(&written(&rows)).unwrap(), rows);
        }

        #[test]
        fn no_part_and_no_other_bytes_are_taken_for_the_whole(
            rows in prop::collection::vec(prop::collection::vec(cell(), 1..6), 1..6),
            place in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let whole = written(&rows);
            let place = place.index(whole.len());
            prop_assert!(read(&whole[..place]).is_err());
            let mut other = whole.clone();
            other[place] ^= 1u8 << bit;
            // A bit of zstd's own header may mean the same: then the rows are those that were written.
            if let Ok(same) = read(&other) {
                prop_assert_eq!(same, rows);
            }
        }

        #[test]
        fn bytes_of_anybody_never_panic(bytes in any::<Vec<u8>>(), lines in any::<String>()) {
            prop_assert!(read(&bytes).is_err());
            prop_assert!(read(&zstd::encode_all(lines.as_bytes(), 1).unwrap()).is_err());
        }
    }

    #[test]
    fn a_later_form_is_refused_by_its_number() {
        let later = zstd::encode_all(&b"{\"weir_backup\":2,\"else\":1}\n"[..], 1).unwrap();
        assert!(matches!(read(&later), Err(ArchiveError::Newer(2))));
        assert!(matches!(read(b"PGDMP"), Err(ArchiveError::NotOne)));
    }
}
