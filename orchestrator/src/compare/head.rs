//! What differs in two heads.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use weir_proto::v1::Field;

/// One part of a request line or a status line; null where there is no such message.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Change {
    name: &'static str,
    a: Option<String>,
    b: Option<String>,
}

/// Every value of a field, in their order; none where it is not there. Of a value, each byte that is not UTF-8 is one character.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldChange {
    name: String,
    a: Vec<String>,
    b: Vec<String>,
}

impl FieldChange {
    pub(super) fn show(&mut self, show: impl Fn(&str, String) -> String) {
        for value in self.a.iter_mut().chain(&mut self.b) {
            *value = show(&self.name, std::mem::take(value));
        }
    }
}

pub(super) fn line(a: &[(&'static str, String)], b: &[(&'static str, String)]) -> Vec<Change> {
    let names = a.iter().chain(b.iter().filter(|_| a.is_empty())).map(|(name, _)| *name);
    let value = |of: &[(&'static str, String)], name: &str| {
        of.iter().find(|(own, _)| *own == name).map(|(_, value)| value.clone())
    };
    let change = |name| Change { name, a: value(a, name), b: value(b, name) };
    names.map(change).filter(|change| change.a != change.b).collect()
}

pub(super) fn fields(a: &[Field], b: &[Field]) -> Vec<FieldChange> {
    let mut all: BTreeMap<String, (Vec<String>, Vec<String>)> = BTreeMap::new();
    for field in a {
        all.entry(field.name.to_ascii_lowercase()).or_default().0.push(text(&field.value));
    }
    for field in b {
        all.entry(field.name.to_ascii_lowercase()).or_default().1.push(text(&field.value));
    }
    all.into_iter().filter(|(_, (a, b))| a != b).map(|(name, (a, b))| FieldChange { name, a, b }).collect()
}

fn text(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => value.iter().map(|byte| char::from(*byte)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_compared_by_name_with_all_their_values() {
        let field = |name: &str, value: &'static [u8]| Field { name: name.to_owned(), value: value.into() };
        let a = [field("X-A", b"1"), field("x-b", b"1"), field("x-b", b"2"), field("gone", b"\xff")];
        let b = [field("x-b", b"2"), field("x-b", b"1"), field("x-a", b"1"), field("new", b"\xc3\xa9")];
        let change = |name: &str, a: &[&str], b: &[&str]| FieldChange {
            name: name.to_owned(),
            a: a.iter().map(|value| (*value).to_owned()).collect(),
            b: b.iter().map(|value| (*value).to_owned()).collect(),
        };
        let expect =
            [change("gone", &["\u{ff}"], &[]), change("new", &[], &["é"]), change("x-b", &["1", "2"], &["2", "1"])];
        assert_eq!(fields(&a, &b), expect);
    }
}
