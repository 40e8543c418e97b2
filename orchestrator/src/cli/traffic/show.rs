//! One exchange in full, as people read it.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

use clap::ValueEnum;
use serde_json::Value;

use super::{
    detail::{Body, Connection, Detail, Fields, Request, Response, header},
    id, messages, parsed,
};
use crate::cli::{client::Client, failure::Failure, output, paint::Paint, person, units};

/// What is shown of a body.
const SHOWN_BYTES: usize = 16 << 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    Table,
    /// For programs: what REST answers
    Json,
    /// HTTP Archive 1.2
    Har,
    /// A command that sends the request again
    Curl,
    /// Request and response as HTTP/1.1 writes them
    Raw,
}

pub(super) async fn show(client: &Client, id: &str, form: Form, reveal: bool) -> Result<(), Failure> {
    let id = id::whole(client, id).await?;
    match form {
        Form::Har => return export(client, &id, "har", reveal).await,
        Form::Curl => return export(client, &id, "curl", reveal).await,
        Form::Raw => return export(client, &id, "raw", reveal).await,
        Form::Json | Form::Table => {}
    }
    let paint = Paint::stdout();
    let item = match client.get::<Value>(&["exchanges", &id], &[]).await {
        Ok(item) => item,
        // One that goes on: of it there are the messages.
        Err(failure @ Failure::Problem { status: 404, .. }) => {
            if form == Form::Json {
                let items = messages::json(client, &id).await.map_err(|_| failure)?;
                return Ok(output::json(&items)?);
            }
            let said = messages::shown(client, &id, paint).await?;
            let text = format!("id        {id}\noutcome   it has not ended\n\n{said}");
            return if said.is_empty() { Err(failure) } else { Ok(output::say(text.trim_end())?) };
        }
        Err(failure) => return Err(failure),
    };
    if form == Form::Json {
        return Ok(output::json(&item)?);
    }
    let detail: Detail = parsed(item)?;
    let request = body(client, &id, "request", detail.request.body, &detail.request.headers).await?;
    let response = match &detail.response {
        Some(response) => body(client, &id, "response", response.body, &response.headers).await?,
        None => String::new(),
    };
    let said = messages::shown(client, &id, paint).await?;
    let mut text = Shown { text: String::new(), paint }.text(&detail, &request, &response);
    if !said.is_empty() {
        let _ = write!(text, "\n\n--- messages\n{}", said.trim_end());
    }
    Ok(output::say(text)?)
}

async fn export(client: &Client, id: &str, format: &str, reveal: bool) -> Result<(), Failure> {
    let mut asked = vec![("format", format)];
    asked.extend(reveal.then_some(("reveal", "true")));
    let bytes = client.bytes(&["exchanges", id, "export"], &asked).await?;
    let bytes = bytes.ok_or_else(|| Failure::Refused(format!("there is no exchange {id}")))?;
    output::bytes(&bytes)?;
    Ok(io::stdout().flush()?)
}

/// Decoded where that can be done.
async fn body(client: &Client, id: &str, side: &str, body: Body, headers: &Fields) -> Result<String, Failure> {
    if body.size == 0 {
        return Ok(String::new());
    }
    let path = ["exchanges", id, side, "body"];
    let mut note = String::new();
    let coded = header(headers, "content-encoding");
    let bytes = match coded {
        None => client.bytes(&path, &[]).await?,
        Some(coding) => match client.bytes(&path, &[("decoded", "true")]).await {
            Ok(bytes) => {
                let size = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
                note = format!("\n({} of {coding}, {} decoded)", units::size(body.size), units::size(size));
                bytes
            }
            Err(Failure::Problem { status: 422, .. }) => client.bytes(&path, &[]).await?,
            Err(failure) => return Err(failure),
        },
    };
    let bytes = bytes.unwrap_or_default();
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) => Some(text),
        // The cut may have gone through a character.
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&shown[..error.valid_up_to()]).ok(),
        Err(_) => None,
    };
    let mut shown = match text {
        Some(text) if !text.contains('\0') => person::body(text),
        _ => "(not text)".to_owned(),
    };
    shown.push_str(&person::lines(&note));
    let (captured, size) = (body.captured, units::size(body.size));
    if body.redacted {
        let none = if captured == 0 { "nothing is recorded" } else { "values were left out" };
        let _ = write!(shown, "\n({none} of {size}, as the agent's rules of redaction say)");
    } else if captured < body.size {
        let _ = write!(shown, "\n({} of {size} captured)", units::size(captured));
    } else if bytes.len() > SHOWN_BYTES && text.is_some() {
        let _ = write!(shown, "\n({} of {} shown)", units::size(SHOWN_BYTES as u64), units::size(bytes.len() as u64));
    }
    Ok(shown)
}

/// What is shown so far.
struct Shown {
    text: String,
    paint: Paint,
}

