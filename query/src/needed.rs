//! What a text must have in it so that a regular expression may fit: texts that are in whatever it fits. Says less than the
//! expression, never more.

use regex_syntax::hir::{Class, Hir, HirKind};

/// In lower case, as ASCII has it: the text that fits has them in lower or upper case.
pub(crate) fn texts(hir: &Hir) -> Vec<Vec<u8>> {
    let mut found = Found::default();
    found.add(hir);
    found.end();
    found.texts
}

#[derive(Default)]
struct Found {
    texts: Vec<Vec<u8>>,
    /// The one that may go on.
    open: Vec<u8>,
}

impl Found {
    fn add(&mut self, hir: &Hir) {
        match hir.kind() {
            // These take no room.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.open.extend(literal.0.iter().map(u8::to_ascii_lowercase)),
            HirKind::Class(class) => match letter(class) {
                Some(letter) => self.open.push(letter),
                None => self.end(),
            },
            HirKind::Capture(capture) => self.add(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.add(part)),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                // Once at least, but perhaps not next to what is beside it.
                self.end();
                self.add(&repetition.sub);
                self.end();
            }
            HirKind::Repetition(_) | HirKind::Alternation(_) => self.end(),
        }
    }

    fn end(&mut self) {
        if !self.open.is_empty() {
            self.texts.push(std::mem::take(&mut self.open));
        }
    }
}

/// The one letter of ASCII that it stands for, in either case.
fn letter(class: &Class) -> Option<u8> {
    let mut characters: Vec<char> = match class {
        Class::Unicode(class) => class.iter().take(3).flat_map(|range| [range.start(), range.end()]).collect(),
        Class::Bytes(class) => {
            class.iter().take(3).flat_map(|range| [range.start(), range.end()]).map(char::from).collect()
        }
    };
    characters.dedup();
    let same = |one: &char, other: &char| one.is_ascii() && one.eq_ignore_ascii_case(other);
    match &characters[..] {
        [one, other] if same(one, other) => u8::try_from(one.to_ascii_lowercase()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expr, Match, Query, Term};

    fn check(query: &str, expect: &[&str]) {
        let Some(Expr::Term(Term::Text(_, Match::Regex(regex)))) = Query::parse(query).unwrap().expr().cloned() else {
            panic!("{query}")
        };
        let needed = regex.needed();
        assert_eq!(needed.iter().map(|text| String::from_utf8_lossy(text)).collect::<Vec<_>>(), expect, "{query}");
    }

    #[test]
    fn what_is_in_whatever_fits() {
        check("path~^/Admin/users$", &["/admin/users"]);
        check(r#"path~"^/(admin)/\d+/edit""#, &["/admin/", "/edit"]);
        check(r#"path~"/(admin|root)/x""#, &["/", "/x"]);
        check(r#"path~"ab(cd)+ef""#, &["ab", "cd", "ef"]);
        check(r#"path~"ab(cd)*ef?""#, &["ab", "e"]);
        check(r#"path~"(?i)ADMIN""#, &["admin"]);
        check("path~[ab]c", &["c"]);
        check("path~[a-b]", &[]);
        check(r#"path~"(?i)é""#, &[]);
        check("path~é", &["é"]);
        check("path~.*", &[]);
        // What is also a letter beyond ASCII is not one of two.
        check("url~abkcd", &["ab", "cd"]);
    }
}
