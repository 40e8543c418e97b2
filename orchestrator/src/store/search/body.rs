//! A captured body as it reads once it is decoded (RFC 9110 section 8.4), as far as it was captured and within a bound.

use std::{
    borrow::Cow,
    io::{self, Read},
};

use weir_proto::v1::Field;

/// Of a decoded body, bytes that are looked at.
const MOST: u64 = 4 << 20;
/// Codings of one body; more are nobody's.
const CODINGS: usize = 4;

/// Decoded, or as it is where that cannot be done.
pub(super) fn decoded<'a>(headers: &[Field], data: &'a [u8]) -> Cow<'a, [u8]> {
    let values = headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-encoding"));
    let codings: Vec<&[u8]> =
        values.flat_map(|field| field.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect();
    if codings.len() > CODINGS {
        return Cow::Borrowed(data);
    }
    // The last one was put on last.
    codings.iter().rev().fold(Cow::Borrowed(data), |data, coding| match one(coding, &data) {
        Some(plain) => Cow::Owned(plain),
        None => data,
    })
}

fn one(coding: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
    if is("gzip") || is("x-gzip") {
        read(flate2::read::MultiGzDecoder::new(data))
    } else if is("deflate") {
        // Some send it without the wrapping of zlib.
        read(flate2::read::ZlibDecoder::new(data)).or_else(|| read(flate2::read::DeflateDecoder::new(data)))
    } else if is("br") {
        read(brotli::Decompressor::new(data, 4096))
    } else if is("zstd") {
        read(zstd::stream::read::Decoder::new(data).ok()?)
    } else {
        None
    }
}

/// What can be read of it: a body that was cut ends in the middle.
fn read(mut decoder: impl Read) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let end: io::Result<usize> = decoder.by_ref().take(MOST).read_to_end(&mut plain);
    (end.is_ok() || !plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write};

    use super::*;

    fn check(coding: &'static str, data: &[u8], expect: &[u8]) {
        let headers = [Field { name: "Content-Encoding".into(), value: coding.as_bytes().into() }];
        assert!(decoded(&headers, data) == expect, "{coding}");
    }

    #[test]
    fn codings_come_off_in_order_and_what_was_cut_is_read_as_far_as_it_goes() {
        let plain = b"the token is 7 ".repeat(300);
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&plain).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut deflate = write::ZlibEncoder::new(Vec::new(), Compression::default());
        deflate.write_all(&plain).unwrap();
        let deflate = deflate.finish().unwrap();
        let zstd = zstd::stream::encode_all(&plain[..], 1).unwrap();
        let mut br = Vec::new();
        brotli::CompressorWriter::new(&mut br, 4096, 5, 20).write_all(&plain).unwrap();
        check("gzip", &gzip, &plain);
        check("X-GZIP", &gzip, &plain);
        check("deflate", &deflate, &plain);
        check("deflate", &deflate[2..], &plain);
        check("zstd", &zstd, &plain);
        check("br", &br, &plain);
        check("identity", &plain, &plain);
        check("gzip", &plain, &plain);
        let twice = zstd::stream::encode_all(&gzip[..], 1).unwrap();
        check("gzip, zstd", &twice, &plain);
        let headers = [Field { name: "content-encoding".into(), value: b"gzip"[..].into() }];
        let cut = decoded(&headers, &gzip[..gzip.len() - 12]);
        assert!(plain.starts_with(&cut[..]) && cut.len() > 100, "{}", cut.len());
    }

    #[test]
    fn a_bomb_is_not_blown_up() {
        let bomb = zstd::stream::encode_all(io::repeat(b'a').take(MOST * 4), 1).unwrap();
        let headers = [Field { name: "content-encoding".into(), value: b"zstd"[..].into() }];
        assert_eq!(decoded(&headers, &bomb).len() as u64, MOST);
    }
}
