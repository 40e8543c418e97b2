//! `orchestrator keys` and the folder the keys lie in. Secret keys never leave this machine.

use std::{
    env, fs,
    fs::{DirBuilder, File, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::json;
use weir_artifact::{Endorsement, GroupName, PublisherKey, Statement, TrustedKey, TrustedKeys};

use super::{
    client::Connect,
    failure::Failure,
    output::{self, Column, Format},
    publish::{self, Posted},
    units,
};

const SECRET: &str = "publisher.key";
const PUBLIC: &str = "publisher.pub";

/// The folder of a publisher's keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct KeyDir {
    /// Folder of the publisher's keys [default: ~/.config/weir]
    #[arg(long, env = "WEIR_KEY_DIR", value_name = "DIR")]
    key_dir: Option<PathBuf>,
}

/// Make, list and endorse publisher keys
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key: publisher.key, which stays here, and publisher.pub, which agents are given
    Generate {
        #[command(flatten)]
        dir: KeyDir,
    },
    /// List the keys of the folder
    List {
        #[command(flatten)]
        dir: KeyDir,
        /// Form of the answer
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Have the agents of a group trust another publisher's key as they trust this one
    Endorse {
        /// The other's publisher.pub
        file: PathBuf,
        /// The agents' group
        #[arg(long, value_name = "GROUP", default_value_t)]
        group: GroupName,
        /// How long agents may take it up; what took it up keeps it
        #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = units::duration)]
        expires_in: Duration,
        #[command(flatten)]
        dir: KeyDir,
        #[command(flatten)]
        connect: Box<Connect>,
    },
}

impl Keys {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Generate { dir } => dir.generate(),
            Command::List { dir, format } => dir.list(format),
            Command::Endorse { file, group, expires_in, dir, connect } => {
                let secret = dir.secret()?;
                let key = read_public(&file)?;
                let statement = Statement::Endorse(Endorsement {
                    group: group.clone(),
                    sequence: units::now_ms(),
                    expires: units::now().saturating_add(expires_in.as_secs()),
                    key_id: key.id(),
                    key: key.clone(),
                });
                let _: Posted = publish::post(&connect.client()?, &secret, &statement, None).await?;
                let own = secret.public().id();
                Ok(output::say(format!("agents of group {group} that trust key {own} now trust {} too", key.id()))?)
            }
        }
    }
}

impl KeyDir {
    fn path(&self) -> PathBuf {
        if let Some(dir) = &self.key_dir {
            return dir.clone();
        }
        // XDG base directories
        let config = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let config = config.or_else(|| env::home_dir().map(|home| home.join(".config")));
        config.unwrap_or_else(|| PathBuf::from(".")).join("weir")
    }

    /// The key that signs.
    pub(crate) fn secret(&self) -> Result<PublisherKey, Failure> {
        let path = self.path().join(SECRET);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Failure::Key(format!(
                    "there is no publisher key at {}: `orchestrator keys generate` makes one; --key-dir names another \
                     folder",
                    path.display()
                )));
            }
            Err(error) => return Err(Failure::File { path, error }),
        };
        let mode = fs::metadata(&path).map_err(|error| Failure::File { path: path.clone(), error })?.mode();
        if mode & 0o077 != 0 {
            return Err(Failure::Key(format!(
                "{} can be read by others (mode {:03o}): `chmod 600` it, and make a new key if others had the time to",
                path.display(),
                mode & 0o777
            )));
        }
        PublisherKey::from_text(&text).map_err(|error| Failure::Key(format!("{}: {error}", path.display())))
    }

    /// Every public key of the folder, by file: one's own and those of colleagues.
    pub(crate) fn public(&self) -> Result<Vec<(PathBuf, TrustedKey)>, Failure> {
        let dir = self.path();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::File { path: dir, error }),
        };
        let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "pub"));
        files.sort();
        files.into_iter().map(|path| read_public(&path).map(|key| (path, key))).collect()
    }

    /// Whose statements are believed on this machine.
    pub(crate) fn trusted(&self) -> Result<TrustedKeys, Failure> {
        let own = self.secret().ok().map(|secret| secret.public());
        Ok(TrustedKeys::new(self.public()?.into_iter().map(|(_, key)| key).chain(own)))
    }

    fn generate(&self) -> Result<(), Failure> {
        let dir = self.path();
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |error| Failure::File { path, error }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(fault(&dir))?;
        let (secret, public) = (dir.join(SECRET), dir.join(PUBLIC));
        let key = PublisherKey::generate();
        // Never over a key that is there: what it signed could never be replaced again.
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(Failure::Key(format!(
                    "{} is there already and is not overwritten: agents trust it",
                    secret.display()
                )));
            }
            opened => opened.map_err(fault(&secret))?,
        };
        let written = file.write_all(format!("{}\n", key.to_text().as_str()).as_bytes()).and_then(|()| file.sync_all());
        written.map_err(fault(&secret))?;
        fs::write(&public, format!("{}\n", key.public().to_text())).map_err(fault(&public))?;
        // The names are on disk when the folder is.
        File::open(&dir).and_then(|dir| dir.sync_all()).map_err(fault(&dir))?;
        output::say(format!(
            "key {}\n  secret  {}\n  public  {}",
            key.public().id(),
            secret.display(),
            public.display()
        ))?;
        Ok(())
    }

    fn list(&self, format: Format) -> Result<(), Failure> {
        let own = self.path().join(SECRET).exists().then(|| self.secret()).transpose()?.map(|key| key.public().id());
        let keys = self.public()?;
        let signs = |key: &TrustedKey| own.as_ref() == Some(&key.id());
        match format {
            Format::Json => {
                let items = keys.iter().map(|(path, key)| {
                    json!({"id": key.id(), "public_key": key.to_text(), "file": path, "signs_here": signs(key)})
                });
                output::json(&items.collect::<Vec<_>>())?;
            }
            Format::Table => {
                let rows = keys.iter().map(|(path, key)| {
                    let signs = if signs(key) { "yes" } else { "-" };
                    [key.id().to_string(), signs.to_owned(), path.display().to_string()]
                });
                let columns = [Column::Text("ID"), Column::Text("SIGNS HERE"), Column::Long("FILE")];
                output::say(output::table(columns, rows.collect()))?;
            }
        }
        Ok(())
    }
}

fn read_public(path: &Path) -> Result<TrustedKey, Failure> {
    let text = fs::read_to_string(path).map_err(|error| Failure::File { path: path.to_owned(), error })?;
    TrustedKey::from_text(&text).map_err(|error| Failure::Key(format!("{}: {error}", path.display())))
}
