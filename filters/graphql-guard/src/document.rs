//! A GraphQL document, measured: each operation as if every fragment stood where it is spread.

use std::collections::HashMap;

use apollo_parser::{
    Parser,
    cst::{self, Definition, Selection, SelectionSet},
};

use crate::reject::Reject;

/// Levels that parser and measure go down, sets of selections, values and fragments each one. Far below what a stack holds.
const LEVELS: usize = 200;

/// What an operation asks for, with fragments in their places. Sums stop at the largest number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    pub(crate) depth: u64,
    pub(crate) fields: u64,
    pub(crate) aliases: u64,
    pub(crate) directives: u64,
    /// Fields of this very set, fragments' too.
    pub(crate) roots: u64,
    pub(crate) introspects: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Mutation,
    Subscription,
}

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) kind: Kind,
    pub(crate) name: Option<String>,
    pub(crate) measure: Measure,
}

/// Every operation of a document.
pub(crate) fn operations(text: &str, max_tokens: usize) -> Result<Vec<Operation>, Reject> {
    let tree = Parser::new(text).recursion_limit(LEVELS).token_limit(max_tokens).parse();
    if let Some(error) = tree.errors().next() {
        let message =
            if error.is_limit() { "The query is too large or nested too deeply." } else { "The query is no GraphQL." };
        return Err(Reject::malformed(message));
    }
    let document = tree.document();
    let mut fragments = Fragments::default();
    let mut operations = Vec::new();
    for definition in document.definitions() {
        match definition {
            Definition::OperationDefinition(operation) => operations.push(operation),
            Definition::FragmentDefinition(fragment) => fragments.insert(&fragment)?,
            _ => return Err(Reject::malformed("A request has operations and fragments only.")),
        }
    }
    if operations.is_empty() {
        return Err(Reject::NO_QUERY);
    }
    operations.iter().map(|operation| measured(operation, &mut fragments)).collect()
}

fn measured(operation: &cst::OperationDefinition, fragments: &mut Fragments) -> Result<Operation, Reject> {
    let kind = match operation.operation_type() {
        None => Kind::Query,
        Some(kind) if kind.query_token().is_some() => Kind::Query,
        Some(kind) if kind.mutation_token().is_some() => Kind::Mutation,
        Some(_) => Kind::Subscription,
    };
    let mut measure = match operation.selection_set() {
        Some(set) => fragments.set(&set, 0)?,
        None => return Err(Reject::malformed("An operation selects nothing.")),
    };
    let variables = operation.variable_definitions();
    let of_variables = variables.iter().flat_map(|all| all.variable_definitions()).map(|one| count(one.directives()));
    measure.directives =
        of_variables.fold(measure.directives, u64::saturating_add).saturating_add(count(operation.directives()));
    Ok(Operation { kind, name: operation.name().map(|name| name.text().to_string()), measure })
}

fn count(directives: Option<cst::Directives>) -> u64 {
    directives.map_or(0, |directives| directives.directives().count() as u64)
}

enum Fragment {
    Unseen(SelectionSet, u64),
    /// It is being measured: to meet it now is a circle.
    Open,
    Seen(Measure),
}

#[derive(Default)]
struct Fragments(HashMap<String, Fragment>);

impl Fragments {
    fn insert(&mut self, fragment: &cst::FragmentDefinition) -> Result<(), Reject> {
        let name = fragment.fragment_name().and_then(|name| name.name()).map(|name| name.text().to_string());
        let (Some(name), Some(set)) = (name, fragment.selection_set()) else {
            return Err(Reject::malformed("A fragment has no name or selects nothing."));
        };
        match self.0.insert(name, Fragment::Unseen(set, count(fragment.directives()))) {
            None => Ok(()),
            Some(_) => Err(Reject::malformed("A fragment stands twice.")),
        }
    }

