//! Filters as GraphQL shows them; REST has every statement about them.

use async_graphql::SimpleObject;

use crate::{clock::rfc3339, store::FilterRow};

/// A filter of a group: its newest publication.
#[derive(Debug, SimpleObject)]
pub(super) struct Filter {
    name: String,
    group: String,
    version: String,
    digest: String,
    /// Of the component, bytes.
    size: String,
    /// Which exchanges meet it, in the query grammar.
    #[graphql(name = "match")]
    matching: String,
    priority: i32,
    /// It was removed since.
    removed: bool,
    key_id: String,
    published: String,
    /// From then on agents do not accept it anew.
    expires: String,
}

impl From<FilterRow> for Filter {
    fn from(row: FilterRow) -> Self {
        let publication = row.publication;
        Self {
            name: publication.name.to_string(),
            group: publication.group.to_string(),
            version: publication.version.to_string(),
            digest: publication.digest.to_string(),
            size: publication.size.to_string(),
            matching: publication.matching,
            priority: publication.priority,
            removed: row.removed.is_some(),
            key_id: row.published.key_id,
            published: rfc3339(row.published.received_us),
            expires: rfc3339(publication.expires.saturating_mul(1_000_000)),
        }
    }
}
