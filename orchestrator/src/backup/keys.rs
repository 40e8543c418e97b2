//! The keys of the data folder as one file: of the certificate authority, which agents know the orchestrator by. They are never
//! in a backup, nor do they go over REST.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::archive::hex;
use crate::{disk, pki};

/// The files, and the mode of each.
const FILES: [(&str, u32); 2] = [("ca.key", 0o600), ("ca.pem", 0o644)];

/// Why keys are not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: no file of keys that `backup --keys` wrote", .0.display())]
    NotOne(PathBuf),
    #[error("{}: it is there already, and another one: move it away first", .0.display())]
    Other(PathBuf),
}

/// Texts of the files, by name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Keys {
    weir_keys: BTreeMap<String, String>,
}

impl Keys {
    /// Those of a data folder.
    pub(crate) fn of(dir: &Path) -> Result<Self, KeysError> {
        let read = |(name, _): &(&str, u32)| {
            let path = dir.join(name);
            let text = fs::read_to_string(&path).map_err(|error| KeysError::File { path, error })?;
            Ok(((*name).to_owned(), text))
        };
        Ok(Self { weir_keys: FILES.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// As `save` wrote them.
    pub(crate) fn read(file: &Path) -> Result<Self, KeysError> {
        let text = fs::read(file).map_err(|error| KeysError::File { path: file.to_owned(), error })?;
        serde_json::from_slice(&text)
            .ok()
            .filter(|keys: &Self| FILES.iter().all(|(name, _)| keys.weir_keys.contains_key(*name)))
            .ok_or_else(|| KeysError::NotOne(file.to_owned()))
    }

    /// For its owner alone.
    pub(crate) fn save(&self, file: &Path) -> Result<(), KeysError> {
        let fault = |error| KeysError::File { path: file.to_owned(), error };
        let text = serde_json::to_string_pretty(self).map_err(|error| fault(error.into()))?;
        disk::write(file, &format!("{text}\n"), 0o600).map_err(fault)
    }

    /// SHA-256 of the authority's public key, hexadecimal; none where the key is none.
    pub(crate) fn authority(&self) -> Option<String> {
        self.weir_keys.get("ca.key").and_then(|key| authority(key))
    }

    /// Puts them into a data folder, in place of none.
    pub(crate) fn put(&self, dir: &Path) -> Result<(), KeysError> {
        for (name, mode) in FILES {
            let (path, text) = (dir.join(name), &self.weir_keys[name]);
            match fs::read_to_string(&path) {
                Ok(there) if there == *text => continue,
                Ok(_) => return Err(KeysError::Other(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(KeysError::File { path, error }),
            }
            disk::write(&path, text, mode).map_err(|error| KeysError::File { path, error })?;
        }
        Ok(())
    }
}

/// Which authority a data folder has; none where it has no key.
pub(crate) fn authority_of(dir: &Path) -> Result<Option<String>, KeysError> {
    let path = dir.join("ca.key");
    match fs::read_to_string(&path) {
        Ok(key) => Ok(Some(authority(&key).unwrap_or_default())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(KeysError::File { path, error }),
    }
}

fn authority(key: &str) -> Option<String> {
    pki::key_hash(key).map(|hash| hex(&hash))
}
