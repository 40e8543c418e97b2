//! Content codings (RFC 9110 section 8.4) undone and done again. What comes in is what peers sent, so all output is bounded.

use std::io::{self, Read};

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use flate2::{Compression, Decompress, FlushDecompress, Status, bufread::GzDecoder};

/// More in a row serve nobody but an attacker.
const MOST_CODINGS: usize = 4;
/// 8 MiB: what a receiver has to support and a sender may not exceed (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;
const CHUNK: usize = 16 << 10;

/// A coding that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952
    Gzip,
    /// zlib (RFC 1950), or raw deflate (RFC 1951) from senders that misread the book
    Deflate,
    /// Brotli, RFC 7932
    Br,
    /// RFC 8878
    Zstd,
}

/// Why a body cannot be decoded. It is its sender's fault.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A coding that nobody here undoes.
    #[error("the coding `{0}` is not one of gzip, deflate, br and zstd")]
    Unknown(String),
    /// More codings than make sense.
    #[error("more than {MOST_CODINGS} codings")]
    TooMany,
    /// Not what it says it is.
    #[error("not valid {coding:?}: {reason}")]
    Broken {
        /// The one that failed.
        coding: Coding,
        /// In the words of its decoder.
        reason: String,
    },
    /// It grows beyond what was asked for.
    #[error("decoded it is longer than {0} bytes")]
    TooLong(usize),
}

/// What came out.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    /// As far as there was input.
    pub bytes: Vec<u8>,
    /// False when the input ended before the coding did.
    pub complete: bool,
}

/// The codings of a `Content-Encoding` value, in the order in which they were applied.
///
/// # Errors
/// One is not known.
pub fn codings(value: &[u8]) -> Result<Vec<Coding>, CodingError> {
    let text = String::from_utf8_lossy(value);
    let mut codings = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        codings.push(match name.to_ascii_lowercase().as_str() {
            "identity" => continue,
            "gzip" | "x-gzip" => Coding::Gzip,
            "deflate" => Coding::Deflate,
            "br" => Coding::Br,
            "zstd" => Coding::Zstd,
            _ => return Err(CodingError::Unknown(name.chars().take(64).collect())),
        });
    }
    if codings.len() > MOST_CODINGS { Err(CodingError::TooMany) } else { Ok(codings) }
}

/// Undoes the codings, the last one first, to at most `most` bytes.
///
/// # Errors
/// The input is not what the codings say, or grows beyond `most`. Input that only ends too early is no error.
pub fn decode(codings: &[Coding], data: &[u8], most: usize) -> Result<Decoded, CodingError> {
    let mut decoded = Decoded { bytes: data.to_vec(), complete: true };
    if data.is_empty() {
        return Ok(decoded);
    }
    for coding in codings.iter().rev() {
        let mut out = Out { bytes: Vec::new(), most };
        let complete = out.undo(*coding, &decoded.bytes).map_err(|stop| match stop {
            Stop::TooLong => CodingError::TooLong(most),
            Stop::Broken(reason) => CodingError::Broken { coding: *coding, reason },
        })?;
        decoded = Decoded { bytes: out.bytes, complete: decoded.complete && complete };
    }
    Ok(decoded)
}

/// Applies the codings, the first one first.
///
/// # Errors
/// None that memory does not give.
pub fn encode(codings: &[Coding], data: Vec<u8>) -> io::Result<Vec<u8>> {
    codings.iter().try_fold(data, |data, coding| {
        let mut out = Vec::new();
        match coding {
            Coding::Gzip => flate2::bufread::GzEncoder::new(&data[..], Compression::fast()).read_to_end(&mut out)?,
            Coding::Deflate => {
                flate2::bufread::ZlibEncoder::new(&data[..], Compression::fast()).read_to_end(&mut out)?
            }
            Coding::Br => brotli::CompressorReader::new(&data[..], CHUNK, 3, 20).read_to_end(&mut out)?,
            Coding::Zstd => zstd::stream::read::Encoder::with_buffer(&data[..], 1)?.read_to_end(&mut out)?,
        };
        Ok(out)
    })
}

enum Stop {
    TooLong,
    Broken(String),
}

struct Out {
    bytes: Vec<u8>,
    most: usize,
}

impl Out {
    /// True when the coding came to its end.
    fn undo(&mut self, coding: Coding, data: &[u8]) -> Result<bool, Stop> {
        match coding {
            Coding::Gzip => self.gzip(data),
            Coding::Deflate => self.deflate(data),
            Coding::Br => self.brotli(data),
            Coding::Zstd => {
                let broken = |error: io::Error| Stop::Broken(error.to_string());
                let mut reader = zstd::stream::read::Decoder::with_buffer(data).map_err(broken)?;
                reader.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
                self.drain(&mut reader)
            }
        }
    }

