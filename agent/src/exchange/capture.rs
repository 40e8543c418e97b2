//! The copy of a body that is recorded. Enters: each chunk as it passes; leaves: the first bytes up to a bound, and the
//! true size. Never holds a chunk up, never copies one. Must not know where chunks come from.

use bytes::Bytes;

#[derive(Debug, Default)]
pub(super) struct Capture {
    kept: Kept,
    room: usize,
    size: u64,
    passed: u64,
}

/// Most bodies are one chunk: those cost no allocation.
#[derive(Debug, Default)]
enum Kept {
    #[default]
    Nothing,
    One(Bytes),
    Many(Vec<Bytes>),
}

impl Capture {
    pub(super) fn new(limit: usize) -> Self {
        Capture { kept: Kept::Nothing, room: limit, size: 0, passed: 0 }
    }

    pub(super) fn chunk(&mut self, chunk: &Bytes) {
        self.size += chunk.len() as u64;
        if self.room == 0 || chunk.is_empty() {
            return;
        }
        let part = chunk.slice(..chunk.len().min(self.room));
        self.room -= part.len();
        match &mut self.kept {
            Kept::Nothing => self.kept = Kept::One(part),
            Kept::One(first) => self.kept = Kept::Many(vec![std::mem::take(first), part]),
            Kept::Many(parts) => parts.push(part),
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
            Kept::Many(chunks) => chunks,
        }
    }

    fn bytes(&self) -> impl Iterator<Item = &u8> {
        self.chunks().iter().flatten()
    }

    /// The same bytes, as far as they were kept, whatever the chunks.
    pub(super) fn is_like(&self, other: &Capture) -> bool {
        self.size() == other.size() && self.bytes().eq(other.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_bytes_and_counts_all() {
        let mut capture = Capture::new(5);
        for chunk in ["abc", "", "def", "ghi"] {
            capture.chunk(&Bytes::from(chunk));
        }
        assert_eq!(capture.chunks(), ["abc", "de"]);
        assert_eq!(capture.size(), 9);
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        let mut capture = Capture::new(0);
        capture.chunk(&Bytes::from("abc"));
        capture.passed(2);
        assert_eq!((capture.chunks().len(), capture.size()), (0, 5));
    }

    #[test]
    fn is_compared_by_bytes_and_size() {
        let of = |chunks: &[&'static str]| {
            let mut capture = Capture::new(4);
            chunks.iter().for_each(|chunk| capture.chunk(&Bytes::from(*chunk)));
            capture
        };
        assert!(of(&["ab", "cd"]).is_like(&of(&["abcd"])));
        assert!(!of(&["abcd"]).is_like(&of(&["abce"])));
        assert!(!of(&["abcd"]).is_like(&of(&["abcde"])));
    }
}
