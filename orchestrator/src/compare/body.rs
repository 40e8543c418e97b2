//! What differs in two bodies: line by line where both are text, else by size and digest. They are compared decoded; JSON is
//! laid out first, since it mostly comes as one line.

use std::time::{Duration, Instant};

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use similar::{ChangeTag, TextDiff};
use utoipa::ToSchema;
use weir_har::coding;
use weir_proto::v1::{Body, Field};

/// Of a body, what is compared line by line.
const MOST_BYTES: usize = 1 << 20;
/// What is told of the difference.
const MOST_LINES: usize = 2000;
/// Of a line.
const MOST_LINE: usize = 4 << 10;
/// Equal lines around what differs.
const CONTEXT: usize = 3;
/// After it the difference is coarser than it could be.
const PATIENCE: Duration = Duration::from_millis(500);

/// How bodies were compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum BodyKind {
    /// They are the same, as far as they were captured. What was not captured may differ: sizes and digests of the whole tell.
    Equal,
    /// Line by line.
    Text,
    /// As JSON, laid out, line by line.
    Json,
    /// By size and digest.
    Binary,
}

/// Of one of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BodyFact {
    /// On the wire, bytes.
    size: u64,
    captured: usize,
    /// Of what was captured: `sha256:…`
    digest: String,
    /// Of all of it, where only its beginning was captured and the agent took it; null else
    whole_digest: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) enum Op {
    #[serde(rename = " ")]
    Same,
    #[serde(rename = "-")]
    OnlyA,
    #[serde(rename = "+")]
    OnlyB,
    /// Equal lines that are not told.
    #[serde(rename = "…")]
    Gap,
}

/// A line of the difference.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Line {
    /// ` ` in both, `-` in a, `+` in b, `…` for equal lines that are left out
    pub(crate) op: Op,
    pub(crate) text: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BodyDiff {
    pub(crate) kind: BodyKind,
    a: BodyFact,
    b: BodyFact,
    pub(crate) lines: Vec<Line>,
    /// There is more of it than is told.
    cut: bool,
}

impl BodyDiff {
    pub(super) fn is_same(&self) -> bool {
        let differ = match (&self.a.whole_digest, &self.b.whole_digest) {
            (Some(a), Some(b)) => a != b,
            _ => false,
        };
        self.kind == BodyKind::Equal && self.a.size == self.b.size && !differ
    }
}

type Part<'a> = (Option<&'a Body>, &'a [Field]);

pub(super) fn diff(a: Part<'_>, b: Part<'_>) -> BodyDiff {
    let nothing = Body::default();
    let (body_a, body_b) = (a.0.unwrap_or(&nothing), b.0.unwrap_or(&nothing));
    let mut diff = BodyDiff { kind: BodyKind::Equal, a: fact(body_a), b: fact(body_b), lines: Vec::new(), cut: false };
    if body_a.data == body_b.data {
        return diff;
    }
    let (Some(text_a), Some(text_b)) = (text(body_a, a.1), text(body_b, b.1)) else {
        diff.kind = BodyKind::Binary;
        return diff;
    };
    if text_a == text_b {
        // Coded in two ways.
        return diff;
    }
    let laid_out = (laid_out(&text_a), laid_out(&text_b));
    let (kind, text_a, text_b) = match laid_out {
        // Where they differ in their layout only, that is what differs.
        (Some(json_a), Some(json_b)) if json_a != json_b => (BodyKind::Json, json_a, json_b),
        _ => (BodyKind::Text, text_a, text_b),
    };
    diff.kind = kind;
    (diff.lines, diff.cut) = lines(&text_a, &text_b);
    diff
}

fn fact(body: &Body) -> BodyFact {
    let named = |digest: &[u8]| {
        let digits = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        format!("sha256:{digits}")
    };
    let whole_digest = (!body.digest.is_empty()).then(|| named(&body.digest));
    BodyFact { size: body.size, captured: body.data.len(), digest: named(&Sha256::digest(&body.data)), whole_digest }
}

/// None for what is no text, or too much of it.
fn text(body: &Body, headers: &[Field]) -> Option<String> {
    let named: Vec<&[u8]> = headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("content-encoding"))
        .map(|field| &field.value[..])
        .collect();
    let codings = coding::codings(&named.join(&b',')).ok()?;
    let mut bytes = coding::decode(&codings, &body.data, MOST_BYTES).ok()?.bytes;
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
        && body.is_cut(body.data.len() as u64)
    {
        // The capture ended within a character.
        bytes.truncate(error.valid_up_to());
    }
    let is_text = bytes.len() <= MOST_BYTES && !bytes.contains(&0);
    String::from_utf8(bytes).ok().filter(|_| is_text)
}

