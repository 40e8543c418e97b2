//! Lists, page after page.

use std::io::{self, IsTerminal as _};

use serde::Deserialize;
use serde_json::Value;

use super::Client;
use crate::cli::{failure::Failure, person};

/// What one page of a list holds at most.
const PAGE: usize = 500;

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    next: Option<String>,
    /// How far a search went that took its time.
    #[serde(default)]
    searched_to: Option<String>,
    /// What was left out though it may fit.
    #[serde(default)]
    unread: Option<LeftOut>,
}

/// Exchanges with bodies that cannot be read.
#[derive(Deserialize)]
struct LeftOut {
    count: u64,
    first: Vec<Value>,
}

impl LeftOut {
    fn told(&self) {
        let first = self.first.first().unwrap_or(&Value::Null);
        let text = |member: &str| person::line(first[member].as_str().unwrap_or_default());
        let (id, reason) = (text("id"), text("reason"));
        eprintln!("{} exchanges that may fit were left out; the first is {id}: {reason}", self.count);
    }
}

impl Client {
    /// Every item of a short list.
    pub(crate) async fn all(&self, path: &[&str]) -> Result<Vec<Value>, Failure> {
        let page: Page = self.get(path, &[]).await?;
        let mut items = page.items;
        let mut next = page.next;
        while let Some(cursor) = next.take() {
            let page: Page = self.get(path, &[("cursor", &cursor)]).await?;
            items.extend(page.items);
            next = page.next.filter(|next| *next != cursor);
        }
        Ok(items)
    }

    /// The first `limit` items of a long list, page after page.
    pub(crate) async fn list(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let page_size = (limit - items.len()).min(PAGE).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &page_size));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page = self.get(path, &query).await?;
            if let Some(unread) = page.unread {
                unread.told();
            }
            let full = page.items.len() == (limit - items.len()).min(PAGE);
            items.extend(page.items);
            if let (false, Some(to)) = (full, page.searched_to)
                && io::stderr().is_terminal()
            {
                eprintln!("(searched back to {}, {} found; ctrl-c ends it)", person::line(&to), items.len());
            }
            match page.next {
                Some(next) if Some(&next) != cursor.as_ref() => cursor = Some(next),
                _ => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }
}
