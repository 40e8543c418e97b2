//! `orchestrator import`: a file of a browser or a proxy becomes recorded exchanges.

use std::{io, path::PathBuf};

use clap::Args;
use futures_util::TryStreamExt as _;
use reqwest::Body;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Format},
    person,
    progress::Progress,
    units,
};

/// Take in exchanges from an HTTP Archive (HAR) of Chrome, Firefox, Safari, Charles or Weir
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file; - for stdin
    file: PathBuf,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Deserialize)]
struct Answer {
    imported: u64,
    known: u64,
    #[serde(default)]
    messages: u64,
    #[serde(default)]
    creator: String,
    #[serde(default)]
    notes: Vec<String>,
}

impl Import {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let client = self.connect.client()?;
        let body = self.body().await?;
        let answer: Value = client.upload(&["exchanges", "import"], "application/json", body).await?;
        if self.format == Format::Json {
            return Ok(output::json(&answer)?);
        }
        let Answer { imported, known, messages, creator, notes } = serde_json::from_value(answer).map_err(|error| {
            Failure::Answer { asked: "POST /api/v1/exchanges/import".to_owned(), reason: error.to_string() }
        })?;
        let from = if creator.is_empty() { String::new() } else { format!(" of {creator}") };
        let before = if known > 0 { format!(", {known} were here before") } else { String::new() };
        let said = if messages > 0 { format!(", with messages of WebSockets: {messages}") } else { String::new() };
        let exchanges = units::counted(imported, "exchange");
        let mut text = format!("{exchanges}{from} imported{before}{said}; `traffic agent:import` shows them");
        for note in notes {
            text.push_str(&format!("\n{note}"));
        }
        Ok(output::say(person::lines(&text))?)
    }

    async fn body(&self) -> Result<Body, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(told(tokio::io::stdin(), None));
        }
        let fault = |error| Failure::File { path: self.file.clone(), error };
        let file = tokio::fs::File::open(&self.file).await.map_err(fault)?;
        let about = file.metadata().await.map_err(fault)?;
        if about.is_dir() {
            return Err(fault(io::ErrorKind::IsADirectory.into()));
        }
        Ok(told(file, Some(about.len())))
    }
}

fn told(input: impl AsyncRead + Send + 'static, length: Option<u64>) -> Body {
    let mut progress = Progress::new("sent", length);
    Body::wrap_stream(ReaderStream::with_capacity(input, 256 << 10).inspect_ok(move |chunk| progress.add(chunk.len())))
}
