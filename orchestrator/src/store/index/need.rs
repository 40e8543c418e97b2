//! What a query needs of an exchange so that it may fit: features that the index has, joined as its terms are. Says less than
//! the query, never more. Pure.

use std::collections::HashMap;

use weir_query::{Expr, Match, Number, Pattern, Range, Term, Text};

use super::{
    feature::{self, Feature, IN_GRAMS, NUMBERS, PRESENT, STATES, WHOLE},
    parts::Rows,
};
use crate::store::exchanges::outcome;
use crate::store::search::OUTCOMES;

/// Of one pattern, spread over it: more tell hardly more.
const GRAMS: usize = 12;
/// Of a query. Each is looked up in each block.
const MOST: usize = 40;

/// Features that an exchange must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Need {
    /// Nothing that is noted: everything may fit.
    Nothing,
    One(Feature),
    And(Vec<Need>),
    Or(Vec<Need>),
}

/// An agent: its number, and what queries know it by.
pub(super) struct Known {
    pub(super) number: i64,
    pub(super) id: String,
    pub(super) name: String,
}

/// Has to be told who the agents are?
pub(super) fn asks_for_agents(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(asks_for_agents),
        Expr::Not(_) => false,
        Expr::Term(term) => matches!(term, Term::Text(Text::Agent, _)),
    }
}

impl Need {
    pub(super) fn of(expr: &Expr, agents: &[Known]) -> Self {
        match expr {
            Expr::And(parts) => Self::and(parts.iter().map(|part| Self::of(part, agents))),
            Expr::Or(parts) => Self::or(parts.iter().map(|part| Self::of(part, agents))),
            // Of what is noted some has another's hash: what is without it is not known.
            Expr::Not(_) => Self::Nothing,
            Expr::Term(term) => Self::term(term, agents),
        }
    }

    /// As many as there is room for.
    fn and(parts: impl Iterator<Item = Self>) -> Self {
        let mut count = 0;
        let mut needed: Vec<_> = parts.filter(|part| *part != Self::Nothing).collect();
        needed.retain(|part| {
            let fits = count + part.count() <= MOST;
            count += if fits { part.count() } else { 0 };
            fits
        });
        match needed.len() {
            0 => Self::Nothing,
            1 => needed.remove(0),
            _ => Self::And(needed),
        }
    }

    fn or(parts: impl Iterator<Item = Self>) -> Self {
        let parts: Vec<_> = parts.collect();
        let any = Self::Or(parts);
        match &any {
            Self::Or(parts) if parts.contains(&Self::Nothing) || any.count() > MOST => Self::Nothing,
            _ => any,
        }
    }

    fn any(features: impl Iterator<Item = Feature>) -> Self {
        Self::or(features.map(Self::One))
    }

