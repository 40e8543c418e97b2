//! How often a fault strikes.

use weir_sdk::random;

/// Of 2^32 draws, so many strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) const NEVER: Self = Self(0);

    /// None: no number from 0 to 100.
    pub(crate) fn of_percent(percent: f64) -> Option<Self> {
        // Within 0 to 2^32, where `as` cuts off a fraction and nothing else.
        (0.0..=100.0).contains(&percent).then(|| Self((percent / 100.0 * 4_294_967_296.0) as u64))
    }

    /// Always and never draw nothing.
    pub(crate) fn strikes(self) -> bool {
        match self.0 {
            0 => false,
            often if often > u64::from(u32::MAX) => true,
            often => u64::from(random::number()) < often,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Chance;

    #[test]
    fn about_as_often_as_it_says() {
        let count = |percent: f64| (0..4000).filter(|_| Chance::of_percent(percent).unwrap().strikes()).count();
        assert_eq!((count(0.0), count(100.0)), (0, 4000));
        // 25 % of 4,000 with a deviation of 27: eleven of them either way.
        assert!((700..1300).contains(&count(25.0)));
        for percent in [-0.1, 100.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Chance::of_percent(percent), None);
        }
    }
}
