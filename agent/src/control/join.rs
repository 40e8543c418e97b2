//! Becoming an agent of an orchestrator, once: a join token and a fresh key enter, an identity on disk leaves. The key
//! never leaves the agent, and nobody who cannot show a certificate of the token's CA is told the token.

use std::{
    io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use tonic::Code;
use weir_artifact::{Digest, GroupName, JoinToken};
use weir_proto::v1::{JoinRequest, enrolment_client::EnrolmentClient};

use super::{Identity, identity::remove, link};
use crate::disk;

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
    /// The same: others at this address ask for too much.
    #[error("the orchestrator does not look at the join token yet: {0}")]
    Later(String),
    #[error("the orchestrator refused the join token: {0}")]
    Refused(String),
    /// One of them has to be upgraded.
    #[error("the orchestrator does not let this agent join: {0}")]
    Apart(String),
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
        matches!(self, Self::Away { .. } | Self::Later(_))
    }
}

/// What a token is about to be spent with. On disk before the orchestrator hears of it: an agent that dies in between
/// asks again with the same key, and is told the same.
#[derive(Serialize, Deserialize)]
struct Joining {
    spent: Digest,
    key_pem: String,
}

const JOINING: &str = "joining.json";

impl Identity {
    /// Spends the token. `name` is for people.
    ///
    /// # Errors
    /// Why there is no identity; see [`JoinError::is_passing`].
    pub async fn join(folder: &Path, urls: &[String], token: &JoinToken, name: &str) -> Result<Self, JoinError> {
        let mut worth = None;
        for url in urls {
            match Self::join_at(folder, url, token, name).await {
                // somebody else stands there, who was told nothing, or one of another version: the next may be the right one
                Err(error @ (JoinError::Impostor { .. } | JoinError::Apart(_))) => {
                    worth.get_or_insert(error);
                }
                // what may go well later goes before what will not
                Err(error) if error.is_passing() => worth = Some(error),
                done => return done,
            }
        }
        Err(worth.unwrap_or(JoinError::NoCertificate))
    }

    /// With one of several orchestrators.
    async fn join_at(folder: &Path, url: &str, token: &JoinToken, name: &str) -> Result<Self, JoinError> {
        let ca_pem = link::certificate_pem(&token.ca);
        let channel = link::connect_to_join(url, &ca_pem).await.map_err(|error| not_there(url, &error))?;
        let spent = Digest::of(token.token.as_bytes());
        let key = key_for(folder, spent)?;
        let request = JoinRequest {
            token: token.token.clone(),
            certificate_request: request_for(&key)?.into(),
            name: name.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = EnrolmentClient::new(channel).join(request).await.map_err(|status| match status.code() {
            Code::Unavailable | Code::DeadlineExceeded | Code::Unknown => {
                JoinError::Away { url: url.to_owned(), reason: link::explain(&status) }
            }
            Code::ResourceExhausted => JoinError::Later(status.message().to_owned()),
            Code::FailedPrecondition => JoinError::Apart(status.message().to_owned()),
            _ => JoinError::Refused(status.message().to_owned()),
        })?;
        let answer = answer.into_inner();
        let certificate_pem = chain_pem(&answer.certificate_chain)?;
        // the group decides which statements count, so it comes from whoever made the token
        if answer.group != token.group.as_str() {
            return Err(JoinError::Group { token: token.group.clone(), orchestrator: answer.group });
        }
        let identity = Self {
            agent_id: answer.agent_id,
            group: token.group.clone(),
            publishers: token.publishers.clone(),
            ca_pem,
            certificate_pem,
            key_pem: key.serialize_pem(),
            spent: Some(spent),
        };
        identity.keep(folder)?;
        remove(&folder.join(JOINING))?;
        Ok(identity)
    }
}

/// For a certificate of this key: the orchestrator decides about the name.
pub(super) fn request_for(key: &KeyPair) -> Result<Vec<u8>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

pub(super) fn chain_pem(chain: &[Bytes]) -> Result<String, JoinError> {
    match chain {
        [] => Err(JoinError::NoCertificate),
        chain => Ok(chain.iter().map(|der| link::certificate_pem(der)).collect()),
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

/// A certificate that does not fit is not going to fit later, unless it is a clock that is wrong; everything else may.
fn not_there(url: &str, error: &tonic::transport::Error) -> JoinError {
    let (url, reason) = (url.to_owned(), link::explain(error));
    match link::tls_fault(error) {
        Some(tls) if !link::is_of_the_clock(tls) => JoinError::Impostor { url, reason: told(tls) },
        _ => JoinError::Away { url, reason },
    }
}

/// Of an orchestrator's two addresses people type the wrong one.
fn told(fault: &rustls::Error) -> String {
    const REST: &str =
        "no TLS is spoken there; agents connect to the address of gRPC (port 7443 by default), not to that of REST";
    match fault {
        rustls::Error::InvalidMessage(_) => REST.to_owned(),
        other => other.to_string(),
    }
}
