//! `orchestrator replay`: has an agent send a request, and shows what came of it.

use std::io::Read as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person,
    traffic::{id, show_diff, show_one},
};

/// Have an agent send a request: of a recorded exchange, as it was or edited, or one that is not recorded
///
/// The agent's operator has to allow it (agent run --allow connections,replay). The request goes through the agent's
/// filters, and what comes of it is recorded as any other exchange; `is:replay` finds it.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Id of the exchange, or the last characters of it; without it, the request that --url names
    #[arg(required_unless_present = "url")]
    id: Option<String>,
    /// Agent to send it, by its id or its name [default: the one that carried it, else any that may]
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Another method
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// Another URL; a path alone stays at the same host
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A field in place of all of its name, 'NAME: VALUE'; may be given again
    #[arg(long = "header", short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
    /// A field to leave out; may be given again
    #[arg(long = "remove-header", value_name = "NAME", requires = "id")]
    remove_headers: Vec<String>,
    /// A trailer in place of all of its name, behind the body that is sent, 'NAME: VALUE'; may be given again
    #[arg(long = "trailer", value_name = "FIELD")]
    trailers: Vec<String>,
    /// A trailer to leave out; may be given again
    #[arg(long = "remove-trailer", value_name = "NAME", requires = "id")]
    remove_trailers: Vec<String>,
    /// Another body, without the trailers of the recorded one: text, or @FILE, or @- for standard input
    #[arg(long, value_name = "TEXT|@FILE")]
    body: Option<String>,
    /// So many times, one after the other
    #[arg(long, short = 'n', value_name = "N", default_value_t = 1)]
    count: u32,
    /// Seconds to wait for the end of each
    #[arg(long, value_name = "S", default_value_t = 30)]
    wait: u64,
    /// Show what differs from the recorded exchange in place of all of the new one
    #[arg(long, requires = "id")]
    diff: bool,
    /// Form of the answer; json is what REST answers
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
struct Replays {
    items: Vec<Sent>,
    stopped: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    id: String,
    agent_name: String,
    recorded: bool,
    status: Option<u16>,
}

impl Replay {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut asked = json!({"count": self.count, "wait_seconds": self.wait});
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                asked[name] = value;
            }
        };
        set("agent", self.agent.as_deref().map(Into::into));
        set("method", self.method.as_deref().map(Into::into));
        set("url", self.url.as_deref().map(Into::into));
        set("body_base64", self.body.as_deref().map(body).transpose()?.map(Into::into));
        let again = self.id.is_some();
        let headers = fields("--header", &self.headers)?;
        set(if again { "set_headers" } else { "headers" }, Some(json!(headers)));
        // An orchestrator of an earlier version knows no trailers.
        let trailers = fields("--trailer", &self.trailers)?;
        set(if again { "set_trailers" } else { "trailers" }, (!trailers.is_empty()).then(|| json!(trailers)));
        let some = |names: &[String]| (!names.is_empty()).then(|| json!(names));
        set("remove_headers", some(&self.remove_headers));
        set("remove_trailers", some(&self.remove_trailers));
        let client = self.connect.client()?;
        let id = match &self.id {
            Some(id) => Some(id::whole(&client, id).await?),
            None => None,
        };
        let answer: Value = match &id {
            Some(id) => client.post_long(&["exchanges", id, "replay"], &asked).await?,
            None => client.post_long(&["replays"], &asked).await?,
        };
        if self.format == Format::Json && !self.diff {
            return Ok(output::json(&answer)?);
        }
        let replays: Replays = serde_json::from_value(answer)
            .map_err(|error| Failure::Answer { asked: "POST".to_owned(), reason: error.to_string() })?;
        match (&replays.items[..], &id) {
            ([one], Some(id)) if one.recorded && self.diff => show_diff(&client, [id, &one.id], self.format).await?,
            ([one], _) if one.recorded && !self.diff => show_one(&client, &one.id).await?,
            (items, _) => output::say(output::table(COLUMNS, items.iter().map(cells).collect()))?,
        }
        match replays.stopped {
            Some(reason) => Err(Failure::Refused(format!("not all of it was sent: {}", person::line(&reason)))),
            None if replays.items.iter().all(|item| item.recorded) => Ok(()),
            None => {
                Err(Failure::Refused("not all of it is recorded: it goes on, or its record is on the way".to_owned()))
            }
        }
    }
}

const COLUMNS: [Column; 4] =
    [Column::Text("ID"), Column::Text("STATUS"), Column::Text("RECORDED"), Column::Long("AGENT")];

fn cells(sent: &Sent) -> [String; 4] {
    [
        person::line(person::short_id(&sent.id)),
        sent.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
        if sent.recorded { "yes" } else { "not yet" }.to_owned(),
        person::or_dash(&sent.agent_name),
    ]
}

fn fields<'a>(option: &str, texts: &'a [String]) -> Result<Vec<[&'a str; 2]>, Failure> {
    let field = |text: &'a String| {
        let split = text.split_once(':').map(|(name, value)| [name.trim(), value.trim()]);
        split.ok_or_else(|| Failure::Usage(format!("{option} `{}`: expected NAME: VALUE", person::line(text))))
    };
    texts.iter().map(field).collect()
}

/// As Base64, since a file may hold anything.
fn body(text: &str) -> Result<String, Failure> {
    let Some(file) = text.strip_prefix('@') else { return Ok(STANDARD.encode(text)) };
    let read = if file == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    read.map(|bytes| STANDARD.encode(bytes)).map_err(|error| Failure::File { path: file.into(), error })
}
