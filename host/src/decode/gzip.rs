//! gzip (RFC 1952): members one after another, each with a header, deflate data and a checked trailer.

use flate2::{Crc, Decompress};

use super::codec::inflate_some;

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

/// Where in a member the input stands. Header fields are skipped byte by byte: they are rare and short.
enum At {
    /// The ten fixed bytes, so many seen.
    Fixed(usize),
    /// The length of the extra field: so many bytes seen, their value.
    ExtraLength(usize, usize),
    /// So many bytes to skip of the extra field.
    Extra(usize),
    /// A text that a zero ends; the flag it belongs to.
    Text(u8),
    /// So many bytes of the header's checksum left.
    HeaderCrc(usize),
    Data,
    /// So many bytes of checksum and length seen.
    Trailer(usize, [u8; 8]),
    /// After a member: another, or padding.
    Between,
    /// Not another member: ignored, as browsers do.
    Padding,
}

/// A gzip body.
pub(super) struct Gzip {
    at: At,
    flags: u8,
    inflate: Decompress,
    crc: Crc,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { at: At::Fixed(0), flags: 0, inflate: Decompress::new(false), crc: Crc::new() }
    }

    pub(super) fn is_complete(&self) -> bool {
        matches!(self.at, At::Between | At::Padding)
    }

    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), String> {
        let mut used = 0;
        loop {
            if matches!(self.at, At::Data) {
                let mut complete = false;
                let (consumed, produced) = inflate_some(&mut self.inflate, &input[used..], output, &mut complete)?;
                self.crc.update(&output[..produced]);
                if complete {
                    self.at = At::Trailer(0, [0; 8]);
                }
                used += consumed;
                if produced > 0 || !complete {
                    return Ok((used, produced));
                }
            }
            let Some(byte) = input.get(used) else { return Ok((used, 0)) };
            self.frame(*byte)?;
            used += 1;
        }
    }

    /// A byte that is not deflate data.
    fn frame(&mut self, byte: u8) -> Result<(), String> {
        self.at = match self.at {
            At::Fixed(seen) => {
                let expected = [0x1f, 0x8b, 8];
                if seen < expected.len() && byte != expected[seen] {
                    return Err("not a gzip header".to_owned());
                }
                if seen == 3 {
                    self.flags = byte;
                }
                if seen < 9 { At::Fixed(seen + 1) } else { self.after(0) }
            }
            At::ExtraLength(0, _) => At::ExtraLength(1, usize::from(byte)),
            At::ExtraLength(_, low) => match low | usize::from(byte) << 8 {
                0 => self.after(FEXTRA),
                length => At::Extra(length),
            },
            At::Extra(1) => self.after(FEXTRA),
            At::Extra(left) => At::Extra(left - 1),
            At::Text(flag) if byte == 0 => self.after(flag),
            At::Text(flag) => At::Text(flag),
            At::HeaderCrc(1) => At::Data,
            At::HeaderCrc(left) => At::HeaderCrc(left - 1),
            At::Trailer(seen, mut bytes) => {
                bytes[seen] = byte;
                if seen < 7 { At::Trailer(seen + 1, bytes) } else { self.check(bytes)? }
            }
            At::Between if byte == 0x1f => {
                *self = Self::new();
                At::Fixed(1)
            }
            At::Between | At::Padding => At::Padding,
            At::Data => At::Data,
        };
        Ok(())
    }

    /// The next optional field after the one with this flag; they come in the order FEXTRA, FNAME, FCOMMENT, FHCRC.
    fn after(&self, flag: u8) -> At {
        let has = |next: u8, before: &[u8]| self.flags & next != 0 && (flag == 0 || before.contains(&flag));
        if has(FEXTRA, &[]) {
            At::ExtraLength(0, 0)
        } else if has(FNAME, &[FEXTRA]) {
            At::Text(FNAME)
        } else if has(FCOMMENT, &[FEXTRA, FNAME]) {
            At::Text(FCOMMENT)
        } else if has(FHCRC, &[FEXTRA, FNAME, FCOMMENT]) {
            At::HeaderCrc(2)
        } else {
            At::Data
        }
    }

    fn check(&self, trailer: [u8; 8]) -> Result<At, String> {
        let [a, b, c, d, e, f, g, h] = trailer;
        let fits =
            u32::from_le_bytes([a, b, c, d]) == self.crc.sum() && u32::from_le_bytes([e, f, g, h]) == self.crc.amount();
        if fits { Ok(At::Between) } else { Err("checksum does not fit".to_owned()) }
    }
}
