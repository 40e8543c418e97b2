//! What an upstream speaks, asked before the client is answered. Enters: what the client's TLS offers (ALPN, RFC 7301);
//! leaves: what the upstream chose of it. The connection made for the question serves the first request. Must not know
//! the client's side of the handshake.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{Alpn, UpstreamFailure, Upstreams};
use crate::target::Target;

pub enum Mirrored {
    Http(Alpn),
    /// The client offers no HTTP at all: the upstream's stream, with the protocol chosen there.
    Opaque {
        stream: Box<TlsStream<TcpStream>>,
        alpn: Option<Vec<u8>>,
    },
}

impl Upstreams {
    /// `offers` as in the client's hello. The answer need not be among them: a client of HTTP/2 alone is served although
    /// its upstream speaks HTTP/1.1 alone.
    pub async fn mirror(&self, target: &Target, offers: &[Vec<u8>]) -> Result<Mirrored, UpstreamFailure> {
        let offered = |alpn: Alpn| offers.iter().any(|offer| offer == alpn.name());
        if !offered(Alpn::Http2) && !offered(Alpn::Http1) {
            let secured = self.connector.secure(target, offers.to_vec()).await?;
            let alpn = secured.alpn().map(<[u8]>::to_vec);
            return Ok(Mirrored::Opaque { stream: Box::new(secured.stream), alpn });
        }
        // With one choice there is nothing to ask.
        if !offered(Alpn::Http2) {
            return Ok(Mirrored::Http(Alpn::Http1));
        }
        let entry = self.pool.entry(target, self.connector.tuning.now().upstream.idle_connections);
        if let Some(alpn) = entry.speaks() {
            return Ok(Mirrored::Http(alpn));
        }
        let _one_at_a_time = entry.dialing.lock().await;
        if let Some(alpn) = entry.speaks() {
            return Ok(Mirrored::Http(alpn));
        }
        if let Some(failure) = entry.failed() {
            return Err(failure);
        }
        let asked = self.connect(target, &entry).await;
        asked.map(Mirrored::Http).inspect_err(|failure| entry.set_failed(failure))
    }
}

impl Alpn {
    /// In HTTP the client speaks first.
    pub fn is_http(name: &[u8]) -> bool {
        name == Alpn::Http1.name() || name == Alpn::Http2.name()
    }

    pub fn name(self) -> &'static [u8] {
        match self {
            Alpn::Http1 => b"http/1.1",
            Alpn::Http2 => b"h2",
        }
    }
}
