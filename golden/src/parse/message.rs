//! Requests, responses and bodies of a case.

use super::{Line, ParseError, Section, fault, join};
use crate::{Fields, Message, RequestLine, Start, Status};

pub(super) fn message<S: Start>(
    section: Option<&Section<'_>>,
    trailers: Option<&Section<'_>>,
    start: impl Fn(Line<'_>) -> Result<S, ParseError>,
) -> Result<Option<Message<S>>, ParseError> {
    let Some(section) = section else {
        return match trailers {
            Some(trailers) => fault(trailers.title.0, "trailers of no message"),
            None => Ok(None),
        };
    };
    let Some((first, rest)) = section.lines.split_first() else {
        return fault(section.title.0, "the message is empty");
    };
    let (head, body) = match rest.iter().position(|(_, line)| line.is_empty()) {
        Some(blank) => (&rest[..blank], &rest[blank + 1..]),
        None => (rest, &[][..]),
    };
    let trailers = trailers.map(|section| section.lines.iter().copied().map(field).collect()).transpose()?;
    Ok(Some(Message { start: start(*first)?, fields: fields(head)?, body: body_chunks(body)?, trailers }))
}

fn fields(lines: &[Line<'_>]) -> Result<Fields, ParseError> {
    lines.iter().copied().map(field).collect()
}

pub(crate) fn field((number, line): Line<'_>) -> Result<(String, String), ParseError> {
    let Some((name, value)) = line.split_once(':') else { return fault(number, "a field is written `name: value`") };
    if value.chars().any(|c| c as u32 > 0xff) {
        return fault(number, "field values are latin-1: one character per byte");
    }
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

pub(super) fn request_line((number, line): Line<'_>) -> Result<RequestLine, ParseError> {
    let words: Vec<&str> = line.split(' ').collect();
    let [method, url] = words[..] else { return fault(number, "a request begins `METHOD http://host/path`") };
    let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)) else {
        return fault(number, "the URL is absolute: `http://host/path` or `https://host/path`");
    };
    let at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok(RequestLine { method: method.to_owned(), scheme: scheme.to_owned(), authority: authority.to_owned(), path })
}

pub(super) fn status((number, line): Line<'_>) -> Result<Status, ParseError> {
    match line.trim().parse() {
        Ok(code @ 100..=599) => Ok(Status(code)),
        _ => fault(number, "a response begins with its status: `200`"),
    }
}

/// Either text, which is one chunk, or one chunk per line, each behind `| ` and with escapes.
fn body_chunks(lines: &[Line<'_>]) -> Result<Vec<Vec<u8>>, ParseError> {
    let Some((_, first)) = lines.first() else { return Ok(Vec::new()) };
    if !first.starts_with('|') {
        return Ok(vec![join(lines).into_bytes()]);
    }
    lines.iter().copied().map(chunk).collect()
}

fn chunk((number, line): Line<'_>) -> Result<Vec<u8>, ParseError> {
    let Some(text) = line.strip_prefix("| ").or(line.strip_prefix('|').filter(|rest| rest.is_empty())) else {
        return fault(number, "where one line of a body is a chunk (`| bytes`), every line is");
    };
    unescaped((number, text))
}

pub(crate) fn unescaped((number, text): Line<'_>) -> Result<Vec<u8>, ParseError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return fault(number, "`\\x` wants two hex digits"),
            },
            _ => return fault(number, "the escapes are \\n \\r \\t \\\\ \\xHH"),
        });
    }
    Ok(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
