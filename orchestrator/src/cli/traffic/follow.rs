//! Exchanges as they come, in the order of arrival, so that one that began long ago and ends now is told now.

use std::collections::HashSet;

use serde_json::Value;
use tokio::signal;

use super::{Format, Row, parsed};
use crate::cli::{
    client::Client,
    failure::Failure,
    output,
    stream::{Event, Stream},
};

/// Tells the newest `limit`, then every new one, until ctrl-c.
pub(super) async fn follow(client: &Client, query: &str, limit: usize, format: Format) -> Result<(), Failure> {
    tokio::select! {
        ended = tell_all(client, query, limit, format) => ended,
        pressed = signal::ctrl_c() => Ok(pressed?),
    }
}

async fn tell_all(client: &Client, query: &str, limit: usize, format: Format) -> Result<(), Failure> {
    // First the place, then what was there: nothing falls in between, and what is on both sides is told once.
    let mut stream = Stream::open(client, &["exchanges", "stream"], &[("query", query)]).await?;
    let begin = client.list(&["exchanges"], &[("query", query)], limit).await?;
    let mut told: HashSet<String> = begin.iter().map(id).collect();
    if format == Format::Table {
        output::say(line(["ID", "UTC", "METHOD", "STATUS", "SIZE", "TOOK", "URL"].map(str::to_owned)))?;
    }
    begin.into_iter().rev().try_for_each(|item| tell(item, format))?;
    loop {
        let Event { kind, data } = stream.next().await?;
        match kind.as_str() {
            "exchange" if told.remove(&id(&data)) => {}
            "exchange" => tell(data, format)?,
            "behind" => eprintln!("({} exchanges wait to be shown)", data["waiting"]),
            "skipped" => {
                eprintln!(
                    "({} exchanges were deleted, as retention has it, before they could be shown)",
                    data["exchanges"]
                );
            }
            _ => {}
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
