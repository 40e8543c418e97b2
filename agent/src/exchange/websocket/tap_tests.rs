use bytes::BytesMut;
use proptest::prelude::*;
use prost::Message as _;
use uuid::Uuid;
use weir_proto::v1::{Message, TrafficBatch};

use super::super::frame::{self, Mask};
use super::super::inflate::tests::{compressor, deflate};
use super::*;
use crate::config::{CaptureConfig, Tuning};
use crate::record::Recorder;

const AGREED: Option<&str> = Some("permessage-deflate");
const MASK: Mask = [0x37, 0xfa, 0x21, 0x3d];

/// What a tap tells of these pieces.
fn told_of(direction: Direction, limit: usize, deflate: Option<&str>, pieces: &[&[u8]]) -> Vec<Message> {
    let tuning = Tuning::of_capture(CaptureConfig { message_bytes: limit, ..CaptureConfig::default() });
    let recorder = Recorder::new(1, &tuning.capture);
    let mut recording = recorder.worker(0).begin(Uuid::nil(), &tuning);
    let deflate = deflate.and_then(Deflate::parse);
    let mut tap = Tap::new(recording.messages().unwrap(), direction, deflate);
    pieces.iter().for_each(|piece| tap.passed(piece));
    drop((tap, recording));
    TrafficBatch::decode(&recorder.take()[..]).unwrap().messages
}

fn check(bytes: &[u8], expect: &[(Kind, &[u8], u64, &str)]) {
    let told = told_of(Direction::Response, 8, AGREED, &[bytes]);
    let told: Vec<_> = told.iter().map(|m| (m.kind(), &m.data[..], m.size, &*m.note)).collect();
    assert_eq!(told, expect, "{bytes:02x?}");
}

#[test]
fn messages_and_control_frames_are_told_as_they_end() {
    check(b"\x81\x05Hello\x82\x02\x00\x01", &[(Kind::Text, b"Hello", 5, ""), (Kind::Binary, b"\x00\x01", 2, "")]);
    check(b"\x01\x03Hel\x89\x01!\x80\x02lo", &[(Kind::Ping, b"!", 1, ""), (Kind::Text, b"Hello", 5, "")]);
    check(b"\x81\x0blonger than", &[(Kind::Text, b"longer t", 11, "")]);
    check(b"\x81\x00\x8a\x00", &[(Kind::Text, b"", 0, ""), (Kind::Pong, b"", 0, "")]);
    check(b"\x81\x05He", &[(Kind::Text, b"He", 2, "it broke off")]);
}

#[test]
fn a_close_has_its_code_and_ends_what_is_read() {
    let told = told_of(Direction::Response, 100, None, &[b"\x88\x05\x03\xe8bye\x81\x01x"]);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].kind(), told[0].code, &told[0].data[..]), (Kind::Close, 1000, &b"bye"[..]));
}

#[test]
fn what_cannot_be_read_is_told_once() {
    let reserved = "a reserved bit is set, and no extension was agreed on";
    check(b"\xa1\x01x\xa1\x01x", &[(Kind::Unread, b"", 0, reserved)]);
    check(b"\x80\x00\x81\x00", &[(Kind::Unread, b"", 0, "a frame continues nothing")]);
    check(
        b"\x01\x01a\x81\x01b",
        &[
            (Kind::Text, b"a", 1, "it was not read to its end"),
            (Kind::Unread, b"", 0, "a message begins in the middle of another"),
        ],
    );
}

#[test]
fn compressed_messages_are_told_as_what_they_say() {
    let mut sender = compressor();
    let mut bytes = BytesMut::new();
    for message in ["hello hello hello", "hello hello hello again"] {
        let at = bytes.len();
        frame::write(&mut bytes, true, Opcode::Text, &deflate(&mut sender, message.as_bytes()), Some(MASK));
        bytes[at] |= COMPRESSED;
    }
    let told = told_of(Direction::Request, 17, AGREED, &[&bytes]);
    let told: Vec<_> = told.iter().map(|m| (&m.data[..], m.size, m.compressed)).collect();
    assert_eq!(told, [(&b"hello hello hello"[..], 17, false), (&b"hello hello hello"[..], 23, false)]);
    assert_eq!(told_of(Direction::Request, 100, None, &[&bytes])[0].kind(), Kind::Unread);
}

#[test]
fn what_does_not_inflate_is_told_as_it_passed() {
    let bytes = b"\xc1\x04\xff\xff\xff\xff\xc2\x02\x01\x02\x81\x01x";
    let told = told_of(Direction::Response, 100, AGREED, &[bytes]);
    let told: Vec<_> = told.iter().map(|m| (m.kind(), &m.data[..], m.compressed, &*m.note)).collect();
    let expect: [(Kind, &[u8], bool, &str); 3] = [
        (Kind::Text, b"", false, "it does not inflate"),
        (Kind::Binary, &[1, 2], true, ""),
        (Kind::Text, b"x", false, ""),
    ];
    assert_eq!(told, expect);
}

proptest! {
    #[test]
    fn what_a_peer_says_is_told_however_it_is_cut(
        messages in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..6),
        by in 1..40usize,
        limit in 0..400usize,
    ) {
        let mut bytes = BytesMut::new();
        for (is_text, payload) in &messages {
            let opcode = if *is_text { Opcode::Text } else { Opcode::Binary };
            let (first, rest) = payload.split_at(payload.len() / 2);
            frame::write(&mut bytes, false, opcode, first, Some(MASK));
            frame::write(&mut bytes, true, Opcode::Continuation, rest, Some(MASK));
        }
        let pieces: Vec<&[u8]> = bytes.chunks(by).collect();
        let told = told_of(Direction::Request, limit, None, &pieces);
        prop_assert_eq!(told.len(), messages.len());
        for ((is_text, payload), told) in messages.iter().zip(&told) {
            prop_assert_eq!(told.kind() == Kind::Text, *is_text);
            prop_assert_eq!(told.size, payload.len() as u64);
            prop_assert_eq!(&told.data[..], &payload[..payload.len().min(limit)]);
            prop_assert!(told.from_client);
        }
        prop_assert!(told.iter().zip(1..).all(|(told, number)| told.number == number));
    }

    #[test]
    fn any_bytes_are_read_the_same_whole_and_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..300), compress in any::<bool>()) {
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        let untimed = |mut told: Vec<Message>| {
            told.iter_mut().for_each(|message| message.at_us = 0);
            told
        };
        let agreed = AGREED.filter(|_| compress);
        let whole = untimed(told_of(Direction::Response, 50, agreed, &[&bytes]));
        prop_assert_eq!(whole, untimed(told_of(Direction::Response, 50, agreed, &pieces)));
    }
}
