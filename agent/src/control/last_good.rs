//! What the agent last ran, on disk, so that it starts with it when no orchestrator answers. Signed statements enter as
//! they came and leave as they came: whoever reads them verifies them again. The marks against going back are beside them.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use weir_artifact::{Envelope, GroupName, KeyId, Mark, Name, Ratchet};

use crate::disk;

const FORMAT: u32 = 1;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Of the desired state that was applied last.
    pub revision: u64,
    pub ratchet: Ratchet,
    /// In the order made: a key vouched for by another must come after it.
    pub endorsements: Vec<Endorsed>,
    /// The publication that each filter runs by.
    pub active: BTreeMap<Name, Envelope>,
    /// The one before it, of filters with the failure policy `last-good`: what they fall back to.
    pub before: BTreeMap<Name, Envelope>,
    /// The configuration in force.
    pub configuration: Option<Envelope>,
}

/// A statement by which a key is trusted, and when that was (seconds since the Unix epoch): it may expire later.
#[derive(Debug, Clone, PartialEq)]
pub struct Endorsed {
    pub at: u64,
    pub envelope: Envelope,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LastGoodError {
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Disk(PathBuf, io::Error),
    #[error("{path} is not what this agent wrote: {reason}", path = .0.display(), reason = .1)]
    Malformed(PathBuf, String),
    /// Going on without what is not understood would let old versions back in.
    #[error(
        "{path} was written by a later version of the agent than {version}: {reason}; run that version, or remove the file: then the \
         agent waits for its orchestrator before it serves a client, and takes whatever is signed and not expired",
        path = .0.display(), version = env!("CARGO_PKG_VERSION"), reason = .1
    )]
    Later(PathBuf, String),
}

/// The place on disk.
#[derive(Debug, Clone)]
pub struct LastGood {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    revision: u64,
    marks: Vec<StoredMark>,
    endorsements: Vec<StoredEndorsement>,
    active: BTreeMap<Name, StoredEnvelope>,
    #[serde(default)]
    before: BTreeMap<Name, StoredEnvelope>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<StoredEnvelope>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    configuration_marks: Vec<StoredConfigurationMark>,
}

/// Of a file that may have been written by a later version.
#[derive(Deserialize)]
struct Claim {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct StoredConfigurationMark {
    group: GroupName,
    #[serde(flatten)]
    mark: Mark,
}

#[derive(Serialize, Deserialize)]
struct StoredMark {
    group: GroupName,
    name: Name,
    #[serde(flatten)]
    mark: Mark,
}

#[derive(Serialize, Deserialize)]
struct StoredEndorsement {
    at: u64,
    envelope: StoredEnvelope,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredEnvelope {
    statement: Base64,
    signature: Base64,
    key_id: KeyId,
}

struct Base64(Vec<u8>);

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BASE64.decode(String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

impl From<&Envelope> for StoredEnvelope {
    fn from(Envelope { statement, signature, key_id }: &Envelope) -> Self {
        Self { statement: Base64(statement.clone()), signature: Base64(signature.clone()), key_id: key_id.clone() }
    }
}

impl From<StoredEnvelope> for Envelope {
    fn from(StoredEnvelope { statement, signature, key_id }: StoredEnvelope) -> Self {
        Self { statement: statement.0, signature: signature.0, key_id }
    }
}

impl LastGood {
    /// In this folder, which has to be there.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("last-good.json") }
    }

    /// What was kept; `None` if nothing ever was.
    ///
    /// # Errors
    /// There is something, but it cannot be used.
    pub fn read(&self) -> Result<Option<Kept>, LastGoodError> {
        let bytes = disk::read_if_there(&self.path).map_err(|error| LastGoodError::Disk(self.path.clone(), error))?;
        let Some(bytes) = bytes else { return Ok(None) };
        let malformed = |reason: String| LastGoodError::Malformed(self.path.clone(), reason);
        let later = |reason: String| LastGoodError::Later(self.path.clone(), reason);
        let claim: Claim = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
        if claim.format > FORMAT {
            return Err(later(format!("its format is {}, not {FORMAT}", claim.format)));
        }
        let stored: Stored = serde_json::from_slice(&bytes).map_err(|error| match error.to_string() {
            reason if reason.starts_with("unknown field") => later(reason),
            reason => malformed(reason),
        })?;
        if stored.format != FORMAT {
            return Err(malformed(format!("its format is {}, not {FORMAT}", stored.format)));
        }
        let envelopes = |stored: BTreeMap<Name, StoredEnvelope>| {
            stored.into_iter().map(|(name, envelope)| (name, envelope.into())).collect()
        };
        let marks = stored.marks.into_iter().map(|StoredMark { group, name, mark }| (group, name, mark));
        Ok(Some(Kept {
            revision: stored.revision,
            ratchet: Ratchet::restore(marks)
                .with_configurations(stored.configuration_marks.into_iter().map(|stored| (stored.group, stored.mark))),
            endorsements: stored
                .endorsements
                .into_iter()
                .map(|StoredEndorsement { at, envelope }| Endorsed { at, envelope: envelope.into() })
                .collect(),
            active: envelopes(stored.active),
            before: envelopes(stored.before),
            configuration: stored.configuration.map(Envelope::from),
        }))
    }

    /// Keeps this in place of what was kept.
    ///
    /// # Errors
    /// Of the disk; what was kept still is.
    pub fn write(&self, kept: &Kept) -> Result<(), LastGoodError> {
        let mark = |(group, name, mark): (&GroupName, &Name, Mark)| StoredMark {
            group: group.clone(),
            name: name.clone(),
            mark,
        };
        let envelopes = |kept: &BTreeMap<Name, Envelope>| {
            kept.iter().map(|(name, envelope)| (name.clone(), StoredEnvelope::from(envelope))).collect()
        };
        let stored = Stored {
            format: FORMAT,
            revision: kept.revision,
            marks: kept.ratchet.marks().map(mark).collect(),
            endorsements: kept
                .endorsements
                .iter()
                .map(|Endorsed { at, envelope }| StoredEndorsement { at: *at, envelope: envelope.into() })
                .collect(),
            active: envelopes(&kept.active),
            before: envelopes(&kept.before),
            configuration: kept.configuration.as_ref().map(StoredEnvelope::from),
            configuration_marks: kept
                .ratchet
                .configuration_marks()
                .map(|(group, mark)| StoredConfigurationMark { group: group.clone(), mark })
                .collect(),
        };
        let bytes = serde_json::to_vec(&stored).expect("string keys only");
        disk::write_atomic(&self.path, &bytes).map_err(|error| LastGoodError::Disk(self.path.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("last-good.json"), text).unwrap();
        LastGood::new(dir.path()).read().unwrap_err().to_string()
    }

    #[test]
    fn what_a_later_version_wrote_is_told_from_what_is_damaged() {
        let rest = r#""revision":1,"marks":[],"endorsements":[],"active":{}"#;
        for later in [r#"{"format":2,"of":"later"}"#.to_owned(), format!(r#"{{"format":1,{rest},"quarantined":[]}}"#)] {
            let said = read(&later);
            assert!(said.contains("was written by a later version of the agent"), "{said}");
        }
        for damaged in ["{", "{}", r#"{"format":0}"#, r#"{"format":1,"revision":1}"#] {
            let said = read(damaged);
            assert!(said.contains("is not what this agent wrote"), "{said}");
        }
    }
}
