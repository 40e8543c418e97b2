//! CONNECT (RFC 9110 section 9.3.6). Enters: the request; leaves: the answer, and the tunnel that begins after it. Must
//! not know what will be spoken inside.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::ACCEPT;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use weir_artifact::Name;
use weir_host::{Connection, Entry, Failure, Passage, Redirect};

use super::next::Situation;
use super::tunnels;
use crate::connection::{self, Cx};
use crate::exchange::{self, Problem, ReplyBody};
use crate::io::Io;
use crate::record::TunnelRecord;
use crate::roster::Reached;
use crate::target::{Target, TargetError, TargetHost};
use crate::upstream::UpstreamFailure;

/// What a CONNECT came to.
pub struct Tunnel {
    target: Target,
    /// Connected already where nobody here will look inside.
    far: Option<(Io, SocketAddr)>,
    /// `host:port` that the client asked for, where a filter sends it elsewhere
    asked: Option<String>,
    /// filters want TLS ended here, or not
    intercept: Option<bool>,
    record: TunnelRecord,
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Upstream(#[from] UpstreamFailure),
    #[error("a proxy behind the target of a tunnel cannot be reached with CONNECT through this agent")]
    InsideTunnel,
    #[error("filter {filter} refuses the tunnel: {reason}")]
    ByFilter { filter: Name, reason: String },
    #[error(transparent)]
    FilterFailed(#[from] Failure),
    #[error("filter {filter} sends the tunnel where nothing can be: {error}")]
    Redirected { filter: Name, error: TargetError },
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Target(error) => error.into(),
            Refused::Upstream(failure) => (&failure).into(),
            Refused::ByFilter { .. } => Problem::denied_by_filter(refused.to_string()),
            Refused::FilterFailed(failure) => (&failure).into(),
            Refused::Redirected { error, .. } => Problem::redirected(&error),
            Refused::InsideTunnel => {
                Problem { status: StatusCode::NOT_IMPLEMENTED, ..Problem::bad_request(refused.to_string()) }
            }
        }
    }
}

/// With 200 comes the tunnel; without, the reason is in the response.
pub async fn answer(cx: &Cx, mut request: Request<Incoming>) -> (Response<ReplyBody>, Option<(OnUpgrade, Tunnel)>) {
    let card = cx.card();
    if let Some(card) = card {
        card.tunnel();
    }
    let tuning = cx.worker.tuning.now();
    let mut record = cx.worker.recorder.tunnel(card.map(|card| card.id), &cx.facts, &tuning);
    record.target(request.uri());
    match open(cx, &request, record).await {
        Ok(tunnel) => {
            let upgrade = hyper::upgrade::on(&mut request);
            (Response::new(ReplyBody::empty()), Some((upgrade, tunnel)))
        }
        Err((refused, record)) => {
            let outcome = match &refused {
                Refused::Upstream(UpstreamFailure::Denied(_)) => "refused",
                Refused::Upstream(_) => "unreachable",
                _ => "refused",
            };
            record.fails(outcome, &refused);
            let target = request.uri().host().unwrap_or_default();
            tracing::info!(client = %cx.facts.client_address, target, %refused, "CONNECT refused");
            let accept = request.headers().get(ACCEPT);
            (exchange::reply(&refused.into(), accept, None), None)
        }
    }
}

/// The target is not dialled before the client is answered, except where its TLS will not end here: a filter may answer
/// for a dead upstream, and the error page of the agent can only be read inside the client's own TLS.
async fn open(
    cx: &Cx,
    request: &Request<Incoming>,
    mut record: TunnelRecord,
) -> Result<Tunnel, (Refused, TunnelRecord)> {
    match reach(cx, request, &mut record).await {
        Ok((target, far, asked, intercept)) => Ok(Tunnel { target, far, asked, intercept, record }),
        Err(refused) => Err((refused, record)),
    }
}

type Opened = (Target, Option<(Io, SocketAddr)>, Option<String>, Option<bool>);

async fn reach(cx: &Cx, request: &Request<Incoming>, record: &mut TunnelRecord) -> Result<Opened, Refused> {
    if cx.situation.tunnel {
        return Err(Refused::InsideTunnel);
    }
    let authority = request.uri().authority().ok_or(TargetError::NoHost)?;
    let asked = Target::from_connect(authority.as_str())?;
    let (target, intercept) = passage(cx, &asked)?;
    let asked = (target != asked).then(|| asked.to_string());
    let host = match &target.host {
        TargetHost::Domain(name) => name.to_string(),
        TargetHost::V4(address) => address.to_string(),
        TargetHost::V6(address) => address.to_string(),
    };
    let tuning = cx.worker.tuning.now();
    let is_listed = || tuning.intercept.pass_through.iter().any(|pattern| pattern.covers(&host, target.port));
    if !intercept.unwrap_or_else(|| !is_listed()) {
        record.because(if intercept == Some(false) { "filter" } else { "pass-through" });
        let dialed = cx.worker.upstreams.dial(&target).await?;
        return Ok((target, Some((Io::new(dialed.stream), dialed.address)), asked, intercept));
    }
    cx.worker.upstreams.check(&target).await?;
    Ok((target, None, asked, intercept))
}

/// Where the tunnel leads, and whether filters want TLS ended in it, or not.
pub fn passage(cx: &Cx, asked: &Target) -> Result<(Target, Option<bool>), Refused> {
    match tunnels::ask(cx, asked) {
        Passage::Denied { filter, reason } => Err(Refused::ByFilter { filter, reason }),
        Passage::Failed(failure) => Err(failure.into()),
        Passage::Open { redirect: None, intercept } => Ok((asked.clone(), intercept)),
        Passage::Open { redirect: Some(Redirect { target, filter }), intercept } => {
            let target = Target::from_connect(&target).map_err(|error| Refused::Redirected { filter, error })?;
            Ok((target, intercept))
        }
    }
}

/// What the connection is from here on.
pub fn enter(cx: &mut Cx, io: Io, tunnel: Tunnel) -> Io {
    let facts = Connection {
        entry: Entry::Connect,
        client_address: cx.facts.client_address,
        user: cx.facts.user.clone(),
        tunnel_target: Some(tunnel.asked.unwrap_or_else(|| tunnel.target.to_string())),
        server_name: None,
        intercepted: false,
    };
    cx.facts = Arc::new(facts);
    cx.origin = Some(tunnel.target);
    cx.situation = Situation {
        tunnel: true,
        opaque: tunnel.far.is_some(),
        may_intercept: cx.worker.tuning.now().intercept.enabled,
        intercepted: false,
        agreed_http: false,
        asks_about_tls: tunnels::is_anybody_asked(cx),
    };
    cx.intercept = tunnel.intercept;
    cx.tunnel = Some(tunnel.record);
    cx.tell();
    if let Some((far, address)) = tunnel.far {
        cx.far = Some(far);
        cx.reaches(Some(Reached::plainly(address)));
    }
    io
}

/// The same for a tunnel that is a stream of an HTTP/2 connection.
pub async fn enter_stream(mut cx: Cx, upgrade: OnUpgrade, tunnel: Tunnel) {
    if let Ok(upgraded) = upgrade.await {
        let io = enter(&mut cx, Io::new(TokioIo::new(upgraded)), tunnel);
        connection::stages(&mut cx, io).await;
    }
}
