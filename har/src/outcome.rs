//! How exchanges ended, in words: those of listings and queries.

use weir_proto::v1::Outcome;

const PREFIX: &str = "OUTCOME_";

/// `client-gone`; an agent of a later version may know more of them than this.
pub fn word(number: i32) -> String {
    let Ok(outcome) = Outcome::try_from(number) else { return "unknown".to_owned() };
    let name = outcome.as_str_name();
    name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace('_', "-")
}

/// The outcome of a word.
pub(crate) fn of_word(word: &str) -> Option<Outcome> {
    Outcome::from_str_name(&format!("{PREFIX}{}", word.to_ascii_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for number in 0..8 {
            assert_eq!(of_word(&word(number)).map(i32::from), Some(number));
        }
        assert_eq!((word(1), word(99)), ("client-gone".to_owned(), "unknown".to_owned()));
        assert_eq!(of_word("unknown"), None);
    }
}
