//! A body store in a folder: a file for each key, whole and synced before it has its name.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use parking_lot::Mutex;

use crate::disk;

/// What a file's name ends with until it is whole.
pub(super) const HALF: &str = "half";

#[derive(Debug, Clone)]
pub(super) struct Folder {
    path: PathBuf,
    /// Folders in it of which it is known that they stay there.
    settled: Arc<Mutex<HashSet<PathBuf>>>,
}

impl Folder {
    /// For its owner only, when it is made here.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        disk::settle(path)?;
        Ok(Self { path: path.to_owned(), settled: Arc::default() })
    }

    /// What is written is on the disk, name and all, when this returns.
    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(key);
        let folder = path.parent().unwrap_or(&self.path);
        if !self.settled.lock().contains(folder) {
            // Whoever made it may not have synced it yet.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            File::open(&self.path)?.sync_all()?;
            self.settled.lock().insert(folder.to_owned());
        }
        let half = path.with_extension(HALF);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        File::open(folder)?.sync_all()
    }

    pub(super) fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path.join(key))
    }

    pub(super) fn delete(&self, key: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(key))
    }

    /// The folders that files lie in.
    pub(super) fn shelves(&self) -> io::Result<Vec<PathBuf>> {
        let mut shelves = Vec::new();
        for shelf in fs::read_dir(&self.path)? {
            let shelf = shelf?;
            if shelf.file_type()?.is_dir() {
                shelves.push(shelf.path());
            }
        }
        Ok(shelves)
    }

    /// Keys of files of one of them, half ones too, written before then.
    pub(super) fn older(&self, shelf: &Path, than: SystemTime) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for file in fs::read_dir(shelf)? {
            let file = file?;
            let is_old = match file.metadata().and_then(|metadata| metadata.modified()) {
                Ok(modified) => modified < than,
                // Somebody took it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            };
            if let (true, Some(shelf), Some(name)) = (is_old, shelf.file_name(), file.file_name().to_str()) {
                keys.push(format!("{}/{name}", shelf.to_string_lossy()));
            }
        }
        Ok(keys)
    }
}
