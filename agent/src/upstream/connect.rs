//! Connections that speak HTTP. Enters: a target and what to offer it; leaves: a hyper client connection, driven by a
//! task of its own until it closes. Must not know the pool.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::UpstreamFailure;
use super::dial::{Dialed, dial};
use super::hearing::Hearing;
use super::outgoing::Upward;
use super::pool::{Alpn, Connection, Terms};
use super::resolve::Resolver;
use super::tls::UpstreamTls;
use crate::config::WorkerTuning;
use crate::local::Tied;
use crate::stats::{Peer, Stats};
use crate::target::Target;
use crate::tls::version_name;

pub(super) struct Connector {
    pub(super) resolver: Resolver,
    pub(super) tls: UpstreamTls,
    pub(super) tuning: Rc<WorkerTuning>,
    pub(super) stats: Arc<Stats>,
}

pub(super) enum Connected {
    Http1(Connection),
    Http2(http2::SendRequest<Upward>, SocketAddr, Terms, Tied),
}

/// What a TLS handshake came to.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) address: SocketAddr,
}

impl Secured {
    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.stream.get_ref().1.alpn_protocol()
    }

    /// Where HTTP is what was offered.
    pub(super) fn terms(&self) -> Terms {
        let alpn = match self.alpn() {
            Some(b"h2") => Some("h2"),
            Some(b"http/1.1") => Some("http/1.1"),
            _ => None,
        };
        Terms { tls: version_name(self.stream.get_ref().1.protocol_version()), alpn }
    }
}

impl Connector {
    pub(super) async fn plain(&self, target: &Target) -> Result<Dialed, UpstreamFailure> {
        dial(&self.resolver, target, self.tuning.now().upstream.connect_timeout).await
    }

    pub(super) async fn secure(&self, target: &Target, offers: Vec<Vec<u8>>) -> Result<Secured, UpstreamFailure> {
        let Dialed { stream, address } = self.plain(target).await?;
        match self.tls.connect(stream, target, offers, self.tuning.now().upstream.connect_timeout).await {
            Ok(stream) => {
                self.stats.handshake_done(Peer::Upstream);
                Ok(Secured { stream, address })
            }
            Err(failure) => {
                self.stats.handshake_failed(Peer::Upstream);
                Err(failure)
            }
        }
    }

    /// HTTP/2 where the upstream chose it, else HTTP/1.1.
    pub(super) async fn speak(&self, secured: Secured) -> Result<(Connected, Alpn), UpstreamFailure> {
        let (address, terms) = (secured.address, secured.terms());
        match secured.alpn() {
            Some(b"h2") => {
                let (sender, task) = self.http2(secured.stream, address).await?;
                Ok((Connected::Http2(sender, address, terms, task), Alpn::Http2))
            }
            _ => Ok((Connected::Http1(self.http1(secured.stream, address, terms).await?), Alpn::Http1)),
        }
    }

    pub(super) async fn http1<S>(
        &self,
        stream: S,
        address: SocketAddr,
        terms: Terms,
    ) -> Result<Connection, UpstreamFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tuning = self.tuning.now();
        let config = &tuning.upstream;
        let (mut sender, connection) = http1::Builder::new()
            .preserve_header_case(true)
            .max_headers(config.headers)
            .max_buf_size(config.head_bytes.max(8 << 10))
            .handshake(TokioIo::new(Hearing::new(stream, config.body_idle)))
            .await
            .map_err(|error| UpstreamFailure::of(&error, address, false))?;
        tokio::task::spawn_local(async move {
            // Its exchange is told what went wrong; an idle connection that ends is of no interest.
            let _ = connection.with_upgrades().await;
        });
        // Once its task has run, so that the pool sees it as free.
        sender.ready().await.map_err(|error| UpstreamFailure::of(&error, address, false))?;
        Ok(Connection { sender, address, terms })
    }

    async fn http2(
        &self,
        stream: TlsStream<TcpStream>,
        address: SocketAddr,
    ) -> Result<(http2::SendRequest<Upward>, Tied), UpstreamFailure> {
        let task = Tied::default();
        let tuning = self.tuning.now();
        let config = &tuning.upstream;
        let (sender, connection) = http2::Builder::new(task.clone())
            .timer(TokioTimer::new())
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(2 << 20)
            .max_header_list_size(u32::try_from(config.head_bytes).unwrap_or(u32::MAX))
            .max_send_buf_size(64 << 10)
            .keep_alive_interval(config.idle_timeout / 2)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| UpstreamFailure::of(&error, address, false))?;
        tokio::task::spawn_local(async move {
            let _ = connection.await;
        });
        Ok((sender, task))
    }
}
