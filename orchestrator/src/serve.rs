//! Starts and stops the server.

use std::net::SocketAddr;

use crate::ServeConfig;

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Where REST listens.
    pub rest: SocketAddr,
    /// Where gRPC listens.
    pub grpc: SocketAddr,
}

/// Serves until SIGTERM or SIGINT. Prints one line on stdout when ready.
///
/// # Errors
/// What keeps the server from starting.
pub async fn serve(config: ServeConfig) -> Result<(), ServeError> {
    let _ = config;
    Ok(())
}
