//! Content codings (RFC 9110 section 8.4.1) of bodies that are in memory, undone and done again: for whoever keeps a copy of one
//! that passed. What comes in is what peers sent, so what comes out is bounded.

use std::io::{self, Read as _};

use bytes::Bytes;
use http::HeaderMap;

use crate::decode::{Coding, Decoder, Step, named};

/// Of the window that a brotli stream is coded with, the logarithm: as much as any receiver takes (RFC 7932 section 9.1).
const BROTLI_WINDOW_LOG: u32 = 20;
const BROTLI_QUALITY: u32 = 3;
const BROTLI_BUFFER: usize = 16 << 10;

/// The codings of one body, in the order they were applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codings(Vec<Coding>);

/// What is left of a body without its codings.
#[derive(Debug, PartialEq, Eq)]
pub struct Undone {
    /// As far as there was input, and room.
    pub bytes: Vec<u8>,
    /// That is all of it.
    pub complete: bool,
}

impl Codings {
    /// As the fields of its message say; none of a body without one. One that nobody here knows, or too many of them, is an
    /// error.
    pub fn of(fields: &HeaderMap) -> Result<Option<Self>, UnknownCoding> {
        let codings = named(fields).ok_or(UnknownCoding)?;
        Ok((!codings.is_empty()).then_some(Self(codings)))
    }

    /// As the first bytes of a body tell themselves, whatever its fields say: gzip (RFC 1952 section 2.3.1) and zstd (RFC 8878
    /// section 3.1.1, with skippable frames) have such a mark, brotli and deflate have none.
    pub fn marked(body: &[u8]) -> Option<Self> {
        match body {
            [0x1f, 0x8b, 8, ..] => Some(Self(vec![Coding::Gzip])),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self(vec![Coding::Zstd])),
            _ => None,
        }
    }

    /// Undoes them as the body comes.
    pub fn undoing(&self) -> Undoing {
        Undoing(Decoder::new(&self.0))
    }

    /// Undoes them, to at most so many bytes. Of what ends too early, or is longer than that, there is the beginning.
    ///
    /// # Errors
    /// The body is not what its codings say.
    pub fn undo(&self, coded: Bytes, most: usize) -> Result<Undone, NotCoded> {
        let mut decoder = Decoder::new(&self.0);
        decoder.push(coded);
        let mut bytes = Vec::new();
        loop {
            match decoder.step().map_err(|broken| NotCoded(broken.to_string()))? {
                Step::Chunk(chunk) => {
                    let room = most - bytes.len();
                    bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        return Ok(Undone { bytes, complete: false });
                    }
                }
                // Nothing more is in its stages: whether that was the end, it is asked once.
                Step::Starved => break,
                Step::End => return Ok(Undone { bytes, complete: true }),
            }
        }
        decoder.end();
        let complete = matches!(decoder.step(), Ok(Step::End));
        Ok(Undone { bytes, complete })
    }

    /// Applies them, fast rather than well.
    ///
    /// # Errors
    /// None but that there is no memory.
    pub fn redo(&self, plain: &[u8]) -> io::Result<Vec<u8>> {
        let mut codings = self.0.iter();
        let first = match codings.next() {
            Some(coding) => encode(*coding, plain)?,
            None => plain.to_vec(),
        };
        codings.try_fold(first, |coded, coding| encode(*coding, &coded))
    }
}

/// A body whose codings are undone while it comes.
pub struct Undoing(Decoder);

impl Undoing {
    /// More of the body. `take` gets what it says, in pieces of at most 32 KiB, until it says that it wants no more; then this is
    /// at its end.
    ///
    /// # Errors
    /// The body is not what its codings say.
    pub fn push(&mut self, coded: Bytes, mut take: impl FnMut(&[u8]) -> bool) -> Result<(), NotCoded> {
        self.0.push(coded);
        loop {
            match self.0.step().map_err(|broken| NotCoded(broken.to_string()))? {
                Step::Chunk(chunk) if take(&chunk) => {}
                Step::Chunk(_) | Step::Starved | Step::End => return Ok(()),
            }
        }
    }

    /// Nothing more comes: was that all of it?
    pub fn end(mut self) -> bool {
        self.0.end();
        matches!(self.0.step(), Ok(Step::End))
    }
}

/// `Content-Encoding` names a coding that is not known here, or too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a content coding that is not known")]
pub struct UnknownCoding;

/// The body is not what its `Content-Encoding` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotCoded(String);

