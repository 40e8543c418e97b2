//! What a component was made of, in one number, so that it is not made again of the same. In: files, and the tools' names and
//! versions. Must not know what is in the files.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

pub(super) struct Fingerprint(String);

impl Fingerprint {
    /// Of all files in these folders, and these files.
    pub(super) fn of(inputs: &[PathBuf], tools: &str) -> anyhow::Result<Self> {
        let mut hasher = DefaultHasher::new();
        tools.hash(&mut hasher);
        for input in inputs {
            for file in files(input)? {
                file.hash(&mut hasher);
                fs::read(&file)?.hash(&mut hasher);
            }
        }
        Ok(Self(format!("{:016x}", hasher.finish())))
    }

    pub(super) fn is_in(&self, stamp: &Path) -> bool {
        fs::read_to_string(stamp).is_ok_and(|old| old == self.0)
    }

    pub(super) fn write(&self, stamp: &Path) -> anyhow::Result<()> {
        Ok(fs::write(stamp, &self.0)?)
    }
}

/// In an order that does not depend on the file system. What no build reads does not count: a changed case or README.
fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).with_context(|| format!("reading {}", path.display()))? {
        let entry = entry?.path();
        let name = entry.file_name().unwrap_or_default();
        if !["cases", "tour", "README.md", "schema.json", "node_modules", "__pycache__"]
            .iter()
            .any(|skipped| name == *skipped)
        {
            found.extend(files(&entry)?);
        }
    }
    found.sort();
    Ok(found)
}
