//! Why a server does not start, or ended.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{certificates::CertificateError, pki::PkiError, store::StoreError};

/// Why the server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The data directory cannot be used.
    #[error("data directory {}: {error}", dir.display())]
    DataDir {
        /// As configured.
        dir: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Another orchestrator has it.
    #[error("data directory {}: another orchestrator is using it; --data-dir names another folder", .0.display())]
    InUse(PathBuf),
    /// The certificate authority cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The certificate that REST is to show cannot be shown.
    #[error("TLS on REST: {0}")]
    Certificate(#[from] CertificateError),
    /// The issuer cannot be asked, whether or not it is there.
    #[error("oidc_ca: {0}")]
    Issuer(String),
    /// Agents that joined the others would not know this one.
    #[error(
        "data directory {}: other orchestrators on this database have another certificate authority: copy ca.key and ca.pem from the data directory of one of them",
        .0.display()
    )]
    OtherAuthority(PathBuf),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address cannot be listened on.
    #[error("{listener} cannot listen on {address}: {error}; --{} gives another address", listener.to_lowercase())]
    Bind {
        /// REST or gRPC.
        listener: &'static str,
        /// As configured.
        address: SocketAddr,
        /// Why not.
        error: io::Error,
    },
    /// A part of the server ended while nobody had asked it to.
    #[error("a part of the server ended before its time; the log says which")]
    Ended,
    /// Signals cannot be waited for.
    #[error("signals: {0}")]
    Signals(io::Error),
}
