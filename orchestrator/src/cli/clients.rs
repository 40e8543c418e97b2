//! `orchestrator clients`: who is connected to agents at this moment, and closing connections.

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    person, units,
};

/// List the connections of clients to agents, and close them
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Clients {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Close one, or all of an agent or a client, whatever they are at
    Close {
        /// Its id, or the last characters of it
        #[arg(required_unless_present_any = ["agent", "client"], conflicts_with = "client")]
        id: Option<String>,
        /// All of this agent, by its id or its name; with an id, where to look for it
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// All of clients with this IP address
        #[arg(long, value_name = "IP")]
        client: Option<String>,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Debug, Args)]
struct List {
    /// Of this agent only, by its id or its name
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Of clients with this IP address only
    #[arg(long, value_name = "IP")]
    client: Option<String>,
    /// At most so many, the oldest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: String,
    agent_name: String,
    client: String,
    since: String,
    received_bytes: u64,
    sent_bytes: u64,
}

impl Clients {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.list.run().await,
            Some(Command::Close { id, agent, client, connect }) => close(id, agent, client, &connect).await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let asked = asked(self.agent.as_deref(), self.client.as_deref());
        let items = client.list(&["connections"], &asked, self.limit).await?;
        let page: Value = client.get(&["connections"], &[asked, vec![("limit", "1")]].concat()).await?;
        for missing in page["unanswered"].as_array().into_iter().flatten() {
            let text = |name: &str| person::line(missing[name].as_str().unwrap_or_default());
            eprintln!("without those of {}: {}", text("agent_name"), text("reason"));
        }
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        let row = |item| serde_json::from_value(item).map(Row::cells);
        let rows = items.into_iter().map(row).collect::<Result<Vec<_>, _>>().map_err(|error| Failure::Answer {
            asked: "GET /api/v1/connections".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(output::say(output::table(COLUMNS, rows))?)
    }
}

const COLUMNS: [Column; 6] = [
    Column::Text("ID"),
    Column::Text("SINCE (UTC)"),
    Column::Text("CLIENT"),
    Column::Number("IN"),
    Column::Number("OUT"),
    Column::Long("AGENT"),
];

impl Row {
    fn cells(self) -> [String; 6] {
        [
            person::line(person::short_id(&self.id)),
            units::short_time(&self.since),
            person::line(&self.client),
            units::size(self.received_bytes),
            units::size(self.sent_bytes),
            person::or_dash(&self.agent_name),
        ]
    }
}

fn asked<'a>(agent: Option<&'a str>, client: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let agent = agent.map(|agent| ("agent", agent));
    agent.into_iter().chain(client.map(|client| ("client", client))).collect()
}

async fn close(
    id: Option<String>,
    agent: Option<String>,
    of: Option<String>,
    connect: &Connect,
) -> Result<(), Failure> {
    let client = connect.client()?;
    let Some(id) = id else {
        let answer = client.delete_where(&["connections"], &asked(agent.as_deref(), of.as_deref())).await?;
        return Ok(output::say(format!("{} connections closed", answer["closed"].as_u64().unwrap_or_default()))?);
    };
    let asked = asked(agent.as_deref(), None);
    let id = match id.len() {
        36 => id,
        _ => {
            let items = client.list(&["connections"], &asked, usize::MAX).await?;
            let ids = items.iter().filter_map(|item| item["id"].as_str()).filter(|whole| whole.ends_with(&id));
            match ids.collect::<Vec<_>>()[..] {
                [one] => one.to_owned(),
                [] => return Err(Failure::Refused(format!("no connection's id ends with {}", person::line(&id)))),
                _ => return Err(Failure::Refused(format!("more than one id ends with {}", person::line(&id)))),
            }
        }
    };
    client.delete_one(&["connections", &id], &asked).await?;
    Ok(output::say(format!("closed {id}"))?)
}
