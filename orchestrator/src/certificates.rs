//! What REST shows over TLS: a certificate of the own CA, made anew before it ends, or the operator's files, read again when
//! they change. A change that cannot be used is logged, and what was there before goes on.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use crate::{
    RestTls,
    orchestrator::Orchestrator,
    pki::{Pki, PkiError},
};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(2);
/// How long one of the own CA lasts (browsers take no more than 398 days), and when the next is made.
const LIFETIME: time::Duration = time::Duration::days(90);
const RENEWAL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The operator's files are at fault.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// One cannot be read.
    #[error("{}: {error}", file.display())]
    File {
        /// As configured.
        file: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Others can read the key.
    #[error(
        "{} can be read by others (mode {mode:o}): whoever has it can pass for this orchestrator; chmod 600, or 640 if it is root's",
        file.display()
    )]
    Exposed {
        /// As configured.
        file: PathBuf,
        /// As found.
        mode: u32,
    },
    /// It is no PEM, or holds something else.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// As configured.
        file: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// They do not belong together, or cannot be used.
    #[error("{} and {}: {error}", certificate.display(), key.display())]
    Pair {
        /// As configured.
        certificate: PathBuf,
        /// As configured.
        key: PathBuf,
        /// Why not.
        error: rustls::Error,
    },
    /// The own CA cannot make one.
    #[error(transparent)]
    Own(#[from] PkiError),
    /// TLS itself.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// What is shown now, and where it comes from.
#[derive(Debug)]
pub(crate) struct Certificates {
    source: Source,
    current: RwLock<Arc<CertifiedKey>>,
    provider: Arc<CryptoProvider>,
}

#[derive(Debug)]
enum Source {
    Own { names: Vec<String> },
    Files { certificate: PathBuf, key: PathBuf },
}

/// None where REST is plain.
pub(crate) fn of(tls: &RestTls, pki: &Pki, names: &[String]) -> Result<Option<Arc<Certificates>>, CertificateError> {
    let source = match tls {
        RestTls::Off => return Ok(None),
        RestTls::Own => Source::Own { names: names.to_vec() },
        RestTls::Files { certificate, key } => Source::Files { certificate: certificate.clone(), key: key.clone() },
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let current = RwLock::new(Arc::new(source.load(pki, &provider)?));
    Ok(Some(Arc::new(Certificates { source, current, provider })))
}

impl Certificates {
    /// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
    pub(crate) fn server(self: &Arc<Self>) -> Result<ServerConfig, CertificateError> {
        let builder =
            ServerConfig::builder_with_provider(Arc::clone(&self.provider)).with_safe_default_protocol_versions()?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<_>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Keeps it current until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, orchestrator: Arc<Orchestrator>, stop: CancellationToken) {
        let every = match self.source {
            Source::Own { .. } => RENEWAL,
            Source::Files { .. } => LOOK,
        };
        let mut seen = self.source.fingerprint();
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = stop.cancelled() => return,
            }
            let now = self.source.fingerprint();
            if matches!(self.source, Source::Files { .. }) && now == seen {
                continue;
            }
            match self.source.load(&orchestrator.pki, &self.provider) {
                Ok(loaded) => {
                    *self.current.write() = Arc::new(loaded);
                    tracing::info!("REST shows a new certificate");
                }
                Err(error) => {
                    tracing::error!(%error, "the new certificate of REST cannot be used, the one before goes on")
                }
            }
            seen = now;
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read()))
    }
}

impl Source {
    fn load(&self, pki: &Pki, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
        match self {
            Self::Own { names } => {
                let identity = pki.server(names, LIFETIME)?;
                let read = |error: rustls_pki_types::pem::Error| rustls::Error::General(error.to_string());
                let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).collect::<Result<_, _>>();
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(read)?;
                Ok(CertifiedKey::from_der(chain.map_err(read)?, key, provider)?)
            }
            Self::Files { certificate, key } => {
                let chain = read(certificate)?;
                let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
                let chain = chain.map_err(|error| unreadable(certificate, &error))?;
                if chain.is_empty() {
                    let reason = "there is no certificate (BEGIN CERTIFICATE) in it".to_owned();
                    return Err(CertificateError::Unreadable { file: certificate.clone(), reason });
                }
                private(key)?;
                let private_key =
                    PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| unreadable(key, &error))?;
                CertifiedKey::from_der(chain, private_key, provider).map_err(|error| {
                    let (certificate, key) = (certificate.clone(), key.clone());
                    CertificateError::Pair { certificate, key, error }
                })
            }
        }
    }

    /// Of what lies in the files; none where there are none, or they cannot be read.
    fn fingerprint(&self) -> Option<[u8; 32]> {
        let Self::Files { certificate, key } = self else { return None };
        let mut digest = Sha256::new();
        for file in [certificate, key] {
            let (text, mode) = (fs::read(file).ok()?, fs::metadata(file).ok()?.mode());
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
            digest.update(mode.to_be_bytes());
        }
        Some(digest.finalize().into())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(file).map_err(|error| CertificateError::File { file: file.to_owned(), error })
}

fn unreadable(file: &Path, error: &rustls_pki_types::pem::Error) -> CertificateError {
    CertificateError::Unreadable { file: file.to_owned(), reason: error.to_string() }
}

/// Its owner's alone; a group may read what is root's, as Debian keeps keys for services.
fn private(key: &Path) -> Result<(), CertificateError> {
    let about = fs::metadata(key).map_err(|error| CertificateError::File { file: key.to_owned(), error })?;
    let mode = about.mode() & 0o777;
    let open = if about.uid() == 0 { 0o037 } else { 0o077 };
    if mode & open == 0 { Ok(()) } else { Err(CertificateError::Exposed { file: key.to_owned(), mode }) }
}
