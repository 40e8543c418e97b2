//! A stream of server-sent events (HTML, section 9.2.6). Enters: bytes as they come; leaves: whole blocks of lines, byte for
//! byte as they came, each with the event that a client makes of it. Pure; must not know filters.

use bytes::{Bytes, BytesMut};

/// One server-sent event (HTML, section 9.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// The type.
    pub event: Option<String>,
    /// Lines of data, joined by line feeds.
    pub data: String,
    /// The id that the client is to keep.
    pub id: Option<String>,
    /// Milliseconds until the client connects again.
    pub retry: Option<u32>,
}

/// What the stream is made of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Nothing that a client would call an event.
    Plain(Bytes),
    /// The lines of one, and what they say.
    Event(Bytes, ServerEvent),
}

/// A stream in the middle.
#[derive(Debug, Default)]
pub(crate) struct EventStream {
    /// The block that has not ended, and what came behind it.
    held: BytesMut,
    /// Where its line begins that has not ended.
    line: usize,
    /// So much of that line has no end in it.
    seen: usize,
    /// The line before ended with CR: an LF belongs to it.
    after_cr: bool,
    /// The block has lines that are no comments.
    has_fields: bool,
    /// Something was taken already: what stands at the beginning now is not the beginning of the stream.
    begun: bool,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl EventStream {
    /// More of it.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// What is whole. None: more has to come.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        while let Some(&byte) = self.held.get(self.line + self.seen) {
            let is_line_start = self.seen == 0;
            if byte == b'\n' && is_line_start && std::mem::take(&mut self.after_cr) {
                if self.line == 0 {
                    return Some(Piece::Plain(self.split(1)));
                }
                self.line += 1;
                continue;
            }
            self.after_cr = false;
            if byte != b'\n' && byte != b'\r' {
                self.seen += 1;
                continue;
            }
            let end = self.line + self.seen + 1;
            let is_crlf = byte == b'\r' && self.held.get(end) == Some(&b'\n');
            self.after_cr = byte == b'\r' && !is_crlf;
            let is_comment = self.held[self.line] == b':';
            (self.line, self.seen) = (end + usize::from(is_crlf), 0);
            if is_line_start {
                return Some(self.piece(self.line));
            }
            self.has_fields |= !is_comment;
        }
        // Comments keep a connection alive: they do not wait for the event behind them.
        let only_comments = !self.has_fields && self.line > 0;
        only_comments.then(|| Piece::Plain(self.split(self.line)))
    }

    /// Bytes of the block that has not ended, once [`Self::next`] gave nothing more.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// The stream has ended, perhaps in the middle of a block: a client by the book forgets it, others do not.
    pub(crate) fn finish(&mut self) -> Option<Piece> {
        let rest = self.held.len();
        (rest > 0).then(|| self.piece(rest))
    }

    fn piece(&mut self, at: usize) -> Piece {
        let is_first = !self.begun;
        let block = self.split(at);
        let lines = if is_first { block.strip_prefix(BOM).unwrap_or(&block) } else { &block };
        match event(lines) {
            Some(event) => Piece::Event(block, event),
            None => Piece::Plain(block),
        }
    }

    fn split(&mut self, at: usize) -> Bytes {
        (self.line, self.seen, self.has_fields, self.begun) = (0, 0, false, true);
        self.held.split_to(at).freeze()
    }
}

/// The event that the lines of a block make. None: they have no data.
fn event(block: &[u8]) -> Option<ServerEvent> {
    let (mut event, mut data) = (ServerEvent::default(), None::<Vec<u8>>);
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    // between CR and LF is one line more here, and it is empty
    for line in block.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => match &mut data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => data = Some(value.to_vec()),
            },
            b"event" => event.event = Some(text(value)),
            b"id" if !value.contains(&0) => event.id = Some(text(value)),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // digits alone: all that can be wrong is that they are too many
                event.retry = Some(text(value).parse().unwrap_or(u32::MAX));
            }
            _ => {}
        }
    }
    event.data = text(&data?);
    Some(event)
}

impl ServerEvent {
    /// Can it be written so that it reads as it is?
    pub fn is_valid(&self) -> bool {
        let one_line = |text: &Option<String>| text.as_ref().is_none_or(|text| !text.contains(['\r', '\n']));
        one_line(&self.event) && one_line(&self.id) && self.id.as_ref().is_none_or(|id| !id.contains('\0'))
    }

    /// As lines of a stream. Line ends in the data, of any kind, become line feeds.
    pub fn to_bytes(&self) -> Bytes {
        let mut lines = String::with_capacity(self.data.len() + 64);
        let mut field = |name: &str, value: &str| {
            for part in [name, ": ", value, "\n"] {
                lines.push_str(part);
            }
        };
        if let Some(event) = &self.event {
            field("event", event);
        }
        if let Some(id) = &self.id {
            field("id", id);
        }
        if let Some(retry) = self.retry {
            field("retry", &retry.to_string());
        }
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            field("data", line);
        }
        lines.push('\n');
        Bytes::from(lines)
    }
}

#[cfg(test)]
#[path = "event_stream_tests.rs"]
mod tests;