fn laid_out(text: &str) -> Option<String> {
    let begins = text.trim_start().starts_with(['{', '[']);
    let value: serde_json::Value = serde_json::from_str(text).ok().filter(|_| begins)?;
    serde_json::to_string_pretty(&value).ok().filter(|text| text.len() <= MOST_BYTES * 4)
}

fn lines(a: &str, b: &str) -> (Vec<Line>, bool) {
    let diff = TextDiff::configure().deadline(Instant::now() + PATIENCE).diff_lines(a, b);
    let mut lines = Vec::new();
    for (place, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        let begins = group.first().is_some_and(|op| op.old_range().start > 0 || op.new_range().start > 0);
        if place > 0 || begins {
            lines.push(Line { op: Op::Gap, text: String::new() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            if lines.len() >= MOST_LINES {
                return (lines, true);
            }
            let op = match change.tag() {
                ChangeTag::Equal => Op::Same,
                ChangeTag::Delete => Op::OnlyA,
                ChangeTag::Insert => Op::OnlyB,
            };
            lines.push(Line { op, text: cut(change.value().trim_end_matches(['\r', '\n'])) });
        }
    }
    (lines, false)
}

fn cut(line: &str) -> String {
    if line.len() <= MOST_LINE {
        return line.to_owned();
    }
    format!("{}…", &line[..line.floor_char_boundary(MOST_LINE)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[u8]) -> Body {
        Body { data: data.to_vec().into(), size: data.len() as u64, ..Body::default() }
    }

    fn shown(diff: &BodyDiff) -> Vec<String> {
        diff.lines
            .iter()
            .map(|line| format!("{}{}", serde_json::to_value(line.op).unwrap().as_str().unwrap(), line.text))
            .collect()
    }

    fn check(a: &[u8], b: &[u8], kind: BodyKind, expect: &[&str]) {
        let diff = diff((Some(&of(a)), &[]), (Some(&of(b)), &[]));
        assert_eq!((diff.kind, shown(&diff)), (kind, expect.iter().map(|line| (*line).to_owned()).collect()));
    }

    #[test]
    fn by_lines_by_members_or_by_digest() {
        check(b"a\nb\nc\n", b"a\nx\nc\n", BodyKind::Text, &[" a", "-b", "+x", " c"]);
        check(b"1\n2\n3\n4\n5\n", b"1\n2\n3\n4\n6\n", BodyKind::Text, &["…", " 2", " 3", " 4", "-5", "+6"]);
        check(
            br#"{"a":1,"b":2}"#,
            br#"{"b":3,"a":1}"#,
            BodyKind::Json,
            &[" {", "   \"a\": 1,", "-  \"b\": 2", "+  \"b\": 3", " }"],
        );
        check(br#"{"a":1}"#, br#"{"a": 1}"#, BodyKind::Text, &["-{\"a\":1}", "+{\"a\": 1}"]);
        check(b"a", b"\xff", BodyKind::Binary, &[]);
        check(b"a\0", b"a\0", BodyKind::Equal, &[]);
        check(b"", b"a", BodyKind::Text, &["+a"]);
    }

    #[test]
    fn coded_bodies_are_compared_decoded() {
        let field = Field { name: "Content-Encoding".into(), value: b"gzip"[..].into() };
        let gzip = of(&coding::encode(&[coding::Coding::Gzip], b"a\nb".to_vec()).unwrap());
        let diff_to = |plain: &[u8]| diff((Some(&gzip), std::slice::from_ref(&field)), (Some(&of(plain)), &[]));
        let same = diff_to(b"a\nb");
        assert_eq!((same.kind, same.is_same()), (BodyKind::Equal, false), "their sizes differ");
        assert_eq!(shown(&diff_to(b"a\nc")), [" a", "-b", "+c"]);
    }

    #[test]
    fn bodies_that_differ_behind_what_was_captured_are_not_the_same() {
        let cut = |digest: &'static [u8]| Body { size: 9, digest: digest.into(), ..of(b"same") };
        for (a, b, same) in [(&b"1"[..], &b"1"[..], true), (b"1", b"2", false), (b"1", b"", true), (b"", b"", true)] {
            let diff = diff((Some(&cut(a)), &[]), (Some(&cut(b)), &[]));
            assert_eq!((diff.kind, diff.is_same()), (BodyKind::Equal, same), "{a:?} {b:?}");
        }
    }

    #[test]
    fn hostile_bodies_take_no_longer_than_they_may() {
        let lines = |seed: usize| (0..300_000).map(|n| format!("{}\n", (n * seed) % 7)).collect::<String>();
        let (a, b) = (lines(3), lines(5));
        let began = Instant::now();
        let diff = diff((Some(&of(a.as_bytes())), &[]), (Some(&of(b.as_bytes())), &[]));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert!(diff.cut && diff.lines.len() <= MOST_LINES);
    }
}
