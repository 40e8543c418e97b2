//! Header fields of entries, and the versions of messages.

use bytes::Bytes;
use weir_proto::v1::Field;

use super::{custom::PassedOver, model, place::Fault};
use crate::fields;

pub(super) fn head(pairs: Vec<model::Pair>, pointer: &str, passed_over: &mut PassedOver) -> Result<Vec<Field>, Fault> {
    let mut fields = Vec::with_capacity(pairs.len());
    for (place, mut pair) in pairs.into_iter().enumerate() {
        // What HTTP/2 has in place of a request line; it is told elsewhere.
        if pair.name.starts_with(':') {
            continue;
        }
        if !fields::is_token(&pair.name) {
            return Err(Fault::new(format!("{pointer}/{place}/name"), "no name of a field"));
        }
        let encoding = pair.encoding.take(&format!("{pointer}/{place}/_encoding"), passed_over).unwrap_or_default();
        // Chrome writes several cookies into one value, each in a line.
        for line in pair.value.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let value = match encoding.as_str() {
                "iso-8859-1" => latin(line),
                _ => Some(line.as_bytes().to_vec()),
            };
            let Some(value) = value.filter(|value| fields::is_value(value)) else {
                return Err(Fault::new(format!("{pointer}/{place}/value"), "no value of a field"));
            };
            fields.push(Field { name: pair.name.clone(), value: Bytes::from(value) });
        }
    }
    Ok(fields)
}

fn latin(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

pub(super) fn field(name: &str, value: &str) -> Field {
    Field { name: name.to_owned(), value: value.as_bytes().to_vec().into() }
}

/// `h2`, `http/2.0` and `HTTP/2` are the same.
pub(super) fn version(text: &str) -> String {
    match text.trim().to_ascii_lowercase().as_str() {
        "http/1.0" => "HTTP/1.0".to_owned(),
        "http/1.1" => "HTTP/1.1".to_owned(),
        "h2" | "http/2" | "http/2.0" | "h2c" => "HTTP/2".to_owned(),
        "h3" | "http/3" | "http/3.0" => "HTTP/3".to_owned(),
        other if other.starts_with("h3-") => "HTTP/3".to_owned(),
        // `unknown`, and what is no version
        _ => String::new(),
    }
}
