//! Which cases are meant: a name and a pattern enter, yes or no leaves.

/// Without `*` the pattern may stand anywhere in the name; with it, it is the whole name, and `*` is any part of it.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else { return name.contains(pattern) };
    let Some(rest) = name.strip_prefix(first) else { return false };
    let Some(mut rest) = rest.strip_suffix(last) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::fits;

    #[test]
    fn a_part_is_enough_and_stars_make_it_the_whole() {
        for (pattern, name) in
            [("", "a"), ("lock", "blocked"), ("block*", "blocked"), ("*ed", "blocked"), ("b*k*d", "blocked"), ("*", "")]
        {
            assert!(fits(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("x", "a"), ("lock*", "blocked"), ("*lock", "blocked"), ("ab*ba", "aba"), ("*x*", "a")]
        {
            assert!(!fits(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_into_parts_fits(parts in proptest::collection::vec("[a-c]{0,3}", 1..5), between in "[a-c]{0,3}") {
            prop_assert!(fits(&parts.join("*"), &parts.join(&between)) || parts.len() == 1);
        }
    }
}
