//! What a configuration would change, key by key.

use serde_json::{Value, json};
use weir_desired::{Change, Document};

use super::past::{Past, Pasts};

/// From what agents have to what they are to have.
pub(super) fn between(pasts: &Pasts, document: &Document) -> Vec<Change> {
    pasts.newest().and_then(Past::document).unwrap_or_default().changes(document)
}

/// For people, a line for each key; none where nothing changes.
pub(super) fn text(changes: &[Change]) -> Option<String> {
    let line = |change: &Change| match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("~ {} = {before} -> {after}\n", change.key),
        (None, Some(after)) => format!("+ {} = {after}\n", change.key),
        (before, None) => format!("- {} = {}\n", change.key, before.as_deref().unwrap_or_default()),
    };
    (!changes.is_empty()).then(|| changes.iter().map(line).collect())
}

/// For programs: values as text, null where a key is not set.
pub(super) fn told(changes: &[Change]) -> Vec<Value> {
    let change = |Change { key, before, after }: &Change| json!({"key": key, "before": before, "after": after});
    changes.iter().map(change).collect()
}
