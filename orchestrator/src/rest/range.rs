//! A part of a representation, and whether the client has it already (RFC 9110 sections 13 and 14). Pure.

use axum::http::{HeaderMap, Method, header};

/// What of it is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// From the first byte to the last, both included.
    Range(u64, u64),
    /// Nothing of it lies there.
    Unsatisfiable,
    /// The client has it.
    NotModified,
}

/// `tag` is the strong entity tag in quotes, `length` that of the whole.
pub(super) fn part(method: &Method, headers: &HeaderMap, tag: &str, length: u64) -> Part {
    if let Some(known) = text(headers, header::IF_NONE_MATCH)
        && has(known, tag)
    {
        return Part::NotModified;
    }
    // Section 14.2: only GET has ranges.
    let Some(range) = text(headers, header::RANGE).filter(|_| method == Method::GET) else { return Part::Whole };
    // Section 13.1.5: a date or a weak tag is no proof that nothing changed.
    if headers.contains_key(header::IF_RANGE) && text(headers, header::IF_RANGE).map(str::trim) != Some(tag) {
        return Part::Whole;
    }
    of(range, length)
}

/// Compared weakly, as `If-None-Match` is.
pub(super) fn has(known: &str, tag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|one| one.trim() == "*" || opaque(one) == opaque(tag))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What is not understood is left alone, and so are several ranges at once: the whole is right too.
fn of(range: &str, length: u64) -> Part {
    let Some((unit, set)) = range.split_once('=') else { return Part::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") || set.contains(',') {
        return Part::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Part::Whole };
    match (number(first), number(last)) {
        (Ok(None), Ok(Some(0))) => Part::Unsatisfiable,
        // Of nothing, the last bytes are all of it, and cannot be told as a range.
        (Ok(None), Ok(Some(_))) if length == 0 => Part::Whole,
        (Ok(None), Ok(Some(suffix))) => Part::Range(length.saturating_sub(suffix), length - 1),
        (Ok(Some(first)), Ok(last)) if last.is_none_or(|last| first <= last) => {
            if first >= length {
                Part::Unsatisfiable
            } else {
                Part::Range(first, last.unwrap_or(u64::MAX).min(length - 1))
            }
        }
        _ => Part::Whole,
    }
}

/// Digits; what they say beyond any length is beyond it all the same.
fn number(text: &str) -> Result<Option<u64>, ()> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, length, expect) in [
            ("bytes=0-4", 10, Part::Range(0, 4)),
            ("Bytes=5-", 10, Part::Range(5, 9)),
            ("bytes=9-99999999999999999999999", 10, Part::Range(9, 9)),
            ("bytes=-3", 10, Part::Range(7, 9)),
            ("bytes=-30", 10, Part::Range(0, 9)),
            ("bytes=10-", 10, Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", 10, Part::Unsatisfiable),
            ("bytes=-0", 10, Part::Unsatisfiable),
            ("bytes=0-", 0, Part::Unsatisfiable),
            ("bytes=-5", 0, Part::Whole),
            ("bytes=4-3", 10, Part::Whole),
            ("bytes=0-1,3-4", 10, Part::Whole),
            ("bytes=-", 10, Part::Whole),
            ("bytes=+1-2", 10, Part::Whole),
            ("bytes 0-1", 10, Part::Whole),
            ("lines=0-1", 10, Part::Whole),
        ] {
            assert_eq!(of(range, length), expect, "{range} of {length}");
        }
    }

    #[test]
    fn conditions() {
        let check = |method: Method, fields: &[(header::HeaderName, &str)], expect: Part| {
            let headers = fields.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            assert_eq!(part(&method, &headers, "\"a\"", 10), expect, "{fields:?}");
        };
        let range = (header::RANGE, "bytes=0-0");
        check(Method::GET, std::slice::from_ref(&range), Part::Range(0, 0));
        check(Method::HEAD, std::slice::from_ref(&range), Part::Whole);
        check(Method::GET, &[range.clone(), (header::IF_RANGE, "\"a\"")], Part::Range(0, 0));
        for other in ["\"b\"", "W/\"a\"", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            check(Method::GET, &[range.clone(), (header::IF_RANGE, other)], Part::Whole);
        }
        check(Method::GET, &[range.clone(), (header::IF_NONE_MATCH, "\"b\", W/\"a\"")], Part::NotModified);
        check(Method::GET, &[(header::IF_NONE_MATCH, "\"b\"")], Part::Whole);
        check(Method::GET, &[(header::IF_NONE_MATCH, "*")], Part::NotModified);
    }
}
