//! Any bytes as what one end of a WebSocket says: no panic, nothing over the limit is gathered, cuts change nothing, and what is
//! read is written as bytes that read the same.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the modules are the agent's")]
#[path = "../../agent/src/exchange/websocket"]
mod websocket {
    pub mod frame;
    pub mod reader;

    /// In the place of the host's, which would bring wasmtime along: which codes may be said is not what is looked for here.
    pub struct Close;

    impl Close {
        pub fn is_code(code: u16) -> bool {
            matches!(code, 1000..=4999)
        }
    }
}

use websocket::{
    frame::{self, Fault, Opcode, Sender},
    reader::{Item, Reader},
};

const LIMIT: usize = 100;

fn read<'a>(sender: Sender, chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<Item>, Option<Fault>) {
    let (mut reader, mut input, mut items) = (Reader::new(sender, LIMIT), BytesMut::new(), Vec::new());
    for chunk in chunks {
        input.extend_from_slice(chunk);
        loop {
            match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Item::TooLong)) => {
                    assert!(reader.give_up().is_none_or(|(_, begun)| begun.len() <= LIMIT));
                    items.push(Item::TooLong);
                    return (items, None);
                }
                Ok(Some(item)) => items.push(item),
                Err(fault) => return (items, Some(fault)),
            }
        }
    }
    (items, None)
}

fuzz_target!(|bytes: &[u8]| {
    for sender in [Sender::Client, Sender::Server] {
        let (items, fault) = read(sender, std::iter::once(bytes));
        let in_pieces = read(sender, bytes.chunks(1));
        assert!(in_pieces.0 == items && in_pieces.1 == fault, "{in_pieces:?} and not {items:?}, {fault:?}");
        let mask = (sender == Sender::Client).then_some([1, 2, 3, 4]);
        let mut written = BytesMut::new();
        let whole: Vec<Item> = items.into_iter().filter(|item| *item != Item::TooLong).collect();
        for item in &whole {
            match item {
                Item::Message { is_text, payload } => {
                    assert!(payload.len() <= LIMIT);
                    let opcode = if *is_text { Opcode::Text } else { Opcode::Binary };
                    frame::write(&mut written, true, opcode, payload, mask);
                }
                Item::Control(opcode, payload) => frame::write(&mut written, true, *opcode, payload, mask),
                Item::TooLong => {}
            }
        }
        assert_eq!(read(sender, std::iter::once(&written[..])), (whole, None));
    }
});
