//! Listings, as a table or as JSON: all of what there are few of, the newest of what there are many of.

use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    agents,
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
};

/// What a table says of an item, on a line.
pub(crate) trait Row<const N: usize>: DeserializeOwned {
    const COLUMNS: [Column; N];

    fn cells(self) -> [String; N];
}

/// Items as they are shown.
///
/// # Errors
/// The server tells something else there.
pub(crate) fn read<R: DeserializeOwned>(path: &[&str], items: Vec<Value>) -> Result<Vec<R>, Failure> {
    let rows: Result<Vec<R>, _> = items.into_iter().map(serde_json::from_value).collect();
    let asked = || format!("GET /api/v1/{}", path.join("/"));
    rows.map_err(|error| Failure::Answer { asked: asked(), reason: error.to_string() })
}

/// As a table or as JSON.
pub(crate) fn show<R: Row<N>, const N: usize>(path: &[&str], items: Vec<Value>, format: Format) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(output::json(&items)?);
    }
    let rows: Vec<R> = read(path, items)?;
    Ok(output::say(output::table(R::COLUMNS, rows.into_iter().map(R::cells).collect()))?)
}

#[derive(Debug, Args)]
pub(crate) struct Listing {
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

impl Listing {
    /// What is at this path, an item a line.
    pub(crate) async fn run<const N: usize>(
        self,
        path: &str,
        columns: [Column; N],
        cells: impl Fn(Value) -> [String; N],
    ) -> Result<(), Failure> {
        let items = self.connect.client()?.all(&[path]).await?;
        tell(items, self.format, columns, cells)
    }
}

/// The newest of what there are many of, the last first.
#[derive(Debug, Args)]
pub(crate) struct Newest {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

impl Newest {
    /// What is at this path and has each of these that is given, an item a line.
    pub(crate) async fn run<const N: usize>(
        self,
        path: &[&str],
        wanted: &[(&str, Option<&str>)],
        columns: [Column; N],
        cells: impl Fn(Value) -> [String; N],
    ) -> Result<(), Failure> {
        let query: Vec<_> = wanted.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        let items = self.connect.client()?.list(path, &query, self.limit).await?;
        tell(items, self.format, columns, cells)
    }
}

/// The newest of what agents have recorded.
#[derive(Debug, Args)]
pub(crate) struct Recorded {
    /// Only of this agent, by its name or id
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    #[command(flatten)]
    newest: Newest,
}

impl Recorded {
    /// What is at this path, of one agent and of what else is given.
    pub(crate) async fn run<R: Row<N>, const N: usize>(
        self,
        path: &[&str],
        wanted: (&str, Option<&str>),
    ) -> Result<(), Failure> {
        let Newest { limit, format, connect } = self.newest;
        let client = connect.client()?;
        let agent = match &self.agent {
            Some(which) => Some(agents::id_of(which, &client).await?),
            None => None,
        };
        let wanted = [wanted, ("agent", agent.as_deref())];
        let query: Vec<_> = wanted.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
        show::<R, N>(path, client.list(path, &query, limit).await?, format)
    }
}

fn tell<const N: usize>(
    items: Vec<Value>,
    format: Format,
    columns: [Column; N],
    cells: impl Fn(Value) -> [String; N],
) -> Result<(), Failure> {
    if format == Format::Json {
        return Ok(output::json(&items)?);
    }
    Ok(output::say(output::table(columns, items.into_iter().map(cells).collect()))?)
}
