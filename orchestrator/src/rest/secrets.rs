//! Whether an answer shows what signs people in. Decided here and nowhere else: a role that may operate may ask for it, and
//! that it did is in the audit trail.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::request::Parts,
};
use weir_proto::v1::Exchange;

use super::problem::Problem;
use crate::{
    access::{Permission, Principal},
    clock::now_us,
    orchestrator::Orchestrator,
};

/// How an answer treats Authorization, Proxy-Authorization, Cookie and Set-Cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrets {
    Hidden,
    Shown,
}

/// Whose request it is, and of what.
pub(super) struct Asker {
    principal: Principal,
    source: IpAddr,
    object: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        match (parts.extensions.get::<Principal>(), client) {
            (Some(principal), Some(ConnectInfo(client))) => Ok(Self {
                principal: principal.clone(),
                source: client.ip(),
                object: parts.uri.path_and_query().map_or("", |path| path.as_str()).to_owned(),
            }),
            _ => Err(Problem::unauthorized()),
        }
    }
}

impl Asker {
    /// Of one exchange, looked at by itself: as the role has it, unasked.
    pub(super) fn secrets(&self) -> Secrets {
        if self.principal.role.may(Permission::Operate) { Secrets::Shown } else { Secrets::Hidden }
    }
}

impl Secrets {
    /// As the request has it and its role allows. Nothing is shown that the trail does not tell of.
    pub(super) async fn asked(
        orchestrator: &Orchestrator,
        asker: &Asker,
        reveal: Option<bool>,
    ) -> Result<Self, Problem> {
        if reveal != Some(true) {
            return Ok(Self::Hidden);
        }
        let Asker { principal, source, object } = asker;
        let allowed = principal.role.may(Permission::Operate);
        let entry = principal.did("reveal", object, if allowed { 200 } else { 403 }, *source, now_us());
        orchestrator.store.audit(entry).await?;
        if allowed { Ok(Self::Shown) } else { Err(Problem::forbidden(principal.role, Permission::Operate)) }
    }

    /// A value of a field as it is shown.
    pub(super) fn shown(self, name: &str, value: String) -> String {
        match self {
            Self::Hidden => weir_har::hidden(name, &value).unwrap_or(value),
            Self::Shown => value,
        }
    }

    pub(super) fn guard(self, exchange: &mut Exchange) {
        if self == Self::Hidden {
            weir_har::hide(exchange);
        }
    }
}
