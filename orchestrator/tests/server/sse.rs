//! Server-Sent Events as a reader takes them (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{PATIENCE, Person};

/// An open stream.
pub(crate) struct Stream {
    response: Response,
    text: Vec<u8>,
    /// What to go on from: `id` of the last block, told or not.
    pub(crate) last: String,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl Stream {
    pub(crate) async fn open(person: &Person, path: &str) -> Self {
        Self::go_on(person, path, "").await
    }

    /// From behind what a stream before told last; the first block is read.
    pub(crate) async fn go_on(person: &Person, path: &str, last: &str) -> Self {
        let request = person.request(reqwest::Method::GET, path).header("Last-Event-ID", last);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let mut stream = Self { response, text: Vec::new(), last: last.to_owned() };
        let first = timeout(PATIENCE, stream.block()).await.expect("the stream begins in time").unwrap();
        assert!(first.starts_with("retry: ") && !stream.last.is_empty(), "{first}");
        stream
    }

    /// The next event; none when the stream ended. Signs of life are none.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        timeout(PATIENCE, self.event()).await.expect("an event comes in time, or the end")
    }

    async fn event(&mut self) -> Option<Told> {
        loop {
            let block = self.block().await?;
            let value = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name));
                line.map(|line| line.trim_start_matches(": ").to_owned())
            };
            if let (Some(event), Some(data)) = (value("event"), value("data")) {
                return Some(Told { id: self.last.clone(), event, data: data.parse().unwrap() });
            }
        }
    }

    /// An event that has to come.
    pub(crate) async fn told(&mut self) -> Told {
        self.next().await.expect("the stream goes on")
    }

    /// The next that has to come, but for those of a kind.
    #[allow(dead_code, reason = "not every database has others")]
    pub(crate) async fn told_but(&mut self, kind: &str) -> Told {
        loop {
            let told = self.told().await;
            if told.event != kind {
                return told;
            }
        }
    }

    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let rest = self.text.split_off(end + 2);
                let block = String::from_utf8(std::mem::replace(&mut self.text, rest)).unwrap();
                if let Some(id) = block.lines().find_map(|line| line.strip_prefix("id: ")) {
                    self.last = id.to_owned();
                }
                return Some(block);
            }
            self.text.extend_from_slice(&self.response.chunk().await.unwrap_or(None)?);
        }
    }
}
