//! Any bytes as a stream of server-sent events: no panic, every byte comes out once and in order, cuts change no event, and an
//! event is written as lines that read the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the module is the host's")]
#[path = "../../host/src/event_stream.rs"]
mod event_stream;

use event_stream::{EventStream, Piece, ServerEvent};

fn read<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<ServerEvent>) {
    let (mut stream, mut bytes, mut events) = (EventStream::default(), Vec::new(), Vec::new());
    let mut take = |piece| match piece {
        Piece::Plain(lines) => bytes.extend_from_slice(&lines),
        Piece::Event(lines, event) => {
            bytes.extend_from_slice(&lines);
            events.push(event);
        }
    };
    for chunk in chunks {
        stream.push(chunk);
        while let Some(piece) = stream.next() {
            take(piece);
        }
    }
    stream.finish().into_iter().for_each(&mut take);
    assert_eq!(stream.held(), 0);
    (bytes, events)
}

fuzz_target!(|bytes: &[u8]| {
    let (passed, events) = read(std::iter::once(bytes));
    assert_eq!(passed, bytes);
    assert_eq!(read(bytes.chunks(1)), (passed, events.clone()));
    for event in events {
        assert!(event.is_valid());
        assert_eq!(read(std::iter::once(&event.to_bytes()[..])).1, [event]);
    }
});
