//! The root that clients of a whole fleet trust for interception. Signing requests of agents enter, short-lived
//! intermediates leave: each agent signs its leaves with one of its own. The root's key lies in the data directory or, where
//! it is kept offline, in another folder that no server reads. It is another than the one that agents are known by.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::{
    disk,
    pki::{LONG, PkiError, lasting, write},
};

const CERTIFICATE: &str = "interception-ca.pem";
const KEY: &str = "interception-ca.key";

/// The folder, and how long what is signed there lasts.
#[derive(Debug, Clone)]
pub(crate) struct Roots {
    pub(crate) dir: PathBuf,
    pub(crate) lifetime: std::time::Duration,
}

/// The root, with its key where that is here.
pub(crate) struct Root {
    issuer: Option<Issuer<'static, KeyPair>>,
    certificate: CertificateDer<'static>,
    pub(crate) pem: String,
    pub(crate) subject: String,
    pub(crate) begins: OffsetDateTime,
    pub(crate) ends: OffsetDateTime,
}

impl Roots {
    /// None where none was made. Read anew each time: it may have been made a moment ago, or its key taken away.
    pub(crate) fn load(&self) -> Result<Option<Root>, PkiError> {
        let (file, key_file) = (self.dir.join(CERTIFICATE), self.dir.join(KEY));
        let Some(pem) = read(&file)? else { return Ok(None) };
        let damaged = |reason: String| PkiError::Damaged { file: file.clone(), reason };
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| damaged(error.to_string()))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|error| damaged(error.to_string()))?;
        let (subject, validity) = (parsed.subject().to_string(), parsed.validity().clone());
        let public = parsed.public_key().subject_public_key.data.to_vec();
        if !parsed.is_ca() {
            return Err(damaged("it may not sign others".to_owned()));
        }
        let issuer = match read(&key_file)? {
            None => None,
            Some(text) => {
                let mode = disk::exposure(&key_file);
                if let Some(mode) = mode.map_err(|error| PkiError::File { file: key_file.clone(), error })? {
                    return Err(PkiError::Exposed { file: key_file, mode });
                }
                let key = KeyPair::from_pem(&text)
                    .map_err(|error| PkiError::Damaged { file: key_file.clone(), reason: error.to_string() })?;
                if public != key.public_key_raw() {
                    return Err(damaged(format!("it is not the certificate of {KEY}")));
                }
                Some(Issuer::from_ca_cert_der(&certificate, key).map_err(|error| damaged(error.to_string()))?)
            }
        };
        Ok(Some(Root {
            issuer,
            pem,
            subject,
            begins: validity.not_before.to_datetime(),
            ends: validity.not_after.to_datetime(),
            certificate,
        }))
    }

    /// Makes one, where there is none: clients would have to trust another anew.
    pub(crate) fn create(&self) -> Result<Root, PkiError> {
        let (file, key_file) = (self.dir.join(CERTIFICATE), self.dir.join(KEY));
        for file in [&file, &key_file] {
            if file.exists() {
                let reason =
                    "it is there already: another root would have to be trusted by every client anew".to_owned();
                return Err(PkiError::Damaged { file: file.clone(), reason });
            }
        }
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mark: String = Sha256::digest(key.public_key_raw())[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Weir");
        params.distinguished_name.push(DnType::CommonName, format!("Weir interception root {mark}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        lasting(&mut params, LONG);
        let pem = params.self_signed(&key)?.pem();
        write(&key_file, &key.serialize_pem(), 0o600)?;
        write(&file, &pem, 0o644)?;
        let made = self.load()?;
        made.ok_or_else(|| PkiError::File { file, error: io::ErrorKind::NotFound.into() })
    }

    /// Where the key is to lie.
    pub(crate) fn key_file(&self) -> PathBuf {
        self.dir.join(KEY)
    }

    /// Signs an agent's request: the intermediate, then the root. `name` is for people who look at a chain.
    pub(crate) fn sign(&self, root: &Root, name: &str, request: &[u8]) -> Result<Vec<Vec<u8>>, PkiError> {
        let missing = || PkiError::File { file: self.key_file(), error: io::ErrorKind::NotFound.into() };
        let issuer = root.issuer.as_ref().ok_or_else(missing)?;
        let request = CertificateSigningRequestDer::from(request);
        let request = CertificateSigningRequestParams::from_der(&request)
            .map_err(|error| PkiError::Request(error.to_string()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Weir");
        params.distinguished_name.push(DnType::CommonName, format!("Weir agent {name}"));
        // it signs leaves for servers and nothing else; which names, no constraint could say: an agent intercepts any
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        lasting(&mut params, Duration::try_from(self.lifetime).unwrap_or(LONG).min(LONG));
        params.not_after = params.not_after.min(root.ends);
        let intermediate = params.signed_by(&request.public_key, issuer)?;
        Ok(vec![intermediate.der().to_vec(), root.certificate.to_vec()])
    }
}

impl Root {
    /// Its key is here.
    pub(crate) fn is_online(&self) -> bool {
        self.issuer.is_some()
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        digest.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
    }
}

fn read(file: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PkiError::File { file: file.to_owned(), error }),
    }
}
