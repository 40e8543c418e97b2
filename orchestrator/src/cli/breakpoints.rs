//! `orchestrator breakpoints`: where exchanges pause. For people who decide at the terminal, `orchestrator intercept` is the
//! shorter way.

use clap::{Args, Subcommand, ValueEnum};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    asked,
    client::{Client, Connect},
    ending,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// List, make and remove breakpoints
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Breakpoints {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Those there are
    List(List),
    /// Make one: it ends unless it is renewed within its lease (`intercept` does that)
    Add {
        #[command(flatten)]
        wanted: Wanted,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        #[command(flatten)]
        connect: Connect,
    },
    /// Let one last for its lease from now on
    Renew {
        /// Its id, or the last characters of it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        connect: Connect,
    },
    /// End one: what it paused goes on or fails, as its --on-timeout says
    Remove {
        /// Its id, or the last characters of it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

/// What is to pause.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Which exchanges pause, such as 'host:api.example.com method:POST'; see docs/query.md
    #[arg(value_name = "QUERY", allow_hyphen_values = true)]
    pub(super) query: String,
    #[command(flatten)]
    rest: asked::Rest,
    /// Whether requests pause, or responses
    #[arg(long, value_enum, default_value_t)]
    at: At,
    /// Only at these agents, by name or id
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    agents: Vec<String>,
    /// Only at agents of this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Bytes of a body to hold, 0 for the head alone [default: 65536]
    #[arg(long, value_name = "BYTES")]
    body_bytes: Option<u32>,
    /// An exchange pauses for so long at most [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    timeout: Option<std::time::Duration>,
    /// What becomes of an exchange that nobody decides
    #[arg(long, value_enum, default_value_t)]
    on_timeout: OnTimeout,
    /// Exchanges paused at one agent at a time; those beyond pass [default: 20]
    #[arg(long, value_name = "N")]
    max_paused: Option<u32>,
    /// The breakpoint ends unless it is renewed within this time [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    lease: Option<std::time::Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum At {
    #[default]
    Request,
    Response,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum OnTimeout {
    /// It goes on
    #[default]
    Continue,
    /// The client gets a 504
    Fail,
}

impl Wanted {
    fn body(&self) -> Value {
        let name = |value: &dyn ValueName| value.name();
        let mut body = json!({ "query": self.query, "at": name(&self.at), "agents": self.agents,
            "on_timeout": name(&self.on_timeout) });
        let seconds = |time: std::time::Duration| json!(time.as_secs());
        let optional = [
            ("group", self.group.as_ref().map(|group| json!(group))),
            ("body_bytes", self.body_bytes.map(|bytes| json!(bytes))),
            ("timeout_s", self.timeout.map(seconds)),
            ("max_paused", self.max_paused.map(|most| json!(most))),
            ("lease_s", self.lease.map(seconds)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                body[name] = value;
            }
        }
        body
    }

    /// What can be known without asking anybody.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.rest.check(&self.query)
    }

    /// Makes it; as REST answers.
    pub(super) async fn make(&self, client: &Client) -> Result<Value, Failure> {
        client.post(&["breakpoints"], &self.body()).await
    }
}

/// As it is written for the command and for REST.
trait ValueName {
    fn name(&self) -> String;
}

impl<T: ValueEnum> ValueName for T {
    fn name(&self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) query: String,
    pub(super) at: String,
    pub(super) owner: String,
    pub(super) ends: String,
    pub(super) lease_s: u64,
    pub(super) at_agents: Vec<AtAgent>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct AtAgent {
    pub(super) agent_name: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) paused_total: u64,
    pub(super) passed_total: u64,
}

impl Breakpoints {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.list.run().await,
            Some(Command::List(list)) => list.run().await,
            Some(Command::Add { wanted, format, connect }) => {
                wanted.check()?;
                let made = wanted.make(&connect.client()?).await?;
                if format == Format::Json {
                    return Ok(output::json(&made)?);
                }
                let item = item(made)?;
                Ok(output::say(format!("{}\n{}", item.id, item.where_it_is()))?)
            }
            Some(Command::Renew { id, connect }) => {
                let client = connect.client()?;
                let id = meant(&client, &id).await?;
                let renewed: Value = client.post(&["breakpoints", &id, "renew"], &json!({})).await?;
                let ends = renewed["ends"].as_str().unwrap_or_default();
                Ok(output::say(format!("it ends at {} UTC", units::short_time(ends)))?)
            }
            Some(Command::Remove { id, connect }) => {
                let client = connect.client()?;
                let id = meant(&client, &id).await?;
                client.delete(&["breakpoints", &id]).await?;
                Ok(output::say(format!("removed {id}"))?)
            }
        }
    }
}

async fn meant(client: &Client, id: &str) -> Result<String, Failure> {
    ending::id(id, "breakpoint", async || client.all(&["breakpoints"]).await).await
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let items = self.connect.client()?.all(&["breakpoints"]).await?;
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let rows = items.into_iter().map(|value| item(value).map(Item::cells)).collect::<Result<_, _>>()?;
        let columns = [
            Column::Text("ID"),
            Column::Text("AT"),
            Column::Long("QUERY"),
            Column::Number("AGENTS"),
            Column::Number("PAUSED"),
            Column::Number("PASSED"),
            Column::Text("OWNER"),
            Column::Text("ENDS (UTC)"),
        ];
        Ok(output::say(output::table(columns, rows))?)
    }
}

pub(super) fn item(value: Value) -> Result<Item, Failure> {
    serde_json::from_value(value)
        .map_err(|error| Failure::Answer { asked: "/api/v1/breakpoints".to_owned(), reason: error.to_string() })
}

impl Item {
    fn cells(self) -> [String; 8] {
        let set = self.at_agents.iter().filter(|agent| agent.state == "set").count();
        [
            person::line(person::short_id(&self.id)),
            person::line(&self.at),
            person::line(&self.query),
            format!("{set}/{}", self.at_agents.len()),
            self.at_agents.iter().map(|agent| agent.paused_total).sum::<u64>().to_string(),
            self.at_agents.iter().map(|agent| agent.passed_total).sum::<u64>().to_string(),
            person::line(&self.owner),
            units::short_time(&self.ends),
        ]
    }

    /// Which agents have it, and which do not.
    pub(super) fn where_it_is(&self) -> String {
        if self.at_agents.is_empty() {
            return "no agent that it is for is connected; those that come get it".to_owned();
        }
        let lines = self.at_agents.iter().map(|agent| match &agent.reason {
            None => format!("set at {}", person::line(&agent.agent_name)),
            Some(reason) => format!("not at {}: {}", person::line(&agent.agent_name), person::line(reason)),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
