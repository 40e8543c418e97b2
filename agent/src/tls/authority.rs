//! The certificate authority of this agent: its own, or an intermediate of the fleet's root. Enters: the data directory;
//! leaves: the authority that was there, or a new one, and TLS settings for any name, signed by it. Must not know
//! connections.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::fleet::{self, FleetFolder, Intermediate};
use super::leaf::{Leaves, serial};
use crate::{disk, target::TargetHost};

const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";

/// Each names the file to look at: the operator is to blame, or the disk.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, io::Error),
    #[error("{0} is there but {1} is not: put it back, or remove both and clients must trust a new authority")]
    Half(PathBuf, PathBuf),
    #[error("{0} can be read by others (mode {1:o}): whoever has it can read the traffic of every client; chmod 600")]
    Exposed(PathBuf, u32),
    #[error("{0} holds no private key: {1}")]
    Key(PathBuf, rcgen::Error),
    #[error("{0} holds no certificate of an authority: {1}")]
    Certificate(PathBuf, String),
    #[error("the chain cannot be used: {0}")]
    Chain(String),
    #[error(
        "the fleet's root is another than the one that clients were given: to take it, remove {0} and give clients the new one"
    )]
    OtherRoot(PathBuf),
    #[error("there is no intermediate of the fleet's root yet")]
    NoIntermediate,
    #[error("the intermediate of the fleet's root ended at {0}")]
    Ended(OffsetDateTime),
    #[error("{0} is not the key of {1}")]
    Mismatch(PathBuf, PathBuf),
    #[error("a certificate authority cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// Shared by all workers.
pub struct Authority {
    /// What clients trust: once there is one, it is never another.
    root: OnceLock<(CertificateDer<'static>, String)>,
    signing: ArcSwapOption<Signing>,
}

/// What leaves are signed with now.
struct Signing {
    leaves: Leaves,
    /// Of an intermediate; an authority of the agent's own lasts.
    validity: Option<(OffsetDateTime, OffsetDateTime)>,
}

impl Authority {
    pub fn load_or_create(data_dir: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (data_dir.join(CERTIFICATE), data_dir.join(KEY));
        match (certificate.exists(), key.exists()) {
            (true, false) => return Err(AuthorityError::Half(certificate, key)),
            // a crash between the two; or the certificate was lost, which anybody may have
            (false, _) => create(data_dir, &certificate, &key)?,
            (true, true) => {}
        }
        load(&certificate, &key)
    }

    /// With the intermediate of the fleet's root that an earlier run kept, if there is one.
    pub fn of_fleet(data_dir: &Path) -> Result<Self, AuthorityError> {
        let own = Self { root: OnceLock::new(), signing: ArcSwapOption::empty() };
        own.reload(&FleetFolder::of(data_dir))?;
        Ok(own)
    }

    /// Signs with what lies in the folder from now on; whether that is another than before, and lasts.
    pub fn reload(&self, folder: &FleetFolder) -> Result<bool, AuthorityError> {
        let Some(kept) = folder.load()? else { return Ok(false) };
        let is_new = self.validity().is_none_or(|(_, ends)| kept.ends > ends);
        if is_new {
            self.set(kept, folder)?;
        }
        Ok(is_new && self.is_ready())
    }

    /// Signs with this intermediate from now on, and keeps it.
    pub fn adopt(&self, folder: &FleetFolder, chain: &str, key_pem: &str) -> Result<(), AuthorityError> {
        let new = Intermediate::read(chain, key_pem).map_err(AuthorityError::Chain)?;
        if new.ends <= OffsetDateTime::now_utc() {
            return Err(AuthorityError::Ended(new.ends));
        }
        folder.keep(&new)?;
        self.set(new, folder)
    }

    fn set(&self, new: Intermediate, folder: &FleetFolder) -> Result<(), AuthorityError> {
        let Intermediate { issuer, certificate, root, begins, ends, .. } = new;
        let (known, _) = self.root.get_or_init(|| {
            let pem = fleet::certificate_pem(&root);
            (root.clone(), pem)
        });
        if *known != root {
            return Err(AuthorityError::OtherRoot(folder.root()));
        }
        let leaves = Leaves::new(issuer, Some((certificate, ends)))?;
        self.signing.store(Some(Arc::new(Signing { leaves, validity: Some((begins, ends)) })));
        Ok(())
    }

    /// Of the intermediate; none for an authority of the agent's own, and before there is an intermediate.
    pub fn validity(&self) -> Option<(OffsetDateTime, OffsetDateTime)> {
        self.signing.load().as_ref().and_then(|signing| signing.validity)
    }

    /// Can it sign now?
    pub fn is_ready(&self) -> bool {
        let signing = self.signing.load();
        signing
            .as_ref()
            .is_some_and(|signing| signing.validity.is_none_or(|(_, ends)| ends > OffsetDateTime::now_utc()))
    }

    /// Where the certificate is that clients have to trust.
    pub fn certificate_path(data_dir: &Path) -> PathBuf {
        data_dir.join(CERTIFICATE)
    }

    /// For clients to trust; empty before there is one.
    pub fn pem(&self) -> &str {
        self.root.get().map_or("", |(_, pem)| pem)
    }

    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.root.get().map(|(certificate, _)| certificate)
    }

    /// TLS towards a client that asked for `host`, with `alpn` as the only protocol, or none.
    pub fn server_config(&self, host: &TargetHost, alpn: Option<&[u8]>) -> Result<Arc<ServerConfig>, AuthorityError> {
        let signing = self.signing.load();
        let signing = signing.as_ref().ok_or(AuthorityError::NoIntermediate)?;
        if let Some((_, ends)) = signing.validity
            && ends <= OffsetDateTime::now_utc()
        {
            return Err(AuthorityError::Ended(ends));
        }
        signing.leaves.server_config(host, alpn)
    }

