//! One content coding: some input in, some output out, never more than the buffer holds.

use brotli::{BrotliDecompressStream, BrotliResult, BrotliState, enc::StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation as _, OutBuffer};

use super::{Coding, gzip::Gzip};

/// 8 MiB: what a receiver has to support and a sender may not exceed (RFC 9659).
const ZSTD_WINDOW_LOG: u32 = 23;

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// A decoder in the middle of a body.
pub(super) enum Codec {
    Gzip(Gzip),
    Deflate(Deflate),
    Br(Box<Brotli>, bool),
    Zstd(ZstdFrames),
}

impl Codec {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Gzip(Gzip::new()),
            Coding::Deflate => Self::Deflate(Deflate::default()),
            Coding::Br => {
                let alloc = StandardAlloc::default;
                // Strict: without the extension that lets a sender ask for a window of 1 GiB.
                Self::Br(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())), false)
            }
            Coding::Zstd => Self::Zstd(ZstdFrames { decoder: None, complete: false }),
        }
    }

    /// Bytes consumed and produced.
    pub(super) fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), String> {
        match self {
            Self::Gzip(gzip) => gzip.run(input, output),
            Self::Deflate(deflate) => deflate.run(input, output),
            Self::Br(state, complete) => brotli(state, complete, input, output),
            Self::Zstd(frames) => frames.run(input, output),
        }
    }

    /// May the body end here?
    pub(super) fn is_complete(&self) -> bool {
        match self {
            Self::Gzip(gzip) => gzip.is_complete(),
            Self::Deflate(deflate) => deflate.complete,
            Self::Br(_, complete) => *complete,
            Self::Zstd(frames) => frames.complete,
        }
    }
}

fn brotli(state: &mut Brotli, complete: &mut bool, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), String> {
    if *complete {
        return Ok((input.len(), 0));
    }
    let (mut left, mut consumed) = (input.len(), 0);
    let (mut room, mut produced, mut total) = (output.len(), 0, 0);
    let result =
        BrotliDecompressStream(&mut left, &mut consumed, input, &mut room, &mut produced, output, &mut total, state);
    match result {
        BrotliResult::ResultFailure => return Err("corrupt stream".to_owned()),
        BrotliResult::ResultSuccess => *complete = true,
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
    }
    Ok((consumed, produced))
}

/// `deflate` is zlib (RFC 1950) by the book, and raw deflate (RFC 1951) from senders that misread it.
#[derive(Default)]
pub(super) struct Deflate {
    first: Option<u8>,
    inflate: Option<Decompress>,
    complete: bool,
}

impl Deflate {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), String> {
        if self.complete {
            return Ok((input.len(), 0));
        }
        if self.inflate.is_none() {
            match (self.first, input) {
                (_, []) => return Ok((0, 0)),
                (None, [first]) => {
                    self.first = Some(*first);
                    return Ok((1, 0));
                }
                (None, [first, second, ..]) => self.inflate = Some(detect(*first, *second)),
                (Some(first), [second, ..]) => {
                    let inflate = self.inflate.insert(detect(first, *second));
                    inflate_some(inflate, &[first], &mut [0], &mut self.complete)?;
                }
            }
        }
        let inflate = self.inflate.as_mut().expect("set above");
        inflate_some(inflate, input, output, &mut self.complete)
    }
}

/// The check of a zlib header (RFC 1950 section 2.2) holds for one raw stream in some thousand, none of them usual.
fn detect(first: u8, second: u8) -> Decompress {
    let is_zlib = first & 0x0f == 8 && (u16::from(first) << 8 | u16::from(second)) % 31 == 0;
    Decompress::new(is_zlib)
}

/// One step of inflate.
pub(super) fn inflate_some(
    inflate: &mut Decompress,
    input: &[u8],
    output: &mut [u8],
    complete: &mut bool,
) -> Result<(usize, usize), String> {
    let (read, written) = (inflate.total_in(), inflate.total_out());
    let status = inflate.decompress(input, output, FlushDecompress::None).map_err(|error| error.to_string())?;
    *complete = status == Status::StreamEnd;
    Ok(((inflate.total_in() - read) as usize, (inflate.total_out() - written) as usize))
}

/// One or more frames (RFC 8878 section 3).
pub(super) struct ZstdFrames {
    decoder: Option<Zstd<'static>>,
    complete: bool,
}

impl ZstdFrames {
    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), String> {
        let fault = |error: std::io::Error| error.to_string();
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            empty => {
                let mut decoder = Zstd::new().map_err(fault)?;
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(fault)?;
                empty.insert(decoder)
            }
        };
        if self.complete {
            if input.is_empty() {
                return Ok((0, 0));
            }
            decoder.reinit().map_err(fault)?;
            self.complete = false;
        }
        let mut source = InBuffer::around(input);
        let mut target = OutBuffer::around(output);
        let hint = decoder.run(&mut source, &mut target).map_err(fault)?;
        self.complete = hint == 0;
        let produced = target.pos();
        Ok((source.pos, produced))
    }
}