impl Shown {
    fn text(mut self, detail: &Detail, request: &str, response: &str) -> String {
        self.facts(detail);
        self.text.push('\n');
        self.request_head(&detail.request);
        self.rest(request, detail.request.trailers.as_ref());
        if let Some(filtered) = &detail.filtered_request {
            self.heading("changed, sent upstream as");
            self.request_head(filtered);
        }
        if let Some(answer) = &detail.response {
            self.text.push('\n');
            self.response_head(answer);
            self.rest(response, answer.trailers.as_ref());
        }
        if let Some(original) = &detail.original_response {
            self.heading("before it was changed, it came as");
            self.response_head(original);
        }
        self.text.truncate(self.text.trim_end().len());
        self.text
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "\n{}", self.paint.dim(&format!("--- {text}")));
    }

    fn fact(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            let name = self.paint.dim(&format!("{name:<9}"));
            let _ = writeln!(self.text, "{name} {}", person::line(value));
        }
    }

    fn facts(&mut self, detail: &Detail) {
        self.fact("id", &detail.id);
        self.fact("started", &detail.started);
        let first = detail.first_byte_us.filter(|us| *us > 0);
        let first = first.map(|us| format!(", response head after {}", units::took(us))).unwrap_or_default();
        self.fact("took", &format!("{}{first}", units::took(detail.duration_us)));
        let down = detail.response.as_ref().map(|response| response.body.size);
        let down = down.map(|size| format!(", {} down", units::size(size))).unwrap_or_default();
        self.fact("bodies", &format!("{} up{down}", units::size(detail.request.body.size)));
        self.fact("outcome", &detail.outcome);
        self.fact("error", detail.error.as_deref().unwrap_or_default());
        // A replay has an agent for a client, which has no address.
        if let Some(connection) = detail.connection.as_ref().filter(|_| detail.replay_of.is_none()) {
            self.fact("client", &client_of(connection));
        }
        if let Some(of) = &detail.replay_of {
            let of = if of.bytes().all(|b| matches!(b, b'0' | b'-')) { "a request that was made up" } else { of };
            self.fact("replay of", &format!("{of}, by {}", detail.replay_by.as_deref().unwrap_or_default()));
        }
        let agent = detail.agent_name.as_deref().filter(|name| !name.is_empty());
        self.fact("agent", agent.or(detail.agent.as_deref()).unwrap_or_default());
        self.fact("upstream", detail.upstream_address.as_deref().unwrap_or_default());
        for receipt in &detail.receipts {
            let changed = match &receipt.changes[..] {
                [] if receipt.changed => ", changed it".to_owned(),
                [] => String::new(),
                changes => format!(", changed {}", changes.join(" and ")),
            };
            let took = receipt.took_us.map(|us| format!(" in {us:.1} us")).unwrap_or_default();
            let error = receipt.error.as_ref().filter(|error| !error.is_empty());
            let error = error.map(|error| format!(": {error}")).unwrap_or_default();
            self.fact(
                "filter",
                &format!("{} {}: {}{took}{changed}{error}", receipt.name, receipt.version, receipt.verdict),
            );
        }
        for how in &detail.interventions {
            let changed = if how.changed.is_empty() { String::new() } else { format!(" {}", how.changed.join(", ")) };
            let by = how.by.as_deref().map(|by| format!(" by {by}")).unwrap_or_default();
            let failed = if how.failed { ", failed" } else { "" };
            let waited = units::took(how.waited_us);
            self.fact("paused", &format!("{} for {waited}: {}{changed}{by}{failed}", how.at, how.decision));
        }
        for (name, value) in &detail.tags {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.fact("tag", &format!("{name}={value}"));
        }
        self.fact("note", detail.note.as_deref().unwrap_or_default());
    }

    fn request_head(&mut self, request: &Request) {
        let line = format!("{} {} {}", request.method, request.url, request.version);
        let line = self.paint.bold(&person::line(line.trim_end()));
        let _ = writeln!(self.text, "{line}");
        self.fields(&request.headers);
    }

    fn response_head(&mut self, response: &Response) {
        let reason = weir_har::reason(u32::from(response.status));
        let line = format!("{} {} {reason}", response.version, response.status);
        let line = person::line(line.trim());
        let line = if response.status >= 400 { self.paint.red(&line) } else { self.paint.green(&line) };
        let _ = writeln!(self.text, "{line}");
        self.fields(&response.headers);
    }

    fn fields(&mut self, fields: &Fields) {
        for (name, value) in fields {
            let name = self.paint.cyan(&person::line(name));
            let _ = writeln!(self.text, "{name}: {}", person::line(value));
        }
    }

    fn rest(&mut self, body: &str, trailers: Option<&Fields>) {
        if !body.is_empty() {
            let _ = writeln!(self.text, "\n{body}");
        }
        if let Some(trailers) = trailers.filter(|trailers| !trailers.is_empty()) {
            self.text.push('\n');
            self.fields(trailers);
        }
    }
}

fn client_of(connection: &Connection) -> String {
    let mut client = format!("{} by {}", connection.client_address, connection.entry).trim().to_owned();
    for (name, value) in
        [("user", &connection.user), ("tunnel to", &connection.tunnel_target), ("TLS name", &connection.server_name)]
    {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            let _ = write!(client, ", {name} {value}");
        }
    }
    if connection.intercepted {
        client.push_str(", intercepted");
    }
    client
}
