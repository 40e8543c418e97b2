//! A file that is not whole yet, and goes if it never is. What clients said is in there: it is its owner's.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::failure::Failure;

pub(crate) struct Part {
    /// What it becomes, which is what whoever asked for it knows.
    of: PathBuf,
    path: PathBuf,
    file: File,
    whole: bool,
}

impl Part {
    pub(crate) fn create(of: &Path) -> Result<Self, Failure> {
        let mut name = of.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let path = of.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        match file {
            Ok(file) => Ok(Self { of: of.to_owned(), path, file, whole: false }),
            Err(error) => Err(Failure::File { path: of.to_owned(), error }),
        }
    }

    /// Where it is meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| Failure::File { path: self.of.clone(), error })
    }

    /// It is on disk, under its name.
    pub(crate) fn finish(mut self, name: &Path) -> Result<(), Failure> {
        let named = self.file.sync_all().and_then(|()| fs::rename(&self.path, name));
        named.map_err(|error| Failure::File { path: name.to_owned(), error })?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            let _ = fs::remove_file(&self.path);
        }
    }
}
