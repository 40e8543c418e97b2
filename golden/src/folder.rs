//! The cases of one filter, read from its folder, or one of them from its file: the only I/O here.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{Case, ParseError};

/// A folder that yields no cases.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Not readable.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a case.
    #[error("{path}: {source}", path = path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A filter without a case is not tested at all.
    #[error("no cases (*.http) in {}", .0.display())]
    Empty(PathBuf),
}

/// Every `*.http` of a folder by file stem, sorted; of a file the one that it is.
///
/// # Errors
/// A file that cannot be read or is no case, or no file at all.
pub fn folder(path: &Path) -> Result<Vec<(String, Case)>, FolderError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| FolderError::Io { path, source }
    };
    let mut files = Vec::new();
    if path.is_file() {
        files.push(path.to_owned());
    } else {
        for entry in fs::read_dir(path).map_err(io(path))? {
            let file = entry.map_err(io(path))?.path();
            if file.extension().is_some_and(|extension| extension == "http") {
                files.push(file);
            }
        }
    }
    if files.is_empty() {
        return Err(FolderError::Empty(path.to_owned()));
    }
    files.sort();
    let mut cases = Vec::with_capacity(files.len());
    for file in files {
        let text = fs::read_to_string(&file).map_err(io(&file))?;
        let case = Case::parse(&text).map_err(|source| FolderError::Parse { path: file.clone(), source })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        cases.push((name, case));
    }
    Ok(cases)
}
