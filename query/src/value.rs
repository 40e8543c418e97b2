//! A field's name and its value in, a checked [`Term`] out: patterns, statuses, sizes, durations.

use crate::{
    MediaType, Number, Pattern, QueryError, Range, Term, Text, ast::ALL_FIELDS, lex::Value, matching::bare_host,
};

pub(crate) fn term(column: usize, field: &str, value: Value) -> Result<Term, QueryError> {
    let name = field.to_ascii_lowercase();
    if let Some(&(text, _)) = Text::ALL.iter().find(|(_, known)| *known == name) {
        return Ok(Term::Text(text, text_pattern(text, value)?));
    }
    if let Some(&(number, _)) = Number::ALL.iter().find(|(_, known)| *known == name) {
        return Ok(Term::Number(number, range(number, &value)?));
    }
    match name.as_str() {
        "type" => return Ok(Term::Type(MediaType::new(Pattern::new(value.pieces, true)))),
        "filter" => return Ok(Term::Filter(Pattern::new(value.pieces, true))),
        "tag" => return Ok(Term::Tag(Pattern::new(value.pieces, false))),
        _ => {}
    }
    match name.strip_prefix("header.") {
        Some(header) if is_field_name(header) => {
            Ok(Term::Header { name: header.to_owned(), value: Pattern::new(value.pieces, false) })
        }
        Some(_) => Err(QueryError::new(column, "expected the name of a header field behind `header.`")),
        None => Err(QueryError::new(column, format!("there is no field `{field}`: expected one of {ALL_FIELDS}"))),
    }
}

/// token of RFC 9110 section 5.6.2, without what the grammar of queries needs for itself.
fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn text_pattern(field: Text, mut value: Value) -> Result<Pattern, QueryError> {
    let column = value.column;
    match field {
        Text::Host => normalise_host(&mut value)?,
        Text::Path => check_path(&value)?,
        _ => {}
    }
    let pattern = Pattern::new(value.pieces, field.ignores_case());
    if let (Some(words), Some(literal)) = (field.words(), pattern.literal())
        && !words.contains(&literal)
    {
        return Err(QueryError::new(column, format!("expected one of {}", words.join(", "))));
    }
    Ok(pattern)
}

// A host or path that could never fit is a mistake, not a query that finds nothing.

fn normalise_host(value: &mut Value) -> Result<(), QueryError> {
    let column = value.column;
    let fault = |message| Err(QueryError::new(column, message));
    if let [only] = &mut value.pieces[..] {
        *only = bare_host(only).to_owned();
    } else if let Some(last) = value.pieces.last_mut() {
        let kept = last.trim_end_matches('.').len();
        if kept > 0 {
            last.truncate(kept);
        }
    }
    let text = value.pieces.join("*");
    if !text.is_ascii() {
        return fault("expected a host in its ASCII form, which begins with `xn--`");
    }
    if text.contains('/') {
        return fault("expected a host alone; `scheme:` and `path:` take the rest of a URL");
    }
    let port = text.split_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    if port || text.contains("]:") {
        return fault("expected a host without its port");
    }
    if text.contains(['[', ']']) {
        return fault("expected an IPv6 address without brackets");
    }
    Ok(())
}

fn check_path(value: &Value) -> Result<(), QueryError> {
    let fault = |message| Err(QueryError::new(value.column, message));
    if value.pieces.iter().any(|piece| piece.contains('?')) {
        return fault("expected a path without `?` and what follows it");
    }
    // OPTIONS has `*` for a path (RFC 9112 section 3.2.4).
    let literal_star = value.pieces.len() == 1 && value.pieces[0] == "*";
    let star_first = value.pieces.len() > 1 && value.pieces[0].is_empty();
    if !value.pieces[0].starts_with('/') && !star_first && !literal_star {
        return fault("expected a path that begins with `/` or `*`");
    }
    Ok(())
}

fn range(field: Number, value: &Value) -> Result<Range, QueryError> {
    let fault = |message: &str| QueryError::new(value.column, message);
    let expected = match field {
        Number::Status => "expected a status such as 404, 4xx, 200..299 or >=400",
        Number::Size => "expected a size such as 512, >1MB, <=64KiB or 1kB..2kB",
        Number::Duration => "expected a duration such as >200ms, <=1.5s or 10us..1ms",
    };
    let [text] = &value.pieces[..] else { return Err(fault(expected)) };
    let number = |text: &str| {
        match field {
            Number::Status => status(text),
            Number::Size => scaled(text, &SIZES),
            Number::Duration => scaled(text, &DURATIONS),
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
const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
];
const DURATIONS: [(&str, u64); 5] = [("us", 1), ("µs", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000)];

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
