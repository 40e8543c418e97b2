//! Who may do what. A request's credential makes it somebody's (`Principal`), whose role and areas decide; every change, and every
//! export or difference with what is otherwise hidden, is told to the audit trail with the name.

mod area;
mod network;
mod oidc;
mod password;
mod proxies;
mod rates;
mod role;

use std::net::IpAddr;

pub use area::Area;
pub(crate) use area::Areas;
pub(crate) use network::holder;
pub use network::{Network, NetworkError};
pub use oidc::OidcConfig;
pub(crate) use oidc::{Oidc, OidcError};
pub(crate) use password::{PasswordError, Passwords};
pub use proxies::{Proxies, ProxyHeader};
pub use rates::RateLimits;
pub(crate) use rates::{Buckets, Budget, Rates};
pub(crate) use role::Permission;
pub use role::Role;

use uuid::Uuid;

use crate::store::Audited;

/// Whose request it is.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// For the audit trail: `token:NAME`, `user:NAME`, `oidc:NAME/SUBJECT`, or `admin` for the token of the first start.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) areas: Areas,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The role is not one of those that may.
    Role(Role, Permission),
    /// The credential is for other areas.
    Area(Areas, Area),
}

impl Principal {
    /// Whoever can read the server's data directory.
    pub(crate) fn first() -> Self {
        Self { name: "admin".to_owned(), role: Role::Admin, areas: Areas::UNBOUNDED }
    }

    /// Both have to allow it: the role, and the areas.
    pub(crate) fn may(&self, permission: Permission, area: Area) -> Result<(), Denied> {
        if !self.role.may(permission) {
            return Err(Denied::Role(self.role, permission));
        }
        if !self.areas.has(area) {
            return Err(Denied::Area(self.areas, area));
        }
        Ok(())
    }

    /// An entry of the audit trail.
    pub(crate) fn did(&self, action: &str, object: &str, status: u16, source: IpAddr, now_us: u64) -> Audited {
        Audited {
            number: 0,
            at_us: now_us,
            actor: self.name.clone(),
            role: Some(self.role),
            areas: self.areas,
            action: action.to_owned(),
            object: object.to_owned(),
            status,
            source: source.to_canonical().to_string(),
        }
    }
}

/// An entry about an agent that joined.
pub(crate) fn joined(agent: Uuid, object: String, source: Option<IpAddr>, now_us: u64) -> Audited {
    let source = source.map_or_else(String::new, |source| source.to_canonical().to_string());
    Audited {
        actor: format!("agent:{agent}"),
        action: "join".to_owned(),
        object,
        status: 201,
        source,
        ..Audited::nobody(now_us)
    }
}

/// An entry about the token of the first start, which whoever starts a server has it make.
pub(crate) fn made_token(object: String, now_us: u64) -> Audited {
    Audited {
        actor: "server".to_owned(),
        action: "make-admin-token".to_owned(),
        object,
        status: 201,
        ..Audited::nobody(now_us)
    }
}
