use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use prost::Message as _;
use uuid::Uuid;
use weir_host::Codings;
use weir_proto::v1::{Message, MessageKind, TrafficBatch};

use super::*;
use crate::config::{CaptureConfig, Tuning};
use crate::record::Recorder;

type Fields<'a> = &'a [(&'static str, &'static str)];

fn head(fields: Fields<'_>) -> HeaderMap {
    fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

fn told_by(own: Fields<'_>, other: Option<Fields<'_>>, limit: usize, chunks: &[&[u8]]) -> Vec<Message> {
    let tuning = Tuning::of_capture(CaptureConfig { message_bytes: limit, ..CaptureConfig::default() });
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::nil(), &tuning);
    let mut watch = Watch::of(Direction::Response, &head(own), other.map(head).as_ref(), &mut recording);
    if let Some(watch) = &mut watch {
        chunks.iter().for_each(|chunk| watch.passed(chunk));
    }
    drop((watch, recording));
    let mut told = TrafficBatch::decode(&recorder.take()[..]).unwrap().messages;
    told.iter_mut().for_each(|message| message.at_us = 0);
    told
}

fn told_of(kind: &'static str, coding: &'static str, limit: usize, chunks: &[&[u8]]) -> Vec<Message> {
    let fields = [("content-type", kind), ("content-encoding", coding)];
    told_by(if coding.is_empty() { &fields[..1] } else { &fields }, None, limit, chunks)
}

fn coded(coding: &'static str, text: &[u8]) -> Vec<u8> {
    Codings::of(&head(&[("content-encoding", coding)])).unwrap().unwrap().redo(text).unwrap()
}

