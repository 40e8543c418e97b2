//! `orchestrator filters logs`: what a filter wrote, the oldest of it first, and what it goes on to write.

use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use weir_artifact::Name;

use super::{
    agents,
    client::{Client, Connect},
    failure::Failure,
    output::{self, Format},
    paint::Paint,
    person, units,
};

const PAUSE: Duration = Duration::from_millis(300);

#[derive(Debug, Args)]
pub(crate) struct Lines {
    name: Name,
    /// Go on as lines come
    #[arg(long, short)]
    follow: bool,
    /// Only of this agent, by its name or id
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// At most so many, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Form of the answer; with --follow, json is one object per line
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    newest: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    at: String,
    agent_name: String,
    version: u64,
    level: String,
    exchange: Option<String>,
    text: String,
}

impl Lines {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let path = ["filters", self.name.as_str(), "logs"];
        let agent = match &self.agent {
            Some(which) => Some(agents::id_of(which, &client).await?),
            None => None,
        };
        let agent: Vec<_> = agent.iter().map(|agent| ("agent", agent.as_str())).collect();
        // First the place, then what was there: what falls in between is in both, and told once.
        let one = [&agent[..], &[("limit", "1")]].concat();
        let Page { newest, .. } = client.get(&path, &one).await?;
        let mut items = client.list(&path, &agent, self.limit).await?;
        items.reverse();
        if items.is_empty() {
            self.is_known(&client).await?;
        }
        if self.format == Format::Json && !self.follow {
            return Ok(output::json(&items)?);
        }
        let told: Vec<Value> = items.iter().map(|item| item["id"].clone()).collect();
        items.iter().try_for_each(|item| self.tell(item))?;
        if !self.follow {
            return Ok(());
        }
        self.follow(&client, &path, &agent, newest, told).await
    }

    /// A name that was misspelt would look like a filter that says nothing.
    async fn is_known(&self, client: &Client) -> Result<(), Failure> {
        let filters = client.all(&["filters"]).await?;
        if filters.iter().any(|filter| filter["name"].as_str() == Some(self.name.as_str())) {
            return Ok(());
        }
        Err(Failure::Refused(format!("there is no filter {}; `orchestrator filters` lists them", self.name)))
    }

    async fn follow(
        &self,
        client: &Client,
        path: &[&str],
        agent: &[(&str, &str)],
        mut newest: String,
        mut told: Vec<Value>,
    ) -> Result<(), Failure> {
        loop {
            let asked = [agent, &[("after", newest.as_str()), ("limit", "500")]].concat();
            let page: Page = client.get(path, &asked).await?;
            for item in page.items.iter().filter(|item| !told.contains(&item["id"])) {
                self.tell(item)?;
            }
            if page.items.is_empty() {
                tokio::time::sleep(PAUSE).await;
            } else {
                told = page.items.into_iter().map(|item| item["id"].clone()).collect();
            }
            newest = page.newest;
        }
    }

    fn tell(&self, item: &Value) -> Result<(), Failure> {
        if self.format == Format::Json {
            return Ok(output::say(item.to_string())?);
        }
        Ok(output::say(line(serde_json::from_value(item.clone()).unwrap_or_default(), Paint::stdout()))?)
    }
}

fn line(row: Row, paint: Paint) -> String {
    let level = person::line(&row.level.to_uppercase());
    let level = match &*level {
        "ERROR" | "WARN" => paint.red(&format!("{level:<5}")),
        _ => paint.dim(&format!("{level:<5}")),
    };
    let of = format!("{} v{}", person::line(&row.agent_name), row.version);
    let exchange = row.exchange.map(|id| format!("{} ", person::line(person::short_id(&id)))).unwrap_or_default();
    let text = person::line(&row.text);
    format!("{}  {level}  {}  {exchange}{text}", units::short_time(&row.at), paint.dim(&of))
}
