//! What people say of exchanges.

use serde_json::{Map, Value, json};

use super::id;
use crate::cli::{client::Client, failure::Failure, output, person};

/// Puts tags on one, each as `NAME` or `NAME=TEXT`, and takes others away.
pub(super) async fn tag(client: &Client, id: &str, put: &[String], remove: &[String]) -> Result<(), Failure> {
    let mut tags = Map::new();
    for tag in put {
        match tag.split_once('=') {
            Some((name, text)) => tags.insert(name.to_owned(), text.into()),
            None => tags.insert(tag.clone(), true.into()),
        };
    }
    tags.extend(remove.iter().map(|name| (name.clone(), Value::Null)));
    said(client, id, &json!({ "tags": tags })).await
}

/// Sets the note of one, in place of the one before, or takes it away.
pub(super) async fn note(client: &Client, id: &str, text: Option<&str>) -> Result<(), Failure> {
    said(client, id, &json!({ "note": text })).await
}

async fn said(client: &Client, id: &str, patch: &Value) -> Result<(), Failure> {
    let id = id::whole(client, id).await?;
    let said: Value = client.patch(&["exchanges", &id], patch).await?;
    let tag = |(name, value): (&String, &Value)| match value {
        Value::Bool(true) => name.clone(),
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    let mut parts: Vec<String> = said["tags"].as_object().into_iter().flatten().map(tag).collect();
    parts.extend(said["note"].as_str().map(|note| format!("note: {note}")));
    let told = if parts.is_empty() { "nothing is said of it".to_owned() } else { person::line(&parts.join(" ")) };
    Ok(output::say(told)?)
}
