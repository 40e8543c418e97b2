//! `orchestrator traffic`: recorded exchanges as a table, as JSON, as HAR; as they come; one of them in full; two beside each
//! other; what people say of one; some deleted.

mod annotate;
mod delete;
mod detail;
mod diff;
mod follow;
pub(super) mod id;
mod messages;
mod show;

use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    asked,
    client::{Client, Connect},
    export::{self, Form, Wanted},
    failure::Failure,
    output::{self, Column},
    person, units,
};

/// Search recorded exchanges
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_long_help = QUERIES)]
pub(crate) struct Traffic {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    search: Search,
}

const QUERIES: &str = "\
Queries (docs/query.md has all of it):
  host:*.example.com  path:/admin*  url:*id=7*  login  \"two words\"
  method:GET  scheme:https  status:404  status:5xx  status:>=400
  header.x-foo:bar  request.header.NAME  response.header.NAME  type:json
  body:token  request.body~\"id=[0-9]+\"  path~^/v[0-9]/
  size:>1MB  request.size:0  duration:>200ms  first-byte:>1s
  user:ann  client:192.0.2.7  agent:edge-1  entry:connect
  filter:block  filter:block=failed  tag:geo.country=DE
  error:*refused*  outcome:client-gone  id:0199aa*
  is:error|answered|changed|edited|truncated|websocket|h2|tls|intercepted|replay
  after:2026-11-20  before:2026-11-20T08:00  after:-15m
  Side by side is `and`; `or`, `not` or `-`, parentheses.";

#[derive(Debug, Subcommand)]
enum Command {
    /// One exchange in full: heads, bodies, messages, what each filter did
    Show {
        /// Its id, or the last characters of it
        id: String,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: show::Form,
        /// In har, curl and raw, show what is hidden otherwise: Authorization, Proxy-Authorization, Cookie and Set-Cookie
        #[arg(long)]
        reveal: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// What differs between two exchanges: heads field by field, bodies line by line
    Diff {
        /// Its id, or the last characters of it
        a: String,
        /// That of the other
        b: String,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: output::Format,
        /// Show what is hidden otherwise: Authorization, Proxy-Authorization, Cookie and Set-Cookie
        #[arg(long)]
        reveal: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Put tags on an exchange, which queries find: tag:NAME, tag:NAME=TEXT
    Tag {
        /// Its id, or the last characters of it
        id: String,
        /// Each as NAME or NAME=TEXT
        #[arg(value_name = "TAG", required_unless_present = "remove")]
        tags: Vec<String>,
        /// Take this one away
        #[arg(long, value_name = "NAME")]
        remove: Vec<String>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Say something of an exchange, in place of what was said before
    Note {
        /// Its id, or the last characters of it
        id: String,
        #[arg(required_unless_present = "remove", conflicts_with = "remove")]
        text: Option<String>,
        /// Take the note away
        #[arg(long)]
        remove: bool,
        #[command(flatten)]
        connect: Connect,
    },
    /// Delete exchanges
    Delete {
        /// Their ids, or the last characters of them
        #[arg(required_unless_present = "query", conflicts_with = "query")]
        ids: Vec<String>,
        /// All that fit
        #[arg(long, value_name = "QUERY", allow_hyphen_values = true)]
        query: Option<String>,
        /// Do not count and ask first
        #[arg(long, requires = "query")]
        yes: bool,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, Args)]
struct Search {
    /// Such as 'host:*.example.com status:5xx -method:GET'; quote it for the shell
    #[arg(allow_hyphen_values = true)]
    query: Option<String>,
    #[command(flatten)]
    rest: asked::Rest,
    /// Go on as exchanges come
    #[arg(long, short)]
    follow: bool,
    /// At most so many, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Form of the answer; with --follow, json is one object per line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// In har, show what is hidden otherwise: Authorization, Proxy-Authorization, Cookie and Set-Cookie
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: what REST answers; a listing is an array
    Json,
    /// HTTP Archive 1.2, bodies included as far as they were captured
    Har,
}

/// A line of the list.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: String,
    started: String,
    duration_us: u64,
    method: String,
    url: String,
    status: Option<u16>,
    response_bytes: u64,
    filters: Vec<String>,
}

/// An exchange in full, for people.
pub(super) async fn show_one(client: &Client, id: &str) -> Result<(), Failure> {
    show::show(client, id, show::Form::Table, false).await
}

/// What differs between two.
pub(super) async fn show_diff(client: &Client, ids: [&str; 2], format: output::Format) -> Result<(), Failure> {
    diff::diff(client, ids, false, format).await
}

impl Traffic {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.search.run().await,
            Some(Command::Show { id, format, reveal, connect }) => {
                show::show(&connect.client()?, &id, format, reveal).await
            }
            Some(Command::Diff { a, b, format, reveal, connect }) => {
                diff::diff(&connect.client()?, [&a, &b], reveal, format).await
            }
            Some(Command::Tag { id, tags, remove, connect }) => {
                annotate::tag(&connect.client()?, &id, &tags, &remove).await
            }
            Some(Command::Note { id, text, remove: _, connect }) => {
                annotate::note(&connect.client()?, &id, text.as_deref()).await
            }
            Some(Command::Delete { ids, query: None, connect, .. }) => delete::these(&connect.client()?, &ids).await,
            Some(Command::Delete { query: Some(query), yes, connect, .. }) => {
                delete::all_that_fit(&connect.client()?, &query, yes).await
            }
        }
    }
}

impl Search {
    async fn run(self) -> Result<(), Failure> {
        let query = self.query.as_deref().unwrap_or_default();
        self.rest.check(query)?;
        if self.follow && self.format == Format::Har {
            return Err(Failure::Usage("--follow goes with table and json: a HAR file has an end".to_owned()));
        }
        let client = self.connect.client()?;
        if self.follow {
            return follow::follow(&client, query, self.limit, self.format).await;
        }
        if self.format == Format::Har {
            let limit = self.limit.to_string();
            let wanted = Wanted { form: Form::Har, query, limit: Some(&limit), reveal: self.reveal };
            return export::to_stdout(&client, &wanted).await;
        }
        let items = client.list(&["exchanges"], &[("query", query)], self.limit).await?;
        match self.format {
            Format::Json => Ok(output::json(&items)?),
            Format::Table | Format::Har => {
                let rows = items.into_iter().map(|item| parsed(item).map(Row::cells)).collect::<Result<Vec<_>, _>>()?;
                if rows.is_empty() {
                    eprintln!("nothing that is recorded {}", if query.is_empty() { "is here yet" } else { "fits" });
                }
                Ok(output::say(output::table(COLUMNS, rows))?)
            }
        }
    }
}

const COLUMNS: [Column; 8] = [
    Column::Text("ID"),
    Column::Text("UTC"),
    Column::Text("METHOD"),
    Column::Text("STATUS"),
    Column::Number("SIZE"),
    Column::Number("TOOK"),
    Column::Long("URL"),
    Column::Long("FILTERS"),
];

impl Row {
    fn cells(self) -> [String; 8] {
        [
            person::line(person::short_id(&self.id)),
            units::short_time(&self.started),
            person::line(&self.method),
            self.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            if self.status.is_some() { units::size(self.response_bytes) } else { "-".to_owned() },
            units::took(self.duration_us),
            person::line(&self.url),
            person::or_dash(&self.filters.join(" ")),
        ]
    }
}

fn parsed<T: DeserializeOwned>(item: Value) -> Result<T, Failure> {
    serde_json::from_value(item)
        .map_err(|error| Failure::Answer { asked: "GET /api/v1/exchanges".to_owned(), reason: error.to_string() })
}
