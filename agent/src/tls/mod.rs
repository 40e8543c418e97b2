//! TLS towards clients.

/// The certificate authority of this agent, and the leaves it has made.
pub struct Authority {}
