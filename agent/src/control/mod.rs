//! The agent's side of the orchestrator: joining it, and running the filters it hands out, after checking for itself
//! that a publisher it trusts signed them. Traffic goes on whatever happens here.

mod apply;
mod commands;
mod components;
mod configure;
mod figures;
mod identity;
mod intermediate;
mod join;
mod last_good;
mod link;
mod outcomes;
mod parting;
mod renew;
mod stages;
mod stream;

pub use apply::{Applier, ApplierError};
pub use components::{Components, FetchError};
pub use identity::Identity;
pub use intermediate::Intermediates;
pub use join::JoinError;
pub use last_good::{Endorsed, Kept, LastGood, LastGoodError};
pub use link::{BackOff, Link};
pub(crate) use link::{certificate_pem, explain};
pub(crate) use parting::{Parting, asked_to_wait};
pub use renew::Renewal;
pub use stream::{Control, Introduction, Settings};
