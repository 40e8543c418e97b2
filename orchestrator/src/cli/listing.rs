//! Listings, as a table or as JSON: all of what there are few of, the newest of what there are many of.

use clap::Args;
use serde_json::Value;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
};

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
