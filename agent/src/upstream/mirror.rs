//! What an upstream speaks, asked before the client is answered. Enters: what the client's TLS offers (ALPN, RFC 7301);
//! leaves: what the upstream chose of it. The connection made for the question serves the first request. Must not know
//! the client's side of the handshake.

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::connect::Connected;
use super::pool::Lease;
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
    /// `offers` as in the client's hello.
    pub async fn mirror(&self, target: &Target, offers: &[Vec<u8>]) -> Result<Mirrored, UpstreamFailure> {
        let entry = self.pool.entry(target, self.connector.config.idle_connections);
        let http: Vec<Vec<u8>> = offers.iter().filter(|offer| is_http(offer)).cloned().collect();
        if http.is_empty() {
            let secured = self.connector.secure(target, offers.to_vec()).await?;
            let alpn = secured.alpn().map(<[u8]>::to_vec);
            return Ok(Mirrored::Opaque { stream: Box::new(secured.stream), alpn });
        }
        let known = || entry.speaks().filter(|alpn| http.iter().any(|offer| offer == alpn.name()));
        let _one_at_a_time = match known() {
            Some(alpn) => return Ok(Mirrored::Http(alpn)),
            None => entry.dialing.lock().await,
        };
        if let Some(alpn) = known() {
            return Ok(Mirrored::Http(alpn));
        }
        if let Some(failure) = entry.failed() {
            return Err(failure);
        }
        let offers_http2 = http.iter().any(|offer| offer == Alpn::Http2.name());
        let asked = async {
            let secured = self.connector.secure(target, http).await?;
            self.connector.speak(secured).await
        };
        let (connected, alpn) = asked.await.inspect_err(|failure| entry.set_failed(failure))?;
        // An upstream that was not offered HTTP/2 said nothing about it.
        if offers_http2 {
            entry.set_speaks(alpn);
        }
        match connected {
            Connected::Http1(connection) => Lease { entry: entry.clone(), connection }.give_back(),
            Connected::Http2(sender, address) => entry.share(sender, address),
        }
        Ok(Mirrored::Http(alpn))
    }
}

impl Alpn {
    pub fn name(self) -> &'static [u8] {
        match self {
            Alpn::Http1 => b"http/1.1",
            Alpn::Http2 => b"h2",
        }
    }
}

fn is_http(offer: &[u8]) -> bool {
    offer == Alpn::Http1.name() || offer == Alpn::Http2.name()
}