    #[cfg(test)]
    pub(super) fn with_leaves<T>(&self, ask: impl FnOnce(&Leaves) -> T) -> T {
        ask(&self.signing.load().as_ref().unwrap().leaves)
    }
}

fn load(certificate_path: &Path, key_path: &Path) -> Result<Authority, AuthorityError> {
    let key = read_key(key_path)?;
    let pem = fs::read_to_string(certificate_path)
        .map_err(|error| AuthorityError::Read(certificate_path.to_owned(), error))?;
    let wrong = |why: String| AuthorityError::Certificate(certificate_path.to_owned(), why);
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| wrong(error.to_string()))?;
    if !parsed.is_ca() {
        return Err(wrong("it may not sign others".to_owned()));
    }
    if !parsed.validity().is_valid() {
        return Err(wrong(format!(
            "it is valid from {} to {}",
            parsed.validity().not_before,
            parsed.validity().not_after
        )));
    }
    if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err(AuthorityError::Mismatch(key_path.to_owned(), certificate_path.to_owned()));
    }
    let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| wrong(error.to_string()))?;
    let leaves = Leaves::new(issuer, None)?;
    Ok(Authority {
        root: OnceLock::from((certificate, pem)),
        signing: ArcSwapOption::from_pointee(Signing { leaves, validity: None }),
    })
}

/// The key first: from it the certificate can be made again, with the same name.
fn create(data_dir: &Path, certificate_path: &Path, key_path: &Path) -> Result<(), AuthorityError> {
    disk::private_folder(data_dir).map_err(|error| AuthorityError::Write(data_dir.to_owned(), error))?;
    let key = if key_path.exists() {
        tracing::warn!("{} was lost and is made again from {}", certificate_path.display(), key_path.display());
        read_key(key_path)?
    } else {
        let key = KeyPair::generate()?;
        disk::write_atomic(key_path, key.serialize_pem().as_bytes())
            .map_err(|error| AuthorityError::Write(key_path.to_owned(), error))?;
        key
    };
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Weir");
    // Two agents' authorities can be told apart in a trust store.
    let mark = weir_artifact::Digest::of(key.public_key_raw()).hex();
    name.push(DnType::CommonName, format!("Weir CA {}", &mark[..8]));
    let now = OffsetDateTime::now_utc();
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.serial_number = Some(serial());
    // A client's clock may be behind.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(3650);
    let certificate = params.self_signed(&key)?;
    disk::write_atomic_for_all(certificate_path, certificate.pem().as_bytes())
        .map_err(|error| AuthorityError::Write(certificate_path.to_owned(), error))
}

fn read_key(path: &Path) -> Result<KeyPair, AuthorityError> {
    let read = |error| AuthorityError::Read(path.to_owned(), error);
    if let Some(mode) = disk::exposure(path).map_err(read)? {
        return Err(AuthorityError::Exposed(path.to_owned(), mode));
    }
    let text = fs::read_to_string(path).map_err(read)?;
    KeyPair::from_pem(&text).map_err(|error| AuthorityError::Key(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn made() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        Authority::load_or_create(dir.path()).unwrap();
        dir
    }

    fn check(dir: &Path, expect: &str) {
        let error = Authority::load_or_create(dir).err().expect("it should not load").to_string();
        assert!(error.contains(expect), "{error:?} should say {expect:?}");
    }

    #[test]
    fn it_is_made_once_and_its_key_is_private() {
        let dir = made();
        let first = fs::read(dir.path().join(CERTIFICATE)).unwrap();
        let again = Authority::load_or_create(dir.path()).unwrap();
        assert_eq!(again.pem().as_bytes(), first);
        assert_eq!(fs::metadata(dir.path().join(KEY)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_a_crash_left_is_made_whole() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let first = Authority::load_or_create(&data).unwrap();
        assert_eq!(fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
        let mode = fs::metadata(data.join(CERTIFICATE)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o444, 0o444, "clients are to read it: {mode:o}");
        fs::remove_file(data.join(CERTIFICATE)).unwrap();
        fs::write(data.join("ca.pem.new"), "half of").unwrap();
        let again = Authority::load_or_create(&data).unwrap();
        // Who trusts the first trusts the second: the same name and key.
        let name_and_key = |authority: &Authority| {
            let (_, parsed) = X509Certificate::from_der(authority.certificate().unwrap()).unwrap();
            (parsed.subject().to_string(), parsed.public_key().raw.to_vec())
        };
        assert_eq!(name_and_key(&first), name_and_key(&again));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let dir = made();
        fs::set_permissions(dir.path().join(KEY), fs::Permissions::from_mode(0o644)).unwrap();
        check(dir.path(), "chmod 600");

        let dir = made();
        fs::remove_file(dir.path().join(KEY)).unwrap();
        check(dir.path(), "is not: put it back");

        let (dir, other) = (made(), made());
        fs::copy(other.path().join(KEY), dir.path().join(KEY)).unwrap();
        check(dir.path(), "is not the key of");

        let dir = made();
        fs::write(dir.path().join(CERTIFICATE), "nonsense").unwrap();
        check(dir.path(), "holds no certificate");

        let dir = made();
        fs::write(dir.path().join(KEY), "nonsense").unwrap();
        check(dir.path(), "holds no private key");
    }
}
