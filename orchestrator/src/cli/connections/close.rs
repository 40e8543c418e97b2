//! `orchestrator connections close`: ends connections of clients, whatever they are at.

use clap::Args;

use super::super::{client::Connect, ending, failure::Failure, output, units};

#[derive(Debug, Args)]
pub(super) struct Close {
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
}

impl Close {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let Some(id) = self.id else {
            let asked = super::asked(self.agent.as_deref(), self.client.as_deref());
            let answer = client.delete_where(&["connections"], &asked).await?;
            let closed = answer["closed"].as_u64().unwrap_or_default();
            return Ok(output::say(format!("{} closed", units::counted(closed, "connection")))?);
        };
        let asked = super::asked(self.agent.as_deref(), None);
        let list = async || client.list(&["connections"], &asked, usize::MAX).await;
        let id = ending::id(&id, "connection", list).await?;
        client.delete_one(&["connections", &id], &asked).await?;
        Ok(output::say(format!("closed {id}"))?)
    }
}
