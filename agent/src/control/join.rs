//! Becoming an agent of an orchestrator, once: a join token and a fresh key enter, an identity on disk leaves. The key
//! never leaves the agent, and nobody who cannot show a certificate of the token's CA is told the token.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use tonic::Code;
use weir_artifact::{Digest, GroupName, JoinToken, TrustedKey};
use weir_proto::v1::{JoinRequest, enrolment_client::EnrolmentClient};

use super::link;
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
    spent: Option<Digest>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("agent_id", &self.agent_id).field("group", &self.group).finish_non_exhaustive()
    }
}

/// Why the agent has no identity.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("this agent has not joined {0} yet: give it the line that `orchestrator join-token` prints (--join-token)")]
    NoToken(String),
    /// Whoever answers is not the orchestrator that the token is for.
    #[error("{url} is not the orchestrator of the join token: {reason}")]
    Impostor { url: String, reason: String },
    /// Worth another attempt.
    #[error("the orchestrator {url} cannot be reached: {reason}")]
    Away { url: String, reason: String },
    #[error("the orchestrator refused the join token: {0}")]
    Refused(String),
    #[error("the join token is for group {token}, the orchestrator put the agent into {orchestrator:?}")]
    Group { token: GroupName, orchestrator: String },
    #[error("the orchestrator answered without a certificate")]
    NoCertificate,
    #[error("the agent's key cannot be made: {0}")]
    Key(#[from] rcgen::Error),
    #[error("the identity in {path} cannot be used: {reason}", path = .0.display(), reason = .1)]
    Unusable(PathBuf, String),
    #[error("{path}: {error}", path = .0.display(), error = .1)]
    Disk(PathBuf, io::Error),
}

impl JoinError {
    /// The same attempt may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Away { .. })
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

/// What a token is about to be spent with. On disk before the orchestrator hears of it: an agent that dies in between
/// asks again with the same key, and is told the same.
#[derive(Serialize, Deserialize)]
struct Joining {
    spent: Digest,
    key_pem: String,
}

const JOINED: &str = "joined.json";
const JOINING: &str = "joining.json";
const CA: &str = "ca.pem";
const CERTIFICATE: &str = "agent.pem";
const KEY: &str = "agent.key";

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
        let key = folder.join(KEY);
        if let Some(mode) = disk::exposure(&key).map_err(|error| JoinError::Disk(key.clone(), error))? {
            let reason = format!("it can be read by others (mode {mode:o}): whoever has it is this agent; chmod 600");
            return Err(JoinError::Unusable(key, reason));
        }
        Ok(Some(Self {
            spent: joined.spent,
            agent_id: joined.agent_id,
            group: joined.group,
            publishers: joined.publishers,
            ca_pem: text(CA)?,
            certificate_pem: text(CERTIFICATE)?,
            key_pem: text(KEY)?,
        }))
    }

    /// Was it this token that gave the identity? One that nobody noted then is taken for it.
    pub fn is_of(&self, token: &JoinToken) -> bool {
        self.spent.is_none_or(|spent| spent == Digest::of(token.token.as_bytes()))
    }

    /// Spends the token. `name` is for people.
    ///
    /// # Errors
    /// Why there is no identity; see [`JoinError::is_passing`].
    pub async fn join(folder: &Path, url: &str, token: &JoinToken, name: &str) -> Result<Self, JoinError> {
        let ca_pem = link::certificate_pem(&token.ca);
        let channel = link::connect_to_join(url, &ca_pem).await.map_err(|error| not_there(url, &error))?;
        let spent = Digest::of(token.token.as_bytes());
        let key = key_for(folder, spent)?;
        let mut params = CertificateParams::default();
        // the orchestrator decides about the name
        params.distinguished_name = DistinguishedName::new();
        let request = JoinRequest {
            token: token.token.clone(),
            certificate_request: params.serialize_request(&key)?.der().to_vec().into(),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = EnrolmentClient::new(channel).join(request).await.map_err(|status| match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown => {
                JoinError::Away { url: url.to_owned(), reason: link::explain(&status) }
            }
            _ => JoinError::Refused(status.message().to_owned()),
        })?;
        let answer = answer.into_inner();
        if answer.certificate_chain.is_empty() {
            return Err(JoinError::NoCertificate);
        }
        // the group decides which statements count, so it comes from whoever made the token
        if answer.group != token.group.as_str() {
            return Err(JoinError::Group { token: token.group.clone(), orchestrator: answer.group });
        }
        let identity = Self {
            agent_id: answer.agent_id,
            group: token.group.clone(),
            publishers: token.publishers.clone(),
            ca_pem,
            certificate_pem: answer.certificate_chain.iter().map(|der| link::certificate_pem(der)).collect(),
            key_pem: key.serialize_pem(),
            spent: Some(spent),
        };
        identity.keep(folder)?;
        Ok(identity)
    }

    fn keep(&self, folder: &Path) -> Result<(), JoinError> {
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
        let files = [
            (KEY, self.key_pem.as_bytes()),
            (CERTIFICATE, self.certificate_pem.as_bytes()),
            (CA, self.ca_pem.as_bytes()),
            (JOINED, &joined),
        ];
        for (name, bytes) in files {
            let path = folder.join(name);
            disk::write_atomic(&path, bytes).map_err(at(&path))?;
        }
        remove(&folder.join(JOINING))
    }
}

/// The key that this token was tried with before, else a new one, on disk.
fn key_for(folder: &Path, spent: Digest) -> Result<KeyPair, JoinError> {
    let path = folder.join(JOINING);
    let at = |error| JoinError::Disk(path.clone(), error);
    let tried: Option<Joining> =
        disk::read_if_there(&path).map_err(at)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(tried) = tried.filter(|tried| tried.spent == spent) {
        return Ok(KeyPair::from_pem(&tried.key_pem)?);
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let joining = Joining { spent, key_pem: key.serialize_pem() };
    disk::private_folder(folder).map_err(at)?;
    disk::write_atomic(&path, &serde_json::to_vec(&joining).expect("string keys only")).map_err(at)?;
    Ok(key)
}

fn remove(path: &Path) -> Result<(), JoinError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JoinError::Disk(path.to_owned(), error)),
        _ => Ok(()),
    }
}

/// A certificate that does not fit is not going to fit later; everything else may.
fn not_there(url: &str, error: &tonic::transport::Error) -> JoinError {
    let (url, reason) = (url.to_owned(), link::explain(error));
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
        let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()).or_else(|| error.downcast_ref());
        if let Some(tls) = tls {
            return JoinError::Impostor { url, reason: tls.to_string() };
        }
        cause = error.source();
    }
    JoinError::Away { url, reason }
}
