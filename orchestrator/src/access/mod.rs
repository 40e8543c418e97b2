//! Who may do what. A request's credential makes it somebody's (`Principal`), whose role decides; every change, and every
//! export or difference with what is otherwise hidden, is told to the audit trail with the name.

mod oidc;
mod password;
mod rates;
mod role;

use std::net::IpAddr;

pub use oidc::OidcConfig;
pub(crate) use oidc::{Oidc, OidcError};
pub(crate) use password::{PasswordError, Passwords};
pub use rates::RateLimits;
pub(crate) use rates::{Budget, Rates};
pub(crate) use role::Permission;
pub use role::Role;

use crate::store::Audited;

/// Whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// For the audit trail: `token:NAME`, `user:NAME`, `oidc:NAME/SUBJECT`, or `admin` for the token of the first start.
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Principal {
    /// Whoever can read the server's data directory.
    pub(crate) fn first() -> Self {
        Self { name: "admin".to_owned(), role: Role::Admin }
    }

    /// An entry of the audit trail.
    pub(crate) fn did(&self, action: &str, object: &str, status: u16, source: IpAddr, now_us: u64) -> Audited {
        Audited {
            number: 0,
            at_us: now_us,
            actor: self.name.clone(),
            role: self.role,
            action: action.to_owned(),
            object: object.to_owned(),
            status,
            source: source.to_canonical().to_string(),
        }
    }
}
