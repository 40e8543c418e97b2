//! Server-Sent Events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) as they come, for as long as the
//! command runs: a connection that broke is made anew, from the last id on.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::{
    client::{Client, text_of},
    failure::Failure,
    person,
};

/// The server says something more often than that.
const SILENCE: Duration = Duration::from_secs(45);
/// Between two tries to reach it again: doubled from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Of one event; no server of ours sends one as long.
const LONGEST: usize = 16 << 20;

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Stream<'a> {
    client: &'a Client,
    path: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    connection: Option<Connection>,
    /// Where it goes on.
    last: String,
}

/// What breaks.
struct Connection {
    response: Response,
    lines: Lines,
}

/// What came and is not read yet, and the event that is being read.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    kind: String,
    data: String,
    id: Option<String>,
}

impl<'a> Stream<'a> {
    /// Fails where the server cannot be reached or refuses it.
    pub(crate) async fn open(
        client: &'a Client,
        path: &[&'a str],
        query: &[(&'a str, &'a str)],
    ) -> Result<Self, Failure> {
        let mut stream =
            Self { client, path: path.to_vec(), query: query.to_vec(), connection: None, last: String::new() };
        stream.connect().await?;
        Ok(stream)
    }

    async fn connect(&mut self) -> Result<(), Failure> {
        let response = self.client.follow(&self.path, &self.query, &self.last).await?;
        self.connection = Some(Connection { response, lines: Lines::default() });
        Ok(())
    }

    /// The next event, however long that takes. Fails where the server says that it is over.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            match self.read().await {
                Ok(event) if event.kind == "end" => {
                    let detail = event.data["detail"].as_str().unwrap_or("it says no reason").to_owned();
                    self.again(&format!("the stream ended: {detail}")).await?;
                }
                Ok(event) => return Ok(event),
                Err(reason) => self.again(&format!("the connection was lost: {reason}")).await?,
            }
        }
    }

    async fn read(&mut self) -> Result<Event, String> {
        let Some(Connection { response, lines }) = &mut self.connection else { return Err("there is none".to_owned()) };
        loop {
            while let Some(event) = lines.next(&mut self.last) {
                if !event.kind.is_empty() {
                    return Ok(event);
                }
            }
            if lines.bytes.len() > LONGEST {
                return Err("an event has no end".to_owned());
            }
            let chunk = timeout(SILENCE, response.chunk()).await;
            let chunk = chunk.map_err(|_| format!("nothing came for {} s", SILENCE.as_secs()))?;
            let chunk = chunk.map_err(|error| text_of(&error))?.ok_or_else(|| "it was closed".to_owned())?;
            lines.bytes.extend_from_slice(&chunk);
        }
    }

    /// Connects again, until that works or is refused.
    async fn again(&mut self, reason: &str) -> Result<(), Failure> {
        self.connection = None;
        eprintln!("({}; trying again)", person::line(reason));
        let mut pause = PAUSES.0;
        loop {
            sleep(pause).await;
            match self.connect().await {
                Ok(()) => return Ok(()),
                // Away, starting, or too much to do.
                Err(Failure::Unreachable { .. } | Failure::Problem { status: 429 | 500.., .. }) => {}
                Err(failure) => return Err(failure),
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}

impl Lines {
    /// The next event that is there whole; one without a name is none, but moves the place.
    fn next(&mut self, last: &mut String) -> Option<Event> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
            let line = String::from_utf8_lossy(&self.bytes[..end]).trim_end_matches('\r').to_owned();
            self.bytes.drain(..=end);
            if line.is_empty() {
                if let Some(id) = self.id.take() {
                    *last = id;
                }
                let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
                return Some(Event { kind, data: serde_json::from_str(&data).unwrap_or_default() });
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => value.clone_into(&mut self.kind),
                "data" => self.data.push_str(value),
                "id" => self.id = Some(value.to_owned()),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = "retry: 1\n: x\nid: a\n\nid: b\nevent: e\ndata: {\"n\":\ndata: 1}\r\n\r\nevent: f\n";
        for cut in 0..text.len() {
            let (mut lines, mut last, mut events) = (Lines::default(), String::new(), Vec::new());
            for part in [&text[..cut], &text[cut..]] {
                lines.bytes.extend_from_slice(part.as_bytes());
                events.extend(std::iter::from_fn(|| lines.next(&mut last)));
            }
            events.retain(|event| !event.kind.is_empty());
            assert_eq!(events, [Event { kind: "e".to_owned(), data: json!({"n": 1}) }], "{cut}");
            assert_eq!(last, "b", "{cut}");
        }
    }
}