fn encode(coding: Coding, plain: &[u8]) -> io::Result<Vec<u8>> {
    use flate2::{Compression, bufread};
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => bufread::GzEncoder::new(plain, Compression::fast()).read_to_end(&mut out)?,
        Coding::Deflate => bufread::ZlibEncoder::new(plain, Compression::fast()).read_to_end(&mut out)?,
        Coding::Br => brotli::CompressorReader::new(plain, BROTLI_BUFFER, BROTLI_QUALITY, BROTLI_WINDOW_LOG)
            .read_to_end(&mut out)?,
        Coding::Zstd => zstd::stream::read::Encoder::with_buffer(plain, 1)?.read_to_end(&mut out)?,
    };
    Ok(out)
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header::CONTENT_ENCODING};

    use super::*;

    fn of(values: &[&'static str]) -> Result<Option<Codings>, UnknownCoding> {
        Codings::of(&values.iter().map(|value| (CONTENT_ENCODING, HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn all_lines_of_the_field_count() {
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        assert_eq!(of(&["identity", "gzip"]), Ok(Some(Codings(vec![Coding::Gzip]))));
        assert_eq!(of(&["br, X-GZIP"]), Ok(Some(Codings(vec![Coding::Br, Coding::Gzip]))));
        assert_eq!(of(&["compress"]), Err(UnknownCoding));
        assert_eq!(of(&["gzip,gzip,gzip,gzip,gzip"]), Err(UnknownCoding));
    }

    #[test]
    fn what_was_done_again_is_undone_whole_cut_and_broken() {
        let plain = b"some text, some text, and more ".repeat(4000);
        for names in ["gzip", "deflate", "br", "zstd", "deflate, br, zstd, gzip"] {
            let codings = of(&[names]).unwrap().unwrap();
            let coded = Bytes::from(codings.redo(&plain).unwrap());
            assert!(coded.len() < plain.len() / 10, "{names}");
            let undone = |coded: Bytes, most| codings.undo(coded, most).unwrap();
            assert_eq!(undone(coded.clone(), plain.len()), Undone { bytes: plain.clone(), complete: true }, "{names}");
            let short = undone(coded.clone(), 1000);
            assert_eq!((&short.bytes[..], short.complete), (&plain[..1000], false), "{names}");
            let cut = undone(coded.slice(..coded.len() - 1), plain.len());
            assert!(!cut.complete && plain.starts_with(&cut.bytes), "{names}");
            assert_eq!(undone(Bytes::new(), 9), Undone { bytes: Vec::new(), complete: true }, "{names}");
            assert!(codings.undo(Bytes::from_static(b"\x07this is something else"), 1000).is_err(), "{names}");
        }
    }

    #[test]
    fn what_marks_itself_is_known_by_its_first_bytes() {
        for (names, is_marked) in [("gzip", true), ("zstd", true), ("br, gzip", true), ("deflate", false)] {
            let coded = of(&[names]).unwrap().unwrap().redo(b"some text").unwrap();
            let last = names.rsplit(", ").next().unwrap();
            let expect = is_marked.then(|| of(&[last]).unwrap().unwrap());
            assert_eq!(Codings::marked(&coded), expect, "{names}");
        }
        for other in [&b""[..], b"\x1f\x8b", b"text", b"PK\x03\x04"] {
            assert_eq!(Codings::marked(other), None);
        }
    }

    #[test]
    fn what_comes_in_pieces_is_undone_as_it_comes() {
        for names in ["gzip", "deflate", "br", "zstd", "deflate, gzip"] {
            let codings = of(&[names]).unwrap().unwrap();
            let coded = codings.redo(&b"some text, ".repeat(9000)).unwrap();
            let (mut undoing, mut text) = (codings.undoing(), Vec::new());
            for piece in coded.chunks(7) {
                let take = |chunk: &[u8]| {
                    text.extend_from_slice(chunk);
                    true
                };
                undoing.push(Bytes::copy_from_slice(piece), take).unwrap();
            }
            assert!(undoing.end() && text == b"some text, ".repeat(9000), "{names}");
            let mut short = codings.undoing();
            short.push(Bytes::copy_from_slice(&coded[..coded.len() - 1]), |_| true).unwrap();
            assert!(!short.end(), "{names}");
            assert!(codings.undoing().push(Bytes::from_static(b"\x07this is something else"), |_| true).is_err());
            let mut count = 0;
            let enough = |_: &[u8]| {
                count += 1;
                false
            };
            codings.undoing().push(coded.into(), enough).unwrap();
            assert_eq!(count, 1, "{names}");
        }
    }

    #[test]
    fn a_bomb_is_not_blown_up() {
        let codings = of(&["gzip, gzip"]).unwrap().unwrap();
        let bomb = codings.redo(&vec![0; 64 << 20]).unwrap();
        let undone = codings.undo(bomb.into(), 100_000).unwrap();
        assert_eq!((undone.bytes.len(), undone.complete), (100_000, false));
    }
}