    /// Members one after another; what follows the last one and is none is left alone, as browsers do.
    fn gzip(&mut self, mut data: &[u8]) -> Result<bool, Stop> {
        loop {
            let mut member = GzDecoder::new(data);
            if !self.drain(&mut member)? {
                return Ok(false);
            }
            data = member.into_inner();
            if !data.starts_with(&[0x1f, 0x8b]) {
                return Ok(true);
            }
        }
    }

    fn drain(&mut self, reader: &mut impl Read) -> Result<bool, Stop> {
        let mut chunk = [0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => return Ok(true),
                Ok(count) => self.push(&chunk[..count])?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                Err(error) => return Err(Stop::Broken(error.to_string())),
            }
        }
    }

    fn deflate(&mut self, data: &[u8]) -> Result<bool, Stop> {
        // The check of a zlib header (RFC 1950 section 2.2) holds for one raw stream in some thousand, none of them usual.
        let is_zlib = matches!(data, [first, second, ..]
            if first & 0x0f == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0);
        let mut inflate = Decompress::new(is_zlib);
        let mut chunk = [0; CHUNK];
        loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let rest = &data[usize::try_from(read).unwrap_or(usize::MAX).min(data.len())..];
            let status = inflate.decompress(rest, &mut chunk, FlushDecompress::None);
            let status = status.map_err(|error| Stop::Broken(error.to_string()))?;
            let count = usize::try_from(inflate.total_out() - written).unwrap_or(0).min(CHUNK);
            self.push(&chunk[..count])?;
            if status == Status::StreamEnd {
                return Ok(true);
            }
            if count == 0 && inflate.total_in() == read {
                return Ok(false);
            }
        }
    }

    fn brotli(&mut self, data: &[u8]) -> Result<bool, Stop> {
        let alloc = StandardAlloc::default;
        // Strict: without the extension that lets a sender ask for a window of 1 GiB.
        let mut state = BrotliState::new_strict(alloc(), alloc(), alloc());
        let (mut left, mut consumed, mut total) = (data.len(), 0, 0);
        let mut chunk = [0; CHUNK];
        loop {
            let (mut room, mut produced) = (CHUNK, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut consumed,
                data,
                &mut room,
                &mut produced,
                &mut chunk,
                &mut total,
                &mut state,
            );
            self.push(&chunk[..produced])?;
            match result {
                BrotliResult::ResultSuccess => return Ok(true),
                BrotliResult::ResultFailure => return Err(Stop::Broken("corrupt stream".to_owned())),
                BrotliResult::NeedsMoreInput => return Ok(false),
                BrotliResult::NeedsMoreOutput => {}
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.len() > self.most - self.bytes.len() {
            return Err(Stop::TooLong);
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];

    #[test]
    fn what_was_coded_comes_back_whole_cut_and_broken() {
        let plain = b"some text, some text, and more ".repeat(2000);
        for coding in ALL {
            let coded = encode(&[coding], plain.clone()).unwrap();
            let whole = decode(&[coding], &coded, plain.len()).unwrap();
            assert_eq!(whole, Decoded { bytes: plain.clone(), complete: true }, "{coding:?}");
            assert_eq!(decode(&[coding], &coded, plain.len() - 1), Err(CodingError::TooLong(plain.len() - 1)));
            let cut = decode(&[coding], &coded[..coded.len() - 1], plain.len()).unwrap();
            assert!(!cut.complete && plain.starts_with(&cut.bytes), "{coding:?}");
            let broken = decode(&[coding], b"\x07this is something else", 1000);
            assert!(matches!(broken, Err(CodingError::Broken { .. })), "{coding:?} {broken:?}");
        }
        let twice = encode(&ALL, plain.clone()).unwrap();
        assert_eq!(decode(&ALL, &twice, plain.len()).unwrap().bytes, plain);
    }

    #[test]
    fn deflate_is_read_as_it_is_meant_and_as_it_is_sent() {
        let mut raw = Vec::new();
        flate2::bufread::DeflateEncoder::new(&b"hello"[..], Compression::fast()).read_to_end(&mut raw).unwrap();
        assert_eq!(decode(&[Coding::Deflate], &raw, 5).unwrap().bytes, b"hello");
    }

    #[test]
    fn members_follow_each_other_and_what_is_none_is_left_alone() {
        let mut two = encode(&[Coding::Gzip], b"a".to_vec()).unwrap();
        two.extend(encode(&[Coding::Gzip], b"b".to_vec()).unwrap());
        two.extend(b"rest");
        assert_eq!(decode(&[Coding::Gzip], &two, 9).unwrap(), Decoded { bytes: b"ab".to_vec(), complete: true });
    }

    #[test]
    fn names() {
        assert_eq!(codings(b" identity, X-GZip ,br").unwrap(), [Coding::Gzip, Coding::Br]);
        assert_eq!(codings(b"").unwrap(), []);
        assert_eq!(codings(b"compress"), Err(CodingError::Unknown("compress".to_owned())));
        assert_eq!(codings(b"br,br,br,br,br"), Err(CodingError::TooMany));
    }
}
