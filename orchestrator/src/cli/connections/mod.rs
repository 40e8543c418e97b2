//! `orchestrator connections`: connections of clients to agents, as they are at this moment; those that have ended; and closing
//! them.

mod close;
mod ended;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::Value;

use super::{
    client::Connect,
    failure::Failure,
    listing,
    output::{Column, Format},
    person, units,
};

const PATH: &[&str] = &["connections"];

/// List the connections of clients to agents as they are now, and close them; list those that have ended
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Connections {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Those that there are now, in the order they came
    List(List),
    /// Those that have ended, as they were recorded, the last first
    Ended(ended::Ended),
    /// Close one, or all of an agent or a client, whatever they are at
    Close(close::Close),
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
    entry: Option<String>,
    stage: Option<String>,
    target: Option<String>,
    tls: Option<Tls>,
    upstream: Option<Upstream>,
    exchanges: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Tls {
    version: String,
    alpn: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Upstream {
    tls_version: Option<String>,
    alpn: Option<String>,
}

impl Connections {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => self.list.run().await,
            Some(Command::List(list)) => list.run().await,
            Some(Command::Ended(ended)) => ended.run().await,
            Some(Command::Close(close)) => close.run().await,
        }
    }
}

impl List {
    async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let asked = asked(self.agent.as_deref(), self.client.as_deref());
        let items = client.list(PATH, &asked, self.limit).await?;
        let page: Value = client.get(PATH, &[asked, vec![("limit", "1")]].concat()).await?;
        for missing in page["unanswered"].as_array().into_iter().flatten() {
            let text = |name: &str| person::line(missing[name].as_str().unwrap_or_default());
            eprintln!("without those of {}: {}", text("agent_name"), text("reason"));
        }
        let total = page["total"].as_u64().unwrap_or_default();
        if items.len() == self.limit && total > items.len() as u64 {
            eprintln!("the oldest {} of {total}: --limit {total} shows all", items.len());
        }
        listing::show::<Row, 12>(PATH, items, self.format)
    }
}

impl listing::Row<12> for Row {
    const COLUMNS: [Column; 12] = [
        Column::Text("ID"),
        Column::Text("SINCE (UTC)"),
        Column::Text("CLIENT"),
        Column::Text("ENTRY"),
        Column::Text("STAGE"),
        Column::Long("TARGET"),
        Column::Text("TLS"),
        Column::Text("TLS UP"),
        Column::Number("EXCHANGES"),
        Column::Number("IN"),
        Column::Number("OUT"),
        Column::Long("AGENT"),
    ];

    fn cells(self) -> [String; 12] {
        let text = |text: &Option<String>| person::or_dash(text.as_deref().unwrap_or_default());
        let tls = self.tls.unwrap_or_default();
        let upstream = self.upstream.unwrap_or_default();
        [
            person::line(person::short_id(&self.id)),
            units::short_time(&self.since),
            person::line(&self.client),
            text(&self.entry),
            text(&self.stage),
            text(&self.target),
            agreed(&tls.version, tls.alpn.as_deref()),
            agreed(upstream.tls_version.as_deref().unwrap_or_default(), upstream.alpn.as_deref()),
            self.exchanges.to_string(),
            units::size(self.received_bytes),
            units::size(self.sent_bytes),
            person::or_dash(&self.agent_name),
        ]
    }
}

/// `1.3 h2`
fn agreed(version: &str, alpn: Option<&str>) -> String {
    let version = version.strip_prefix("TLS ").unwrap_or(version);
    person::or_dash([version, alpn.unwrap_or_default()].join(" ").trim())
}

fn asked<'a>(agent: Option<&'a str>, client: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let agent = agent.map(|agent| ("agent", agent));
    agent.into_iter().chain(client.map(|client| ("client", client))).collect()
}
