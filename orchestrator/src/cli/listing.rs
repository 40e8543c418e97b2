//! `list` of what there are few of: all of it, as a table or as JSON.

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
        if self.format == Format::Json {
            return Ok(output::json(&items)?);
        }
        Ok(output::say(output::table(columns, items.into_iter().map(cells).collect()))?)
    }
}
