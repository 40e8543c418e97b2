//! `orchestrator export`: recorded exchanges as a file that other programs read.

use std::{
    io::{self, Write as _},
    path::PathBuf,
};

use clap::{Args, ValueEnum};

use super::{
    asked,
    client::{Client, Connect},
    failure::Failure,
    output,
    part::Part,
    progress::Progress,
    units,
};

/// Write recorded exchanges as an HTTP Archive, as curl commands or as raw messages
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Such as 'host:*.example.com status:5xx'; quote it for the shell [default: all]
    #[arg(allow_hyphen_values = true)]
    query: Option<String>,
    #[command(flatten)]
    rest: asked::Rest,
    /// Form of the file
    #[arg(long, value_enum, default_value_t)]
    format: Form,
    /// The file; it appears when it is whole [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// At most so many, the newest [default: all]
    #[arg(long, short = 'n', value_name = "N")]
    limit: Option<usize>,
    /// Show what is hidden otherwise: Authorization, Proxy-Authorization, Cookie and Set-Cookie
    #[arg(long)]
    reveal: bool,
    #[command(flatten)]
    connect: Connect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Form {
    /// HTTP Archive 1.2, bodies included as far as they were captured
    #[default]
    Har,
    /// Commands for a POSIX shell that send the requests again
    Curl,
    /// Requests and responses as HTTP/1.1 writes them
    Raw,
}

impl Form {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Har => "har",
            Self::Curl => "curl",
            Self::Raw => "raw",
        }
    }
}

impl Export {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let query = self.query.as_deref().unwrap_or_default();
        self.rest.check(query)?;
        let limit = self.limit.map(|limit| limit.to_string());
        let client = self.connect.client()?;
        let wanted = Wanted { form: self.format, query, limit: limit.as_deref(), reveal: self.reveal };
        let Some(file) = &self.output else { return to_stdout(&client, &wanted).await };
        let mut part = Part::create(file)?;
        let mut progress = Progress::new("exported", None);
        let written = wanted.download(&client, |bytes| {
            progress.add(bytes.len());
            part.write(bytes)
        });
        written.await?;
        part.finish(file)?;
        let size = units::size(progress.done());
        drop(progress);
        eprintln!("{}: {size}", file.display());
        Ok(())
    }
}

/// What is asked of the server.
pub(crate) struct Wanted<'a> {
    pub(crate) form: Form,
    pub(crate) query: &'a str,
    pub(crate) limit: Option<&'a str>,
    pub(crate) reveal: bool,
}

impl Wanted<'_> {
    async fn download(&self, client: &Client, take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut asked = vec![("query", self.query), ("format", self.form.word())];
        asked.extend(self.limit.map(|limit| ("limit", limit)));
        asked.extend(self.reveal.then_some(("reveal", "true")));
        client.download(&["exchanges", "export"], &asked, take).await
    }
}

/// As it comes.
pub(crate) async fn to_stdout(client: &Client, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let mut progress = Progress::new("exported", None).unless_on_stdout(true);
    let written = wanted.download(client, |bytes| {
        progress.add(bytes.len());
        Ok(output::bytes(bytes)?)
    });
    written.await?;
    Ok(io::stdout().flush()?)
}
