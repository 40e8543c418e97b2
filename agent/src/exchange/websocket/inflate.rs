//! Compressed messages (permessage-deflate, RFC 7692), inflated for the record. Enters: the payload of a message in pieces;
//! leaves: the first bytes of what it says, and how long that is. Bounded: what grows beyond is given up. Must not know frames.

use flate2::{Decompress, FlushDecompress, Status};

/// What one message may grow to.
const MOST: u64 = 4 << 20;
const PIECE: usize = 4 << 10;
/// What senders leave out at the end of a message (section 7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What was agreed on for each direction, by [`weir_host::Direction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deflate {
    /// each message begins anew
    pub(super) begins_anew: [bool; 2],
}

impl Deflate {
    /// From the upstream's answer. None where it is another extension, or several.
    pub(super) fn parse(extensions: &str) -> Option<Self> {
        let mut parameters = extensions.split(';').map(str::trim);
        if !parameters.next()?.eq_ignore_ascii_case("permessage-deflate") || extensions.contains(',') {
            return None;
        }
        let mut begins_anew = [false; 2];
        for parameter in parameters {
            match parameter.to_ascii_lowercase().as_str() {
                "client_no_context_takeover" => begins_anew[0] = true,
                "server_no_context_takeover" => begins_anew[1] = true,
                _ => {}
            }
        }
        Some(Deflate { begins_anew })
    }
}

/// Of one direction.
pub(super) struct Inflater {
    stream: Box<Decompress>,
    begins_anew: bool,
    /// of the message so far
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLong,
    Broken,
}

impl Fault {
    pub(super) fn note(self) -> &'static str {
        match self {
            Fault::TooLong => "it grows beyond what is inflated",
            Fault::Broken => "it does not inflate",
        }
    }
}

impl Inflater {
    pub(super) fn new(begins_anew: bool) -> Self {
        Inflater { stream: Box::new(Decompress::new(false)), begins_anew, size: 0 }
    }

    /// More of a message. Of what it says the first bytes are kept, up to `limit` in all.
    pub(super) fn more(&mut self, mut input: &[u8], kept: &mut Vec<u8>, limit: usize) -> Result<(), Fault> {
        loop {
            let mut piece = [0; PIECE];
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let status = self.stream.decompress(input, &mut piece, FlushDecompress::Sync);
            let read = usize::try_from(self.stream.total_in() - read).unwrap_or(input.len());
            let written = usize::try_from(self.stream.total_out() - written).unwrap_or(PIECE);
            input = input.get(read..).unwrap_or_default();
            let room = limit.saturating_sub(kept.len());
            kept.extend_from_slice(&piece[..written.min(room)]);
            self.size += written as u64;
            if self.size > MOST {
                return Err(Fault::TooLong);
            }
            match status {
                Err(_) => return Err(Fault::Broken),
                // section 7.2.3.5: a sender may end its stream with a message
                Ok(Status::StreamEnd) => {
                    self.stream.reset(false);
                    return Ok(());
                }
                // a step may only write, or only read
                Ok(_) if read == 0 && written == 0 => return Ok(()),
                Ok(_) => {}
            }
        }
    }

    /// The message is whole. Its true size.
    pub(super) fn end(&mut self, kept: &mut Vec<u8>, limit: usize) -> Result<u64, Fault> {
        self.more(&TAIL, kept, limit)?;
        if self.begins_anew {
            self.stream.reset(false);
        }
        Ok(std::mem::take(&mut self.size))
    }

    /// Of what was inflated before it had to be given up.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use proptest::prelude::*;

    use super::*;

    /// As a peer does it.
    pub(in super::super) fn deflate(stream: &mut Compress, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(message.len() * 2 + 64);
        stream.compress_vec(message, &mut out, FlushCompress::Sync).unwrap();
        assert!(out.ends_with(&TAIL), "{out:02x?}");
        out.truncate(out.len() - TAIL.len());
        out
    }

    pub(in super::super) fn compressor() -> Compress {
        Compress::new(Compression::fast(), false)
    }

    #[test]
    fn what_was_agreed_on_is_read() {
        let agreed = |text| Deflate::parse(text).map(|deflate| deflate.begins_anew);
        assert_eq!(agreed("permessage-deflate"), Some([false, false]));
        assert_eq!(agreed("Permessage-Deflate; server_no_context_takeover; x=1"), Some([false, true]));
        assert_eq!(agreed("permessage-deflate;client_no_context_takeover"), Some([true, false]));
        for other in ["", "x-webkit-deflate-frame", "permessage-deflate, permessage-other", ","] {
            assert_eq!(agreed(other), None, "{other}");
        }
    }

    #[test]
    fn a_bomb_is_not_blown_up_and_noise_is_a_fault() {
        let bomb = deflate(&mut compressor(), &vec![0; 64 << 20]);
        let (mut inflater, mut kept) = (Inflater::new(false), Vec::new());
        let taken = bomb.chunks(1000).try_for_each(|chunk| inflater.more(chunk, &mut kept, 100));
        assert_eq!((taken, kept.len()), (Err(Fault::TooLong), 100));
        assert!(inflater.size() <= MOST + PIECE as u64);
        let mut kept = Vec::new();
        assert_eq!(Inflater::new(false).more(&[0xff; 64], &mut kept, 100), Err(Fault::Broken));
    }

    proptest! {
        #[test]
        fn what_was_deflated_is_inflated_however_it_is_cut(
            messages in prop::collection::vec(prop::collection::vec(0..9u8, 0..9000), 1..5),
            begins_anew in any::<bool>(), by in 1..500usize, limit in 0..9000usize,
        ) {
            let (mut sender, mut inflater) = (compressor(), Inflater::new(begins_anew));
            for message in messages {
                if begins_anew {
                    sender = compressor();
                }
                let mut kept = Vec::new();
                for piece in deflate(&mut sender, &message).chunks(by) {
                    prop_assert_eq!(inflater.more(piece, &mut kept, limit), Ok(()));
                }
                prop_assert_eq!(inflater.end(&mut kept, limit), Ok(message.len() as u64));
                prop_assert_eq!(&kept[..], &message[..message.len().min(limit)]);
            }
        }

        #[test]
        fn any_bytes_come_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (mut inflater, mut kept) = (Inflater::new(false), Vec::new());
            let _ = inflater.more(&bytes, &mut kept, 1000);
            let _ = inflater.end(&mut kept, 1000);
            prop_assert!(kept.len() <= 1000);
        }
    }
}
