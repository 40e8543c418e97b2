//! Exchanges that are to go. All that fit a query go some thousands at a time, so that it is seen how far it has come, and an end in between
//! is one.

use weir_query::Query;

use super::id;
use crate::cli::{asked, client::Client, confirm, failure::Failure, output, progress::Progress, units};

/// Of one request.
const TOGETHER: &str = "10000";

/// These.
pub(super) async fn these(client: &Client, ids: &[String]) -> Result<(), Failure> {
    for id in ids {
        let id = id::whole(client, id).await?;
        client.delete(&["exchanges", &id]).await?;
    }
    said(ids.len() as u64)
}

/// Those that fit, when somebody has heard how many they are and said yes.
pub(super) async fn all_that_fit(client: &Client, query: &str, yes: bool) -> Result<(), Failure> {
    asked::check(query)?;
    if Query::parse(query).is_ok_and(|query| query.expr().is_none()) {
        return Err(Failure::Refused("an empty query fits everything: say what is to go".to_owned()));
    }
    let mut of = None;
    if !yes {
        confirm::somebody("--yes deletes without asking")?;
        let count = counted(client, query).await?;
        if count == 0 {
            return said(0);
        }
        confirm::ask(&format!("delete {}?", units::counted(count, "exchange")), "nothing was deleted")?;
        of = Some(count);
    }
    let mut progress = Progress::of_exchanges("deleted", of);
    let unread = in_pieces(client, query, &mut progress).await;
    let deleted = progress.done();
    drop(progress);
    if unread.is_err() && deleted > 0 {
        eprintln!("{} had been deleted by then", units::counted(deleted, "exchange"));
    }
    let unread = unread?;
    if unread > 0 {
        eprintln!("{unread} exchanges that may fit were left: a body that the query asks for is damaged");
    }
    said(deleted)
}

async fn counted(client: &Client, query: &str) -> Result<u64, Failure> {
    let mut progress = Progress::of_exchanges("counted", None);
    let mut cursor = String::new();
    loop {
        let mut asked = vec![("query", query)];
        if !cursor.is_empty() {
            asked.push(("cursor", &cursor));
        }
        let answer: serde_json::Value = client.get(&["exchanges", "count"], &asked).await?;
        progress.add(usize::try_from(answer["count"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX));
        match answer["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return Ok(progress.done()),
        }
    }
}

/// Tells how many went; how many could not be looked into.
async fn in_pieces(client: &Client, query: &str, progress: &mut Progress) -> Result<u64, Failure> {
    let (mut unread, mut cursor) = (0, String::new());
    loop {
        let mut asked = vec![("query", query), ("limit", TOGETHER)];
        if !cursor.is_empty() {
            asked.push(("cursor", &cursor));
        }
        let answer = client.delete_all(&["exchanges"], &asked).await?;
        unread += answer["unread"].as_u64().unwrap_or(0);
        progress.add(usize::try_from(answer["deleted"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX));
        match answer["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return Ok(unread),
        }
    }
}

fn said(deleted: u64) -> Result<(), Failure> {
    Ok(output::say(format!("{} deleted", units::counted(deleted, "exchange")))?)
}
