//! Messages of gRPC in a body: a flag, a length of four bytes, the message (gRPC over HTTP/2, "Length-Prefixed-Message"); of
//! gRPC-Web its trailers are one too. Pure.

const HEAD: usize = 5;
const COMPRESSED: u8 = 1;
const TRAILERS: u8 = 0x80;

/// A message as far as it is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'b> {
    flag: u8,
    pub(super) payload: &'b [u8],
    /// bytes of it that are not
    pub(super) missing: usize,
}

/// What stands next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'b> {
    Frame(Frame<'b>),
    /// The beginning of a head.
    Head(&'b [u8]),
    /// No message.
    Other,
}

/// A body that claims to have messages may be something else, such as the error of a proxy.
pub(super) fn are_in(body: &[u8]) -> bool {
    body.first().is_some_and(|flag| is_flag(*flag))
}

fn is_flag(byte: u8) -> bool {
    byte & !(COMPRESSED | TRAILERS) == 0
}

/// Takes it off; none where nothing is left.
pub(super) fn next<'b>(rest: &mut &'b [u8]) -> Option<Next<'b>> {
    let flag = *rest.first()?;
    if !is_flag(flag) {
        return Some(Next::Other);
    }
    let Some(([_, length @ ..], behind)) = rest.split_first_chunk::<HEAD>() else {
        return Some(Next::Head(std::mem::take(rest)));
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    let (payload, behind) = behind.split_at(length.min(behind.len()));
    *rest = behind;
    Some(Next::Frame(Frame { flag, payload, missing: length - payload.len() }))
}

impl Frame<'_> {
    pub(super) fn is_compressed(&self) -> bool {
        self.flag & COMPRESSED != 0
    }

    pub(super) fn is_trailers(&self) -> bool {
        self.flag & TRAILERS != 0
    }

    /// With another message in its place.
    pub(super) fn write(&self, payload: &[u8], out: &mut Vec<u8>) {
        self.write_as(payload.len(), payload, out);
    }

    /// The same, as one of this length. What is missing of it stays so.
    pub(super) fn write_as(&self, length: usize, payload: &[u8], out: &mut Vec<u8>) {
        let length = u32::try_from(length.saturating_add(self.missing)).unwrap_or(u32::MAX);
        out.push(self.flag);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_taken_off_and_written_again() {
        let body = b"\0\0\0\0\x03abc\x01\0\0\0\0\x80\0\0\0\x09xy";
        let (mut rest, mut out, mut told) = (&body[..], Vec::new(), Vec::new());
        while let Some(Next::Frame(frame)) = next(&mut rest) {
            frame.write(frame.payload, &mut out);
            told.push((frame.is_compressed(), frame.is_trailers(), frame.payload, frame.missing));
        }
        let expect: [(bool, bool, &[u8], usize); 3] =
            [(false, false, b"abc", 0), (true, false, b"", 0), (false, true, b"xy", 7)];
        assert_eq!((&told[..], &out[..]), (&expect[..], &body[..]));
        assert_eq!(next(&mut &b"\0\0\0"[..]), Some(Next::Head(b"\0\0\0")));
        assert_eq!((next(&mut &b"<html>"[..]), next(&mut &b""[..])), (Some(Next::Other), None));
        assert!(are_in(b"\x01") && !are_in(b"<html>") && !are_in(b""));
    }
}
