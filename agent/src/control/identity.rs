//! Who this agent is to its orchestrator, on disk. Must not know how one becomes it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use weir_artifact::{Digest, GroupName, JoinToken, TrustedKey};

use super::JoinError;
use crate::disk;

/// Who this agent is to its orchestrator.
#[derive(Clone)]
pub struct Identity {
    pub agent_id: String,
    pub group: GroupName,
    /// Keys that came with the join token.
    pub publishers: Vec<TrustedKey>,
    pub ca_pem: String,
    pub certificate_pem: String,
    pub key_pem: String,
    /// Of the token that was spent for it; none for one that an earlier version joined with.
    pub(super) spent: Option<Digest>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("agent_id", &self.agent_id).field("group", &self.group).finish_non_exhaustive()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Joined {
    agent_id: String,
    group: GroupName,
    publishers: Vec<TrustedKey>,
    #[serde(default)]
    spent: Option<Digest>,
}

/// RFC 7468 section 10.
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";
const JOINED: &str = "joined.json";
const CA: &str = "ca.pem";
/// Certificate chain and key, in one file: a crash leaves the old pair or the new one.
const CERTIFICATE: &str = "agent.pem";

impl Identity {
    /// The folder in the data dir that holds it.
    pub fn folder(data_dir: &Path) -> PathBuf {
        data_dir.join("orchestrator")
    }

    /// What an earlier [`Self::join`] left; `None` if there was none.
    ///
    /// # Errors
    /// It is there and cannot be used.
    pub fn load(folder: &Path) -> Result<Option<Self>, JoinError> {
        let read = |name: &str| {
            let path = folder.join(name);
            disk::read_if_there(&path).map_err(|error| JoinError::Disk(path, error))
        };
        // written last: without it nothing else counts
        let Some(joined) = read(JOINED)? else { return Ok(None) };
        let unusable = |name: &str, reason: String| JoinError::Unusable(folder.join(name), reason);
        let joined: Joined = serde_json::from_slice(&joined).map_err(|error| unusable(JOINED, error.to_string()))?;
        let text = |name: &str| {
            let bytes = read(name)?.ok_or_else(|| unusable(name, "it is missing".to_owned()))?;
            String::from_utf8(bytes).map_err(|error| unusable(name, error.to_string()))
        };
        let pair = folder.join(CERTIFICATE);
        if let Some(mode) = disk::exposure(&pair).map_err(|error| JoinError::Disk(pair.clone(), error))? {
            let reason = format!("it can be read by others (mode {mode:o}): whoever has it is this agent; chmod 600");
            return Err(JoinError::Unusable(pair, reason));
        }
        let text_of_pair = text(CERTIFICATE)?;
        let Some((certificate_pem, key_pem)) = text_of_pair.find(KEY_BEGINS).map(|at| text_of_pair.split_at(at)) else {
            return Err(unusable(CERTIFICATE, "there is no private key in it".to_owned()));
        };
        Ok(Some(Self {
            spent: joined.spent,
            agent_id: joined.agent_id,
            group: joined.group,
            publishers: joined.publishers,
            ca_pem: text(CA)?,
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
        }))
    }

    /// Was it this token that gave the identity? One that nobody noted then is taken for it.
    pub fn is_of(&self, token: &JoinToken) -> bool {
        self.spent.is_none_or(|spent| spent == Digest::of(token.token.as_bytes()))
    }

    /// Certificate and key alone, after a renewal.
    pub(super) fn keep_pair(&self, folder: &Path) -> Result<(), JoinError> {
        let path = folder.join(CERTIFICATE);
        disk::write_atomic(&path, self.pair().as_bytes()).map_err(|error| JoinError::Disk(path, error))
    }

    fn pair(&self) -> String {
        format!("{}{}", self.certificate_pem, self.key_pem)
    }

    /// On disk when this returns.
    pub(super) fn keep(&self, folder: &Path) -> Result<(), JoinError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| JoinError::Disk(path, error)
        };
        disk::private_folder(folder).map_err(at(folder))?;
        let joined = Joined {
            agent_id: self.agent_id.clone(),
            group: self.group.clone(),
            publishers: self.publishers.clone(),
            spent: self.spent,
        };
        let joined = serde_json::to_vec_pretty(&joined).expect("string keys only");
        // of one before nothing counts any more: a crash from here on ends in joining again with the same key
        remove(&folder.join(JOINED))?;
        let pair = self.pair();
        let files = [(CERTIFICATE, pair.as_bytes()), (CA, self.ca_pem.as_bytes()), (JOINED, &joined)];
        for (name, bytes) in files {
            let path = folder.join(name);
            disk::write_atomic(&path, bytes).map_err(at(&path))?;
        }
        Ok(())
    }
}

/// It is gone, whether it was there or not.
pub(super) fn remove(path: &Path) -> Result<(), JoinError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JoinError::Disk(path.to_owned(), error)),
        _ => Ok(()),
    }
}
