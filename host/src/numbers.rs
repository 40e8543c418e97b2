//! Exchange numbers of one instance: a place and how often it was used before, in one `u32`, so that a number that a
//! guest kept too long is not the next exchange's.

/// Numbers in use and to be used again.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    uses: Vec<u16>,
    free: Vec<u16>,
}

impl Numbers {
    /// A number that is not in use. None when all places are taken; limits keep callers far from that.
    pub(crate) fn take(&mut self) -> Option<u32> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                let place = u16::try_from(self.uses.len()).ok()?;
                self.uses.push(1);
                place
            }
        };
        Some(u32::from(self.uses[usize::from(place)]) << 16 | u32::from(place))
    }

    /// The number is dead.
    pub(crate) fn give_back(&mut self, number: u32) {
        let place = number as u16;
        let uses = &mut self.uses[usize::from(place)];
        *uses = uses.wrapping_add(1);
        self.free.push(place);
    }

    /// Numbers in use.
    pub(crate) fn live(&self) -> usize {
        self.uses.len() - self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_under_another_number() {
        let mut numbers = Numbers::default();
        let (a, b) = (numbers.take().unwrap(), numbers.take().unwrap());
        assert_ne!(a, b);
        numbers.give_back(a);
        let c = numbers.take().unwrap();
        assert_eq!(c as u16, a as u16);
        assert!(c != a && c != b && c != 0);
        assert_eq!(numbers.live(), 2);
    }

    #[test]
    fn there_is_an_end_of_places() {
        let mut numbers = Numbers::default();
        assert_eq!(std::iter::from_fn(|| numbers.take()).count(), 1 << 16);
    }
}
