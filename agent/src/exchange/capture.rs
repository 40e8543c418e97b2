//! The copy of a body that is recorded. Enters: each chunk as it passes; leaves: the first bytes up to a bound, the true
//! size, and, where that is more, the digest of the whole. Never holds a chunk up, and copies only what is small beside the
//! buffer that it would keep. Must not
//! know where chunks come from.

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// So many parts are made one where they are small: each costs what keeps it, and the buffer that it was read into, and a sender
/// may send single bytes.
const PARTS: usize = 64;
/// Bytes of a part that is worth being kept as it came.
const WORTH: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Capture {
    kept: Kept,
    room: usize,
    size: u64,
    passed: u64,
    whole: Whole,
}

/// The digest of all of it. What is kept whole needs none: whoever has it can take it.
#[derive(Debug, Default)]
enum Whole {
    #[default]
    Off,
    /// So far all of it is kept.
    Kept,
    Hashed(Box<Sha256>),
}

/// Most bodies are one chunk: those cost no allocation.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    One(Bytes),
    /// and how many of them came since some were made one
    Many(Vec<Bytes>, usize),
}

impl Capture {
    /// Keeps so many bytes, and takes the digest of what is longer if it is to.
    pub(super) fn new((limit, digest): (usize, bool)) -> Self {
        let whole = if digest && limit > 0 { Whole::Kept } else { Whole::Off };
        Capture { kept: Kept::Nothing, room: limit, size: 0, passed: 0, whole }
    }

    pub(super) fn chunk(&mut self, chunk: &Bytes) {
        self.size += chunk.len() as u64;
        self.hash(chunk);
        if self.room == 0 || chunk.is_empty() {
            return;
        }
        let part = match chunk.get(..self.room) {
            // the end of what is kept, and a chunk that may be much longer
            Some(part) if part.len() < chunk.len() / 2 => Bytes::copy_from_slice(part),
            _ => chunk.slice(..chunk.len().min(self.room)),
        };
        self.room -= part.len();
        match &mut self.kept {
            Kept::Nothing => self.kept = Kept::One(part),
            Kept::One(first) => self.kept = Kept::Many(vec![std::mem::take(first), part], 2),
            Kept::Many(parts, fresh) => {
                parts.push(part);
                *fresh += 1;
                if *fresh == PARTS {
                    *fresh = 0;
                    join(parts);
                }
            }
        }
    }

    fn hash(&mut self, chunk: &Bytes) {
        if matches!(self.whole, Whole::Kept) && chunk.len() > self.room {
            let mut hash = Sha256::new();
            self.chunks().iter().for_each(|chunk| hash.update(chunk));
            self.whole = Whole::Hashed(Box::new(hash));
        }
        if let Whole::Hashed(hash) = &mut self.whole {
            hash.update(chunk);
        }
    }

    /// SHA-256 of all of it, where not all was kept.
    pub(super) fn whole_digest(&self) -> Option<[u8; 32]> {
        match &self.whole {
            Whole::Hashed(hash) if self.passed == 0 => Some(hash.clone().finalize().into()),
            _ => None,
        }
    }

    /// Bytes that passed where nobody has them as chunks: those of a connection that was upgraded.
    pub(super) fn passed(&mut self, bytes: u64) {
        self.passed += bytes;
    }

    pub(super) fn size(&self) -> u64 {
        self.size + self.passed
    }

    /// Of the chunks alone.
    pub(super) fn chunks_size(&self) -> u64 {
        self.size
    }

    pub(super) fn chunks(&self) -> &[Bytes] {
        match &self.kept {
            Kept::Nothing => &[],
            Kept::One(chunk) => std::slice::from_ref(chunk),
            Kept::Many(chunks, _) => chunks,
        }
    }

    fn bytes(&self) -> impl Iterator<Item = &u8> {
        self.chunks().iter().flatten()
    }

    /// The same bytes, as far as they were kept or their digest was taken, whatever the chunks.
    pub(super) fn is_like(&self, other: &Capture) -> bool {
        self.size() == other.size() && self.bytes().eq(other.bytes()) && self.whole_digest() == other.whole_digest()
    }
}

