use super::*;
use proptest::prelude::*;

fn pieces(chunks: &[&[u8]]) -> Vec<Piece> {
    let mut stream = EventStream::default();
    let mut pieces = Vec::new();
    for chunk in chunks {
        stream.push(chunk);
        pieces.extend(std::iter::from_fn(|| stream.next()));
    }
    pieces.extend(stream.finish());
    pieces
}

fn events(text: &str) -> Vec<ServerEvent> {
    let of = |piece| match piece {
        Piece::Event(_, event) => Some(event),
        Piece::Plain(_) => None,
    };
    pieces(&[text.as_bytes()]).into_iter().filter_map(of).collect()
}

fn data(data: &str) -> ServerEvent {
    ServerEvent { data: data.to_owned(), ..ServerEvent::default() }
}

#[test]
fn the_examples_of_the_standard_read_as_it_says() {
    assert_eq!(events("data: YHOO\ndata: +2\ndata: 10\n\n"), [data("YHOO\n+2\n10")]);
    let second = ServerEvent { id: Some(String::new()), ..data("second event") };
    let first = ServerEvent { id: Some("1".into()), ..data("first event") };
    let text = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n";
    assert_eq!(events(text), [first, second, data(" third event")]);
    assert_eq!(events("data\n\ndata\ndata\n\ndata:"), [data(""), data("\n"), data("")]);
    assert_eq!(events("data:test\n\ndata: test\n\n"), [data("test"), data("test")]);
}

#[test]
fn lines_end_in_three_ways_and_fields_have_their_rules() {
    for end in ["\n", "\r", "\r\n"] {
        let text = "event: a|data: 1|data: 2|||: c|data: 3||".replace('|', end);
        assert_eq!(events(&text), [ServerEvent { event: Some("a".into()), ..data("1\n2") }, data("3")], "{end:?}");
    }
    assert_eq!(events("\u{feff}data: 1\n\n\u{feff}data: 2\n\n"), [data("1")], "a BOM begins the stream alone");
    assert_eq!(events("event: a\n\nid: 7\n\nretry: 5\n\n"), [], "no data, no event");
    assert_eq!(events("Data: 1\n data: 2\ndatum: 3\n\n"), []);
    assert_eq!(events("id: 1\nid: a\0b\nretry: 5x\ndata: 1\n\n"), [ServerEvent { id: Some("1".into()), ..data("1") }]);
    assert_eq!(events("retry: 99999999999\ndata: 1\n\n"), [ServerEvent { retry: Some(u32::MAX), ..data("1") }]);
}

#[test]
fn comments_do_not_wait_for_the_event_behind_them() {
    let mut stream = EventStream::default();
    stream.push(b": alive\n: sti");
    assert_eq!(stream.next(), Some(Piece::Plain(": alive\n".into())));
    assert_eq!(stream.next(), None);
    stream.push(b"ll\ndata: 1\n: in the middle\n");
    assert_eq!(stream.next(), None);
    stream.push(b"\r");
    assert_eq!(stream.next(), Some(Piece::Event(": still\ndata: 1\n: in the middle\n\r".into(), data("1"))));
    stream.push(b"\ndata: 2\r\n\r\ndata");
    assert_eq!(stream.next(), Some(Piece::Plain("\n".into())), "it belongs to the line end before");
    assert_eq!(stream.next(), Some(Piece::Event("data: 2\r\n\r\n".into(), data("2"))));
    assert_eq!((stream.next(), stream.held()), (None, 4));
}

#[test]
fn what_cannot_be_written_is_known() {
    let event =
        |event: &str, id: &str| ServerEvent { event: Some(event.into()), id: Some(id.into()), ..data("x\r\ny") };
    assert!(event("a: b", " c").is_valid());
    assert!(!event("a\nb", "c").is_valid() && !event("a", "c\r").is_valid() && !event("a", "\0").is_valid());
    assert_eq!(event("a", " c").to_bytes(), "event: a\nid:  c\ndata: x\ndata: y\n\n");
}

fn line() -> impl Strategy<Value = String> {
    let name = prop_oneof!["data", "event", "id", "retry", "", "da", "[a-z\0]{0,3}"];
    (name, prop_oneof!["", ":", ": ", ":  "], "[0-9a: \0é]{0,4}")
        .prop_map(|(name, colon, value)| name + &colon + &value)
}

proptest! {
    #[test]
    fn every_byte_comes_out_once_and_cuts_change_no_event(
        lines in prop::collection::vec((line(), prop_oneof!["\n", "\r", "\r\n"], any::<bool>()), 0..12),
        cuts in prop::collection::vec(0.0..1.0f64, 0..6),
    ) {
        let text: String = lines.iter().map(|(line, end, blank)| format!("{line}{end}{}", if *blank { &**end } else { "" })).collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| (cut * text.len() as f64) as usize).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let chunks: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        for piece in pieces(&chunks) {
            match piece {
                Piece::Plain(block) => bytes.extend_from_slice(&block),
                Piece::Event(block, event) => {
                    bytes.extend_from_slice(&block);
                    said.push(event);
                }
            }
        }
        prop_assert_eq!(bytes, text.as_bytes());
        prop_assert_eq!(said, events(&text));
    }

    #[test]
    fn what_is_written_reads_the_same(
        event in prop::option::of("[a-z: é]{0,5}"), text in "([a-z: é\0]|\n){0,9}", id in prop::option::of("[a-z: ]{0,5}"),
        retry in prop::option::of(any::<u32>()),
    ) {
        let event = ServerEvent { event, data: text, id, retry };
        let written = event.to_bytes();
        prop_assert_eq!(pieces(&[&written]), [Piece::Event(written.clone(), event)]);
    }
}
