//! `orchestrator join-tokens`: what became of the tokens with which agents join.

use clap::{Args, Subcommand};
use serde::Deserialize;

use super::{
    client::Connect,
    ending,
    failure::Failure,
    listing::Newest,
    output::{self, Column},
    person, units,
};

/// List and revoke the tokens with which agents join; `join-token` makes one
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct JoinTokens {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: Newest,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The newest first, with their state: open, used, expired or revoked
    List(Newest),
    /// Make a token that nobody has used worth nothing, for good
    Revoke {
        /// Its id of the listing, or the last characters of it
        id: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: String,
    group: String,
    state: String,
    created: String,
    created_by: Option<String>,
    expires: String,
    agent: Option<String>,
    agent_name: Option<String>,
}

impl JoinTokens {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => list(self.list).await,
            Some(Command::List(newest)) => list(newest).await,
            Some(Command::Revoke { id, connect }) => {
                let client = connect.client()?;
                let id = ending::id(&id, "join token", async || client.all(&["join-tokens"]).await).await?;
                client.delete(&["join-tokens", &id]).await?;
                Ok(output::say(format!("revoked {}", person::line(&id)))?)
            }
        }
    }
}

async fn list(newest: Newest) -> Result<(), Failure> {
    let columns = [
        Column::Text("GROUP"),
        Column::Text("STATE"),
        Column::Text("MADE (UTC)"),
        Column::Long("MADE BY"),
        Column::Text("EXPIRES (UTC)"),
        Column::Long("AGENT"),
        Column::Text("ID"),
    ];
    let cells = |item| serde_json::from_value::<Row>(item).unwrap_or_default().cells();
    newest.run(&["join-tokens"], &[], columns, cells).await
}

impl Row {
    fn cells(self) -> [String; 7] {
        let agent = match (self.agent, self.agent_name) {
            (Some(id), Some(name)) => format!("{} {}", person::line(&name), person::short_id(&person::line(&id))),
            (Some(id), None) => person::line(&id),
            (None, _) => "-".to_owned(),
        };
        [
            person::or_dash(&self.group),
            person::or_dash(&self.state),
            units::short_time(&self.created),
            person::or_dash(&self.created_by.unwrap_or_default()),
            units::short_time(&self.expires),
            agent,
            person::or_dash(&self.id),
        ]
    }
}