/// Of the last so many, makes one of small ones that follow each other, and a copy of one that stands alone: the buffer that it came
/// in is let go.
fn join(parts: &mut Vec<Bytes>) {
    let last = parts.split_off(parts.len().saturating_sub(PARTS));
    let is_small = |part: &Bytes| part.len() < WORTH;
    for some in last.chunk_by(|one, next| is_small(one) && is_small(next)) {
        match some {
            [large] if !is_small(large) => parts.push(large.clone()),
            small => parts.push(small.concat().into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_bytes_cost_little_more_than_what_they_are() {
        let mut capture = Capture::new((10_000, true));
        let body: Vec<u8> = (0..20_000_u32).map(|n| n as u8).collect();
        body.chunks(1).for_each(|byte| capture.chunk(&Bytes::copy_from_slice(byte)));
        assert_eq!(capture.chunks().concat(), body[..10_000]);
        assert!(capture.chunks().len() < 10_000 / PARTS + PARTS, "{}", capture.chunks().len());
        assert_eq!(capture.whole_digest(), Some(Sha256::digest(&body).into()));
        // large ones are not copied
        let large = Bytes::from(vec![7; 4000]);
        let mut capture = Capture::new((1 << 20, false));
        (0..200).for_each(|_| capture.chunk(&large));
        assert!(capture.chunks().iter().all(|part| part.as_ptr() == large.as_ptr()));
    }

    /// A peer may send a single byte between two large chunks: it keeps no buffer of its own.
    #[test]
    fn what_is_small_among_what_is_large_keeps_no_buffer() {
        let (small, large) = (Bytes::from(vec![1; 16 << 10]), Bytes::from(vec![2; 4000]));
        let mut capture = Capture::new((1 << 20, false));
        for _ in 0..100 {
            capture.chunk(&small.slice(..1));
            capture.chunk(&large);
        }
        let is_of = |part: &&Bytes, buffer: &Bytes| buffer.as_ptr_range().contains(&part.as_ptr());
        let kept = capture.chunks().iter().filter(|part| is_of(part, &small)).count();
        assert!(kept < PARTS, "{kept} parts of one byte keep what they came in");
        assert!(capture.chunks().iter().filter(|part| part.len() == large.len()).all(|part| is_of(&part, &large)));
        assert_eq!(capture.chunks().concat(), [&small[..1], &large].concat().repeat(100));
        // nor does the last one, of which little is kept
        let mut capture = Capture::new((10, false));
        capture.chunk(&large);
        assert!(capture.chunks()[0].len() == 10 && !is_of(&&capture.chunks()[0], &large));
    }

    #[test]
    fn keeps_the_first_bytes_and_counts_all() {
        let mut capture = Capture::new((5, true));
        for chunk in ["abc", "", "def", "ghi"] {
            capture.chunk(&Bytes::from(chunk));
        }
        assert_eq!(capture.chunks(), ["abc", "de"]);
        assert_eq!(capture.size(), 9);
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let mut capture = Capture::new((0, true));
        capture.chunk(&Bytes::from("abc"));
        capture.passed(2);
        assert_eq!((capture.chunks().len(), capture.size()), (0, 5));
    }

    #[test]
    fn is_compared_by_bytes_and_size() {
        let of = |chunks: &[&'static str]| {
            let mut capture = Capture::new((4, true));
            chunks.iter().for_each(|chunk| capture.chunk(&Bytes::from(*chunk)));
            capture
        };
        assert!(of(&["ab", "cd"]).is_like(&of(&["abcd"])));
        assert!(!of(&["abcd"]).is_like(&of(&["abce"])));
        assert!(!of(&["abcd"]).is_like(&of(&["abcde"])));
        // Beyond what is kept too.
        assert!(of(&["abcdef"]).is_like(&of(&["ab", "cde", "f"])));
        assert!(!of(&["abcdef"]).is_like(&of(&["abcdeg"])));
    }

    #[test]
    fn of_what_is_longer_the_digest_of_the_whole_is_taken() {
        let digest = |limit, chunks: &[&'static str]| {
            let mut capture = Capture::new((limit, true));
            chunks.iter().for_each(|chunk| capture.chunk(&Bytes::from(*chunk)));
            capture.whole_digest()
        };
        let whole = Some(Sha256::digest(b"abcdefghi").into());
        for chunks in [&["abcdefghi"][..], &["abc", "def", "ghi"], &["abcde", "fghi"], &["abcd", "", "efghi"]] {
            assert_eq!(digest(5, chunks), whole, "{chunks:?}");
            assert_eq!(digest(9, chunks), None, "{chunks:?}");
        }
        assert_eq!(digest(0, &["abc"]), None);
        let mut off = Capture::new((1, false));
        off.chunk(&Bytes::from("abc"));
        assert_eq!(off.whole_digest(), None);
    }
}
