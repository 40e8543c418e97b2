//! Exchanges as they come. The server is asked again and again for its newest; what was told is not told twice.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use serde_json::Value;

use super::{Format, Row, parsed};
use crate::cli::{
    client::{Client, Page},
    failure::Failure,
    output,
};

const PAUSE: Duration = Duration::from_millis(300);
const PAGE: &str = "200";
/// Pages that one round looks through at most: a bound on what a storm of traffic costs.
const PAGES: usize = 10;
/// Ids kept in mind: exchanges are listed by their beginning and come at their end, so some come late.
const REMEMBERED: usize = 20_000;

/// The ids told, the oldest forgotten first.
#[derive(Default)]
struct Told {
    ids: HashSet<String>,
    order: VecDeque<String>,
}

impl Told {
    /// Is it new?
    fn insert(&mut self, id: &str) -> bool {
        if !self.ids.insert(id.to_owned()) {
            return false;
        }
        self.order.push_back(id.to_owned());
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

/// Tells the newest `limit`, then every new one, until the process is ended.
pub(super) async fn follow(client: &Client, query: &str, limit: usize, format: Format) -> Result<(), Failure> {
    let mut told = Told::default();
    // Also what is not told now must not be told as new later.
    let begin = new(client, query, &mut told).await?;
    if format == Format::Table {
        output::say(line(["ID", "UTC", "METHOD", "STATUS", "SIZE", "TOOK", "URL"].map(str::to_owned)))?;
    }
    tell(begin.into_iter().take(limit).collect(), format)?;
    loop {
        tokio::time::sleep(PAUSE).await;
        tell(new(client, query, &mut told).await?, format)?;
    }
}

/// Those not told before, newest first.
async fn new(client: &Client, query: &str, told: &mut Told) -> Result<Vec<Value>, Failure> {
    let first = told.ids.is_empty();
    let mut fresh = Vec::new();
    let mut cursor = String::new();
    for _ in 0..PAGES {
        let mut asked = vec![("query", query), ("limit", PAGE)];
        if !cursor.is_empty() {
            asked.push(("cursor", &cursor));
        }
        let page: Page = client.get(&["exchanges"], &asked).await?;
        let before = fresh.len();
        fresh.extend(page.items.into_iter().filter(|item| told.insert(item["id"].as_str().unwrap_or_default())));
        match page.next {
            // A whole page without news: those behind it are older still.
            Some(next) if !first && fresh.len() > before => cursor = next,
            _ => break,
        }
    }
    Ok(fresh)
}

/// In the order in which they began.
fn tell(items: Vec<Value>, format: Format) -> Result<(), Failure> {
    for item in items.into_iter().rev() {
        if format == Format::Json {
            output::say(item.to_string())?;
        } else {
            let [id, at, method, status, size, took, url, _] = parsed::<Row>(item)?.cells();
            output::say(line([id, at, method, status, size, took, url]))?;
        }
    }
    Ok(())
}

/// A table that never ends has columns of fixed width; the URL, last, is told whole.
fn line([id, at, method, status, size, took, url]: [String; 7]) -> String {
    format!("{id:<8}  {at:<11}  {method:<7}  {status:<6}  {size:>8}  {took:>8}  {url}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_twice_and_memory_is_bounded() {
        let mut told = Told::default();
        assert!(told.insert("a"));
        assert!(!told.insert("a"));
        for id in 0..REMEMBERED {
            told.insert(&id.to_string());
        }
        assert_eq!(told.ids.len(), REMEMBERED);
        assert!(told.insert("a"), "long forgotten");
    }
}
