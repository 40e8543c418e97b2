//! `orchestrator tokens`: credentials of programs.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::json;

use super::{
    client::Connect,
    ending,
    failure::Failure,
    listing::Listing,
    output::{self, Column},
    person, units,
};
use crate::{Area, Role};

/// Make, list and revoke the tokens by which programs use the orchestrator
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Tokens {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: Listing,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every token that still counts
    List(Listing),
    /// Make a token and print it alone: it is shown this once
    Create {
        /// What it is for, as it stands in the audit trail
        name: String,
        /// What it may be used for
        #[arg(long, value_enum)]
        role: Role,
        /// What it is for, in the bounds of its role; several with commas between them, or the flag again [default: everything]
        #[arg(long = "area", value_enum, value_name = "AREA", value_delimiter = ',')]
        areas: Vec<Area>,
        /// How long it can be used
        #[arg(long, value_name = "DURATION", default_value = "90d", value_parser = units::duration)]
        expires_in: Duration,
        #[command(flatten)]
        connect: Connect,
    },
    /// Make a token worth nothing, at once
    Revoke {
        /// Its id of the listing, or the last characters of it
        id: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Deserialize)]
struct Made {
    token: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    id: String,
    name: String,
    role: String,
    areas: Option<Vec<String>>,
    created_by: String,
    expires: String,
    last_used: Option<String>,
}

impl Tokens {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => list(self.list).await,
            Some(Command::List(listing)) => list(listing).await,
            Some(Command::Create { name, role, areas, expires_in, connect }) => {
                let mut wanted = json!({"name": name, "role": role, "expires_in_s": expires_in.as_secs()});
                // A server of an earlier version refuses what it does not know, so that no token is wider than it was meant.
                if !areas.is_empty() {
                    wanted["areas"] = json!(areas);
                }
                let made: Made = connect.client()?.post(&["tokens"], &wanted).await?;
                Ok(output::say(made.token)?)
            }
            Some(Command::Revoke { id, connect }) => {
                let client = connect.client()?;
                let id = ending::id(&id, "token", async || client.all(&["tokens"]).await).await?;
                client.delete(&["tokens", &id]).await?;
                Ok(output::say(format!("revoked {}", person::line(&id)))?)
            }
        }
    }
}

async fn list(listing: Listing) -> Result<(), Failure> {
    let columns = [
        Column::Long("NAME"),
        Column::Text("ROLE"),
        Column::Text("AREAS"),
        Column::Text("EXPIRES (UTC)"),
        Column::Text("USED (UTC)"),
        Column::Text("MADE BY"),
        Column::Text("ID"),
    ];
    listing.run("tokens", columns, |item| serde_json::from_value::<Row>(item).unwrap_or_default().cells()).await
}

impl Row {
    fn cells(self) -> [String; 7] {
        [
            person::or_dash(&self.name),
            person::or_dash(&self.role),
            self.areas.map_or_else(|| "all".to_owned(), |areas| person::or_dash(&areas.join(","))),
            units::short_time(&self.expires),
            self.last_used.map_or_else(|| "never".to_owned(), |time| units::short_time(&time)),
            person::or_dash(&self.created_by),
            person::or_dash(&self.id),
        ]
    }
}