    fn count(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(_) => 1,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::count).sum(),
        }
    }

    fn term(term: &Term, agents: &[Known]) -> Self {
        match term {
            Term::Text(Text::Agent, how) => {
                let fits = |agent: &&Known| [&agent.id, &agent.name].iter().any(|it| how.matches(it.as_bytes()));
                Self::any(agents.iter().filter(fits).map(|agent| Feature::agent(agent.number)))
            }
            Term::Text(Text::Outcome, how) => {
                let words = OUTCOMES.filter_map(outcome).filter(|word| how.matches(word.as_bytes()));
                Self::any(words.map(|word| Feature::whole(Text::Outcome, word)))
            }
            Term::Text(field, how) => Self::text(*field, how),
            Term::Header { name, value, .. } => Self::One(match value.literal() {
                Some(value) => Feature::header(name, value.as_bytes()),
                None => Feature::header_name(name),
            }),
            Term::Filter { name, did } => Self::One(match (name.literal(), did) {
                (Some(name), None) => Feature::filter(name),
                (Some(name), Some(did)) => Feature::filter_did(name, did.name()),
                (None, Some(did)) => Feature::did(did.name()),
                (None, None) => Feature::any_filter(),
            }),
            Term::Tag(how) => Self::One(how.literal().map_or_else(Feature::any_tag, Feature::tag)),
            Term::Number(field, range) => Self::number(*field, *range),
            Term::Is(is) if STATES.contains(is) => Self::One(Feature::is(*is)),
            Term::Is(_) | Term::Body(..) | Term::Began(_) => Self::Nothing,
        }
    }

    fn number(field: Number, range: Range) -> Self {
        if field == Number::Status {
            return match range {
                Range { low, high } if low == high => Self::One(Feature::status(low)),
                // No status is greater.
                Range { low, high } => Self::any((low / 100..=high.min(999) / 100).map(Feature::hundred)),
            };
        }
        if !NUMBERS.contains(&field) {
            return Self::Nothing;
        }
        let classes = feature::class(range.low)..=feature::class(range.high);
        Self::any(classes.map(|class| Feature::class(field, class)))
    }

    fn text(field: Text, how: &Match) -> Self {
        match how {
            Match::Pattern(pattern) => Self::pattern(field, pattern),
            Match::OneOf(several) => Self::or(several.any().iter().map(|pattern| Self::pattern(field, pattern))),
            Match::Regex(regex) => Self::texts(field, regex.needed().iter().map(Vec::as_slice)),
        }
    }

    fn present(field: Text) -> Self {
        if PRESENT.contains(&field) { Self::One(Feature::present(field)) } else { Self::Nothing }
    }

    fn pattern(field: Text, pattern: &Pattern) -> Self {
        if let Some(literal) = pattern.literal()
            && WHOLE.contains(&field)
        {
            return Self::One(Feature::whole(field, literal));
        }
        Self::texts(field, pattern.pieces().map(str::as_bytes))
    }

    /// What is in a text in some places.
    fn texts<'a>(field: Text, texts: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut grams: Vec<Feature> = Vec::new();
        // A path is a part of the URL.
        if field == Text::Path || IN_GRAMS.contains(&field) {
            for gram in texts.flat_map(|text| Feature::grams(field, text)).take(4096) {
                if !grams.contains(&gram) {
                    grams.push(gram);
                }
            }
        }
        if grams.is_empty() {
            return Self::present(field);
        }
        let (count, taken) = (grams.len(), grams.len().min(GRAMS));
        Self::and((0..taken).map(|n| Self::One(grams[n * count / taken])))
    }

    /// Every feature in it.
    pub(super) fn features(&self, into: &mut Vec<Feature>) {
        match self {
            Self::Nothing => {}
            Self::One(feature) if into.contains(feature) => {}
            Self::One(feature) => into.push(*feature),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.features(into)),
        }
    }

    /// The rows of a block that may fit; `noted` has those of each feature, as far as they are known.
    pub(super) fn rows(&self, noted: &HashMap<Feature, Rows>) -> Rows {
        match self {
            Self::Nothing => Rows::all(),
            Self::One(feature) => noted.get(feature).cloned().unwrap_or_else(Rows::all),
            Self::And(parts) => parts.iter().fold(Rows::all(), |rows, part| rows.and(&part.rows(noted))),
            Self::Or(parts) => parts.iter().fold(Rows::none(), |rows, part| rows.or(&part.rows(noted))),
        }
    }
}

#[cfg(test)]
mod tests {
    use weir_query::Query;

    use super::*;

    fn need(query: &str) -> Need {
        let known = |number, name: &str| Known { number, id: format!("0{number}"), name: name.to_owned() };
        Need::of(Query::parse(query).unwrap().expr().unwrap(), &[known(1, "edge-1"), known(2, "edge-2")])
    }

    #[test]
    fn what_an_index_can_say() {
        let one = |feature| Need::One(feature);
        assert_eq!(need("path:/Admin"), one(Feature::whole(Text::Path, "/Admin")));
        assert_eq!(need("method:get"), one(Feature::whole(Text::Method, "GET")));
        assert_eq!(need("header.x-foo:Bar"), one(Feature::header("x-foo", b"Bar")));
        assert_eq!(need("header.x-foo~r"), one(Feature::header_name("x-foo")));
        assert_eq!(need("error~^r.*d$"), one(Feature::present(Text::Error)));
        assert_eq!(need("path~^/admin/.$"), need("path:/admin/*"));
        assert_eq!(need("agent:edge-*"), Need::Or(vec![one(Feature::agent(1)), one(Feature::agent(2))]));
        assert_eq!(need("agent:x"), Need::Or(vec![]));
        assert_eq!(need("status:404"), one(Feature::status(404)));
        assert_eq!(need("abcd -host:a"), need("url:*abcd*"));
        assert_eq!(need("abcd and tag:geo.x"), Need::And(vec![need("abcd"), one(Feature::tag("geo.x"))]));
        assert_eq!(need("user:ann or is:edited").count(), 2);
    }

    #[test]
    fn what_it_cannot_say() {
        for query in ["-path:/a", "body:token", "path~a.b", "ab", "ab or path:/a", "after:-1h", "path:/*", "id:0199*"] {
            assert_eq!(need(query), Need::Nothing, "{query}");
        }
    }

    #[test]
    fn no_query_needs_more_than_there_is_room_for() {
        let many = |with: &str| (0..100).map(|n| format!("path:/{n}")).collect::<Vec<_>>().join(with);
        assert_eq!(need(&many(" or ")), Need::Nothing);
        assert_eq!(need(&many(" ")).count(), MOST);
        assert_eq!(need(&"abc".repeat(300)).count(), 3, "each once");
        let text: String = (0..300).map(|n| n.to_string()).collect();
        assert_eq!(need(&text).count(), GRAMS);
    }
}