    fn set(&mut self, set: &SelectionSet, level: usize) -> Result<Measure, Reject> {
        if level > LEVELS {
            return Err(Reject::malformed("The query is too large or nested too deeply."));
        }
        let mut sum = Measure::default();
        for selection in set.selections() {
            let part = match selection {
                Selection::Field(field) => self.field(&field, level)?,
                Selection::InlineFragment(inline) => {
                    let mut part = match inline.selection_set() {
                        Some(set) => self.set(&set, level + 1)?,
                        None => Measure::default(),
                    };
                    part.directives = part.directives.saturating_add(count(inline.directives()));
                    part
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.fragment_name().and_then(|name| name.name());
                    let name = name.map(|name| name.text().to_string()).unwrap_or_default();
                    let mut part = self.fragment(&name, level + 1)?;
                    part.directives = part.directives.saturating_add(count(spread.directives()));
                    part
                }
            };
            sum = sum.beside(part);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &cst::Field, level: usize) -> Result<Measure, Reject> {
        let below = match field.selection_set() {
            Some(set) => self.set(&set, level + 1)?,
            None => Measure::default(),
        };
        let is_introspection = field.name().is_some_and(|name| matches!(&*name.text(), "__schema" | "__type"));
        Ok(Measure {
            depth: below.depth.saturating_add(1),
            fields: below.fields.saturating_add(1),
            aliases: below.aliases.saturating_add(u64::from(field.alias().is_some())),
            directives: below.directives.saturating_add(count(field.directives())),
            roots: 1,
            introspects: below.introspects || is_introspection,
        })
    }

    /// Each is measured once, however often it is spread.
    fn fragment(&mut self, name: &str, level: usize) -> Result<Measure, Reject> {
        let Some(fragment) = self.0.get_mut(name) else {
            return Err(Reject::malformed("A fragment is missing."));
        };
        let (set, directives) = match std::mem::replace(fragment, Fragment::Open) {
            Fragment::Unseen(set, directives) => (set, directives),
            Fragment::Open => return Err(Reject::malformed("A fragment spreads itself.")),
            Fragment::Seen(measure) => {
                *fragment = Fragment::Seen(measure);
                return Ok(measure);
            }
        };
        let mut measure = self.set(&set, level)?;
        measure.directives = measure.directives.saturating_add(directives);
        self.0.insert(name.to_owned(), Fragment::Seen(measure));
        Ok(measure)
    }
}

impl Measure {
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            fields: self.fields.saturating_add(other.fields),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            roots: self.roots.saturating_add(other.roots),
            introspects: self.introspects || other.introspects,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn measure(text: &str) -> Result<Measure, Reject> {
        operations(text, 5000).map(|all| all[0].measure)
    }

    #[test]
    fn fragments_count_where_they_are_spread() {
        let found = measure(
            "query Q($a: Int @x) @y { a: b { c ...F ... on T @z { d } } ...F ...F @w } fragment F on T @v { e f: g { h } }",
        );
        let expected = Measure { depth: 3, fields: 12, aliases: 4, directives: 7, roots: 5, introspects: false };
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn bombs_of_fragments_are_measured_in_no_time() {
        let mut text = "{ ...F0 }".to_owned();
        for n in 0..90 {
            text.push_str(&format!(" fragment F{n} on T {{ a {{ ...F{0} }} b {{ ...F{0} }} }}", n + 1));
        }
        text.push_str(" fragment F90 on T { a }");
        let found = measure(&text).unwrap();
        assert_eq!((found.depth, found.fields), (91, u64::MAX));
    }

    #[test]
    fn what_goes_in_circles_or_too_deep_is_refused() {
        measure("{ ...A } fragment A on T { ...B } fragment B on T { a { ...A } }").unwrap_err();
        measure("{ ...A }").unwrap_err();
        measure("{ a } fragment A on T { a } fragment A on T { b }").unwrap_err();
        measure(&format!("{}{}", "{a".repeat(3000), "}".repeat(3000))).unwrap_err();
        measure(&format!("{{ a(b: {}{}) }}", "[".repeat(2000), "]".repeat(2000))).unwrap_err();
        measure(&format!("query($a: {}Int{}) {{ a }}", "[".repeat(2000), "]".repeat(2000))).unwrap_err();
        let chain: String = (0..400).map(|n| format!(" fragment F{n} on T {{ ...F{} }}", n + 1)).collect();
        measure(&format!("{{ ...F0 }}{chain} fragment F400 on T {{ a }}")).unwrap_err();
        for text in ["", "{}", "{ a", "type T { a: Int }", "{ a } extend type T { a: Int }", "\u{feff}\0", "query"] {
            measure(text).unwrap_err();
        }
    }

    #[test]
    fn introspection_is_seen_under_any_name() {
        for text in
            ["{ x: __schema { types { name } } }", "{ ...F } fragment F on Query { __type(name: \"A\") { name } }"]
        {
            assert!(measure(text).unwrap().introspects, "{text}");
        }
        assert!(!measure("{ a { __typename } schema: b }").unwrap().introspects);
    }

    proptest! {
        #[test]
        fn any_text_is_measured_or_refused(
            text in "\\PC{0,80}|[{}()\\[\\]a-c@$:!.\"#\\\\ \n=|&0-9-]{0,120}|(\\{ a |\\} |\\.\\.\\.F |fragment F on T |query |\\(a: |\\) |\"\"\"|@d ){0,40}"
        ) {
            let _ = operations(&text, 1000);
        }
    }
}
