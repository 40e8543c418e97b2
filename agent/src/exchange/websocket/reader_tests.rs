use proptest::prelude::*;

use super::super::frame::{self, Mask};
use super::*;

const MASK: Mask = [0x37, 0xfa, 0x21, 0x3d];

fn read(sender: Sender, limit: usize, chunks: &[&[u8]]) -> (Vec<Item>, Result<(), Fault>) {
    let (mut reader, mut input, mut items) = (Reader::new(sender, limit), BytesMut::new(), Vec::new());
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match reader.next(&mut input) {
                Ok(Some(Item::TooLong)) => return (items, Ok(())),
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(fault) => return (items, Err(fault)),
            }
        }
    }
    (items, Ok(()))
}

fn text(text: &str) -> Item {
    Item::Message { is_text: true, payload: text.as_bytes().to_vec() }
}

fn check(sender: Sender, bytes: &[u8], expect: Result<Vec<Item>, Fault>) {
    let (items, read) = read(sender, 1 << 20, &[bytes]);
    assert_eq!(read.map(|()| items), expect, "{bytes:02x?}");
}

/// Section 5.7.
#[test]
fn the_examples_of_the_rfc_read_as_it_says() {
    check(Sender::Server, b"\x81\x05Hello", Ok(vec![text("Hello")]));
    check(Sender::Client, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Ok(vec![text("Hello")]));
    check(Sender::Server, b"\x01\x03Hel\x80\x02lo", Ok(vec![text("Hello")]));
    let ping = Item::Control(Opcode::Ping, "Hello".into());
    check(Sender::Server, b"\x89\x05Hello", Ok(vec![ping]));
    let pong = Item::Control(Opcode::Pong, "Hello".into());
    check(Sender::Client, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Ok(vec![pong]));
    let binary = |length: usize| vec![Item::Message { is_text: false, payload: vec![7; length] }];
    check(Sender::Server, &[&b"\x82\x7e\x01\x00"[..], &[7; 256]].concat(), Ok(binary(256)));
    let long = [&b"\x82\x7f\0\0\0\0\0\x01\0\0"[..], &[7; 65536]].concat();
    check(Sender::Server, &long, Ok(binary(65536)));
}

#[test]
fn control_frames_come_between_fragments_and_do_not_wait_for_the_end() {
    let bytes = b"\x01\x03Hel\x89\x01!\x00\x01l\x8a\x00\x80\x01o";
    let ping = Item::Control(Opcode::Ping, "!".into());
    let pong = Item::Control(Opcode::Pong, Bytes::new());
    check(Sender::Server, bytes, Ok(vec![ping, pong, text("Hello")]));
    check(
        Sender::Server,
        b"\x88\x04\x03\xe8ok",
        Ok(vec![Item::Control(Opcode::Close, Bytes::from_static(b"\x03\xe8ok"))]),
    );
}

#[test]
fn what_the_rfc_forbids_is_a_fault() {
    let faults: [(&[u8], Fault); 15] = [
        (b"\xc1\x00", Fault::Reserved),
        (b"\xa1\x00", Fault::Reserved),
        (b"\x91\x00", Fault::Reserved),
        (b"\x83\x00", Fault::Opcode),
        (b"\x8b\x00", Fault::Opcode),
        (b"\x81\x80\0\0\0\0", Fault::Masking),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", Fault::Length),
        (b"\x09\x00", Fault::Control),
        (b"\x89\x7e\x00\x7e", Fault::Control),
        (b"\x80\x00", Fault::Continues),
        (b"\x01\x00\x81\x00", Fault::Interrupts),
        (b"\x88\x01\x03", Fault::Close),
        (b"\x88\x02\x03\xed", Fault::Close),
        (b"\x88\x02\x03\xe7", Fault::Close),
        (b"\x88\x03\x03\xe8\xff", Fault::Utf8),
    ];
    for (bytes, fault) in faults {
        check(Sender::Server, bytes, Err(fault));
    }
    check(Sender::Client, b"\x81\x00", Err(Fault::Masking));
    assert_eq!((Fault::Utf8.code(), Fault::Masking.code()), (1007, 1002));
}

