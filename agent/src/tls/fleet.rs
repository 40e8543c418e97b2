//! The intermediate that this agent signs leaves with where its operator chose the fleet's root. A chain and the key it is
//! for enter, from the orchestrator or by hand; what is kept in the data directory leaves, or what is wrong with it. The
//! first root that came is the one that clients were given: another is not taken.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DistinguishedName, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::AuthorityError;
use crate::disk;

const FOLDER: &str = "fleet";
const ROOT: &str = "root.pem";
/// Intermediate, root and key, in one file: a crash leaves the old ones or the new.
const INTERMEDIATE: &str = "intermediate.pem";
/// Of a request that is signed by hand, until the answer is there.
const REQUEST: &str = "request.key";
/// RFC 7468 section 10.
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";

/// What leaves are signed with.
pub(super) struct Intermediate {
    pub(super) issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) root: CertificateDer<'static>,
    pub(super) begins: OffsetDateTime,
    pub(super) ends: OffsetDateTime,
    text: String,
}

/// The folder in the data directory.
pub struct FleetFolder(PathBuf);

impl FleetFolder {
    pub fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(FOLDER))
    }

    /// Where the root is that clients have to trust, once one came.
    pub fn root(&self) -> PathBuf {
        self.0.join(ROOT)
    }

    /// What was kept; none where nothing was.
    pub(super) fn load(&self) -> Result<Option<Intermediate>, AuthorityError> {
        let path = self.0.join(INTERMEDIATE);
        let Some(bytes) = disk::read_if_there(&path).map_err(|error| AuthorityError::Read(path.clone(), error))? else {
            return Ok(None);
        };
        if let Some(mode) = disk::exposure(&path).map_err(|error| AuthorityError::Read(path.clone(), error))? {
            return Err(AuthorityError::Exposed(path, mode));
        }
        let text = String::from_utf8_lossy(&bytes);
        let wrong = |why: String| AuthorityError::Certificate(path.clone(), why);
        let (chain, key) = text
            .find(KEY_BEGINS)
            .map(|at| text.split_at(at))
            .ok_or_else(|| wrong("there is no private key in it".to_owned()))?;
        Intermediate::read(chain, key).map(Some).map_err(wrong)
    }

    /// In place of what was kept.
    pub(super) fn keep(&self, new: &Intermediate) -> Result<(), AuthorityError> {
        let write = |path: &Path| {
            let path = path.to_owned();
            move |error| AuthorityError::Write(path, error)
        };
        disk::private_folder(&self.0).map_err(write(&self.0))?;
        let root = self.root();
        match disk::read_if_there(&root).map_err(|error| AuthorityError::Read(root.clone(), error))? {
            None => {
                let pem = certificate_pem(&new.root);
                disk::write_atomic_for_all(&root, pem.as_bytes()).map_err(write(&root))?;
            }
            Some(bytes) => {
                let same = CertificateDer::from_pem_slice(&bytes).is_ok_and(|own| own == new.root);
                if !same {
                    return Err(AuthorityError::OtherRoot(root));
                }
            }
        }
        let path = self.0.join(INTERMEDIATE);
        disk::write_atomic(&path, new.text.as_bytes()).map_err(write(&path))
    }

    /// A request to be signed by hand, PEM; its key stays here.
    ///
    /// # Errors
    /// Of the disk.
    pub fn request(&self) -> Result<String, AuthorityError> {
        disk::private_folder(&self.0).map_err(|error| AuthorityError::Write(self.0.clone(), error))?;
        let path = self.0.join(REQUEST);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        disk::write_atomic(&path, key.serialize_pem().as_bytes())
            .map_err(|error| AuthorityError::Write(path, error))?;
        Ok(signing_request(&key)?.pem()?)
    }

    /// Takes the answer to [`Self::request`].
    ///
    /// # Errors
    /// It is no answer to it, or the disk fails.
    pub fn install(&self, chain: &str) -> Result<(), AuthorityError> {
        let path = self.0.join(REQUEST);
        let key = fs::read_to_string(&path).map_err(|error| AuthorityError::Read(path.clone(), error))?;
        let new = Intermediate::read(chain, &key).map_err(AuthorityError::Chain)?;
        self.keep(&new)?;
        fs::remove_file(&path).map_err(|error| AuthorityError::Write(path, error))
    }
}

impl Intermediate {
    /// Chain and key, PEM.
    pub(super) fn read(chain: &str, key_pem: &str) -> Result<Self, String> {
        let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|error| error.to_string())?;
        let [certificate, root] = <[_; 2]>::try_from(certificates)
            .map_err(|all| format!("there are {} certificates, not an intermediate and its root", all.len()))?;
        let key = KeyPair::from_pem(key_pem).map_err(|error| error.to_string())?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| error.to_string())?;
        let (_, above) = X509Certificate::from_der(&root).map_err(|error| error.to_string())?;
        if !parsed.is_ca() || !above.is_ca() {
            return Err("it may not sign others".to_owned());
        }
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err("it is for another key".to_owned());
        }
        if parsed.verify_signature(Some(above.public_key())).is_err() {
            return Err("its root did not sign it".to_owned());
        }
        let validity = parsed.validity();
        let (begins, ends) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
        let text = format!("{}{}{}", certificate_pem(&certificate), certificate_pem(&root), key.serialize_pem());
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| error.to_string())?;
        Ok(Self { issuer, begins, ends, text, certificate, root })
    }
}

/// For an intermediate: whoever signs decides about everything but the key.
pub(super) fn signing_request(key: &KeyPair) -> Result<rcgen::CertificateSigningRequest, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key)
}

/// RFC 7468.
pub(super) fn certificate_pem(der: &[u8]) -> String {
    crate::control::certificate_pem(der)
}
