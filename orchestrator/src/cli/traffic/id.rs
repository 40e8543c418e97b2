//! Ids as people type them.

use crate::cli::{client::Client, failure::Failure, person};

/// An id from the last characters of it, as listings show them.
pub(in crate::cli) async fn whole(client: &Client, id: &str) -> Result<String, Failure> {
    let id = id.to_ascii_lowercase();
    if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(Failure::Usage(format!("`{}` is no id of an exchange: hex digits and `-`", person::line(&id))));
    }
    if id.len() == 36 {
        return Ok(id);
    }
    let found = client.list(&["exchanges"], &[("query", &format!("id:*{id}")), ("fields", "id")], 2).await?;
    match &found[..] {
        [one] => Ok(one["id"].as_str().unwrap_or_default().to_owned()),
        [] => Err(Failure::Refused(format!("no exchange's id ends with {id}"))),
        _ => Err(Failure::Refused(format!("more than one exchange's id ends with {id}: give more of it"))),
    }
}
