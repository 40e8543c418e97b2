//! Messages and services between agents and the orchestrator, generated from `weir.proto`.
//! Knows nothing of either side.

mod codec;
pub mod version;

pub use codec::on_unknown;

/// Version 1 of the protocol.
pub mod v1 {
    #![allow(clippy::all, clippy::allow_attributes_without_reason, unreachable_pub, reason = "generated code")]
    tonic::include_proto!("weir.v1");
}

impl v1::Body {
    /// Is some of it missing, where so many of its bytes were kept? Rules of redaction change how many there are.
    pub fn is_cut(&self, captured: u64) -> bool {
        if self.redacted { self.cut } else { captured < self.size }
    }
}

/// The server name in every orchestrator's certificate, whatever host it runs on; agents check the chain against the
/// CA pinned in their join token and ask for this name.
pub const ORCHESTRATOR_NAME: &str = "weir-orchestrator";

/// Filters that an agent answers for at a time, and so statements about filters in one desired state.
pub const MAX_OUTCOMES: usize = 1000;

/// What ends a pause at a breakpoint: what `Intervention.decision` may say.
pub const PAUSE_ENDS: [&str; 10] = [
    "continue",
    "modify",
    "respond",
    "redirect",
    "kill",
    "block",
    "timed-out",
    "lease-ended",
    "shut-down",
    "client-gone",
];

/// Bound on one gRPC message in either direction, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
