//! A folder for one test: data directories, keys, logs. Removed when the test is done, kept when it panicked or was ended.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::Context as _;

use crate::binaries;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// See the module.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// `target/e2e/NAME-PID-N`.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let unique = format!("{name}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = binaries::target_dir()?.join("e2e").join(unique);
        std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self { path })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in the folder.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file in the folder and gives its path.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
        let path = self.join(name);
        std::fs::write(&path, contents).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// Files below a folder in which these bytes are. Programs may write and remove files there meanwhile: what is gone has nothing.
pub fn holding(folder: &Path, bytes: &[u8]) -> anyhow::Result<Vec<PathBuf>> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in present(fs::read_dir(&folder))?.into_iter().flatten() {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file()
                && present(fs::read(&path))?.is_some_and(|all| all.windows(bytes.len()).any(|window| window == bytes))
            {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn present<T>(read: io::Result<T>) -> io::Result<Option<T>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some),
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            // A leftover folder is no failure of the test.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
