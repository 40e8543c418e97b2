use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::{Message, MessageKind, TrafficBatch};

use super::*;
use crate::config::{CaptureConfig, Tuning};
use crate::record::Recorder;

fn told_of(kind: &'static str, coding: &'static str, limit: usize, chunks: &[&[u8]]) -> Vec<Message> {
    let tuning = Tuning::of_capture(CaptureConfig { message_bytes: limit, ..CaptureConfig::default() });
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::nil(), &tuning);
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if !coding.is_empty() {
        head.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let mut watch = Watch::of(Direction::Response, &head, &mut recording);
    if let Some(watch) = &mut watch {
        chunks.iter().for_each(|chunk| watch.passed(chunk));
    }
    drop((watch, recording));
    let mut told = TrafficBatch::decode(&recorder.take()[..]).unwrap().messages;
    told.iter_mut().for_each(|message| message.at_us = 0);
    told
}

fn check_events(stream: &str, expect: &[&str]) {
    let told = told_of("text/event-stream; charset=utf-8", "", 100, &[stream.as_bytes()]);
    assert!(told.iter().all(|message| message.kind() == MessageKind::Event && !message.from_client));
    let told: Vec<_> = told.iter().map(|message| std::str::from_utf8(&message.data).unwrap()).collect();
    assert_eq!(told, expect, "{stream:?}");
}

#[test]
fn events_are_told_when_they_have_ended() {
    check_events("data: a\n\nid: 7\nevent: b\ndata: c\n\n", &["data: a", "id: 7\nevent: b\ndata: c"]);
    check_events("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", &["data: a", "data: b", "data: c"]);
    check_events(": a comment\n\n\n\n: another\ndata: a\n\n", &[": another\ndata: a"]);
    check_events("data: without an end\n", &[]);
}

#[test]
fn messages_of_grpc_are_told_with_their_true_size() {
    let stream = b"\0\0\0\0\x03abc\x01\0\0\0\x05defgh\0\0\0\0\0\0\0\0\0\x09xy";
    let told = told_of("application/grpc+proto", "", 4, &[stream]);
    let told: Vec<_> = told.iter().map(|m| (&m.data[..], m.size, m.compressed, &*m.note)).collect();
    let expect: [(&[u8], u64, bool, &str); 4] =
        [(b"abc", 3, false, ""), (b"defg", 5, true, ""), (b"", 0, false, ""), (b"xy", 2, false, "it broke off")];
    assert_eq!(told, expect);
}

#[test]
fn what_cannot_be_read_is_told_and_what_is_no_message_is_not() {
    let told = told_of("text/event-stream", "gzip", 100, &[b"data: a\n\n"]);
    assert_eq!((told.len(), told[0].kind()), (1, MessageKind::Unread));
    let told = told_of("application/grpc", "", 100, &[b"<html>", b"\0\0\0\0\0"]);
    assert_eq!((told.len(), told[0].kind()), (1, MessageKind::Unread));
    for kind in ["text/html", "application/grpc-web-text", "application/grpcurl"] {
        assert!(told_of(kind, "", 100, &[b"\0\0\0\0\0"]).is_empty(), "{kind}");
    }
    assert_eq!(told_of("application/grpc-web", "", 100, &[b"\x80\0\0\0\0"])[0].note, "trailers");
}

proptest! {
    #[test]
    fn any_bytes_are_read_the_same_whole_and_in_pieces(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(0), any::<u8>()], 0..200),
        by in 1..20usize,
    ) {
        let pieces: Vec<&[u8]> = bytes.chunks(by).collect();
        for kind in ["text/event-stream", "application/grpc"] {
            prop_assert_eq!(told_of(kind, "", 50, &[&bytes]), told_of(kind, "", 50, &pieces));
        }
    }
}
