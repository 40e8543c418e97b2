//! Exchanges that are to go.

use super::id;
use crate::cli::{asked, client::Client, failure::Failure, output, units};

/// These, or those that fit.
pub(super) async fn delete(client: &Client, ids: &[String], query: Option<&str>) -> Result<(), Failure> {
    let deleted = match query {
        Some(query) => {
            asked::check(query)?;
            let answer = client.delete_all(&["exchanges"], query).await?;
            let unread = answer["unread"].as_u64().unwrap_or(0);
            if unread > 0 {
                eprintln!("{unread} exchanges that may fit were left: a body that the query asks for is damaged");
            }
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
    Ok(output::say(format!("{} deleted", units::counted(deleted, "exchange")))?)
}
