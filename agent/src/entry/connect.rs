//! CONNECT (RFC 9110 section 9.3.6). Enters: the request; leaves: the answer, and the tunnel that begins after it. Must
//! not know what will be spoken inside.

use std::sync::Arc;

use http::header::ACCEPT;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use weir_host::{Connection, Entry};

use super::next::Situation;
use crate::connection::{self, Cx};
use crate::exchange::{self, Problem, ReplyBody};
use crate::io::Io;
use crate::target::{Target, TargetError, TargetHost};
use crate::upstream::UpstreamFailure;

/// What a CONNECT came to.
pub struct Tunnel {
    target: Target,
    /// Connected already where nobody here will look inside.
    far: Option<Io>,
}

#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Upstream(#[from] UpstreamFailure),
    #[error("a proxy behind the target of a tunnel cannot be reached with CONNECT through this agent")]
    InsideTunnel,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Target(error) => error.into(),
            Refused::Upstream(failure) => (&failure).into(),
            Refused::InsideTunnel => {
                Problem { status: StatusCode::NOT_IMPLEMENTED, ..Problem::bad_request(refused.to_string()) }
            }
        }
    }
}

/// With 200 comes the tunnel; without, the reason is in the response.
pub async fn answer(cx: &Cx, mut request: Request<Incoming>) -> (Response<ReplyBody>, Option<(OnUpgrade, Tunnel)>) {
    match open(cx, &request).await {
        Ok(tunnel) => {
            let upgrade = hyper::upgrade::on(&mut request);
            (Response::new(ReplyBody::empty()), Some((upgrade, tunnel)))
        }
        Err(refused) => {
            tracing::info!(client = %cx.facts.client_address, target = %request.uri(), %refused, "CONNECT refused");
            let accept = request.headers().get(ACCEPT);
            (exchange::reply(&refused.into(), accept, None), None)
        }
    }
}

/// The target is not dialled before the client is answered, except where its TLS will not end here: a filter may answer
/// for a dead upstream, and the error page of the agent can only be read inside the client's own TLS.
async fn open(cx: &Cx, request: &Request<Incoming>) -> Result<Tunnel, Refused> {
    if cx.situation.tunnel {
        return Err(Refused::InsideTunnel);
    }
    let authority = request.uri().authority().ok_or(TargetError::NoHost)?;
    let target = Target::from_connect(authority.as_str())?;
    let host = match &target.host {
        TargetHost::Domain(name) => name.to_string(),
        TargetHost::V4(address) => address.to_string(),
        TargetHost::V6(address) => address.to_string(),
    };
    let pass_through = &cx.worker.shared.config.intercept.pass_through;
    if pass_through.iter().any(|pattern| pattern.covers(&host, target.port)) {
        let far = Io::new(cx.worker.upstreams.dial(&target).await?.stream);
        return Ok(Tunnel { target, far: Some(far) });
    }
    cx.worker.upstreams.check(&target).await?;
    Ok(Tunnel { target, far: None })
}

/// What the connection is from here on.
pub fn enter(cx: &mut Cx, io: Io, tunnel: Tunnel) -> Io {
    let facts = Connection {
        entry: Entry::Connect,
        client_address: cx.facts.client_address,
        user: cx.facts.user.clone(),
        tunnel_target: Some(tunnel.target.to_string()),
        server_name: None,
        intercepted: false,
    };
    cx.facts = Arc::new(facts);
    cx.origin = Some(tunnel.target);
    cx.situation = Situation {
        tunnel: true,
        opaque: tunnel.far.is_some(),
        may_intercept: cx.worker.shared.config.intercept.enabled,
        intercepted: false,
        agreed_http: false,
    };
    cx.far = tunnel.far;
    io
}

/// The same for a tunnel that is a stream of an HTTP/2 connection.
pub async fn enter_stream(mut cx: Cx, upgrade: OnUpgrade, tunnel: Tunnel) {
    if let Ok(upgraded) = upgrade.await {
        let io = enter(&mut cx, Io::new(TokioIo::new(upgraded)), tunnel);
        connection::stages(&mut cx, io).await;
    }
}
