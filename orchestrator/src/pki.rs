//! The orchestrator's own certificate authority: made once, it signs the server's certificate at each start and one
//! certificate for each agent that joins. Of a request it takes the key alone; every name is decided here.

use std::{
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::disk;

/// Of the CA and of the certificate for agents, which is made anew at each start.
pub(crate) const LONG: Duration = Duration::days(10 * 365);
/// Clocks differ: a certificate is valid for so long before it was made, though never for longer than after.
const SKEW: Duration = Duration::hours(1);

/// The operator's data directory, or an agent's request, is at fault.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file cannot be read or written.
    #[error("{}: {error}", file.display())]
    File {
        /// Of the data directory.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The files are not what was written.
    #[error("{}: {reason}", file.display())]
    Damaged {
        /// Of the data directory.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Whoever read the key can be any agent, and the orchestrator.
    #[error("{} can be read by others (mode {mode:o}): whoever has it can pass for this orchestrator; chmod 600", file.display())]
    Exposed {
        /// Of the data directory.
        file: PathBuf,
        /// As found.
        mode: u32,
    },
    /// The agent's request cannot be signed.
    #[error("the certificate request cannot be signed: {0}")]
    Request(String),
    /// A certificate could not be made.
    #[error("a certificate could not be made: {0}")]
    Making(#[from] rcgen::Error),
}

/// The authority and its key.
pub(crate) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    /// Of an agent's certificate.
    agent_lifetime: Duration,
}

/// What a listener shows, PEM.
pub(crate) struct ServerIdentity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Pki {
    /// Reads `ca.key` and `ca.pem`, or makes them.
    pub(crate) fn load_or_create(dir: &Path, agent_lifetime: std::time::Duration) -> Result<Self, PkiError> {
        let (key_file, file) = (dir.join("ca.key"), dir.join("ca.pem"));
        let key = match fs::read_to_string(&key_file) {
            Ok(text) => {
                let mode = disk::exposure(&key_file);
                if let Some(mode) = mode.map_err(|error| PkiError::File { file: key_file.clone(), error })? {
                    return Err(PkiError::Exposed { file: key_file, mode });
                }
                KeyPair::from_pem(&text)
                    .map_err(|error| PkiError::Damaged { file: key_file.clone(), reason: error.to_string() })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if file.exists() {
                    let reason = "it is there but ca.key is not: restore the key, or remove both and let every agent \
                                  join again";
                    return Err(PkiError::Damaged { file, reason: reason.to_owned() });
                }
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                write(&key_file, &key.serialize_pem(), 0o600)?;
                key
            }
            Err(error) => return Err(PkiError::File { file: key_file, error }),
        };
        let pem = match fs::read_to_string(&file) {
            Ok(pem) => pem,
            // Same name, same key: agents that pinned the one before trust this one as well.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = authority().self_signed(&key)?.pem();
                write(&file, &pem, 0o644)?;
                pem
            }
            Err(error) => return Err(PkiError::File { file, error }),
        };
        let damaged = |reason: String| PkiError::Damaged { file: file.clone(), reason };
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        if !certificate.windows(key.public_key_raw().len()).any(|window| window == key.public_key_raw()) {
            return Err(damaged("it is not the certificate of ca.key".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| damaged(error.to_string()))?;
        let agent_lifetime = Duration::try_from(agent_lifetime).unwrap_or(LONG).min(LONG);
        Ok(Self { issuer, certificate, pem, agent_lifetime })
    }

    /// DER.
    pub(crate) fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// SHA-256 of its public key.
    pub(crate) fn key_hash(&self) -> [u8; 32] {
        hash(self.issuer.key())
    }

    /// PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A new key and certificate for a listener. It never touches the disk.
    pub(crate) fn server(&self, names: &[String], lifetime: Duration) -> Result<ServerIdentity, PkiError> {
        let mut all: Vec<String> =
            [weir_proto::ORCHESTRATOR_NAME, "localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
        all.extend(hostname());
        all.extend_from_slice(names);
        all.sort();
        all.dedup();
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, weir_proto::ORCHESTRATOR_NAME);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        lasting(&mut params, lifetime);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(ServerIdentity { chain: format!("{}{}", leaf.pem(), self.pem), key: key.serialize_pem() })
    }

    /// A certificate for an agent's key, leaf first.
    pub(crate) fn sign_agent(&self, id: Uuid, request: &[u8]) -> Result<Vec<Vec<u8>>, PkiError> {
        let request = CertificateSigningRequestDer::from(request);
        let request = CertificateSigningRequestParams::from_der(&request)
            .map_err(|error| PkiError::Request(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, id.to_string());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        lasting(&mut params, self.agent_lifetime);
        let leaf = params.signed_by(&request.public_key, &self.issuer)?;
        Ok(vec![leaf.der().to_vec(), self.certificate.to_vec()])
    }
}

/// The same of a key as it stands in its file; none where it is none.
pub(crate) fn key_hash(pem: &str) -> Option<[u8; 32]> {
    KeyPair::from_pem(pem).ok().map(|key| hash(&key))
}

fn hash(key: &KeyPair) -> [u8; 32] {
    Sha256::digest(key.public_key_raw()).into()
}

fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Weir orchestrator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lasting(&mut params, LONG);
    params
}

pub(crate) fn lasting(params: &mut CertificateParams, time: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - SKEW.min(time);
    params.not_after = now + time;
    // RFC 5280 section 4.1.2.2: positive and unique for this issuer.
    params.serial_number = Some(SerialNumber::from_slice(Uuid::new_v4().as_bytes()));
    params.use_authority_key_identifier_extension = true;
}

fn hostname() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    let fits = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    (fits && !name.is_empty() && name.parse::<IpAddr>().is_err()).then(|| name.to_owned())
}

pub(crate) fn write(file: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    disk::write(file, text, mode).map_err(|error| PkiError::File { file: file.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn load(dir: &Path) -> Result<Pki, PkiError> {
        Pki::load_or_create(dir, std::time::Duration::from_secs(3600))
    }

    #[test]
    fn a_key_that_others_can_read_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let made = load(dir.path()).unwrap();
        assert_eq!(load(dir.path()).unwrap().certificate(), made.certificate());
        fs::set_permissions(dir.path().join("ca.key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(load(dir.path()), Err(PkiError::Exposed { mode: 0o644, .. })));
    }
}
