//! `name=value&…`, of queries and of forms (URL Standard section 5). A part that was cut off counts too.

use super::mask::{Masking, Text};

/// With a marker for each value of these names; none where there is none.
pub(super) fn redact(text: &[u8], names: &[String], masking: &mut Masking<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut found = false;
    for (at, pair) in text.split(|byte| *byte == b'&').enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        let equals = pair.iter().position(|byte| *byte == b'=');
        match equals.map(|equals| pair.split_at(equals + 1)) {
            Some((name, value)) if !value.is_empty() && is_one(&name[..name.len() - 1], names) => {
                out.extend_from_slice(name);
                out.extend_from_slice(&masking.of(value, Text::Url));
                found = true;
            }
            _ => out.extend_from_slice(pair),
        }
    }
    found.then_some(out)
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
