//! Statuses, sizes and durations: a number, a class of statuses, a comparison or a range in, a [`Range`] out.

use crate::{Number, QueryError, Range, lex::Value};

pub(crate) fn range(field: Number, value: &Value) -> Result<Range, QueryError> {
    let fault = |message: &str| QueryError::new(value.column, message);
    let expected = match field {
        Number::Status => "expected a status such as 404, 4xx, 200..299 or >=400",
        Number::Size | Number::RequestSize => "expected a size such as 512, >1MB, <=64KiB or 1kB..2kB",
        Number::Duration | Number::FirstByte => "expected a duration such as >200ms, <=1.5s or 10us..1ms",
    };
    let [text] = &value.pieces[..] else { return Err(fault(expected)) };
    let number = |text: &str| {
        match field {
            Number::Status => status(text),
            Number::Size | Number::RequestSize => scaled(text, &SIZES),
            Number::Duration | Number::FirstByte => scaled(text, &DURATIONS),
        }
        .ok_or_else(|| fault(expected))
    };
    let (low, high) = if let Some(text) = text.strip_prefix(">=") {
        (Some(number(text)?), Some(u64::MAX))
    } else if let Some(text) = text.strip_prefix("<=") {
        (Some(0), Some(number(text)?))
    } else if let Some(text) = text.strip_prefix('>') {
        (number(text)?.checked_add(1), Some(u64::MAX))
    } else if let Some(text) = text.strip_prefix('<') {
        (Some(0), number(text)?.checked_sub(1))
    } else if let Some((low, high)) = text.split_once("..") {
        (Some(number(low)?), Some(number(high)?))
    } else if let (Number::Status, Some(class)) = (field, status_class(text)) {
        (Some(class * 100), Some(class * 100 + 99))
    } else {
        let exact = number(text)?;
        (Some(exact), Some(exact))
    };
    match (low, high) {
        (Some(low), Some(high)) if low <= high => Ok(Range { low, high }),
        _ => Err(fault("no number is in this range: expected the lower one first")),
    }
}

/// `5xx`
fn status_class(text: &str) -> Option<u64> {
    let digit = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX"))?;
    status_number(digit).filter(|class| (1..=9).contains(class))
}

fn status(text: &str) -> Option<u64> {
    status_number(text).filter(|status| *status <= 999)
}

fn status_number(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Unit and how much of the stored unit it is. The stored unit comes first and is what is printed.
const SIZES: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];
const DURATIONS: [(&str, u64); 6] =
    [("us", 1), ("µs", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];

/// A decimal number and its unit, exact: `1.5MB` is 1,500,000, and what is finer than the stored unit is no number.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit = unit.to_ascii_lowercase();
    let &(_, scale) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let tenths = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
    let fraction = fraction.parse::<u128>().ok()? * u128::from(scale);
    if fraction % tenths != 0 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    whole.checked_add(u64::try_from(fraction / tenths).ok()?)
}
