//! A client of the proxy: forward requests, CONNECT tunnels, TLS inside them, HTTP/1.1 and HTTP/2.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    body::{self, Boxed},
    ca,
    wait::{PATIENCE, within},
};

/// For an answer: the body that goes before it, or comes with it, may have hundreds of megabytes.
const ANSWER: Duration = PATIENCE.saturating_mul(4);

/// What to speak inside TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpn {
    /// `http/1.1` alone.
    Http1,
    /// `h2` alone.
    Http2,
}

/// Knows the proxy and whom to trust. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    proxy: SocketAddr,
    http1: Arc<rustls::ClientConfig>,
    http2: Arc<rustls::ClientConfig>,
}

impl Client {
    /// Trusts these roots (PEM).
    pub fn new(proxy: SocketAddr, roots: &[&str]) -> anyhow::Result<Self> {
        Ok(Self { proxy, http1: ca::client(roots, &[b"http/1.1"])?, http2: ca::client(roots, &[b"h2"])? })
    }

    /// A connection to the proxy, nothing said.
    pub async fn dial(&self) -> anyhow::Result<TcpStream> {
        let stream = within(PATIENCE, "connecting to the proxy", TcpStream::connect(self.proxy)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// For absolute-form requests.
    pub async fn forward(&self) -> anyhow::Result<Http> {
        Http::start(self.dial().await?, Alpn::Http1).await
    }

    /// A tunnel to `authority`.
    pub async fn tunnel(&self, authority: &str) -> anyhow::Result<TcpStream> {
        let mut stream = self.dial().await?;
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        within(PATIENCE, "the answer to CONNECT", async {
            while !answer.ends_with(b"\r\n\r\n") {
                answer.push(stream.read_u8().await.context("the proxy closed during CONNECT")?);
            }
            anyhow::Ok(())
        })
        .await??;
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.starts_with("HTTP/1.1 200"), "CONNECT {authority} refused: {answer}");
        Ok(stream)
    }

    /// TLS inside a tunnel, with the name of `authority`.
    pub async fn tls(&self, authority: &str, alpn: Alpn) -> anyhow::Result<TlsStream<TcpStream>> {
        let name = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        self.tls_named(authority, name, alpn).await
    }

    /// TLS inside a tunnel, with another name in the handshake.
    pub async fn tls_named(&self, authority: &str, name: &str, alpn: Alpn) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = self.tunnel(authority).await?;
        let config = if alpn == Alpn::Http1 { &self.http1 } else { &self.http2 };
        let name = rustls::pki_types::ServerName::try_from(name.to_owned())?;
        let connector = TlsConnector::from(config.clone());
        within(PATIENCE, "the TLS handshake", connector.connect(name, stream)).await?.context("TLS with the proxy")
    }

    /// HTTP inside TLS inside a tunnel.
    pub async fn intercepted(&self, authority: &str, alpn: Alpn) -> anyhow::Result<Http> {
        Http::start(self.tls(authority, alpn).await?, alpn).await
    }
}

/// One HTTP connection.
pub enum Http {
    /// HTTP/1.1.
    One(http1::SendRequest<Boxed>),
    /// HTTP/2.
    Two(http2::SendRequest<Boxed>),
}

impl Http {
    /// Speaks HTTP over `stream`.
    pub async fn start<S>(stream: S, version: Alpn) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = TokioIo::new(stream);
        Ok(match version {
            Alpn::Http1 => {
                let (send, connection) = http1::Builder::new().preserve_header_case(true).handshake(stream).await?;
                tokio::spawn(connection);
                Self::One(send)
            }
            Alpn::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20);
                builder.max_header_list_size(1 << 20);
                let (send, connection) = builder.handshake(stream).await?;
                tokio::spawn(connection);
                Self::Two(send)
            }
        })
    }

    /// Sends a request; gives the response while its body still comes.
    pub async fn send(&mut self, request: Request<Boxed>) -> anyhow::Result<Response<Incoming>> {
        let what = format!("the response to {} {}", request.method(), request.uri());
        let response = match self {
            Self::One(send) => {
                within(PATIENCE, "the connection", send.ready()).await??;
                within(ANSWER, &what, send.send_request(request)).await?
            }
            Self::Two(send) => {
                within(PATIENCE, "the connection", send.ready()).await??;
                within(ANSWER, &what, send.send_request(request)).await?
            }
        };
        response.context(what)
    }

    /// Sends a request and reads the whole response.
    pub async fn exchange(&mut self, request: Request<Boxed>) -> anyhow::Result<Reply> {
        let (head, body) = self.send(request).await?.into_parts();
        let body = within(ANSWER, "the response's body", body.collect()).await?.context("the response's body")?;
        let trailers = body.trailers().cloned();
        Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes(), trailers })
    }

    /// GET. The URL is absolute; `Host` follows it on HTTP/1.1.
    pub async fn get(&mut self, url: &str) -> anyhow::Result<Reply> {
        let request = self.request("GET", url, body::empty())?;
        self.exchange(request).await
    }

    /// POST.
    pub async fn post(&mut self, url: &str, body: Boxed) -> anyhow::Result<Reply> {
        let request = self.request("POST", url, body)?;
        self.exchange(request).await
    }

    /// A request in the form this connection needs: absolute for h2 and `http://`, origin form inside a tunnel.
    pub fn request(&self, method: &str, url: &str, body: Boxed) -> anyhow::Result<Request<Boxed>> {
        let uri: http::Uri = url.parse()?;
        let mut request = Request::builder().method(method);
        if matches!(self, Self::One(_)) {
            request = request.header("Host", uri.authority().context("an absolute URL")?.as_str());
        }
        let inside_tunnel = matches!(self, Self::One(_)) && uri.scheme_str() == Some("https");
        let target = if inside_tunnel { uri.path_and_query().context("a path")?.as_str().parse()? } else { uri };
        Ok(request.uri(target).body(body)?)
    }
}

/// A response that came to its end.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Fields.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
    /// After the body.
    pub trailers: Option<HeaderMap>,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A field as text, "" when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The problem document (RFC 9457) of an error response that the agent made, with its `blame`.
    pub fn problem(&self, status: u16, blame: &str) -> anyhow::Result<serde_json::Value> {
        problem(self.status.as_u16(), self.header("content-type"), &self.body, status, blame)
    }
}

/// Checks a problem document: its status, whom it blames, and that it says why.
pub fn problem(
    got: u16,
    content_type: &str,
    body: &[u8],
    status: u16,
    blame: &str,
) -> anyhow::Result<serde_json::Value> {
    let text = String::from_utf8_lossy(body);
    ensure!(got == status, "status {got}, expected {status}: {text}");
    ensure!(content_type.starts_with("application/problem+json"), "not a problem document: {content_type} {text}");
    let problem: serde_json::Value = serde_json::from_slice(body).with_context(|| text.clone().into_owned())?;
    ensure!(problem["status"] == status, "status in {text}");
    ensure!(problem["blame"] == blame, "blame is not {blame}: {text}");
    ensure!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "no detail: {text}");
    Ok(problem)
}
