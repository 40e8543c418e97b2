//! A copy of a filter's folder, for tools that leave things beside what they read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::Project;

/// The copy, made anew.
pub(super) fn folder(project: &Project) -> anyhow::Result<PathBuf> {
    let stage = project.scratch.join("stage");
    if stage.exists() {
        fs::remove_dir_all(&stage)?;
    }
    copy(&project.folder, &stage)?;
    Ok(stage)
}

pub(super) fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
