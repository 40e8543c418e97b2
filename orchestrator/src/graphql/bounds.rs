//! Bounds of a question that have to be kept before anything walks through it: fragments make a few lines many, each naming
//! the next one twice, and what a schema says of itself goes round in circles.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Name, Positioned, ServerError, ServerResult, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextParseQuery},
    parser::types::{ExecutableDocument, FragmentDefinition, Selection, SelectionSet},
};

/// Fields, each as often as it is asked for.
const FIELDS: usize = 5_000;
/// Fields and fragments one within the other: whatever walks through a question takes a step on the stack for each.
const LEVELS: usize = 64;
/// Lists of the schema one within the other, such as the fields of the types of fields. Tools ask for the types, their fields,
/// and of these the arguments.
const LISTS: usize = 3;

pub(super) struct Bounds;

impl ExtensionFactory for Bounds {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Bounds {
    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        match check(&document) {
            Ok(()) => Ok(document),
            Err(reason) => {
                let mut error = ServerError::new(reason, None);
                error.extensions.get_or_insert_default().set("code", "TOO_COMPLEX");
                Err(error)
            }
        }
    }
}

fn check(document: &ExecutableDocument) -> Result<(), String> {
    let mut weighed = Weighed { fragments: &document.fragments, known: HashMap::new() };
    for (_, operation) in document.operations.iter() {
        let weight = weighed.set(&operation.node.selection_set.node, 0)?;
        if weight.fields > FIELDS {
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
                Selection::Field(field) => {
                    let within = self.set(&field.node.selection_set.node, level + 1)?;
                    let list = matches!(
                        field.node.name.node.as_str(),
                        "types" | "fields" | "args" | "inputFields" | "interfaces" | "possibleTypes" | "enumValues"
                    );
                    Weight {
                        fields: within.fields.saturating_add(1),
                        lists: within.lists + usize::from(list),
                        levels: within.levels,
                    }
                }
                Selection::InlineFragment(inline) => self.set(&inline.node.selection_set.node, level + 1)?,
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, level + 1)?,
            };
            sum.fields = sum.fields.saturating_add(weight.fields);
            sum.lists = sum.lists.max(weight.lists);
            sum.levels = sum.levels.max(weight.levels + 1);
        }
        Ok(sum)
    }

    fn fragment(&mut self, name: &'a Name, level: usize) -> Result<Weight, String> {
        match self.known.get(name) {
            Some(Some(weight)) if level + weight.levels > LEVELS => return Err(too_deep()),
            Some(Some(weight)) => return Ok(*weight),
            Some(None) => return Err(format!("fragment {name} is made of itself")),
            None => {}
        }
        // One that is not there is found out about later.
        let Some(fragment) = self.fragments.get(name) else { return Ok(Weight::default()) };
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
        check(&parse_query(text).unwrap()).err()
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
    fn a_schema_tells_of_itself_once() {
        let tools = "{ __schema { types { fields { args { type { ofType { ofType { name } } } } } } } }";
        assert_eq!(refused(tools), None);
        let bomb = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }";
        assert!(refused(bomb).unwrap().contains("3 lists"));
    }
}
