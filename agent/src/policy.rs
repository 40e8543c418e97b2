//! Which targets may be dialled. Enters: an address a name resolved to; leaves: yes, or why not. Must not know HTTP.

use std::net::SocketAddr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("{0} is this agent itself, so the request would come back for ever")]
    Own(SocketAddr),
    #[error("{0} is a link-local address")]
    LinkLocal(SocketAddr),
    #[error("{0} is a metadata service of a cloud")]
    Metadata(SocketAddr),
    #[error("{0} is no address of a host")]
    NoHost(SocketAddr),
}

pub struct TargetPolicy {}
