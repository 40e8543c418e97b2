//! `name=value&…`, of queries and of forms (URL Standard section 5). A part that was cut off counts too.

use super::{
    escapes::{Meant, Written},
    mask::{Masking, Text},
};

/// With a marker for each value of these names; none where there is none.
pub(super) fn redact(text: &[u8], names: &[String], masking: &mut Masking<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut found = false;
    for (at, pair) in text.split(|byte| *byte == b'&').enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        if let Some(begins) = value_of(pair, names) {
            out.extend_from_slice(&pair[..begins]);
            out.extend_from_slice(&masking.of(&pair[begins..], Text::Url));
            found = true;
        } else if let Some(redacted) = within_url(pair, names, masking) {
            out.extend_from_slice(&redacted);
            found = true;
        } else {
            out.extend_from_slice(pair);
        }
    }
    found.then_some(out)
}

/// Where the value begins that has one of these names: of a pair, or of the query of a URL that is its value.
fn value_of(pair: &[u8], names: &[String]) -> Option<usize> {
    let mut at = 0;
    for part in pair.split(|byte| *byte == b'?') {
        let begins = part.iter().position(|byte| *byte == b'=').map(|equals| (equals, at + equals + 1));
        if let Some((equals, begins)) = begins.filter(|(_, begins)| *begins < pair.len())
            && is_one(&part[..equals], names)
        {
            return Some(begins);
        }
        at += part.len() + 1;
    }
    None
}

/// The same of a URL that is written in escapes.
fn within_url(pair: &[u8], names: &[String], masking: &mut Masking<'_>) -> Option<Vec<u8>> {
    let meant = Meant::of(pair, Written::Url)?;
    let query = meant.text.iter().position(|byte| *byte == b'?')?;
    let (mut out, mut copied, mut at) = (Vec::new(), 0, 0);
    for inner in meant.text.split(|byte| *byte == b'&') {
        let ends = at + inner.len();
        if ends > query
            && let Some(begins) = value_of(inner, names)
        {
            let (from, to) = meant.place(at + begins, ends);
            out.extend_from_slice(&pair[copied..from]);
            out.extend_from_slice(&masking.of(&pair[from..to], Text::Url));
            copied = to;
        }
        at = ends + 1;
    }
    (copied > 0).then(|| [&out[..], &pair[copied..]].concat())
}

/// With a marker for each value of these names in the queries of URLs that stand in a text; none where there is none.
pub(super) fn redact_urls(text: &[u8], names: &[String], masking: &mut Masking<'_>) -> Option<Vec<u8>> {
    let (mut out, mut copied, mut from) = (Vec::new(), 0, 0);
    while let Some(begins) = text[from..].iter().position(|byte| *byte == b'?').map(|mark| from + mark + 1) {
        let is_behind = |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'<' | b'>' | b'#');
        let ends = text[begins..].iter().position(is_behind).map_or(text.len(), |length| begins + length);
        if let Some(query) = redact(&text[begins..ends], names, masking) {
            out.extend_from_slice(&text[copied..begins]);
            out.extend_from_slice(&query);
            copied = ends;
        }
        from = ends;
    }
    (copied > 0).then(|| [&out[..], &text[copied..]].concat())
}

/// Names are meant however they are written: `%70assword` is `password`, and so is `Password`.
fn is_one(name: &[u8], names: &[String]) -> bool {
    let name = decoded(name);
    names.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(&name))
}

fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (*first, tail) {
            (b'+', _) => out.push(b' '),
            (b'%', [high, low, tail @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                out.push(hex(*high) << 4 | hex(*low));
                rest = tail;
            }
            (byte, _) => out.push(byte),
        }
    }
    out
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}
