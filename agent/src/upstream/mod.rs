//! Requests on their way to upstreams: the seam that an exchange sees. Enters: a target and a request in absolute form;
//! leaves: the response head with its streaming body, or an [`UpstreamFailure`]. Must not know filters or the recorder.

mod connect;
mod dial;
mod failure;
mod head;
mod hearing;
mod mirror;
mod outgoing;
mod pool;
mod received;
mod resolve;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::header::UPGRADE;
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::client::TlsStream;

use self::connect::{Connected, Connector};
pub use self::dial::Dialed;
pub use self::failure::UpstreamFailure;
pub use self::mirror::Mirrored;
pub use self::outgoing::{BodyError, Outgoing};
use self::outgoing::{Progress, Upward};
pub use self::pool::Alpn;
use self::pool::{Connection, Entry, Lease, Pool};
use self::received::Holds;
pub use self::received::Received;
pub use self::resolve::Resolver;
pub use self::tls::{TrustError, UpstreamTls};
use crate::config::UpstreamConfig;
use crate::policy::TargetPolicy;
use crate::stats::Stats;
use crate::target::{Scheme, Target};

/// One worker's way to every upstream: resolver, pool of connections, TLS sessions. `!Send`.
pub struct Upstreams {
    connector: Connector,
    pool: Pool,
}

/// A response whose body still arrives. `hyper::upgrade::on(response)` works after a 101.
pub struct Sent {
    pub response: Response<Received>,
    pub address: SocketAddr,
}

type Attempt = Result<Result<Sent, UpstreamFailure>, Box<Request<Upward>>>;

impl Upstreams {
    pub fn new(config: UpstreamConfig, policy: Arc<TargetPolicy>, tls: UpstreamTls, stats: Arc<Stats>) -> Self {
        let resolver = Resolver::new(policy, config.connect_timeout);
        Upstreams { connector: Connector { resolver, tls, config, stats }, pool: Pool::default() }
    }

    /// `request.uri` is absolute: `Host` or `:authority` are made of it, whatever they were. The request's version says
    /// what to speak: HTTP/2 goes as HTTP/2 where the upstream's TLS agrees, all else as HTTP/1.1, and so does a request
    /// with `Upgrade`. Hop-by-hop fields are the caller's to remove. A reused connection that turns out closed before a
    /// byte was sent is replaced once; where a byte may have been sent the failure is [`UpstreamFailure::Stale`].
    pub async fn send(&self, target: &Target, request: Request<Outgoing>) -> Result<Sent, UpstreamFailure> {
        let entry = self.pool.entry(target, self.connector.config.idle_connections);
        if let Some(failure) = entry.failed() {
            return Err(failure);
        }
        let (head, body) = request.into_parts();
        let (body, progress) = Upward::new(body);
        let request = Request::from_parts(head, body);
        let progress = progress.as_deref();
        let over_http2 = target.scheme == Scheme::Https
            && request.version() == Version::HTTP_2
            && !request.headers().contains_key(UPGRADE);
        if over_http2 {
            return Box::pin(self.send_http2(target, &entry, request, progress)).await;
        }
        self.send_http1(target, &entry, request, progress).await
    }

    async fn send_http1(
        &self,
        target: &Target,
        entry: &Rc<Entry>,
        mut request: Request<Upward>,
        progress: Option<&Progress>,
    ) -> Result<Sent, UpstreamFailure> {
        head::to_http1(&mut request);
        if let Some(lease) = entry.take() {
            match self.over_http1(lease, request, progress, true).await {
                Ok(done) => return done,
                Err(unsent) => request = *unsent,
            }
        }
        // Boxed, as is all that runs once per connection: an exchange's future is moved, and lies in every idle client's
        // connection.
        let connection = Box::pin(self.connect_http1(target)).await?;
        let address = connection.address;
        let lease = Lease { entry: Rc::clone(entry), connection };
        self.over_http1(lease, request, progress, false).await.unwrap_or_else(|_| Err(closed_at_once(address)))
    }

    async fn connect_http1(&self, target: &Target) -> Result<Connection, UpstreamFailure> {
        if target.scheme == Scheme::Http {
            let dialed = self.connector.plain(target).await?;
            return self.connector.http1(dialed.stream, dialed.address).await;
        }
        let secured = self.connector.secure(target, vec![Alpn::Http1.name().to_vec()]).await?;
        self.connector.http1(secured.stream, secured.address).await
    }

