//! `orchestrator backup`: the whole store as one file, read back before it is called a backup.

use std::{
    fs::File,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    client::{Client, Connect},
    failure::Failure,
    output,
    part::Part,
    progress::Progress,
    units,
};
use crate::backup::{
    archive::{ArchiveError, Cell, Line, Reader},
    keys::Keys,
};

/// Write the whole store to a file, while the server runs: filters, agents, tokens, users, audit trail, exchanges, metrics
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it appears when it is whole and was read back. - for stdout, where nothing is read back
    file: PathBuf,
    /// Write the certificate authority's key to a file of its own, from the data folder of a server on this machine. Whoever has
    /// it can pass for the orchestrator
    #[arg(long, value_name = "KEYFILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    connect: Connect,
}

impl Backup {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if let Some(file) = &self.keys {
            Keys::of(&self.connect.data_dir())?.save(file)?;
            eprintln!("{}: the certificate authority's key; keep it apart from the backup", file.display());
        }
        let client = self.connect.client()?;
        if self.file.as_os_str() == "-" {
            download(&client, |bytes| Ok(output::bytes(bytes)?)).await?;
            return Ok(io::stdout().flush()?);
        }
        let mut part = Part::create(&self.file)?;
        let size = download(&client, |bytes| part.write(bytes)).await?;
        let Survey { held, damaged } = survey(part.path())?;
        part.finish(&self.file)?;
        told(damaged);
        eprintln!("{}: {}, {}", self.file.display(), units::size(size), in_words(&held));
        Ok(())
    }
}

async fn download(client: &Client, mut take: impl FnMut(&[u8]) -> Result<(), Failure>) -> Result<u64, Failure> {
    let mut progress = Progress::new("written", None).unless_on_stdout(true);
    let written = client.download(&["backup"], &[], |bytes| {
        progress.add(bytes.len());
        take(bytes)
    });
    written.await?;
    Ok(progress.done())
}

/// What is in a backup.
pub(crate) struct Survey {
    /// Rows of each table.
    pub(crate) held: Vec<(String, u64)>,
    /// Bodies that could not be read when it was taken.
    pub(crate) damaged: u64,
}

/// Reads all of it.
pub(crate) fn survey(file: &Path) -> Result<Survey, Failure> {
    let fault = |error: ArchiveError| Failure::Backup { path: file.to_owned(), reason: error.to_string() };
    let opened = File::open(file).map_err(|error| Failure::File { path: file.to_owned(), error })?;
    let mut archive = Reader::open(opened).map_err(fault)?;
    let mut found = Survey { held: Vec::new(), damaged: 0 };
    let mut bodies = None;
    loop {
        match archive.next().map_err(fault)? {
            Line::Table(table) => {
                let place = |name: &str| table.columns.iter().position(|column| column == name);
                bodies = if table.name == "bodies" { place("object").zip(place("bytes")) } else { None };
                found.held.push((table.name, 0));
            }
            Line::Row(cells) => {
                found.held.iter_mut().last().into_iter().for_each(|(_, count)| *count += 1);
                let is_lost =
                    bodies.is_some_and(|(object, bytes)| [object, bytes].iter().all(|at| cells[*at] == Cell::Null));
                found.damaged += u64::from(is_lost);
            }
            Line::End => return Ok(found),
        }
    }
}

/// Says that bodies are not what they were.
pub(crate) fn told(damaged: u64) {
    if damaged > 0 {
        eprintln!(
            "damaged: {damaged} bodies could not be read when it was taken: their exchanges are there without them"
        );
    }
}

/// `2 agents, 5 statements`.
pub(crate) fn in_words(held: &[(String, u64)]) -> String {
    let some = held.iter().filter(|(_, count)| *count > 0);
    let words: Vec<_> = some.map(|(table, count)| format!("{count} {}", table.replace('_', " "))).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}
