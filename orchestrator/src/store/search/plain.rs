//! What of texts and patterns a database is asked, and ranges of ids. Pure.

use uuid::Uuid;
use weir_query::{Match, Pattern};

/// Of a literal between stars, bytes that a database may compare at each place of a text: it does no better than that.
const SHORT: usize = 64;
/// How a UUID is written; every `0` may be any digit.
const SHAPE: &str = "00000000-0000-0000-0000-000000000000";

/// Can a database be asked?
pub(super) fn is_plain(how: &Match) -> bool {
    match how {
        Match::Pattern(pattern) => is_short(pattern),
        Match::OneOf(several) => several.any().iter().all(is_short),
        Match::Regex(_) => false,
    }
}

fn is_short(pattern: &Pattern) -> bool {
    let last = pattern.pieces().len() - 1;
    let is_short = |place: usize, piece: &str| place == 0 || place == last || piece.len() <= SHORT;
    // At a NUL databases end a text, or refuse it.
    pattern.pieces().enumerate().all(|(place, piece)| is_short(place, piece) && !piece.contains('\0'))
}

/// The patterns of which one has to fit; none of a regular expression.
pub(super) fn patterns(how: &Match) -> &[Pattern] {
    match how {
        Match::Pattern(pattern) => std::slice::from_ref(pattern),
        Match::OneOf(several) => several.any(),
        Match::Regex(_) => &[],
    }
}

/// The ids that fit, from the least to the first beyond, where they are one run: one id whole, or how ids begin.
pub(super) fn ids(how: &Match) -> Option<(u128, u128)> {
    let Match::Pattern(pattern) = how else { return None };
    let mut pieces = pattern.pieces();
    let begin = pieces.next()?;
    match (pieces.next(), pieces.next()) {
        (None, None) if begin.len() == SHAPE.len() => {}
        (Some(""), None) if begin.len() <= SHAPE.len() => {}
        _ => return None,
    }
    let fits =
        |(shape, byte): (u8, u8)| if shape == b'-' { byte == b'-' } else { matches!(byte, b'0'..=b'9' | b'a'..=b'f') };
    if !SHAPE.bytes().zip(begin.bytes()).all(fits) {
        return None;
    }
    let rest = &SHAPE[begin.len()..];
    let least = Uuid::try_parse(&format!("{begin}{rest}")).ok()?.as_u128();
    let most = Uuid::try_parse(&format!("{begin}{}", rest.replace('0', "f"))).ok()?.as_u128();
    Some((least, most.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use weir_query::{Expr, Query, Term};

    use super::*;

    fn check(query: &str, expect: Option<(u128, u128)>) {
        let Some(Expr::Term(Term::Text(_, how))) = Query::parse(query).unwrap().expr().cloned() else {
            panic!("{query}")
        };
        assert_eq!(ids(&how), expect, "{query}");
    }

    #[test]
    fn runs_of_ids() {
        let id = 0x0199_0000_0000_7000_8000_0000_0000_00ff;
        check("id:01990000-0000-7000-8000-0000000000FF", Some((id, id + 1)));
        check("id:01990000-0000-7000-8000-00000000*", Some((id - 0xff, id - 0xff + 0x1_0000)));
        check("id:0*", Some((0, 0x1000_0000_0000_0000_0000_0000_0000_0000)));
        check("id:*", Some((0, u128::MAX)));
        check("id:f*", Some((0xf << 124, u128::MAX)));
        for other in ["id:0199", "id:*ff", "id:01*9", "id:x*", "id:019900000*", "id~0199"] {
            check(other, None);
        }
    }
}
