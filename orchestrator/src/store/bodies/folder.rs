//! A body store in a folder: a file for each key, whole and synced before it has its name.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What a file's name ends with until it is whole.
const HALF: &str = "half";

#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// For its owner only, when it is made here.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Ok(Self(path.to_owned()))
    }

    /// What is written is on the disk, name and all, when this returns.
    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.0.join(key);
        let folder = path.parent().unwrap_or(&self.0);
        if !folder.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            File::open(&self.0)?.sync_all()?;
        }
        let half = path.with_extension(HALF);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&half, &path)?;
        File::open(folder)?.sync_all()
    }

    pub(super) fn get(&self, key: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(key))
    }

    pub(super) fn delete(&self, key: &str) -> io::Result<()> {
        fs::remove_file(self.0.join(key))
    }

    /// Keys of files, half ones too, written before then.
    pub(super) fn older(&self, than: SystemTime) -> io::Result<Vec<String>> {
        let mut keys = Vec::new();
        for folder in fs::read_dir(&self.0)? {
            let folder = folder?;
            if !folder.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder.path())? {
                let file = file?;
                let is_old = match file.metadata().and_then(|metadata| metadata.modified()) {
                    Ok(modified) => modified < than,
                    // Somebody took it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if let (true, Some(folder), Some(name)) =
                    (is_old, folder.file_name().to_str(), file.file_name().to_str())
                {
                    keys.push(format!("{folder}/{name}"));
                }
            }
        }
        Ok(keys)
    }
}
