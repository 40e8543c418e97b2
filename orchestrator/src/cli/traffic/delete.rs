//! Exchanges that are to go.

use weir_query::Query;

use super::id;
use crate::cli::{client::Client, failure::Failure, output};

/// These, or those that fit.
pub(super) async fn delete(client: &Client, ids: &[String], query: Option<&str>) -> Result<(), Failure> {
    let deleted = match query {
        Some(query) => {
            Query::parse(query).map_err(|error| Failure::Usage(error.shown(query)))?;
            let answer = client.delete_all(&["exchanges"], query).await?;
            answer["deleted"].as_u64().unwrap_or(0)
        }
        None => {
            for id in ids {
                let id = id::whole(client, id).await?;
                client.delete(&["exchanges", &id]).await?;
            }
            ids.len() as u64
        }
    };
    Ok(output::say(format!("{deleted} exchanges deleted"))?)
}
