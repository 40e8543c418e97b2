//! `--filters DIR`: every `NAME.wasm` in the folder is a filter, `NAME.toml` beside it says how it runs. Files enter,
//! as they come, change and go; filters become active or are taken out. What cannot be loaded leaves the old one active.
//!
//! The folder is trusted as files: nothing in it is signed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use notify::{RecursiveMode, Watcher as _};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use weir_artifact::{Artifact, MAX_COMPONENT_BYTES, Name, StatementError};
use weir_host::{LoadError, LoadFault};

use super::{
    Source, sidecar,
    sidecar::SidecarError,
    swap::{SwapError, remove, swap},
};
use crate::worker::Shared;

/// Writers that are not done come again within this time.
const QUIET: Duration = Duration::from_millis(60);
/// A file that cannot be loaded may still be being written: for this long after its last change nobody is told.
const SETTLED: Duration = Duration::from_millis(500);
/// Network file systems notify nobody, so the folder is looked at anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(2);

/// Why a file of the folder is no active filter.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Read(PathBuf, io::Error),
    #[error("{path}: {0} bytes, more than {MAX_COMPONENT_BYTES}", path = .1.display())]
    TooLarge(u64, PathBuf),
    #[error(transparent)]
    Sidecar(#[from] SidecarFault),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Publication(PathBuf, StatementError),
    /// what most compilers leave
    #[error(
        "{path}: parse: this is a core module, not a component; to make one of it, type: agent filter build {path}",
        path = .0.display()
    )]
    CoreModule(PathBuf),
    #[error("{path}: {phase}: {reason}", path = .0.display(), phase = .1.phase(), reason = .1.reason())]
    Swap(PathBuf, SwapError),
}

/// A fault in `NAME.toml` or in the file's name.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct SidecarFault(#[from] SidecarError);

/// What tells one state of a file from another: an atomic replace changes the inode, a write length or time.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    component: FileStamp,
    sidecar: FileStamp,
}

type FileStamp = Option<(u64, Option<SystemTime>, u64)>;

struct Seen {
    stamp: Stamp,
    since: Instant,
    /// tried and either active or reported
    settled: bool,
    active: bool,
    /// since when there is no such file: a writer may be about to put another in its place
    gone: Option<Instant>,
}

impl Seen {
    fn at(stamp: Stamp, active: bool, now: Instant) -> Self {
        Self { stamp, since: now, settled: false, active, gone: None }
    }

    /// May the file beside the component be one that is only being written? Then the defaults are not what is meant.
    fn waits_for_sidecar(&self, now: Instant) -> bool {
        let unlikely = match self.stamp.sidecar {
            Some((length, ..)) => length == 0,
            None => self.active,
        };
        unlikely && !self.is_old(now)
    }

    /// Has nothing changed for so long that nobody is still writing?
    fn is_old(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= SETTLED
    }
}

/// The folder and what was last seen in it.
pub struct Folder {
    dir: PathBuf,
    shared: Arc<Shared>,
    seen: BTreeMap<Name, Seen>,
    /// files whose names are none for a filter, which was told
    misnamed: BTreeSet<PathBuf>,
}

impl Folder {
    /// Loads everything in the folder.
    ///
    /// # Errors
    /// Of the first file that cannot be used: an agent does not start with part of its filters.
    pub async fn open(dir: PathBuf, shared: Arc<Shared>) -> Result<Self, FileError> {
        let mut folder = Self { dir, shared, seen: BTreeMap::new(), misnamed: BTreeSet::new() };
        for path in folder.components()? {
            let name = sidecar::name(&path).map_err(SidecarFault)?;
            let stamp = stamp(&path);
            folder.load(&name, &path).await?;
            folder.seen.insert(name, Seen { settled: true, ..Seen::at(stamp, true, Instant::now()) });
        }
        Ok(folder)
    }

