//! Stores on disk: read once at the start, written each second by a thread of its own, and once more at the end. A kill
//! loses what was written last, never what is there: the file is a transactional database (redb).

use std::{
    fs,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::{Namespace, Namespaces, SHARDS, lock, now, shard::Change};

const FILE: &str = "kv.redb";
const PERIOD: Duration = Duration::from_secs(1);

/// (filter, key) -> (milliseconds since the Unix epoch at which it is over, value).
const ENTRIES: TableDefinition<'_, (&str, &str), (u64, &[u8])> = TableDefinition::new("entries");

/// The writing thread; dropping it writes what is left.
pub(super) struct Disk {
    stop: Option<Sender<()>>,
    writer: Option<JoinHandle<()>>,
}

impl Disk {
    /// Restores what a folder holds, and keeps it up to date from now on.
    pub(super) fn open(folder: &Path, all: &Arc<Namespaces>) -> Result<Self, String> {
        let database = database(folder)?;
        restore(&database, all).map_err(|error| error.to_string())?;
        let (stop, stopped) = channel();
        let all = Arc::clone(all);
        let mut turn = 0;
        let write = move || loop {
            let ended = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
            turn = (turn + 1) % SHARDS;
            sweep(&all, turn);
            if let Err(error) = write(&database, &all) {
                tracing::warn!("what filters keep cannot be written, and is kept in memory: {error}");
            }
            if ended {
                return;
            }
        };
        let writer =
            thread::Builder::new().name("weir-kv".to_owned()).spawn(write).map_err(|error| error.to_string())?;
        Ok(Self { stop: Some(stop), writer: Some(writer) })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(writer) = self.writer.take() {
            // its panic was told when it happened
            let _ = writer.join();
        }
    }
}

fn database(folder: &Path) -> Result<Database, String> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| error.to_string())?;
    let path = folder.join(FILE);
    let database = Database::create(&path).map_err(|error| error.to_string())?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(|error| error.to_string())?;
    Ok(database)
}

fn restore(database: &Database, all: &Namespaces) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ENTRIES)?;
        let now = now();
        table.retain(|_, (expires, _)| expires == 0 || expires > now)?;
    }
    transaction.commit()?;
    let transaction = database.begin_read()?;
    let table = transaction.open_table(ENTRIES)?;
    for row in table.iter()? {
        let (key, value) = row?;
        let ((filter, key), (expires, value)) = (key.value(), value.value());
        let Ok(name) = filter.parse() else { continue };
        let namespace = Arc::clone(lock(all).entry(name).or_insert_with(|| Namespace::new(true)));
        namespace.restore(key.to_owned(), value.to_vec(), expires);
    }
    Ok(())
}

/// One shard of each store at a time: what nobody asks for goes too.
fn sweep(all: &Namespaces, shard: usize) {
    let namespaces: Vec<_> = lock(all).values().cloned().collect();
    for namespace in namespaces {
        namespace.sweep(&mut lock(&namespace.shards[shard]));
    }
}

fn write(database: &Database, all: &Namespaces) -> Result<(), redb::Error> {
    let namespaces: Vec<_> = lock(all).iter().map(|(name, namespace)| (name.clone(), Arc::clone(namespace))).collect();
    let mut taken = Vec::new();
    for (name, namespace) in &namespaces {
        for shard in &namespace.shards {
            let changes = lock(shard).take_changes();
            if !changes.is_empty() {
                taken.push((name.as_str(), shard, changes));
            }
        }
    }
    let lines = taken.iter().map(|(name, _, changes)| (*name, changes.as_slice()));
    let written = commit(database, lines);
    if written.is_err() {
        for (_, shard, changes) in taken {
            lock(shard).untake(changes);
        }
    }
    written
}

fn commit<'a>(database: &Database, all: impl Iterator<Item = (&'a str, &'a [Change])>) -> Result<(), redb::Error> {
    let mut all = all.peekable();
    if all.peek().is_none() {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ENTRIES)?;
        for (name, changes) in all {
            for Change { key, entry, .. } in changes {
                match entry {
                    Some(entry) => drop(table.insert((name, key.as_str()), (entry.expires, entry.value.as_slice()))?),
                    None => drop(table.remove((name, key.as_str()))?),
                }
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
