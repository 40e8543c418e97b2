//! Whether an answer shows what signs people in. Decided here and nowhere else: a role that may operate sees it in an exchange
//! that it looks at by itself, and in files and differences where it asks for it, and the audit trail tells of each time. The
//! others do not, nor may they search for it: each answer would tell something of it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, OriginalUri},
    http::{StatusCode, request::Parts},
};
use weir_proto::v1::Exchange;
use weir_query::Query;

use super::problem::Problem;
use crate::{
    access::{Area, Permission, Principal},
    clock::now_us,
    orchestrator::Orchestrator,
    seats::Seat,
    store::Outline,
};

/// How an answer treats Authorization, Proxy-Authorization, Cookie and Set-Cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    Hidden,
    Shown,
}

/// Whose request it is, and of what.
#[derive(Clone)]
pub(crate) struct Asker {
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
                object: super::gate::object(parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0)),
            }),
            _ => Err(Problem::unauthorized()),
        }
    }
}

impl Asker {
    pub(crate) fn new(principal: Principal, source: IpAddr) -> Self {
        Self { principal, source, object: String::new() }
    }

    /// The same, asking about this.
    pub(crate) fn about(&self, object: String) -> Self {
        Self { object, ..self.clone() }
    }

    /// Whether the role may, and the credential is for this area.
    pub(crate) fn may(&self, permission: Permission, area: Area) -> Result<(), Problem> {
        Ok(self.principal.may(permission, area)?)
    }

    /// Who asks.
    pub(crate) fn name(&self) -> &str {
        &self.principal.name
    }

    /// A query that this one may have answered.
    pub(crate) fn query(&self, text: &str) -> Result<Query, Problem> {
        let query = Query::parse(text).map_err(|error| Problem::bad_query(&error))?;
        let is_hidden = |name: &str| weir_har::hidden(name, "").is_some();
        if !self.principal.role.may(Permission::Operate) && query.asks_for_header(&is_hidden) {
            return Err(Problem::forbidden_query(self.principal.role, Permission::Operate));
        }
        Ok(query)
    }

    /// A place among those who search, until it is dropped; who lists all needs none.
    pub(crate) fn searches(&self, orchestrator: &Orchestrator, query: &Query) -> Result<Option<Seat>, Problem> {
        if query.expr().is_none() {
            return Ok(None);
        }
        let seat = orchestrator.searching.take(&self.principal.name);
        seat.map(Some).ok_or_else(|| Problem::busy("other searches go on: try again when one has ended"))
    }

    /// Puts in the audit trail what else than a change is to be found there.
    pub(super) async fn leaves_entry(
        &self,
        orchestrator: &Orchestrator,
        action: &str,
        status: StatusCode,
    ) -> Result<(), Problem> {
        let entry = self.principal.did(action, &self.object, status.as_u16(), self.source, now_us());
        Ok(orchestrator.store.audit(entry).await?)
    }

    /// Has the trail say what was done.
    pub(super) async fn did(&self, orchestrator: &Orchestrator, action: &str, object: &str) -> Result<(), Problem> {
        let object = &object[..object.floor_char_boundary(super::gate::LONGEST_OBJECT)];
        let entry = self.principal.did(action, object, 200, self.source, now_us());
        Ok(orchestrator.store.audit(entry).await?)
    }

    /// What the role has of an exchange, where nothing of it is told.
    pub(super) fn sees(&self, mut outline: Outline) -> Outline {
        if !self.principal.role.may(Permission::Operate) {
            weir_har::hide(&mut outline.exchange);
        }
        outline
    }

    /// One exchange, looked at by itself: as the role has it, unasked. Where there is something to see, the trail tells of it.
    pub(crate) async fn looks_at(&self, orchestrator: &Orchestrator, exchange: Exchange) -> Result<Exchange, Problem> {
        let mut hidden = exchange.clone();
        weir_har::hide(&mut hidden);
        if hidden == exchange || !self.principal.role.may(Permission::Operate) {
            return Ok(hidden);
        }
        self.revealed(orchestrator).await?;
        Ok(exchange)
    }

    /// Tells the trail that something is shown that is hidden elsewhere, before it is.
    pub(super) async fn revealed(&self, orchestrator: &Orchestrator) -> Result<(), Problem> {
        self.leaves_entry(orchestrator, "reveal", StatusCode::OK).await
    }
}

impl Secrets {
    /// As the request has it and its role allows. Nothing is shown that the trail does not tell of.
    pub(crate) async fn asked(
        orchestrator: &Orchestrator,
        asker: &Asker,
        reveal: Option<bool>,
    ) -> Result<Self, Problem> {
        if reveal != Some(true) {
            return Ok(Self::Hidden);
        }
        let role = asker.principal.role;
        let allowed = role.may(Permission::Operate);
        let status = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
        asker.leaves_entry(orchestrator, "reveal", status).await?;
        if allowed { Ok(Self::Shown) } else { Err(Problem::forbidden(role, Permission::Operate)) }
    }

    /// A value of a field as it is shown.
    pub(crate) fn shown(self, name: &str, value: String) -> String {
        match self {
            Self::Hidden => weir_har::hidden(name, &value).unwrap_or(value),
            Self::Shown => value,
        }
    }

    pub(crate) fn guard(self, exchange: &mut Exchange) {
        if self == Self::Hidden {
            weir_har::hide(exchange);
        }
    }
}
