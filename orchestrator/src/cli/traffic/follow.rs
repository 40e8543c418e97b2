//! Exchanges as they come. The server is asked again and again for what came behind the place where the answer before
//! ended: in the order of arrival, so that one that began long ago and ends now is told now.

use std::{collections::HashSet, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use super::{Format, Row, parsed};
use crate::cli::{client::Client, failure::Failure, output};

const PAUSE: Duration = Duration::from_millis(300);
const PAGE: usize = 500;

/// What came, the oldest first.
#[derive(Deserialize)]
struct Arrivals {
    items: Vec<Value>,
    next: String,
    #[serde(default)]
    skipped: u64,
}

/// Tells the newest `limit`, then every new one, until the process is ended.
pub(super) async fn follow(client: &Client, query: &str, limit: usize, format: Format) -> Result<(), Failure> {
    // First the place, then what was there: nothing falls in between, and what is on both sides is told once.
    let Arrivals { next: mut place, .. } = client.get(&["exchanges", "arrivals"], &[("query", query)]).await?;
    let begin = client.list(&["exchanges"], &[("query", query)], limit).await?;
    let mut told: HashSet<String> = begin.iter().map(id).collect();
    if format == Format::Table {
        output::say(line(["ID", "UTC", "METHOD", "STATUS", "SIZE", "TOOK", "URL"].map(str::to_owned)))?;
    }
    begin.into_iter().rev().try_for_each(|item| tell(item, format))?;
    loop {
        let asked = [("query", query), ("limit", &PAGE.to_string()), ("cursor", &place)];
        let Arrivals { items, next, skipped } = client.get(&["exchanges", "arrivals"], &asked).await?;
        if skipped > 0 {
            eprintln!("({skipped} exchanges were deleted, as retention has it, before they could be shown)");
        }
        let is_all = items.len() < PAGE;
        for item in items {
            if !told.remove(&id(&item)) {
                tell(item, format)?;
            }
        }
        place = next;
        if is_all {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn id(item: &Value) -> String {
    item["id"].as_str().unwrap_or_default().to_owned()
}

fn tell(item: Value, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(output::say(item.to_string())?);
    }
    let [id, at, method, status, size, took, url, _] = parsed::<Row>(item)?.cells();
    Ok(output::say(line([id, at, method, status, size, took, url]))?)
}

/// A table that never ends has columns of fixed width; the URL, last, is told whole.
fn line([id, at, method, status, size, took, url]: [String; 7]) -> String {
    format!("{id:<8}  {at:<11}  {method:<7}  {status:<6}  {size:>8}  {took:>8}  {url}")
}
