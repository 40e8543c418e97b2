//! Parts of a body that has several (RFC 2046 section 5.1, RFC 7578). Enters: the body as far as it was captured; leaves: a copy in
//! which some parts are others. Lines may end as they like: what a lenient reader would find is found here. Pure.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Of a part; more than any has.
const MOST_FIELDS: usize = 64;

/// Where its parts begin, or what one of them says, nobody here can tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread;

/// One of them.
#[derive(Debug)]
pub(super) struct Part<'b> {
    pub(super) fields: HeaderMap,
    pub(super) body: &'b [u8],
    /// It ends with what was captured, not with a boundary.
    pub(super) is_cut: bool,
}

impl Part<'_> {
    /// Base64 and the like (RFC 2045 section 6), which RFC 7578 section 4.7 deprecates.
    pub(super) fn is_transfer_coded(&self) -> bool {
        let lines = self.fields.get_all("content-transfer-encoding").iter();
        let plain = |line: &HeaderValue| {
            ["7bit", "8bit", "binary"].iter().any(|plain| line.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
        };
        lines.into_iter().any(|line| !plain(line))
    }
}

/// Asks for each part what takes the place of its body. None where that is nothing.
pub(super) fn each<'b>(
    body: &'b [u8],
    boundary: &[u8],
    is_cut: bool,
    mut other: impl FnMut(&Part<'b>) -> Result<Option<Vec<u8>>, Unread>,
) -> Result<Option<Vec<u8>>, Unread> {
    let delimiter = [b"--", boundary].concat();
    let (mut out, mut copied) = (Vec::new(), 0);
    let (mut at, mut begins, mut any) = (0, None, false);
    let mut ends = |from: usize, to: usize, is_cut: bool| -> Result<(), Unread> {
        let part = part(&body[from..to], is_cut);
        let Some(other) = other(&part)? else { return Ok(()) };
        let place = part.body.as_ptr() as usize - body.as_ptr() as usize;
        out.extend_from_slice(&body[copied..place]);
        out.extend_from_slice(&other);
        copied = place + part.body.len();
        Ok(())
    };
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        if let Some(is_last) = delimits(line, &delimiter) {
            if let Some(from) = begins {
                ends(from, without_line_end(body, from, at), false)?;
            }
            any = true;
            begins = (!is_last).then_some(at + line.len());
        }
        at += line.len();
    }
    if let Some(from) = begins {
        let last = body.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
        // a boundary that was cut off is none of its content
        let is_begun = is_cut && delimiter.starts_with(last) && body.len() - last.len() >= from;
        let to = if is_begun { without_line_end(body, from, body.len() - last.len()) } else { body.len() };
        ends(from, to, true)?;
    }
    if !any {
        return Err(Unread);
    }
    if copied == 0 {
        return Ok(None);
    }
    out.extend_from_slice(&body[copied..]);
    Ok(Some(out))
}

/// Whether it is the last one.
fn delimits(line: &[u8], delimiter: &[u8]) -> Option<bool> {
    let behind = line.strip_prefix(delimiter)?.trim_ascii();
    match behind {
        b"" => Some(false),
        // cut off
        b"-" if !line.ends_with(b"\n") => Some(true),
        _ => behind.starts_with(b"--").then_some(true),
    }
}

/// The end of a line before a boundary belongs to that.
fn without_line_end(body: &[u8], from: usize, to: usize) -> usize {
    let text = &body[from..to];
    let text = text.strip_suffix(b"\n").map_or(text, |text| text.strip_suffix(b"\r").unwrap_or(text));
    from + text.len()
}

/// Its fields, and what comes behind the empty line; without one, all of it is content.
fn part(text: &[u8], is_cut: bool) -> Part<'_> {
    let mut at = 0;
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        let said = line.trim_ascii_end();
        if said.is_empty() {
            return Part { fields: fields(&lines), body: &text[at..], is_cut };
        }
        match lines.last_mut() {
            // RFC 5322 section 2.2.3
            Some(before) if matches!(line[0], b' ' | b'\t') => before.extend_from_slice(said),
            _ => lines.push(said.to_vec()),
        }
    }
    Part { fields: HeaderMap::new(), body: text, is_cut }
}

fn fields(lines: &[Vec<u8>]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.iter().take(MOST_FIELDS) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let pair = (HeaderName::from_bytes(name.trim_ascii()), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = pair {
            fields.append(name, value);
        }
    }
    fields
}
#[cfg(test)]
mod tests {
    use super::*;

    /// With `other` in place of each body that is `one`.
    fn check(body: &str, is_cut: bool, expect: Result<Option<&str>, Unread>, bodies: &[&str]) {
        let mut found = Vec::new();
        let replaced = each(body.as_bytes(), b"b", is_cut, |part| {
            found.push(String::from_utf8(part.body.to_vec()).unwrap());
            Ok((part.body == b"one").then(|| b"other".to_vec()))
        });
        assert_eq!(replaced, expect.map(|text| text.map(|text| text.as_bytes().to_vec())), "{body:?}");
        assert_eq!(found, bodies, "{body:?}");
    }

    #[test]
    fn parts_however_their_lines_end() {
        check(
            "before\r\n--b\r\nContent-Type: a\r\n\r\none\r\n--b \r\n\r\ntwo\r\n--b--\r\nbehind",
            false,
            Ok(Some("before\r\n--b\r\nContent-Type: a\r\n\r\nother\r\n--b \r\n\r\ntwo\r\n--b--\r\nbehind")),
            &["one", "two"],
        );
        check("--b\n\none\n--bc\n--b--", false, Ok(None), &["one\n--bc"]);
        check("--b\nno empty line\n--b--", false, Ok(None), &["no empty line"]);
        check("--b--", false, Ok(None), &[]);
        for none in ["", "one", "--c\r\n\r\none\r\n--c--"] {
            check(none, false, Err(Unread), &[]);
        }
        // cut off
        for end in ["", "\r\n-", "\r\n--"] {
            check(&format!("--b\r\n\r\none{end}"), true, Ok(Some(&format!("--b\r\n\r\nother{end}"))), &["one"]);
        }
        check("--b\r\n\r\none\r\n--b-", true, Ok(Some("--b\r\n\r\nother\r\n--b-")), &["one"]);
    }

    #[test]
    fn fields_tell_what_a_part_is() {
        let text = b"Content-Disposition: form-data;\r\n name=\"a\"\r\nCONTENT-TYPE : application/json\r\nno field\r\n\
                     Content-Transfer-Encoding: base64\r\n\r\n{}";
        let part = part(text, false);
        assert_eq!((part.body, part.is_cut, part.is_transfer_coded()), (&b"{}"[..], false, true));
        assert_eq!(part.fields["content-type"], "application/json");
        assert_eq!(part.fields["content-disposition"], "form-data; name=\"a\"");
    }
}