fn frame(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
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
    check_events("\u{feff}data: a\n\n\u{feff}data: b\n\n", &["data: a", "\u{feff}data: b"]);
    check_events("\u{feff}\u{feff}data: a\n\n", &["\u{feff}data: a"]);
    // begins with a part of the mark
    check_events("\u{fefe}data: a\n\n", &["\u{fefe}data: a"]);
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

const EVENTS: (&str, &str) = ("content-type", "text/event-stream");

#[test]
fn coded_events_are_told_as_what_they_say() {
    let said = |told: Vec<Message>| {
        let text = |one: Message| (one.kind(), String::from_utf8(one.data.to_vec()).unwrap(), one.note);
        told.into_iter().map(text).collect::<Vec<_>>()
    };
    let event = |text: &str| (MessageKind::Event, text.to_owned(), String::new());
    let expect = vec![event("data: one"), event("data: two")];
    for coding in ["gzip", "deflate", "br", "zstd", "br, gzip"] {
        let body = coded(coding, b"data: one\n\ndata: two\n\n");
        let pieces: Vec<&[u8]> = body.chunks(3).collect();
        let told = [EVENTS, ("content-encoding", coding)];
        assert_eq!(said(told_by(&told, None, 99, &pieces)), expect, "{coding}");
        // a filter took the coding from the head, and left it on the body, or undid it
        assert_eq!(said(told_by(&told[..1], Some(&told), 99, &pieces)), expect, "{coding}");
        let plain: &[u8] = b"data: one\n\ndata: two\n\n";
        assert_eq!(said(told_by(&told[..1], Some(&told), 99, &[plain])), expect, "{coding}");
    }
    let bomb = coded("gzip", &vec![b'a'; 32 << 20]);
    let told = said(told_of("text/event-stream", "gzip", 99, &[&bomb]));
    assert_eq!(told, [(MessageKind::Unread, String::new(), "it grows beyond what is decompressed".to_owned())]);
    let unknown = said(told_by(&[EVENTS], Some(&[("content-encoding", "other")]), 99, &[b"data: one\n\n"]));
    assert_eq!(unknown[0].0, MessageKind::Unread);
}

#[test]
fn compressed_messages_of_grpc_are_told_as_what_they_say() {
    fn said(
        own: Fields<'_>,
        other: Option<Fields<'_>>,
        limit: usize,
        body: &[u8],
    ) -> Vec<(Vec<u8>, u64, bool, String)> {
        let told = told_by(own, other, limit, &body.chunks(4).collect::<Vec<_>>());
        told.into_iter().map(|one| (one.data.to_vec(), one.size, one.compressed, one.note)).collect()
    }
    let one = |data: &[u8], size, compressed, note: &str| (data.to_vec(), size, compressed, note.to_owned());
    let kind = ("content-type", "application/grpc");
    for coding in ["gzip", "deflate", "zstd"] {
        let message = coded(coding, b"what it says");
        let body = [
            frame(1, &message),
            frame(0, b"plain"),
            frame(1, b""),
            frame(1, b"\x07no"),
            frame(1, &message)[..9].to_vec(),
        ];
        let own = [kind, ("grpc-encoding", coding)];
        let mut told = said(&own, None, 6, &body.concat());
        assert_eq!(told.pop().map(|last| (last.2, last.3)), Some((false, "it broke off".to_owned())), "{coding}");
        let expect = [
            one(b"what i", 12, false, ""),
            one(b"plain", 5, false, ""),
            one(b"", 0, false, ""),
            one(b"", 0, false, "it does not decompress"),
        ];
        assert_eq!(told, expect, "{coding}");
        assert_eq!(said(&own[..1], Some(&own), 99, &body[0]), [one(b"what it says", 12, false, "")], "{coding}");
        assert_eq!(
            said(&own[..1], None, 2, &body[0]),
            [one(&message[..2], message.len() as u64, true, "")],
            "{coding}"
        );
    }
    let bomb = frame(1, &coded("gzip", &vec![0; 32 << 20]));
    let told = said(&[kind, ("grpc-encoding", "gzip")], None, 9, &bomb);
    assert_eq!(told[0].3, "it grows beyond what is decompressed");
    // the body as a whole, too
    let whole = coded("gzip", &frame(0, b"plain"));
    assert_eq!(said(&[kind, ("content-encoding", "gzip")], None, 9, &whole), [one(b"plain", 5, false, "")]);
}

/// How much is told of it, when what was decompressed is told too; and why no more.
fn grown(told: &[Message]) -> (u64, &str) {
    let last = told.last().expect("that it is given up");
    assert_eq!(last.kind(), MessageKind::Unread);
    (told.iter().map(|one| one.size).sum(), &last.note)
}

#[test]
fn many_small_bombs_are_one_large_one() {
    // and one step of decompression
    let most = |body: &[u8]| (5 << 20) + (128 * body.len() as u64) + (32 << 10);
    let given_up = "it grows beyond what is decompressed";
    let fields = [("content-type", "application/grpc"), ("grpc-encoding", "zstd")];
    let calls = frame(1, &coded("zstd", &vec![0; 3 << 20])).repeat(64);
    for by in [100, 1000, calls.len()] {
        let told = told_by(&fields, None, 9, &calls.chunks(by).collect::<Vec<_>>());
        let (size, why) = grown(&told);
        assert!(size <= most(&calls) && why == given_up, "{by}: {size} {why}");
    }
    // within the coding of the body it is no other
    let both = [fields[0], fields[1], ("content-encoding", "gzip")];
    let whole = coded("gzip", &calls);
    assert!(grown(&told_by(&both, None, 9, &[&whole])).0 <= most(&whole));
    let stream = coded("zstd", &[&b"data: "[..], &vec![b'a'; 32 << 20], b"\n\n"].concat());
    for by in [16, 100, stream.len()] {
        let told = told_of("text/event-stream", "zstd", 99, &stream.chunks(by).collect::<Vec<_>>());
        assert_eq!((told.len(), grown(&told)), (1, (0, given_up)), "{by}");
    }
    // what is as long and grows as others do is read
    let next = |last: &u32| Some(last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let text = std::iter::successors(Some(1), next).map(|one| one.to_be_bytes()[0] >> 5);
    let calls = frame(1, &coded("zstd", &text.take(1 << 20).collect::<Vec<_>>())).repeat(8);
    let told = told_by(&fields, None, 9, &calls.chunks(1 << 14).collect::<Vec<_>>());
    assert!(told.len() == 8 && told.iter().all(|one| one.note.is_empty()));
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
