//! One body on its way: chunks in, redacted chunks out. The bytes that come out are those of the whole body redacted at
//! once, wherever its chunks were cut.

use weir_sdk::{Chunk, ChunkAction};

use crate::matcher::Matcher;

/// What is kept of a body between two chunks.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The byte before, if patterns look at it, then what may still become a match.
    kept: Vec<u8>,
    /// How many bytes of `kept` were sent already.
    sent: usize,
}

impl Stream {
    /// The next chunk of this body.
    pub(crate) fn push(&mut self, matcher: &mut Matcher, chunk: Chunk) -> ChunkAction {
        let Chunk { bytes, end_of_stream } = chunk;
        let sent = std::mem::take(&mut self.sent);
        let held = self.kept.len() - sent;
        let text = if self.kept.is_empty() {
            bytes
        } else {
            let mut text = std::mem::take(&mut self.kept);
            text.extend_from_slice(&bytes);
            text
        };
        let (out, until) = redact(matcher, &text, sent, end_of_stream);
        let unchanged = held == 0 && out.is_none() && until == text.len();
        let out = match out {
            _ if unchanged => Vec::new(),
            Some(out) => out,
            None => text[sent..until].to_vec(),
        };
        if !end_of_stream {
            let before = usize::from(matcher.looks_around()).min(until);
            self.kept = text[until - before..].to_vec();
            self.sent = before;
        }
        match out.is_empty() {
            true if unchanged => ChunkAction::Pass,
            true => ChunkAction::Drop,
            false => ChunkAction::Replace(out),
        }
    }
}

/// Redacts `text[from..]` as far as what follows cannot change it: the bytes to send, if they differ from the text, and
/// up to where the text is done with.
fn redact(matcher: &mut Matcher, text: &[u8], from: usize, is_whole: bool) -> (Option<Vec<u8>>, usize) {
    // What begins before this has all of its bytes here.
    let sure = if is_whole { text.len() } else { text.len().saturating_sub(matcher.reach() - 1) };
    let mut out: Option<Vec<u8>> = None;
    let mut position = from;
    loop {
        let found = matcher.find(text, position);
        let until = found.map_or(text.len(), |found| found.start);
        // Before `until` nothing matches so far; nor may anything once more bytes are here.
        let unsettled = (position.max(sure)..until).find(|at| !matcher.is_settled(text, *at));
        let found = match (unsettled, found) {
            (Some(at), _) => return finish(out, text, position, at),
            (None, None) => return finish(out, text, position, text.len()),
            (None, Some(found)) => found,
        };
        if found.start >= sure && !matcher.is_settled(text, found.start) {
            return finish(out, text, position, found.start);
        }
        let out = out.get_or_insert_with(|| Vec::with_capacity(text.len()));
        out.extend_from_slice(&text[position..found.start]);
        out.extend_from_slice(matcher.replacement(found));
        position = found.end;
    }
}

fn finish(out: Option<Vec<u8>>, text: &[u8], from: usize, until: usize) -> (Option<Vec<u8>>, usize) {
    let out = out.map(|mut out| {
        out.extend_from_slice(&text[from..until]);
        out
    });
    (out, until)
}
