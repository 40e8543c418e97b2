//! Ending a client's TLS here. Enters: a connection that begins with a ClientHello; leaves: what is inside, and for the
//! next stage which name was asked for and what both sides speak. Must not know HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};
use weir_artifact::Name;
use weir_host::{ClientHello, Connection, Passage};

use crate::connection::Cx;
use crate::entry::tunnels;
use crate::io::Io;
use crate::roster::{Reached, Tls};
use crate::stats::Peer;
use crate::target::{Scheme, Target, TargetHost};
use crate::upstream::{Alpn, Mirrored};

/// What the agent needs of a ClientHello.
struct Hello {
    name: Option<TargetHost>,
    alpn: Vec<Vec<u8>>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the client's TLS failed: {0}")]
    Handshake(#[from] std::io::Error),
    #[error("the client took too long for its TLS handshake")]
    TooSlow(#[from] tokio::time::error::Elapsed),
    #[error(transparent)]
    Authority(#[from] super::AuthorityError),
    #[error("the agent ends TLS in a tunnel only")]
    NoTunnel,
    #[error("filter {filter} refuses the tunnel: {reason}")]
    Denied { filter: Name, reason: String },
    #[error(transparent)]
    Filter(weir_host::Failure),
}

/// `access_denied` and `internal_error` (RFC 8446 section 6.2), fatal, as records of their own: there are no keys yet.
const ACCESS_DENIED: [u8; 7] = [21, 3, 3, 0, 2, 2, 49];
const INTERNAL_ERROR: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

/// `None` when the handshake came to nothing; the client has been told by an alert.
pub async fn intercept(cx: &mut Cx, io: Io) -> Option<Io> {
    let stats = &Arc::clone(&cx.worker.shared).stats;
    match handshake(cx, io).await {
        Ok(io) if cx.situation.opaque => Some(io),
        Ok(io) => {
            stats.handshake_done(Peer::Client);
            Some(io)
        }
        Err(failure) => {
            stats.handshake_failed(Peer::Client);
            tracing::debug!(client = %cx.facts.client_address, target = ?cx.facts.tunnel_target, %failure);
            if let Some(record) = cx.tunnel.take() {
                let is_refused = matches!(failure, Failure::Denied { .. } | Failure::Filter(_));
                record.fails(if is_refused { "refused" } else { "tls-failed" }, &failure);
            }
            None
        }
    }
}

async fn handshake(cx: &mut Cx, mut io: Io) -> Result<Io, Failure> {
    let worker = Arc::clone(&cx.worker.shared);
    let limit = cx.worker.tuning.now().client.handshake_timeout;
    io.remember();
    let mut start = timeout(limit, LazyConfigAcceptor::new(Acceptor::default(), io)).await??;
    let hello = Hello::of(&start);
    if let Some(record) = &mut cx.tunnel {
        record.server_name(hello.name.as_ref().map(ToString::to_string));
    }
    let mut target = cx.origin.clone().ok_or(Failure::NoTunnel)?.with_scheme(Scheme::Https);
    let decided = match ask(cx, &target, &start) {
        Ok(decided) => decided,
        Err((alert, failure)) => {
            let _ = timeout(limit, refuse(&mut start.io, alert)).await;
            return Err(failure);
        }
    };
    if !ends_here(cx, &target, hello.name.as_ref(), decided).await {
        cx.situation.opaque = true;
        start.io.rewind();
        return Ok(start.io);
    }
    cx.situation.opaque = false;
    start.io.forget();
    target.server_name = hello.name.as_ref().and_then(|name| target.other_name(name));
    let alpn = agree(cx, &target, hello.alpn).await;
    let name = hello.name.as_ref().unwrap_or(&target.host);
    let config = worker.authority.server_config(name, alpn.as_deref())?;
    let stream = timeout(limit, start.into_stream(config)).await??;
    cx.facts = Arc::new(Connection {
        server_name: hello.name.as_ref().map(ToString::to_string),
        intercepted: true,
        ..Connection::clone(&cx.facts)
    });
    cx.alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    cx.tell();
    if let Some(card) = cx.own_card() {
        card.tls(agreed(stream.get_ref().1));
    }
    cx.situation.intercepted = true;
    cx.situation.agreed_http = cx.alpn.as_deref().is_some_and(Alpn::is_http);
    cx.origin = Some(target);
    Ok(Io::new(stream))
}

/// What filters say of TLS that begins: none says, or it ends here (true), or it passes. Else the alert for the client.
fn ask(cx: &mut Cx, target: &Target, start: &StartHandshake<Io>) -> Result<Option<bool>, ([u8; 7], Failure)> {
    if !std::mem::take(&mut cx.situation.asks_about_tls) {
        return Ok(None);
    }
    let hello = start.client_hello();
    let alpn = hello.alpn().into_iter().flatten().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    let hello = ClientHello { server_name: hello.server_name().map(str::to_owned), alpn };
    match tunnels::ask_about_tls(cx, target, &hello) {
        Passage::Open { intercept, .. } => Ok(intercept),
        Passage::Denied { filter, reason } => {
            tracing::info!(client = %cx.facts.client_address, %target, %filter, %reason, "TLS refused");
            Err((ACCESS_DENIED, Failure::Denied { filter, reason }))
        }
        Passage::Failed(failure) => {
            tracing::info!(client = %cx.facts.client_address, %target, %failure, "TLS refused");
            Err((INTERNAL_ERROR, Failure::Filter(failure)))
        }
    }
}

async fn refuse(io: &mut Io, alert: [u8; 7]) -> std::io::Result<()> {
    io.write_all(&alert).await?;
    io.flush().await?;
    io.shutdown().await
}

/// Does this TLS end here? What filters say goes before the operator's list, and never before the switch.
async fn ends_here(cx: &mut Cx, target: &Target, name: Option<&TargetHost>, decided: Option<bool>) -> bool {
    if !cx.situation.may_intercept {
        cx.uninspected("off");
        return false;
    }
    if let Some(intercept) = decided {
        cx.uninspected_unless(intercept);
        return intercept;
    }
    // passed through since the client was answered
    if cx.situation.opaque {
        return false;
    }
    if let Some(intercept) = cx.intercept {
        cx.uninspected_unless(intercept);
        return intercept;
    }
    match passes_through(cx, target, name).await {
        Some((far, address)) => {
            cx.far = Some(far);
            cx.reaches(Some(Reached::plainly(address)));
            cx.uninspected("pass-through");
            false
        }
        None => true,
    }
}

/// The target's end, where the name that the client asks for is on the pass-through list. Any client may write any name, so
/// it counts only where the name leads to the address that was dialled.
async fn passes_through(cx: &Cx, target: &Target, name: Option<&TargetHost>) -> Option<(Io, SocketAddr)> {
    let Some(TargetHost::Domain(name)) = name else { return None };
    let tuning = cx.worker.tuning.now();
    if !tuning.intercept.pass_through.iter().any(|pattern| pattern.covers(name, target.port)) {
        return None;
    }
    let upstreams = &cx.worker.upstreams;
    let dialed = upstreams.dial(target).await.ok()?;
    upstreams.leads_to(name, dialed.address).await.then(|| (Io::new(dialed.stream), dialed.address))
}

/// What to answer to the client's offers: what the upstream speaks. A client that offers nothing is answered nothing, and
/// a dead upstream does not keep a client from its handshake: inside of it, it is told, or a filter answers.
async fn agree(cx: &mut Cx, target: &Target, offers: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    // A tunnel's own end was dialled for silence that is over.
    cx.far = None;
    if offers.is_empty() {
        return None;
    }
    let mirrored = cx.worker.upstreams.mirror(target, &offers).await;
    let chosen = match mirrored {
        Ok(Mirrored::Http(alpn)) => Some(alpn.name().to_vec()),
        Ok(Mirrored::Opaque { stream, alpn }) => {
            cx.reaches(Reached::by_tls(&stream));
            cx.far = Some(Io::new(*stream));
            alpn
        }
        Err(failure) => {
            tracing::debug!(%target, %failure, "the upstream was not there to be mirrored");
            None
        }
    };
    let offered = |alpn: Alpn| offers.iter().any(|offer| offer == alpn.name()).then(|| alpn.name().to_vec());
    chosen.filter(|chosen| offers.contains(chosen)).or_else(|| offered(Alpn::Http1)).or_else(|| offered(Alpn::Http2))
}

/// In the names of IANA.
fn agreed(tls: &rustls::ServerConnection) -> Tls {
    let version = version_name(tls.protocol_version()).unwrap_or_default();
    let suite = tls.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default();
    let alpn = String::from_utf8_lossy(tls.alpn_protocol().unwrap_or_default()).into_owned();
    // rustls marks those of TLS 1.3, which IANA does not
    Tls { version, cipher_suite: suite.replacen("TLS13_", "TLS_", 1), alpn }
}

/// As RFC 8446 writes it. rustls speaks no others.
pub fn version_name(version: Option<rustls::ProtocolVersion>) -> Option<&'static str> {
    version.map(|version| match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "TLS",
    })
}

impl Hello {
    fn of(start: &StartHandshake<Io>) -> Self {
        let hello = start.client_hello();
        Hello {
            name: hello.server_name().and_then(|name| TargetHost::parse(name).ok()),
            alpn: hello.alpn().map(|offers| offers.map(<[u8]>::to_vec).collect()).unwrap_or_default(),
        }
    }
}