#[test]
fn a_message_too_long_is_known_by_the_head_of_its_frame_and_what_came_can_go_on() {
    let mut reader = Reader::new(Sender::Server, 5);
    let mut input = BytesMut::from(&b"\x81\x05Hello\x01\x03Hel\x80\x03lo!"[..]);
    assert_eq!(reader.next(&mut input), Ok(Some(text("Hello"))));
    assert_eq!(reader.next(&mut input), Ok(Some(Item::TooLong)));
    assert!(!reader.is_between());
    assert_eq!(reader.give_up(), Some((Opcode::Text, b"Hel".to_vec())));
    assert_eq!(&input[..], b"\x80\x03lo!", "the frame that is too much is not taken");
    let mut input = BytesMut::from(&b"\x82\x7f\0\0\0\0\xff\0\0\0"[..]);
    assert_eq!(reader.next(&mut input), Ok(Some(Item::TooLong)), "nothing is kept for what is only promised");
    assert_eq!(reader.give_up(), None);
}

fn item() -> impl Strategy<Value = (Item, Vec<usize>)> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..300);
    let message = (any::<bool>(), bytes()).prop_map(|(is_text, payload)| Item::Message { is_text, payload });
    let control = (prop_oneof![Just(Opcode::Ping), Just(Opcode::Pong)], prop::collection::vec(any::<u8>(), 0..126))
        .prop_map(|(opcode, payload)| Item::Control(opcode, payload.into()));
    (prop_oneof![3 => message, 1 => control], prop::collection::vec(0..300usize, 0..4))
}

/// As a peer may write it: in fragments, at these places.
fn write(out: &mut BytesMut, item: &Item, cuts: &[usize], mask: Option<Mask>) {
    match item {
        Item::Control(opcode, payload) => frame::write(out, true, *opcode, payload, mask),
        Item::Message { is_text, payload } => {
            let mut at: Vec<usize> = cuts.iter().map(|cut| (*cut).min(payload.len())).collect();
            at.extend([0, payload.len()]);
            at.sort_unstable();
            let last = at.len() - 2;
            for (index, pair) in at.windows(2).enumerate() {
                let opcode = match (index, is_text) {
                    (0, true) => Opcode::Text,
                    (0, false) => Opcode::Binary,
                    _ => Opcode::Continuation,
                };
                frame::write(out, index == last, opcode, &payload[pair[0]..pair[1]], mask);
            }
        }
        Item::TooLong => {}
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        items in prop::collection::vec(item(), 0..6), masked in any::<bool>(), by in 1..64usize,
    ) {
        let (sender, mask) = if masked { (Sender::Client, Some(MASK)) } else { (Sender::Server, None) };
        let mut bytes = BytesMut::new();
        items.iter().for_each(|(item, cuts)| write(&mut bytes, item, cuts, mask));
        let chunks: Vec<&[u8]> = bytes.chunks(by).collect();
        let (got, read) = read(sender, 300, &chunks);
        prop_assert_eq!(read, Ok(()));
        prop_assert_eq!(got, items.into_iter().map(|(item, _)| item).collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_read_the_same_whole_and_in_pieces(bytes in prop::collection::vec(any::<u8>(), 0..200), client in any::<bool>()) {
        let sender = if client { Sender::Client } else { Sender::Server };
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(read(sender, 50, &[&bytes]), read(sender, 50, &pieces));
    }

    #[test]
    fn masking_twice_is_nothing_and_can_begin_anywhere(payload in prop::collection::vec(any::<u8>(), 0..40), cut in 0..40usize) {
        let (mut whole, mut parts) = (payload.clone(), payload.clone());
        let cut = cut.min(payload.len());
        frame::apply(MASK, 0, &mut whole);
        let (head, tail) = parts.split_at_mut(cut);
        frame::apply(MASK, 0, head);
        frame::apply(MASK, cut as u64, tail);
        prop_assert_eq!(&whole, &parts);
        frame::apply(MASK, 0, &mut whole);
        prop_assert_eq!(whole, payload);
    }
}
