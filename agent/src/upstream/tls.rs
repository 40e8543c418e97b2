//! TLS towards upstreams. Enters: a connected socket, the name to verify and the protocols to offer; leaves: a TLS stream,
//! or in plain words what is wrong with the upstream's certificate. Must not know HTTP.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, IpAddr, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::UpstreamFailure;
use crate::target::{Target, TargetHost};

/// Shared by all workers: the trusted roots, and the sessions to resume.
#[derive(Clone)]
pub struct UpstreamTls {
    connector: TlsConnector,
}

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("cannot read the upstream CA file {0}: {1}")]
    Read(String, rustls_pki_types::pem::Error),
    #[error("the upstream CA file {0} holds no certificate")]
    Empty(String),
    #[error("the upstream CA file {0} holds something that is no certificate: {1}")]
    Certificate(String, rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Provider(#[from] rustls::Error),
}

impl UpstreamTls {
    /// Trusts what the system trusts (Mozilla's list where the system has none), and `extra`.
    pub fn new(extra: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if let Some(path) = extra {
            let name = || path.display().to_string();
            let certificates = CertificateDer::pem_file_iter(path)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                .map_err(|error| TrustError::Read(name(), error))?;
            if certificates.is_empty() {
                return Err(TrustError::Empty(name()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| TrustError::Certificate(name(), error))?;
            }
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(1024)));
        Ok(UpstreamTls { connector: TlsConnector::from(Arc::new(config)) })
    }

    pub async fn connect(
        &self,
        stream: TcpStream,
        target: &Target,
        alpn: Vec<Vec<u8>>,
        limit: Duration,
    ) -> Result<TlsStream<TcpStream>, UpstreamFailure> {
        let name = server_name(target)?;
        let connect = self.connector.with_alpn(alpn).connect(name, stream);
        match tokio::time::timeout(limit, connect).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(UpstreamFailure::Tls(in_words(&error, target))),
            Err(_) => Err(UpstreamFailure::Timeout("for its TLS handshake")),
        }
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, UpstreamFailure> {
    let domain = match (&target.server_name, &target.host) {
        (Some(name), _) | (None, TargetHost::Domain(name)) => name,
        (None, TargetHost::V4(address)) => return Ok(ServerName::IpAddress(IpAddr::V4((*address).into()))),
        (None, TargetHost::V6(address)) => return Ok(ServerName::IpAddress(IpAddr::V6((*address).into()))),
    };
    ServerName::try_from(domain.to_string())
        .map_err(|_| UpstreamFailure::Tls(format!("{domain:?} is not a name that a certificate can be for")))
}

fn in_words(error: &std::io::Error, target: &Target) -> String {
    let host = target.server_name.as_deref().map_or_else(|| target.host.to_string(), str::to_owned);
    let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) else {
        return match error.kind() {
            std::io::ErrorKind::UnexpectedEof => "it closed the connection during the handshake".to_owned(),
            _ => error.to_string(),
        };
    };
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate for {host} has expired")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate for {host} is not valid yet")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the certificate is for another name than {host}")
            }
            CertificateError::UnknownIssuer => {
                format!("the certificate for {host} comes from an issuer that this agent does not trust")
            }
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                format!("the certificate for {host} is an authority's own, which no server may show")
            }
            CertificateError::Revoked => format!("the certificate for {host} was revoked"),
            other => format!("the certificate for {host} is not valid: {other}"),
        },
        rustls::Error::AlertReceived(alert) => format!("it refused the handshake: {alert:?}"),
        rustls::Error::PeerIncompatible(why) => format!("no common version or cipher: {why:?}"),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS on this port".to_owned(),
        other => other.to_string(),
    }
}
