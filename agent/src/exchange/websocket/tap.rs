//! Messages of a WebSocket that nobody holds up (RFC 6455): read beside the bytes that pass. Enters: what one peer sent, in
//! whatever pieces; leaves: messages for the record. What cannot be read is told once, and the bytes pass all the same. Must
//! not know sockets.

use std::rc::Rc;

use weir_host::Direction;

use super::frame::{Header, Mask, Opcode, Sender, apply};
use super::inflate::{Deflate, Fault, Inflater};
use crate::record::{Kind, Messages, Passed};

/// Of a frame's head, bytes (section 5.2).
const LONGEST_HEAD: usize = 14;
/// Of a payload, what is unmasked at a time.
const PIECE: usize = 4 << 10;
/// Of a frame: the message is compressed (RFC 7692 section 6).
const COMPRESSED: u8 = 0x40;

pub(super) struct Tap {
    messages: Rc<Messages>,
    direction: Direction,
    /// what was agreed on that may set the bit
    deflate: Option<Deflate>,
    /// made for the first message that needs it
    inflater: Option<Inflater>,
    /// it lost the thread: what is compressed is told as it passed
    inflates_no_more: bool,
    head: [u8; LONGEST_HEAD],
    head_bytes: usize,
    frame: Option<Frame>,
    begun: Option<Begun>,
    /// nothing more is read
    has_ended: bool,
}

/// A frame, some of whose payload has not come.
struct Frame {
    header: Header,
    taken: u64,
    control: Vec<u8>,
}

/// A message whose last fragment has not come.
struct Begun {
    is_text: bool,
    is_compressed: bool,
    data: Vec<u8>,
    size: u64,
    /// why it was not inflated to its end
    fault: Option<Fault>,
}

impl Tap {
    pub(super) fn new(messages: Rc<Messages>, direction: Direction, deflate: Option<Deflate>) -> Self {
        Tap {
            messages,
            direction,
            deflate,
            inflater: None,
            inflates_no_more: false,
            head: [0; LONGEST_HEAD],
            head_bytes: 0,
            frame: None,
            begun: None,
            has_ended: false,
        }
    }

    /// In the middle of a message, at the beginning of a frame.
    pub(super) fn within(mut self, opcode: Opcode, so_far: &[u8]) -> Self {
        let data = so_far[..so_far.len().min(self.messages.limit())].to_vec();
        let is_text = opcode == Opcode::Text;
        self.begun = Some(Begun { is_text, is_compressed: false, data, size: so_far.len() as u64, fault: None });
        self
    }

    /// Bytes have passed.
    pub(super) fn passed(&mut self, mut bytes: &[u8]) {
        while !self.has_ended && !bytes.is_empty() {
            let used = if self.frame.is_some() { self.payload(bytes) } else { self.head(bytes) };
            bytes = &bytes[used..];
            if self.frame.as_ref().is_some_and(|frame| frame.taken == frame.header.length) {
                self.frame_ends();
            }
        }
    }

    fn head(&mut self, bytes: &[u8]) -> usize {
        let before = self.head_bytes;
        let copied = bytes.len().min(LONGEST_HEAD - before);
        self.head[before..before + copied].copy_from_slice(&bytes[..copied]);
        let mut head = self.head;
        let is_compressed = self.deflate.is_some() && head[0] & COMPRESSED != 0;
        if is_compressed {
            head[0] &= !COMPRESSED;
        }
        let sender = if self.direction == Direction::Request { Sender::Client } else { Sender::Server };
        match Header::parse(&head[..before + copied], sender) {
            Err(fault) => self.stop(&fault.to_string()),
            Ok(None) => self.head_bytes += copied,
            Ok(Some(header)) => {
                self.head_bytes = 0;
                self.frame_begins(header, is_compressed);
                return header.bytes - before;
            }
        }
        copied
    }

    fn frame_begins(&mut self, header: Header, is_compressed: bool) {
        match (header.opcode, &self.begun) {
            (Opcode::Continuation, None) => return self.stop("a frame continues nothing"),
            (Opcode::Text | Opcode::Binary, Some(_)) => return self.stop("a message begins in the middle of another"),
            (Opcode::Text | Opcode::Binary, None) => {
                let is_text = header.opcode == Opcode::Text;
                self.begun = Some(Begun { is_text, is_compressed, data: Vec::new(), size: 0, fault: None });
                self.inflates_next(is_compressed);
            }
            _ => {}
        }
        self.frame = Some(Frame { header, taken: 0, control: Vec::new() });
    }

