//! Frames of RFC 6455 section 5.2. Enters: bytes of a peer; leaves: what a frame's head says, and frames written anew. Pure;
//! must not know what messages are for.

use bytes::BytesMut;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// Who sends: a client masks what it says, a server does not (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Client,
    Server,
}

/// A frame's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: Opcode,
    pub(crate) mask: Option<Mask>,
    /// of the payload
    pub(crate) length: u64,
    /// of the head itself
    pub(crate) bytes: usize,
}

pub(crate) type Mask = [u8; 4];

/// Section 5.5: of a control frame.
pub(crate) const MAX_CONTROL: u64 = 125;

/// What the protocol does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a reserved bit is set, and no extension was agreed on")]
    Reserved,
    #[error("the opcode is not known")]
    Opcode,
    #[error("a client has to mask its frames, and a server must not")]
    Masking,
    #[error("a length has its highest bit set")]
    Length,
    #[error("a control frame is fragmented or too long")]
    Control,
    #[error("a frame continues nothing")]
    Continues,
    #[error("a message begins in the middle of another")]
    Interrupts,
    #[error("a Close says what must not be sent")]
    Close,
    #[error("text is not UTF-8")]
    Utf8,
}

impl Fault {
    /// Section 7.4.1.
    pub(crate) fn code(self) -> u16 {
        if self == Fault::Utf8 { 1007 } else { 1002 }
    }
}

impl Opcode {
    fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    pub(crate) fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }
}

impl Header {
    /// The head at the beginning of `bytes`. None: it is not all there.
    pub(crate) fn parse(bytes: &[u8], sender: Sender) -> Result<Option<Self>, Fault> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Fault::Reserved);
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(Fault::Opcode)?;
        let (fin, masked) = (first & 0x80 != 0, second & 0x80 != 0);
        if masked != (sender == Sender::Client) {
            return Err(Fault::Masking);
        }
        let (width, short) = match second & 0x7f {
            126 => (2, None),
            127 => (8, None),
            short => (0, Some(u64::from(short))),
        };
        if opcode.is_control() && (!fin || short.is_none()) {
            return Err(Fault::Control);
        }
        let Some((long, rest)) = rest.split_at_checked(width) else { return Ok(None) };
        let long = long.iter().fold(0, |length, byte| length << 8 | u64::from(*byte));
        let length = short.unwrap_or(long);
        if length >> 63 != 0 {
            return Err(Fault::Length);
        }
        let mask = match (masked, rest.first_chunk()) {
            (false, _) => None,
            (true, Some(mask)) => Some(*mask),
            (true, None) => return Ok(None),
        };
        Ok(Some(Header { fin, opcode, mask, length, bytes: 2 + width + if masked { 4 } else { 0 } }))
    }
}

/// Writes a frame. What goes to a server needs a mask that nobody can foresee (section 5.3).
pub(crate) fn write(out: &mut BytesMut, fin: bool, opcode: Opcode, payload: &[u8], mask: Option<Mask>) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    out.reserve(payload.len() + 14);
    out.extend_from_slice(&[if fin { 0x80 } else { 0 } | opcode.bits()]);
    match payload.len() {
        short @ 0..=125 => out.extend_from_slice(&[mask_bit | short as u8]),
        length @ 126..=0xffff => {
            out.extend_from_slice(&[mask_bit | 126]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.extend_from_slice(&[mask_bit | 127]);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
    let at = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply(mask, 0, &mut out[at..]);
    }
}

/// Masks, or unmasks, what lies at `offset` of a frame's payload.
pub(crate) fn apply(mut mask: Mask, offset: u64, payload: &mut [u8]) {
    mask.rotate_left((offset % 4) as usize);
    let word = u32::from_ne_bytes(mask);
    let (words, rest) = payload.as_chunks_mut();
    words.iter_mut().for_each(|bytes| *bytes = (u32::from_ne_bytes(*bytes) ^ word).to_ne_bytes());
    rest.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
