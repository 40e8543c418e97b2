//! Each coding, whole and byte by byte; what is broken; what expands.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use proptest::prelude::*;

use super::*;

const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Br, Coding::Zstd];

fn encode(coding: Coding, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        Coding::Gzip => flate2::read::GzEncoder::new(body, Compression::default()).read_to_end(&mut out).map(drop),
        Coding::Deflate => flate2::read::ZlibEncoder::new(body, Compression::default()).read_to_end(&mut out).map(drop),
        Coding::Br => brotli::CompressorWriter::new(&mut out, 4096, 5, 22).write_all(body),
        Coding::Zstd => zstd::stream::copy_encode(body, &mut out, 3),
    }
    .unwrap();
    out
}

fn decode(codings: &[Coding], chunks: impl IntoIterator<Item = Vec<u8>>) -> Result<Vec<u8>, Broken> {
    let mut decoder = Decoder::new(codings);
    let mut body = Vec::new();
    for chunk in chunks {
        decoder.push(chunk.into());
        while let Step::Chunk(bytes) = decoder.step()? {
            assert!(!bytes.is_empty() && bytes.len() <= CHUNK_BYTES);
            body.extend_from_slice(&bytes);
        }
    }
    decoder.end();
    loop {
        match decoder.step()? {
            Step::Chunk(bytes) => body.extend_from_slice(&bytes),
            Step::Starved => panic!("starved after the end"),
            Step::End => return Ok(body),
        }
    }
}

fn text(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| b"the quick brown fox "[(i * i / 7 + i) % 20]).collect()
}

#[test]
fn one_byte_at_a_time_is_the_same_as_all_at_once() {
    let body = text(100_000);
    for coding in ALL {
        let coded = encode(coding, &body);
        assert_eq!(decode(&[coding], [coded.clone()]).unwrap(), body, "{coding:?}");
        assert_eq!(decode(&[coding], coded.iter().map(|byte| vec![*byte])).unwrap(), body, "{coding:?}");
    }
}

#[test]
fn codings_upon_codings_are_undone_from_the_last() {
    let body = text(50_000);
    let coded = ALL.iter().fold(body.clone(), |body, coding| encode(*coding, &body));
    assert_eq!(decode(&ALL, [coded.clone()]).unwrap(), body);
    assert_eq!(decode(&ALL, coded.iter().map(|byte| vec![*byte])).unwrap(), body);
}

#[test]
fn deflate_without_its_wrapper_is_understood() {
    let body = text(1000);
    let mut coded = Vec::new();
    flate2::read::DeflateEncoder::new(&body[..], Compression::default()).read_to_end(&mut coded).unwrap();
    assert_eq!(decode(&[Coding::Deflate], [coded.clone()]).unwrap(), body);
    assert_eq!(decode(&[Coding::Deflate], coded.iter().map(|byte| vec![*byte])).unwrap(), body);
}

#[test]
fn gzip_members_follow_each_other_and_padding_is_ignored() {
    let mut named = flate2::GzBuilder::new()
        .filename("name")
        .comment("comment")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), Compression::default());
    named.write_all(b"first ").unwrap();
    let mut coded = named.finish().unwrap();
    coded.extend(encode(Coding::Gzip, b"second"));
    coded.extend([0; 20]);
    assert_eq!(decode(&[Coding::Gzip], [coded.clone()]).unwrap(), b"first second");
    assert_eq!(decode(&[Coding::Gzip], coded.iter().map(|byte| vec![*byte])).unwrap(), b"first second");
}

#[test]
fn zstd_frames_follow_each_other() {
    let coded = [encode(Coding::Zstd, b"first "), encode(Coding::Zstd, b"second")].concat();
    assert_eq!(decode(&[Coding::Zstd], coded.iter().map(|byte| vec![*byte])).unwrap(), b"first second");
}

#[test]
fn what_ends_too_early_is_broken() {
    for coding in ALL {
        let coded = encode(coding, &text(10_000));
        for kept in [1, coded.len() / 2, coded.len() - 1] {
            let result = decode(&[coding], [coded[..kept].to_vec()]);
            assert_eq!(result, Err(Broken::Truncated(coding)), "{coding:?} cut to {kept} bytes");
        }
    }
}

#[test]
fn what_is_not_the_coding_is_broken() {
    for coding in [Coding::Gzip, Coding::Zstd, Coding::Deflate] {
        let result = decode(&[coding], [b"\xff\xff\xff\xff plain text and no more than that".to_vec()]);
        assert!(matches!(result, Err(Broken::Invalid(..))), "{coding:?}: {result:?}");
    }
    let mut wrong = encode(Coding::Gzip, b"checked");
    let crc = wrong.len() - 8;
    wrong[crc] ^= 1;
    assert!(matches!(decode(&[Coding::Gzip], [wrong]), Err(Broken::Invalid(..))));
}

#[test]
fn a_body_of_no_bytes_is_a_body_of_no_bytes() {
    for coding in ALL {
        assert_eq!(decode(&[coding], []).unwrap(), b"");
        assert_eq!(decode(&[coding], [encode(coding, b"")]).unwrap(), b"");
    }
}

#[test]
fn a_bomb_comes_out_in_small_steps() {
    for coding in ALL {
        let coded = encode(coding, &vec![0; 16 << 20]);
        let mut decoder = Decoder::new(&[coding]);
        decoder.push(coded.into());
        for _ in 0..100 {
            let Step::Chunk(chunk) = decoder.step().unwrap() else { panic!("{coding:?}: 16 MiB are more steps") };
            assert!(chunk.len() <= CHUNK_BYTES);
        }
    }
}

#[test]
fn what_grows_between_two_codings_and_says_nothing_is_given_up() {
    let nothing = [&[0x78, 1][..], &[0, 0, 0, 0xff, 0xff].repeat(1 << 20)].concat();
    let result = decode(&[Coding::Deflate, Coding::Gzip], [encode(Coding::Gzip, &nothing)]);
    assert!(matches!(result, Err(Broken::Invalid(Coding::Deflate, _))), "{:?}", result.map(|body| body.len()));
}

proptest! {
    #[test]
    fn any_body_in_any_chunks_and_any_bytes_never_panic(
        body in proptest::collection::vec(any::<u8>(), 0..5000),
        size in 1_usize..700,
        coding in prop::sample::select(&ALL[..]),
    ) {
        let coded = encode(coding, &body);
        let chunks = coded.chunks(size).map(<[u8]>::to_vec);
        prop_assert_eq!(decode(&[coding], chunks).unwrap(), body.clone());
        let _whatever = decode(&[coding], body.chunks(size).map(<[u8]>::to_vec));
    }
}