    /// Follows the folder for ever.
    pub async fn follow(mut self) {
        let changed = Arc::new(Notify::new());
        let notify = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |_| notify.notify_one()).and_then(|mut watcher| {
            watcher.watch(&self.dir, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        if let Err(error) = &watcher {
            tracing::warn!("{}: changes are noticed late, since it cannot be watched: {error}", self.dir.display());
        }
        loop {
            let unsettled = self.seen.values().any(|seen| !seen.settled || seen.gone.is_some());
            let patience = if unsettled { QUIET } else { LOOK_ANYWAY };
            if timeout(patience, changed.notified()).await.is_ok() {
                // a writer makes many changes: wait until it pauses, but not for ever
                let deadline = Instant::now() + SETTLED;
                while Instant::now() < deadline && timeout(QUIET, changed.notified()).await.is_ok() {}
            }
            self.look(Instant::now()).await;
        }
    }

    /// Looks once, at this time: what is there is taken up, what has been gone for long enough is taken out.
    pub async fn look(&mut self, now: Instant) {
        let paths = match self.components() {
            Ok(paths) => paths,
            Err(error) => return tracing::error!("{error}"),
        };
        let mut present = BTreeMap::new();
        self.misnamed.retain(|path| path.exists());
        for path in paths {
            match sidecar::name(&path) {
                // a link to nothing is nothing
                Ok(name) if path.exists() => drop(present.insert(name, path)),
                Ok(_) => {}
                Err(error) => {
                    if self.misnamed.insert(path) {
                        tracing::error!("{error}");
                    }
                }
            }
        }
        let mut gone = Vec::new();
        for (name, seen) in self.seen.iter_mut().filter(|(name, _)| !present.contains_key(*name)) {
            if now.duration_since(*seen.gone.get_or_insert(now)) >= SETTLED {
                gone.push(name.clone());
            }
        }
        for name in gone {
            self.seen.remove(&name);
            if remove(&self.shared, &name, Source::Folder) {
                tracing::info!("filter {name} is removed: its file is gone");
            }
        }
        for (name, path) in present {
            self.look_at(name, &path, now).await;
        }
    }

    async fn look_at(&mut self, name: Name, path: &Path, now: Instant) {
        let present = stamp(path);
        let mut seen = match self.seen.remove(&name) {
            Some(seen) if seen.stamp == present => Seen { gone: None, ..seen },
            Some(seen) => Seen::at(present, seen.active, now),
            None => Seen::at(present, false, now),
        };
        if seen.settled || seen.waits_for_sidecar(now) {
            self.seen.insert(name, seen);
            return;
        }
        match self.load(&name, path).await {
            Ok(()) => {
                seen.active = true;
                // changed while it was read: what was loaded may be half of each
                seen.settled = stamp(path) == seen.stamp;
            }
            Err(error) if seen.is_old(now) => {
                let rest = if seen.active { "; the version before stays active" } else { "" };
                tracing::error!("filter {name} is not loaded: {error}{rest}");
                seen.settled = true;
            }
            Err(_) => {}
        }
        self.seen.insert(name, seen);
    }

    fn components(&self) -> Result<Vec<PathBuf>, FileError> {
        let fault = |error| FileError::Read(self.dir.clone(), error);
        let mut paths = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            // hidden ones are what editors and careful writers have not finished
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !is_hidden && path.extension().is_some_and(|extension| extension == "wasm") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    async fn load(&self, name: &Name, path: &Path) -> Result<(), FileError> {
        let fault = |path: &Path| {
            let path = path.to_owned();
            move |error| FileError::Read(path, error)
        };
        let size = fs::metadata(path).map_err(fault(path))?.len();
        if size > MAX_COMPONENT_BYTES {
            return Err(FileError::TooLarge(size, path.to_owned()));
        }
        let beside = path.with_extension("toml");
        let text = match fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::Read(beside, error)),
        };
        let publication = sidecar::publication(name.clone(), &beside, text.as_deref()).map_err(SidecarFault)?;
        let component = fs::read(path).map_err(fault(path))?;
        let artifact = Artifact::from_trusted_file(publication, component).map_err(|error| match error {
            weir_artifact::ArtifactError::Statement(error) => FileError::Publication(beside, error),
            other => FileError::Read(path.to_owned(), io::Error::other(other)),
        })?;
        let filter = swap(&self.shared, artifact, Source::Folder).await.map_err(|error| match error {
            SwapError::Load(LoadError { fault: LoadFault::CoreModule, .. }) => FileError::CoreModule(path.to_owned()),
            error => FileError::Swap(path.to_owned(), error),
        })?;
        tracing::info!("filter {name} version {} is active, {}", filter.version(), filter.digest());
        Ok(())
    }
}

fn stamp(component: &Path) -> Stamp {
    use std::os::unix::fs::MetadataExt as _;
    let of = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.len(), meta.modified().ok(), meta.ino()));
    Stamp { component: of(component), sidecar: of(&component.with_extension("toml")) }
}
