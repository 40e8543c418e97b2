//! How a block of the index is written: parts, each with some of the features and, of each, which rows have it. Pure.
//!
//! A part is features one after the other, the least first: 16 bits that tell it from the others of the part, 16 bits with how many rows
//! have it, and then their places in the block, 16 bits each; or, where that is shorter, one bit for each place. All little-endian.

use super::{BLOCK, feature::Feature};

/// Of a block. Their number is in those on the disk, and in the migration.
pub(super) const PARTS: usize = 512;
/// Places, as bits.
const BITMAP: usize = BLOCK as usize / 8;
/// More than this of one row, or of all of a block, is noted as too much: nobody is to fill the memory with it.
const MOST: usize = 4 << 10;
const MOST_OF_ALL: usize = 3 << 20;

/// Which rows of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows(Box<[u64; BLOCK as usize / 64]>);

impl Rows {
    pub(super) fn none() -> Self {
        Self(Box::new([0; BLOCK as usize / 64]))
    }

    pub(super) fn all() -> Self {
        Self(Box::new([u64::MAX; BLOCK as usize / 64]))
    }

    fn add(&mut self, place: usize) -> Option<()> {
        *self.0.get_mut(place / 64)? |= 1 << (place % 64);
        Some(())
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&*other.0).for_each(|(own, other)| *own &= other);
        self
    }

    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&*other.0).for_each(|(own, other)| *own |= other);
        self
    }

    pub(super) fn places(&self) -> impl Iterator<Item = i64> {
        let bits = |(word, bits): (usize, &u64)| {
            let bits = *bits;
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| (word * 64) as i64 + bit)
        };
        self.0.iter().enumerate().filter(|(_, bits)| **bits != 0).flat_map(bits)
    }
}

/// What is noted of the rows of a block.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<u64>);

impl Notes {
    /// Of the row at a place.
    pub(super) fn of(place: usize, note: impl FnOnce(&mut dyn FnMut(Feature))) -> Self {
        let entry = |feature: Feature| u64::from(feature.0) << 16 | place as u64;
        let mut notes = Vec::with_capacity(256);
        let mut too_many = false;
        note(&mut |feature| {
            too_many |= notes.len() >= MOST;
            if !too_many {
                notes.push(entry(feature));
            }
        });
        if too_many {
            notes = vec![entry(Feature::crowded())];
        }
        notes.sort_unstable();
        notes.dedup();
        Self(notes)
    }

    pub(super) fn append(&mut self, mut other: Self) {
        if self.0.len() + other.0.len() > MOST_OF_ALL {
            let crowded = |entry: &mut u64| *entry = u64::from(Feature::crowded().0) << 16 | (*entry & 0xffff);
            other.0.iter_mut().for_each(crowded);
            other.0.dedup();
        }
        self.0.append(&mut other.0);
    }

    /// All parts, in their order.
    pub(super) fn parts(mut self) -> Vec<Vec<u8>> {
        // By part, then by what tells them apart there, then by row.
        self.0.sort_unstable();
        self.0.dedup();
        let mut parts = vec![Vec::new(); PARTS];
        for same in self.0.chunk_by(|one, other| one >> 16 == other >> 16) {
            let feature = Feature((same[0] >> 16) as u32);
            if let Some(part) = parts.get_mut(place(feature)) {
                write(part, feature, same);
            }
        }
        parts
    }
}

/// In which part a feature is.
pub(super) fn place(feature: Feature) -> usize {
    (feature.0 >> 15) as usize % PARTS
}

/// What tells it from the others there.
fn mark(feature: Feature) -> u16 {
    (feature.0 & 0x7fff) as u16
}

