//! `orchestrator users`: people who may use REST with a name and a password.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::Connect,
    failure::Failure,
    listing::Listing,
    output::{self, Column},
    person, units,
};
use crate::Role;

/// Add, list and remove people who may use the orchestrator
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Users {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: Listing,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everybody
    List(Listing),
    /// Add somebody; the password is the first line of stdin, which a terminal does not show
    Add {
        name: String,
        /// What they may do
        #[arg(long, value_enum)]
        role: Role,
        /// Read the password from the first line of this file instead
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        #[command(flatten)]
        connect: Connect,
    },
    /// Remove somebody: the password is worth nothing, at once
    Remove {
        name: String,
        #[command(flatten)]
        connect: Connect,
    },
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Row {
    name: String,
    role: String,
    created: String,
    created_by: String,
}

impl Users {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            None => list(self.list).await,
            Some(Command::List(listing)) => list(listing).await,
            Some(Command::Add { name, role, password_file, connect }) => {
                let password = password(password_file)?;
                let wanted = json!({"name": name, "role": role, "password": password});
                let _: Value = connect.client()?.post(&["users"], &wanted).await?;
                Ok(output::say(format!("added {} ({role})", person::line(&name)))?)
            }
            Some(Command::Remove { name, connect }) => {
                connect.client()?.delete(&["users", &name]).await?;
                Ok(output::say(format!("removed {}", person::line(&name)))?)
            }
        }
    }
}

async fn list(listing: Listing) -> Result<(), Failure> {
    let columns = [Column::Long("NAME"), Column::Text("ROLE"), Column::Text("ADDED (UTC)"), Column::Text("ADDED BY")];
    let cells = |item| {
        let row: Row = serde_json::from_value(item).unwrap_or_default();
        let name = person::or_dash(&row.name);
        [name, person::or_dash(&row.role), units::short_time(&row.created), person::or_dash(&row.created_by)]
    };
    listing.run("users", columns, cells).await
}

/// The first line, without its end.
fn password(file: Option<PathBuf>) -> Result<String, Failure> {
    let text = match file {
        Some(path) => fs::read_to_string(&path).map_err(|error| Failure::File { path, error })?,
        None if io::stdin().is_terminal() => rpassword::prompt_password("password: ")?,
        None => {
            let mut line = String::new();
            io::stdin().lock().read_line(&mut line)?;
            line
        }
    };
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
