//! `orchestrator restore`: a backup becomes the store of a server that does not run yet. It speaks to no server: it is the one
//! command beside `serve` that opens a database.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use clap::Args;

use super::{
    backup::{Survey, in_words, survey, told},
    failure::Failure,
    progress::Progress,
    units,
};
use crate::{
    BodyStoreArgs, DatabaseUrl, ServeArgs, ServeConfig,
    backup::{
        archive::Reader,
        keys::{Keys, authority_of},
    },
    serve::claim,
    store,
};

/// Put a backup into an empty database, of either kind, before the server is started
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// What `orchestrator backup` wrote
    file: PathBuf,
    /// Read the file to its end, say what is in it, and touch nothing
    #[arg(long, conflicts_with_all = ["keys", "new_authority"])]
    check: bool,
    /// The certificate authority's key, as `backup --keys` wrote it; not needed where the data folder has it
    #[arg(long, value_name = "KEYFILE", conflicts_with = "new_authority")]
    keys: Option<PathBuf>,
    /// Begin with another certificate authority: every agent has to join again
    #[arg(long)]
    new_authority: bool,
    /// The server's configuration: data folder and database are read from it
    #[arg(long, env = "WEIR_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The server's data folder [default: ~/.local/share/weir/orchestrator]
    #[arg(long, env = "WEIR_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The server's database [default: sqlite://DATA_DIR/weir.db]
    #[arg(long, env = "WEIR_DATABASE_URL", value_name = "URL", hide_env_values = true)]
    database_url: Option<DatabaseUrl>,
    /// The server's body store, which large bodies go to
    #[command(flatten)]
    bodies: BodyStoreArgs,
}

impl Restore {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        if self.check {
            let Survey { held, damaged } = survey(&self.file)?;
            println!("{}", in_words(&held));
            told(damaged);
            return Ok(());
        }
        let Self { config, data_dir, database_url, bodies, .. } = &self;
        let (config, data_dir, database_url) = (config.clone(), data_dir.clone(), database_url.clone());
        let bodies = bodies.clone();
        let config = ServeConfig::load(ServeArgs { config, data_dir, database_url, bodies, ..ServeArgs::default() })?;
        let mut archive = self.open()?;
        let _lock = claim(&config.data_dir)?;
        let keys = self.keys(&config.data_dir, &archive.head().authority)?;
        let restored = store::restore(&config.database, &config.bodies, &mut archive).await;
        let (held, damaged) = restored.map_err(|error| Failure::Refused(format!("nothing was restored: {error}")))?;
        if let Some(keys) = keys {
            keys.put(&config.data_dir)?;
        }
        let made = units::short_time(&archive.head().made);
        drop(archive);
        told(damaged);
        eprintln!("restored: {}; `orchestrator serve` starts with it", in_words(&held));
        eprintln!("agents, tokens and users that were revoked after {made} count again: revoke them again");
        Ok(())
    }

    fn open(&self) -> Result<Reader<Told<File>>, Failure> {
        let fault = |error| Failure::File { path: self.file.clone(), error };
        let file = File::open(&self.file).map_err(fault)?;
        let length = file.metadata().map_err(fault)?.len();
        let told = Told { file, progress: Progress::new("restored", Some(length)) };
        Reader::open(told).map_err(|error| Failure::Backup { path: self.file.clone(), reason: error.to_string() })
    }

    /// The keys to put into the data folder: those that the agents of the backup know.
    fn keys(&self, dir: &Path, authority: &str) -> Result<Option<Keys>, Failure> {
        let other = |whose: String| {
            Failure::Refused(format!("{whose} is of another certificate authority than the backup's agents joined"))
        };
        if let Some(file) = &self.keys {
            let keys = Keys::read(file)?;
            return match keys.authority() {
                Some(its) if its == authority => Ok(Some(keys)),
                _ => Err(other(file.display().to_string())),
            };
        }
        match authority_of(dir)? {
            Some(its) if its == authority || self.new_authority => Ok(None),
            None if self.new_authority => Ok(None),
            Some(_) => Err(other(dir.join("ca.key").display().to_string())),
            None => Err(Failure::Refused(format!(
                "the agents of the backup know a certificate authority whose key is not in {}: give it with --keys, or begin \
                 with another, --new-authority, and let every agent join again",
                dir.display()
            ))),
        }
    }
}

/// A file that tells how much of it was read.
struct Told<R> {
    file: R,
    progress: Progress,
}

impl<R: Read> Read for Told<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.progress.add(read);
        Ok(read)
    }
}