fn write(part: &mut Vec<u8>, feature: Feature, entries: &[u64]) {
    let places = entries.iter().map(|entry| (entry & 0xffff) as usize);
    part.extend(mark(feature).to_le_bytes());
    // No block has more rows than these bits say.
    part.extend((entries.len() as u16).to_le_bytes());
    if entries.len() * 2 <= BITMAP {
        places.for_each(|place| part.extend((place as u16).to_le_bytes()));
        return;
    }
    let mut bits = [0_u8; BITMAP];
    places.for_each(|place| bits[place / 8] |= 1 << (place % 8));
    part.extend(bits);
}

/// The rows that have it; none where that is no part.
pub(super) fn find(mut part: &[u8], feature: Feature) -> Option<Rows> {
    let wanted = mark(feature);
    let mut rows = Rows::none();
    while !part.is_empty() {
        let (head, rest) = part.split_first_chunk::<4>()?;
        let [mark, count] = [[head[0], head[1]], [head[2], head[3]]].map(u16::from_le_bytes);
        let listed = usize::from(count) * 2;
        let is_list = listed <= BITMAP;
        let (places, rest) = rest.split_at_checked(if is_list { listed } else { BITMAP })?;
        part = rest;
        if mark != wanted {
            continue;
        }
        if is_list {
            for place in places.as_chunks::<2>().0 {
                rows.add(usize::from(u16::from_le_bytes(*place)))?;
            }
        } else {
            for (word, bytes) in rows.0.iter_mut().zip(places.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*bytes);
            }
        }
        break;
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found_and_nothing_else() {
        let features: Vec<_> = (0..1500).map(|n| Feature(n * 5591 % (1 << 24))).collect();
        let has = |place: usize, n: usize| place.is_multiple_of(n % 90 + 1);
        let mut notes = Notes::default();
        for place in 0..BLOCK as usize {
            notes.append(Notes::of(place, |add| {
                let own = features.iter().enumerate().filter(|(n, _)| has(place, *n));
                own.for_each(|(_, feature)| [*feature; 2].into_iter().for_each(&mut *add));
            }));
        }
        let parts = notes.parts();
        for (n, feature) in features.iter().enumerate() {
            let found = find(&parts[place(*feature)], *feature).unwrap();
            let expected: Vec<i64> = (0..BLOCK).filter(|place| has(*place as usize, n)).collect();
            assert_eq!(found.places().collect::<Vec<_>>(), expected, "{feature:?}");
        }
        let absent = Feature(5591 * 3001 % (1 << 24));
        assert_eq!(find(&parts[place(absent)], absent), Some(Rows::none()));
    }

    #[test]
    fn a_row_with_too_much_is_looked_at_always() {
        let parts = Notes::of(7, |add| (0..=MOST as u32).map(Feature).for_each(&mut *add)).parts();
        let crowded = Feature::crowded();
        assert_eq!(find(&parts[place(crowded)], crowded).unwrap().places().collect::<Vec<_>>(), [7]);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), 6);
    }

    #[test]
    fn a_block_with_too_much_is_bounded() {
        let mut notes = Notes::default();
        let rows = MOST_OF_ALL / MOST + 10;
        for place in 0..rows {
            let own = place as u32 % 7;
            let row =
                Notes::of(place % BLOCK as usize, |add| (0..MOST as u32).map(|n| Feature(n * 8 + own)).for_each(add));
            notes.append(row);
        }
        assert_eq!(notes.0.len(), MOST_OF_ALL + 10);
        let parts = notes.parts();
        let crowded = Feature::crowded();
        let found = find(&parts[place(crowded)], crowded).unwrap();
        assert_eq!(found.places().count(), 10);
    }

    #[test]
    fn what_is_no_part_is_known_for_that() {
        for damaged in [&[1][..], &[0, 0, 9, 0, 1], &[0, 0, 1, 0, 255, 255], &[0, 0, 255, 255, 1, 2]] {
            assert_eq!(find(damaged, Feature(0)), None, "{damaged:?}");
        }
        assert_eq!(find(&[], Feature(0)), Some(Rows::none()));
    }
}
