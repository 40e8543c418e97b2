//! Fields of an answer in the order in which they were asked for (GraphQL section 7.2.2): what is asked together is answered as
//! it becomes known. Pure.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, Value,
    indexmap::IndexMap,
    parser::types::{FragmentDefinition, Selection, SelectionSet},
};

type Fragments = HashMap<Name, Positioned<FragmentDefinition>>;

/// The names of an answer's fields, and within each those below it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Order(IndexMap<Name, Order>);

impl Order {
    /// Of a question whose fields, fragments written out, are few.
    pub(super) fn of(set: &SelectionSet, fragments: &Fragments) -> Self {
        let mut order = Self::default();
        order.add(set, fragments);
        order
    }

    fn add(&mut self, set: &SelectionSet, fragments: &Fragments) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let within = self.0.entry(field.node.response_key().node.clone()).or_default();
                    within.add(&field.node.selection_set.node, fragments);
                }
                Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, fragments),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, fragments);
                    }
                }
            }
        }
    }

    /// Puts a value in this order.
    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.sort_by(|a, _, b, _| self.0.get_index_of(a).cmp(&self.0.get_index_of(b)));
                for (name, value) in fields {
                    if let Some(within) = self.0.get(name) {
                        within.apply(value);
                    }
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.apply(item)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::{parse_query, types::DocumentOperations};

    use super::*;

    #[test]
    fn fields_come_as_they_were_asked_for() {
        let text = "{ b x: a { d ...f c } ...f } fragment f on Q { e b { z y } }";
        let document = parse_query(text).unwrap();
        let DocumentOperations::Single(operation) = &document.operations else { panic!() };
        let order = Order::of(&operation.node.selection_set.node, &document.fragments);
        let json = r#"{"e":1,"x":[{"c":1,"b":{"y":1,"z":2},"e":3,"d":4},null],"b":{"y":1,"z":2}}"#;
        let mut value: Value = serde_json::from_str(json).unwrap();
        order.apply(&mut value);
        let expect = r#"{"b":{"z":2,"y":1},"x":[{"d":4,"e":3,"b":{"z":2,"y":1},"c":1},null],"e":1}"#;
        assert_eq!(serde_json::to_string(&value).unwrap(), expect);
    }
}
