//! What narrows a walk to runs of an index that are each in order of time: one per host or status that fits. Which of
//! them fit is found out by asking for each value once, so stars and regular expressions have an index too.

use weir_query::{Expr, Is, Number, Side, Subject, Term, Text};

use super::{super::signed, condition::Part, plain};

/// Values that are looked at to find those that fit; where there are more, the walk goes through all exchanges.
pub(in super::super) const LOOKED_AT: usize = 1000;
/// Runs that are walked through side by side.
const RUNS: usize = 16;

/// A column with an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Column {
    Host,
    Status,
}

/// The runs to walk through.
pub(super) struct Anchor {
    pub(super) column: Column,
    pub(super) values: Vec<Part>,
}

impl Column {
    pub(in super::super) fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Status => "status",
        }
    }

    pub(super) fn index(self) -> &'static str {
        match self {
            Self::Host => "exchanges_by_host",
            Self::Status => "exchanges_by_status",
        }
    }

    /// Does the expression ask for this column alone, and fit nothing that lacks it?
    fn decides(self, expr: &Expr) -> bool {
        // Exchanges without a host have one that is empty in the column; those without a status are in no run.
        self.is_asked(expr) && (self == Self::Host || !expr.matches(&One(&Part::Text(String::new()))))
    }

    fn is_asked(self, expr: &Expr) -> bool {
        match expr {
            Expr::And(parts) | Expr::Or(parts) => parts.iter().all(|part| self.is_asked(part)),
            Expr::Not(inner) => self.is_asked(inner),
            Expr::Term(Term::Text(Text::Host, _)) => self == Self::Host,
            Expr::Term(Term::Number(Number::Status, _)) => self == Self::Status,
            Expr::Term(_) => false,
        }
    }
}

impl Anchor {
    /// Which column decides.
    pub(super) fn column(expr: &Expr) -> Option<Column> {
        [Column::Host, Column::Status].into_iter().find(|column| column.decides(expr))
    }

    /// Of an expression for which one value fits, without asking.
    pub(super) fn one(expr: &Expr) -> Option<Self> {
        match expr {
            Expr::Term(Term::Text(Text::Host, how)) if plain::is_plain(how) => {
                Some(Self { column: Column::Host, values: vec![Part::Text(how.literal()?.to_owned())] })
            }
            Expr::Term(Term::Number(Number::Status, range)) if range.low == range.high => {
                Some(Self { column: Column::Status, values: vec![Part::Number(signed(range.low))] })
            }
            _ => None,
        }
    }

    /// Of all values that there are; none where runs would be no gain.
    pub(super) fn among(column: Column, expr: &Expr, all: Vec<Part>) -> Option<Self> {
        let count = all.len();
        let values: Vec<_> = all.into_iter().filter(|value| expr.matches(&One(value))).collect();
        let few = values.len() <= 2 || values.len() <= RUNS && values.len() * 2 <= count;
        few.then_some(Self { column, values })
    }
}

/// An exchange of which one value is known.
struct One<'a>(&'a Part);

impl Subject for One<'_> {
    fn any_text(&self, field: Text, fits: &mut dyn FnMut(&str) -> bool) -> bool {
        matches!((field, self.0), (Text::Host, Part::Text(host)) if !host.is_empty() && fits(host))
    }

    fn any_header(&self, _side: Side, _name: &str, _fits: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn is(&self, _what: Is) -> bool {
        false
    }

    fn number(&self, field: Number) -> Option<u64> {
        match (field, self.0) {
            (Number::Status, Part::Number(status)) => u64::try_from(*status).ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_query::Query;

    use super::*;

    fn check(query: &str, expect: Option<Column>) {
        assert_eq!(Anchor::column(Query::parse(query).unwrap().expr().unwrap()), expect, "{query}");
    }

    #[test]
    fn columns_that_decide() {
        check("host:*.a", Some(Column::Host));
        check("host~a or -host:b", Some(Column::Host));
        check("-host:a", Some(Column::Host));
        check("status:5xx or status:404", Some(Column::Status));
        check("-status:5xx", None);
        check("status:>400 -status:404", Some(Column::Status));
        check("host:a or status:5xx", None);
        check("path:/", None);
    }
}
