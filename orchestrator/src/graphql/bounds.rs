//! Bounds of a question that have to be kept before anything walks through it: fragments make a few lines many, each naming
//! the next one twice, and what a schema says of itself goes round in circles.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError, ServerResult,
    parser::types::{
        ExecutableDocument, Field, FragmentDefinition, OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

/// Fields, each as often as it is asked for.
const FIELDS: usize = 5_000;
/// Bytes of the name that a field has in an answer, which has it as often as the field.
const LONGEST_NAME: usize = 128;
/// Fields and fragments one within the other: whatever walks through a question takes a step on the stack for each.
const LEVELS: usize = 64;
/// Lists of the schema one within the other, such as the fields of the types of fields. Tools ask for the types, their fields,
/// and of these the arguments.
const LISTS: usize = 3;

/// Refuses what is too much, before anything else looks at it.
pub(super) fn check(document: &ExecutableDocument) -> ServerResult<()> {
    for (_, operation) in document.operations.iter() {
        if operation.node.ty == OperationType::Subscription && !follows_one(&operation.node) {
            let error = ServerError::new("a subscription follows one thing: one field, by itself", Some(operation.pos));
            return Err(coded(error, "BAD_REQUEST"));
        }
    }
    weigh(document).map_err(|reason| coded(ServerError::new(reason, None), "TOO_COMPLEX"))
}

/// With what programs know it by.
pub(super) fn coded(mut error: ServerError, code: &str) -> ServerError {
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// GraphQL section 5.2.3.1; each would be a stream of its own.
fn follows_one(operation: &OperationDefinition) -> bool {
    matches!(&operation.selection_set.node.items[..], [only] if matches!(only.node, Selection::Field(_)))
}

fn weigh(document: &ExecutableDocument) -> Result<(), String> {
    let mut weighed = Weighed { fragments: &document.fragments, known: HashMap::new() };
    let mut fields: usize = 0;
    for (_, operation) in document.operations.iter() {
        let weight = weighed.set(&operation.node.selection_set.node, 0)?;
        // Whatever is asked, all of them are looked at.
        fields = fields.saturating_add(weight.fields);
        if fields > FIELDS {
            return Err(format!(
                "the question has more than {FIELDS} fields, fragments written out: ask for less at a time"
            ));
        }
        if weight.lists > LISTS {
            return Err(format!("the schema is asked for more than {LISTS} lists deep"));
        }
    }
    Ok(())
}

/// What a part of a question comes to.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    fields: usize,
    /// Of the schema, one within the other.
    lists: usize,
    levels: usize,
}

struct Weighed<'a> {
    fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
    /// None while it is being weighed.
    known: HashMap<&'a Name, Option<Weight>>,
}

impl<'a> Weighed<'a> {
    fn set(&mut self, set: &'a SelectionSet, level: usize) -> Result<Weight, String> {
        if level > LEVELS {
            return Err(too_deep());
        }
        let mut sum = Weight::default();
        for item in &set.items {
            let weight = match &item.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, level + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, level + 1)?,
            };
            sum.fields = sum.fields.saturating_add(weight.fields);
            sum.lists = sum.lists.max(weight.lists);
            sum.levels = sum.levels.max(weight.levels + 1);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'a Field, level: usize) -> Result<Weight, String> {
        if field.response_key().node.len() > LONGEST_NAME {
            return Err(format!("the name of a field in an answer has {LONGEST_NAME} bytes at most"));
        }
        let within = self.set(&field.selection_set.node, level + 1)?;
        let list = matches!(
            field.name.node.as_str(),
            "types" | "fields" | "args" | "inputFields" | "interfaces" | "possibleTypes" | "enumValues"
        );
        Ok(Weight {
            fields: within.fields.saturating_add(1),
            lists: within.lists + usize::from(list),
            levels: within.levels,
        })
    }

    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Weight, String> {
        match self.known.get(name) {
            Some(Some(weight)) if level + weight.levels > LEVELS => return Err(too_deep()),
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err(format!("fragment {name} is made of itself")),
            None => {}
        }
        // One that is not there is found out about later; until then it is looked for as often as it is named.
        let Some(fragment) = self.fragments.get(name) else { return Ok(Weight { fields: 1, ..Weight::default() }) };
        self.known.insert(name, None);
        let weight = self.set(&fragment.node.selection_set.node, level)?;
        self.known.insert(name, Some(weight));
        Ok(weight)
    }
}

fn too_deep() -> String {
    format!("the question has more than {LEVELS} levels, fragments written out")
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn refused(text: &str) -> Option<String> {
        check(&parse_query(text).unwrap()).err().map(|error| error.message)
    }

    #[test]
    fn what_a_few_lines_come_to_is_bounded() {
        assert_eq!(refused("{ a { b c } ...f } fragment f on Q { d }"), None);
        assert_eq!(refused("{ ...missing }"), None);
        let mut bomb = "{ ...f0 }".to_owned();
        for n in 0..20 {
            bomb.push_str(&format!(" fragment f{n} on Q {{ a {{ ...f{0} }} b {{ ...f{0} }} }}", n + 1));
        }
        assert!(refused(&bomb).unwrap().contains("5000 fields"));
        let chain = |order: &mut dyn Iterator<Item = usize>| {
            let fragment = |n| format!("fragment f{n} on Q {{ ...f{} }} ", n + 1);
            format!("{{ ...f0 }} fragment f2000 on Q {{ a }} {}", order.map(fragment).collect::<String>())
        };
        assert!(refused(&chain(&mut (0..2000))).unwrap().contains("64 levels"));
        assert!(refused(&format!("{{ ...f1990 ...f1960 ...f1930 }} {}", &chain(&mut (0..2000).rev())[9..])).is_some());
        let aliases: String = (0..5001).map(|n| format!("a{n}: b ")).collect();
        assert!(refused(&format!("{{ {aliases} }}")).is_some());
        assert!(
            refused("{ ...f } fragment f on Q { ...g } fragment g on Q { a { ...f } }").unwrap().contains("itself")
        );
    }

    #[test]
    fn all_operations_and_all_names_count() {
        let one = "fragment f on Q { a } fragment g on Q { ...f ...f ...f ...f ...f ...f ...f ...f ...f ...f } ";
        let many: String = (0..501).map(|n| format!("query q{n} {{ ...g }} ")).collect();
        assert!(refused(&format!("{one}{many}")).unwrap().contains("5000 fields"));
        let mut missing = "{ ...f0 }".to_owned();
        for n in 0..20 {
            missing.push_str(&format!(" fragment f{n} on Q {{ ...f{0} ...f{0} }}", n + 1));
        }
        assert!(refused(&missing).unwrap().contains("5000 fields"));
        assert_eq!(refused(&format!("{{ {}: a }}", "x".repeat(128))), None);
        assert!(refused(&format!("{{ {}: a }}", "x".repeat(129))).unwrap().contains("128 bytes"));
    }

    #[test]
    fn a_subscription_follows_one_thing() {
        assert_eq!(refused("subscription { a { b c } }"), None);
        for several in
            ["subscription { a b }", "subscription { a x: a }", "subscription { ...f } fragment f on S { a }"]
        {
            assert!(refused(several).unwrap().contains("follows one thing"), "{several}");
        }
    }

    #[test]
    fn a_schema_tells_of_itself_once() {
        let tools = "{ __schema { types { fields { args { type { ofType { ofType { name } } } } } } } }";
        assert_eq!(refused(tools), None);
        let bomb = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert!(refused(bomb).unwrap().contains("3 lists"));
    }
}
