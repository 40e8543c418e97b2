//! Filters that asked for decoded bodies see them so, whatever the sender did.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::GzEncoder};
use weir_host::{Direction, FailureKind, Run};

use crate::{
    guest::{Guest, OBSERVE, TRANSFORM, Wants},
    support::*,
};

const WANTS: Wants = Wants {
    request_head: false,
    response_head: true,
    request_body: TRANSFORM,
    request_trailers: false,
    response_body: TRANSFORM,
    response_trailers: false,
    decoded: true,
    max_buffer: 0,
};

fn flipper() -> Guest {
    Guest { body: "(call $flip (local.get $ptr) (local.get $len))".to_owned(), ..Guest::new(WANTS) }
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    GzEncoder::new(body, Compression::default()).read_to_end(&mut coded).unwrap();
    coded
}

/// A run whose response has come with this coding.
fn respond(guest: &Guest, coding: &str) -> Run {
    let host = host();
    let worker = worker(&host, [host.load(&guest.artifact("a")).unwrap()]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    set_response(&mut run, 200);
    let headers = &mut run.exchange_mut().response.as_mut().unwrap().headers;
    headers.insert("content-encoding", coding.parse().unwrap());
    headers.insert("content-length", "1000".parse().unwrap());
    headers.insert("etag", "\"v1\"".parse().unwrap());
    open(run.response_head(false));
    run
}

#[test]
fn a_coded_body_travels_on_without_its_coding() {
    let mut run = respond(&flipper(), "gzip");
    assert!(run.sees_body(Direction::Response));
    assert!(response_header(&run, "content-encoding").is_empty() && response_header(&run, "content-length").is_empty());
    assert_eq!(response_header(&run, "etag"), ["W/\"v1\""]);
    assert!(run.exchange().original_response.as_ref().unwrap().headers.contains_key("content-encoding"));
    let coded = gzip(b"hello world");
    let chunks: Vec<&[u8]> = coded.chunks(3).collect();
    assert_eq!(through(&mut run, Direction::Response, &chunks), b"HELLO\0WORLD");
}

#[test]
fn all_filters_share_one_decoding() {
    let host = host();
    let load = |name: &str, guest: &Guest| host.load(&guest.artifact(name)).unwrap();
    let observe = Guest::new(Wants { response_body: OBSERVE, ..WANTS });
    let worker = worker(&host, [load("a", &flipper()), load("b", &observe), load("c", &flipper())]);
    let mut run = begin(&worker);
    open(run.request_head(true));
    set_response(&mut run, 200);
    let headers = &mut run.exchange_mut().response.as_mut().unwrap().headers;
    headers.insert("content-encoding", "gzip, br".parse().unwrap());
    open(run.response_head(false));
    let mut coded = Vec::new();
    brotli::CompressorWriter::new(&mut coded, 4096, 5, 22).write_all(&gzip(b"twice flipped")).unwrap();
    assert_eq!(through(&mut run, Direction::Response, &[&coded]), b"twice flipped");
}

#[test]
fn a_coding_that_is_not_known_is_left_alone() {
    for coding in ["lzma", "gzip, gzip, gzip, gzip, gzip", "identity"] {
        let mut run = respond(&flipper(), coding);
        assert_eq!(response_header(&run, "content-encoding"), [coding]);
        assert_eq!(through(&mut run, Direction::Response, &[b"raw"]), b"RAW");
    }
}

#[test]
fn a_filter_that_takes_no_part_after_all_leaves_it_coded() {
    let guest = Guest {
        response_head: "(call $set-body-mode (local.get $of) (i32.const 1) (i32.const 0) (i32.const 0x300)) \
                        (global.get $next)"
            .to_owned(),
        ..flipper()
    };
    let run = respond(&guest, "gzip");
    assert_eq!(response_header(&run, "content-encoding"), ["gzip"]);
    assert!(!run.sees_body(Direction::Response) && run.exchange().original_response.is_none());
}

#[test]
fn a_broken_coding_is_the_senders_fault() {
    let mut run = respond(&flipper(), "gzip");
    let failure = failed(run.chunk(Direction::Response, "this is no gzip".into()));
    assert_eq!(failure.kind, FailureKind::Coding(Direction::Response));
    assert_eq!(failure.kind.sender(), Some(Direction::Response));
    let mut run = respond(&flipper(), "gzip");
    open(run.chunk(Direction::Response, gzip(b"cut short")[..15].to_vec().into()));
    let failure = failed(run.end(Direction::Response, None));
    assert!(failure.reason.contains("ends in its middle"), "{failure}");
}

#[test]
fn a_bomb_is_taken_in_small_bites() {
    let mut run = respond(&flipper(), "gzip");
    let mut coded = gzip(&vec![0; 64 << 20]);
    let checksum = coded.len() - 8;
    coded[checksum] ^= 1;
    open(run.chunk(Direction::Response, coded.into()));
    open(run.end(Direction::Response, None));
    let mut bytes = 0;
    while let Some(chunk) = run.output(Direction::Response) {
        assert!(chunk.len() <= 64 << 10);
        bytes += chunk.len();
    }
    assert_eq!(bytes, 64 << 20);
    let answer = run.answer().expect("the checksum did not fit");
    assert!(matches!(answer, weir_host::Answer::Failed(failure) if failure.kind.sender().is_some()));
}