    fn payload(&mut self, bytes: &[u8]) -> usize {
        let inflates = self.inflates();
        let Some(frame) = &mut self.frame else { return 0 };
        let left = frame.header.length - frame.taken;
        let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let is_control = frame.header.opcode.is_control();
        let (mask, taken) = (frame.header.mask, frame.taken);
        if !is_control && inflates {
            frame.taken += count as u64;
            self.inflate(&bytes[..count], mask, taken);
            return count;
        }
        let into = match (&mut self.begun, is_control) {
            (Some(begun), false) => {
                begun.size += count as u64;
                &mut begun.data
            }
            _ => &mut frame.control,
        };
        let room = if is_control { count } else { self.messages.limit().saturating_sub(into.len()) };
        let at = into.len();
        into.extend_from_slice(&bytes[..count.min(room)]);
        if let Some(mask) = frame.header.mask {
            apply(mask, frame.taken, &mut into[at..]);
        }
        frame.taken += count as u64;
        count
    }

    /// A message begins.
    fn inflates_next(&mut self, is_compressed: bool) {
        if let (true, Some(deflate), None, false) = (is_compressed, self.deflate, &self.inflater, self.inflates_no_more)
        {
            self.inflater = Some(Inflater::new(deflate.begins_anew[self.direction as usize]));
        }
    }

    /// Is what comes of this message inflated, or was to be?
    fn inflates(&self) -> bool {
        let is_compressed = self.begun.as_ref().is_some_and(|begun| begun.is_compressed);
        is_compressed && (self.inflater.is_some() || self.begun.as_ref().is_some_and(|begun| begun.fault.is_some()))
    }

    /// `taken`: where in the frame's payload the bytes begin.
    fn inflate(&mut self, bytes: &[u8], mask: Option<Mask>, mut taken: u64) {
        let limit = self.messages.limit();
        let Some(begun) = &mut self.begun else { return };
        for piece in bytes.chunks(PIECE) {
            let Some(inflater) = &mut self.inflater else { return };
            let mut unmasked = [0; PIECE];
            let unmasked = &mut unmasked[..piece.len()];
            unmasked.copy_from_slice(piece);
            if let Some(mask) = mask {
                apply(mask, taken, unmasked);
            }
            taken += piece.len() as u64;
            if let Err(fault) = inflater.more(unmasked, &mut begun.data, limit) {
                (begun.fault, begun.size) = (Some(fault), inflater.size());
                self.inflater = None;
                self.inflates_no_more = true;
            }
        }
    }

    /// The message is whole: what it says, and is no longer compressed.
    fn inflate_end(&mut self) {
        let Some(begun) = self.begun.as_mut().filter(|begun| begun.is_compressed) else { return };
        if let Some(inflater) = &mut self.inflater {
            match inflater.end(&mut begun.data, self.messages.limit()) {
                Ok(size) => (begun.size, begun.is_compressed) = (size, false),
                Err(fault) => {
                    (begun.fault, begun.size) = (Some(fault), inflater.size());
                    self.inflater = None;
                    self.inflates_no_more = true;
                }
            }
        }
        begun.is_compressed &= begun.fault.is_none();
    }

    fn frame_ends(&mut self) {
        let Some(Frame { header, control, .. }) = self.frame.take() else { return };
        if header.opcode.is_control() {
            self.messages.tell(self.direction, &told(header.opcode, &control));
            // section 5.5.1: what comes behind a Close means nothing
            self.has_ended |= header.opcode == Opcode::Close;
        } else if header.fin {
            self.inflate_end();
            let note = self.begun.as_ref().and_then(|begun| begun.fault).map_or("", Fault::note);
            self.message_ends(note);
        }
    }

    fn message_ends(&mut self, note: &str) {
        let Some(Begun { is_text, is_compressed, data, size, .. }) = self.begun.take() else { return };
        let kind = if is_text { Kind::Text } else { Kind::Binary };
        let is_cut = !note.is_empty();
        let passed = Passed { kind, data: &data, size, note, is_compressed, is_cut, ..Passed::default() };
        self.messages.tell(self.direction, &passed);
    }

    fn stop(&mut self, why: &str) {
        self.message_ends("it was not read to its end");
        self.messages.stop(self.direction, why);
        self.has_ended = true;
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.message_ends("it broke off");
    }
}

/// A control frame, whole.
pub(super) fn told(opcode: Opcode, payload: &[u8]) -> Passed<'_> {
    let size = payload.len() as u64;
    match (opcode, payload) {
        (Opcode::Close, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            Passed { kind: Kind::Close, data: reason, size: size - 2, code, ..Passed::default() }
        }
        (Opcode::Close, data) => Passed { kind: Kind::Close, data, size, ..Passed::default() },
        (Opcode::Ping, data) => Passed { kind: Kind::Ping, data, size, ..Passed::default() },
        (_, data) => Passed { kind: Kind::Pong, data, size, ..Passed::default() },
    }
}

#[cfg(test)]
#[path = "tap_tests.rs"]
mod tests;
