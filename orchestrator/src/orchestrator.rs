//! What gRPC and REST both stand on.

use std::{path::PathBuf, sync::Arc};

use parking_lot::RwLock;
use tokio::sync::Semaphore;

use crate::{
    Limits, access::Passwords, fleet::Fleet, in_transit::InTransit, pki::Pki, store::Store, telemetry::Telemetry,
    tokens::TokenHash,
};

/// One server's parts.
pub(crate) struct Orchestrator {
    pub(crate) store: Store,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) pki: Pki,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) limits: Limits,
    /// Another orchestrator on the same database may make a new one.
    pub(crate) admin: RwLock<TokenHash>,
    pub(crate) passwords: Passwords,
    pub(crate) in_transit: InTransit,
    /// Turns of pushes, whose bodies are large.
    pub(crate) pushing: Semaphore,
    /// Turns of exports: each holds an exchange in two forms.
    pub(crate) exporting: Arc<Semaphore>,
    /// The turn of imports.
    pub(crate) importing: Arc<Semaphore>,
    /// Where an import lies while it is looked at.
    pub(crate) scratch: PathBuf,
}
