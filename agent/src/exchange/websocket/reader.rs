//! Messages out of frames (RFC 6455 sections 5.4 and 5.5). Enters: the bytes of one peer; leaves: whole messages, and the
//! control frames that may come between their fragments. Pure; must not know what becomes of them.

use bytes::{Buf, Bytes, BytesMut};

use super::Close;
use super::frame::{Fault, Header, MAX_CONTROL, Opcode, Sender, apply};

/// What a peer has said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Message {
        is_text: bool,
        payload: Vec<u8>,
    },
    /// Close, ping or pong.
    Control(Opcode, Bytes),
    /// A message is longer than the limit: the frame that says so has not been taken, and will not be.
    TooLong,
}

pub(crate) struct Reader {
    sender: Sender,
    limit: usize,
    /// of the message whose last fragment has not come
    begun: Option<Opcode>,
    message: Vec<u8>,
    frame: Option<Frame>,
}

/// A data frame, some of which has not come.
struct Frame {
    header: Header,
    taken: u64,
}

impl Reader {
    /// `limit` is the longest message that is gathered, in bytes.
    pub(crate) fn new(sender: Sender, limit: usize) -> Self {
        Reader { sender, limit, begun: None, message: Vec::new(), frame: None }
    }

    /// The next of what is there. None: more has to come. A fault leaves the frame untaken that has it.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Item>, Fault> {
        loop {
            if let Some(item) = self.take_payload(input) {
                return Ok(Some(item));
            }
            if self.frame.is_some() {
                return Ok(None);
            }
            let Some(header) = Header::parse(input, self.sender)? else { return Ok(None) };
            if header.opcode.is_control() {
                return self.control(input, header);
            }
            match (header.opcode, self.begun) {
                (Opcode::Continuation, None) => return Err(Fault::Continues),
                (Opcode::Continuation, Some(_)) | (_, None) => {}
                (_, Some(_)) => return Err(Fault::Interrupts),
            }
            if header.length > (self.limit - self.message.len()) as u64 {
                return Ok(Some(Item::TooLong));
            }
            input.advance(header.bytes);
            self.begun.get_or_insert(header.opcode);
            self.frame = Some(Frame { header, taken: 0 });
        }
    }

    /// What is there of the frame. An item: the message is whole.
    fn take_payload(&mut self, input: &mut BytesMut) -> Option<Item> {
        let frame = self.frame.as_mut()?;
        let left = frame.header.length - frame.taken;
        let count = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        let at = self.message.len();
        self.message.extend_from_slice(&input[..count]);
        input.advance(count);
        if let Some(mask) = frame.header.mask {
            apply(mask, frame.taken, &mut self.message[at..]);
        }
        frame.taken += count as u64;
        if frame.taken < frame.header.length {
            return None;
        }
        let fin = frame.header.fin;
        self.frame = None;
        let is_text = self.begun == Some(Opcode::Text);
        fin.then(|| {
            self.begun = None;
            Item::Message { is_text, payload: std::mem::take(&mut self.message) }
        })
    }

    fn control(&mut self, input: &mut BytesMut, header: Header) -> Result<Option<Item>, Fault> {
        debug_assert!(header.length <= MAX_CONTROL);
        let whole = header.bytes + header.length as usize;
        if input.len() < whole {
            return Ok(None);
        }
        let mut payload = BytesMut::from(&input[header.bytes..whole]);
        if let Some(mask) = header.mask {
            apply(mask, 0, &mut payload);
        }
        if header.opcode == Opcode::Close {
            check_close(&payload)?;
        }
        input.advance(whole);
        Ok(Some(Item::Control(header.opcode, payload.freeze())))
    }

    /// No message has begun and not ended.
    pub(crate) fn is_between(&self) -> bool {
        self.begun.is_none()
    }

    /// The fragments that came of a message, where a frame ends: to be sent on as one, where nobody gathers any more.
    pub(crate) fn give_up(&mut self) -> Option<(Opcode, Vec<u8>)> {
        debug_assert!(self.frame.is_none());
        self.begun.take().map(|opcode| (opcode, std::mem::take(&mut self.message)))
    }
}

/// Sections 5.5.1 and 7.4.
fn check_close(payload: &[u8]) -> Result<(), Fault> {
    match payload {
        [] => Ok(()),
        [high, low, reason @ ..] if Close::is_code(u16::from_be_bytes([*high, *low])) => {
            std::str::from_utf8(reason).map(drop).map_err(|_| Fault::Utf8)
        }
        _ => Err(Fault::Close),
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