    /// `Err` gives a request back of which no byte was sent.
    async fn over_http1(
        &self,
        mut lease: Lease,
        request: Request<Upward>,
        progress: Option<&Progress>,
        reused: bool,
    ) -> Attempt {
        let address = lease.connection.address;
        let sending = lease.connection.sender.try_send_request(request);
        match self.head(sending, progress).await {
            None => Ok(Err(UpstreamFailure::Timeout("to answer"))),
            Some(Err(error)) => self.unsent(&lease.entry, error, address, reused),
            Some(Ok(response)) => {
                let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let holds = if switched { Holds::Nothing } else { Holds::Connection(lease) };
                Ok(Ok(Sent { response: response.map(|body| Received::new(body, holds)), address }))
            }
        }
    }

    async fn send_http2(
        &self,
        target: &Target,
        entry: &Rc<Entry>,
        mut request: Request<Upward>,
        progress: Option<&Progress>,
    ) -> Result<Sent, UpstreamFailure> {
        // Two rounds: a kept connection that turns out closed, then a fresh one.
        for reused in [true, false] {
            if entry.speaks() == Some(Alpn::Http1) {
                break;
            }
            let dialing = entry.dialing.lock().await;
            if entry.stream().is_none() {
                Box::pin(self.connect(target, entry)).await?;
            }
            let Some((mut sender, address, stream)) = entry.stream() else { break };
            drop(dialing);
            head::to_http2(&mut request);
            match self.head(sender.try_send_request(request), progress).await {
                None => return Err(UpstreamFailure::Timeout("to answer")),
                Some(Err(error)) => match self.unsent(entry, error, address, reused) {
                    Ok(done) => return done,
                    Err(unsent) => request = *unsent,
                },
                Some(Ok(response)) => {
                    let response = response.map(|body| Received::new(body, Holds::Stream(stream)));
                    return Ok(Sent { response, address });
                }
            }
        }
        self.send_http1(target, entry, request, progress).await
    }

    /// Makes a connection, speaks what the upstream chose, and puts it into the pool.
    async fn connect(&self, target: &Target, entry: &Rc<Entry>) -> Result<Alpn, UpstreamFailure> {
        let offers = [Alpn::Http2, Alpn::Http1].map(|alpn| alpn.name().to_vec());
        let secured = self.connector.secure(target, offers.into()).await?;
        let (connected, alpn) = self.connector.speak(secured).await?;
        entry.set_speaks(alpn);
        match connected {
            Connected::Http1(connection) => Lease { entry: Rc::clone(entry), connection }.give_back(),
            Connected::Http2(sender, address) => entry.share(sender, address),
        }
        Ok(alpn)
    }

    fn unsent(
        &self,
        entry: &Entry,
        mut error: TrySendError<Request<Upward>>,
        address: SocketAddr,
        reused: bool,
    ) -> Attempt {
        match error.take_message() {
            Some(request) => Err(Box::new(request)),
            None => {
                let failure = UpstreamFailure::of(error.error(), address, reused);
                if matches!(failure, UpstreamFailure::Stale(_)) {
                    entry.forget_idle();
                }
                Ok(Err(failure))
            }
        }
    }

    /// `None` when the upstream let the time pass: since the request began, or since its body last moved.
    async fn head<E>(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, E>>,
        progress: Option<&Progress>,
    ) -> Option<Result<Response<Incoming>, E>> {
        let limit = self.connector.config.head_timeout;
        let mut sending = pin!(sending);
        let mut deadline = pin!(sleep(limit));
        loop {
            tokio::select! {
                biased;
                response = &mut sending => return Some(response),
                () = &mut deadline => match progress.map(|progress| progress.at() + limit) {
                    Some(later) if later > Instant::now() => deadline.as_mut().reset(later),
                    _ => return None,
                },
            }
        }
    }

    /// A connected socket, for a tunnel.
    pub async fn dial(&self, target: &Target) -> Result<Dialed, UpstreamFailure> {
        self.connector.plain(target).await
    }

    /// A TLS stream, for a tunnel.
    pub async fn dial_tls(
        &self,
        target: &Target,
        offers: Vec<Vec<u8>>,
    ) -> Result<TlsStream<TcpStream>, UpstreamFailure> {
        Ok(self.connector.secure(target, offers).await?.stream)
    }

    /// Whether the target may be dialled, as far as its name resolves now. A name that does not resolve is no denial.
    pub async fn check(&self, target: &Target) -> Result<(), UpstreamFailure> {
        match self.connector.resolver.resolve(target).await {
            Err(failure @ UpstreamFailure::Denied(_)) => Err(failure),
            _ => Ok(()),
        }
    }

    /// To be called every few seconds.
    pub fn sweep(&self) {
        self.pool.sweep(self.connector.config.idle_timeout);
    }
}

fn closed_at_once(address: SocketAddr) -> UpstreamFailure {
    UpstreamFailure::Reset(format!("{address}: closed as soon as it was open"))
}
