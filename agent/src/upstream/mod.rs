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

use http::header::{AUTHORIZATION, UPGRADE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode, Version, request};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tokio_rustls::client::TlsStream;

use self::connect::{Connected, Connector};
pub use self::dial::Dialed;
pub use self::failure::UpstreamFailure;
pub(crate) use self::head::{join_cookies, set_host};
pub use self::mirror::Mirrored;
pub use self::outgoing::{BodyError, Outgoing};
use self::outgoing::{Upload, Upward};
pub use self::pool::{Alpn, Terms};
use self::pool::{Connection, Entry, Lease, Mark, Opened, Pool};
use self::received::Holds;
pub use self::received::Received;
pub use self::resolve::Resolver;
pub use self::tls::{TrustError, UpstreamTls};
use crate::config::WorkerTuning;
use crate::policy::TargetPolicy;
use crate::stats::Stats;
use crate::target::{Scheme, Target, TargetHost};

/// One worker's way to every upstream: resolver, pool of connections, TLS sessions. `!Send`.
pub struct Upstreams {
    connector: Connector,
    pool: Pool,
}

/// A response whose body still arrives. `hyper::upgrade::on(response)` works after a 101.
pub struct Sent {
    pub response: Response<Received>,
    pub address: SocketAddr,
    pub terms: Terms,
}

/// Connections on which a request over HTTP/2 is tried.
const TRIES: usize = 3;

type Attempt = Result<Result<Sent, UpstreamFailure>, Box<Request<Upward>>>;

impl Upstreams {
    pub fn new(tuning: Rc<WorkerTuning>, policy: Arc<TargetPolicy>, tls: UpstreamTls, stats: Arc<Stats>) -> Self {
        let resolver = Resolver::new(policy, tuning.now().upstream.connect_timeout);
        Upstreams { connector: Connector { resolver, tls, tuning, stats }, pool: Pool::default() }
    }

    /// `request.uri` is absolute: `Host` or `:authority` are made of it, whatever they were. The request's version says
    /// what to speak: HTTP/2 goes as HTTP/2 where the upstream's TLS agrees, all else as HTTP/1.1, and so does a request
    /// with `Upgrade`. Hop-by-hop fields are the caller's to remove. A request is sent again where the upstream cannot have
    /// acted on it, and, on a kept connection that turns out closed, where its method lets it (RFC 9110 section 9.2.2).
    pub async fn send(&self, target: &Target, request: Request<Outgoing>) -> Result<Sent, UpstreamFailure> {
        let entry = self.pool.entry(target, self.connector.tuning.now().upstream.idle_connections);
        if let Some(failure) = entry.failed() {
            return Err(failure);
        }
        let over_http2 = target.scheme == Scheme::Https
            && request.version() == Version::HTTP_2
            && !request.headers().contains_key(UPGRADE);
        let (head, body) = request.into_parts();
        let (upload, body) = Upload::new(body, over_http2);
        let request = Request::from_parts(head, body);
        if over_http2 {
            return Box::pin(self.send_http2(target, &entry, request, &upload)).await;
        }
        self.send_http1(target, &entry, request, &upload).await
    }

    async fn send_http1(
        &self,
        target: &Target,
        entry: &Rc<Entry>,
        mut request: Request<Upward>,
        upload: &Upload,
    ) -> Result<Sent, UpstreamFailure> {
        head::to_http1(&mut request);
        if let Some(lease) = entry.take() {
            // A body is gone once it was sent.
            let head = (request.method().is_idempotent() && upload.is_empty()).then(|| copy(&request));
            match (self.over_http1(lease, request, upload, true).await, head) {
                (Ok(Err(UpstreamFailure::Stale(why))), Some(head)) => match upload.again() {
                    Some(body) => request = Request::from_parts(head, body),
                    None => return Err(UpstreamFailure::Stale(why)),
                },
                (Ok(done), _) => return done,
                (Err(unsent), _) => request = *unsent,
            }
        }
        // Boxed, as is all that runs once per connection: an exchange's future is moved, and lies in every idle client's
        // connection.
        let connection = Box::pin(self.connect_http1(target)).await?;
        let address = connection.address;
        let lease = Lease::new(entry, connection);
        self.over_http1(lease, request, upload, false).await.unwrap_or_else(|_| Err(closed_at_once(address)))
    }

    async fn connect_http1(&self, target: &Target) -> Result<Connection, UpstreamFailure> {
        if target.scheme == Scheme::Http {
            let dialed = self.connector.plain(target).await?;
            return self.connector.http1(dialed.stream, dialed.address, Terms::default()).await;
        }
        let secured = self.connector.secure(target, vec![Alpn::Http1.name().to_vec()]).await?;
        let terms = secured.terms();
        self.connector.http1(secured.stream, secured.address, terms).await
    }

    /// `Err` gives a request back of which no byte was sent.
    async fn over_http1(&self, mut lease: Lease, request: Request<Upward>, upload: &Upload, reused: bool) -> Attempt {
        let (address, terms) = (lease.connection.address, lease.connection.terms);
        lease.is_bound = binds(request.headers(), &AUTHORIZATION);
        let sending = lease.connection.sender.try_send_request(request);
        match self.head(sending, upload).await {
            None => Ok(Err(UpstreamFailure::Timeout("to answer"))),
            Some(Err(mut error)) => match error.take_message() {
                Some(request) => Err(Box::new(request)),
                None => Ok(Err(failed(&lease.entry, error.error(), address, reused))),
            },
            Some(Ok(response)) => {
                // Who answers before it has heard the whole request mostly closes then (RFC 9112 section 9.6): a next request
                // would find it closed, and one that may not be sent again would fail by it.
                lease.is_bound |= binds(response.headers(), &WWW_AUTHENTICATE) || !upload.is_over();
                let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                let holds = if switched { Holds::Nothing } else { Holds::Connection(lease) };
                Ok(Ok(Sent { response: response.map(|body| Received::new(body, holds)), address, terms }))
            }
        }
    }

    async fn send_http2(
        &self,
        target: &Target,
        entry: &Rc<Entry>,
        mut request: Request<Upward>,
        upload: &Upload,
    ) -> Result<Sent, UpstreamFailure> {
        for tries_left in (0..TRIES).rev() {
            let Some(opened) = self.stream(target, entry).await? else { break };
            let Opened { mut sender, address, terms, stream, reused } = opened;
            head::to_http2(&mut request);
            let head = copy(&request);
            let failure = match self.head(sender.try_send_request(request), upload).await {
                None => return Err(UpstreamFailure::Timeout("to answer")),
                Some(Ok(response)) => {
                    self.mind(upload, entry, stream.mark());
                    let response = response.map(|body| Received::new(body, Holds::Stream(stream)));
                    return Ok(Sent { response, address, terms });
                }
                Some(Err(mut error)) => match error.take_message() {
                    // A kept connection that turned out closed.
                    Some(unsent) => {
                        request = unsent;
                        continue;
                    }
                    None => failed(entry, error.error(), address, reused),
                },
            };
            let again = match &failure {
                UpstreamFailure::Unprocessed(_) if tries_left > 0 => {
                    entry.retire(&stream.mark());
                    upload.again()
                }
                UpstreamFailure::Http1Required(_) => {
                    entry.set_speaks(Alpn::Http1);
                    upload.again()
                }
                UpstreamFailure::Stale(_) if head.method.is_idempotent() && upload.is_empty() => upload.again(),
                _ => None,
            };
            request = Request::from_parts(head, again.ok_or(failure)?);
        }
        self.send_http1(target, entry, request, upload).await
    }

    /// An upstream that has answered may leave the rest of the body without a window for ever, and hyper would wait: after
    /// too long of that the body is given up, and the client with it.
    fn mind(&self, upload: &Upload, entry: &Rc<Entry>, stream: Mark) {
        let Some(stalled) = upload.stalled(self.connector.tuning.now().upstream.body_idle) else { return };
        let entry = Rc::clone(entry);
        tokio::task::spawn_local(async move {
            if stalled.await {
                entry.retire(&stream);
            }
        });
    }

    /// A stream to speak HTTP/2 on; none where the upstream speaks HTTP/1.1.
    async fn stream(&self, target: &Target, entry: &Rc<Entry>) -> Result<Option<Opened>, UpstreamFailure> {
        if entry.speaks() == Some(Alpn::Http1) {
            return Ok(None);
        }
        if let Some(opened) = entry.stream(true) {
            return Ok(Some(opened));
        }
        let _one_at_a_time = entry.dialing.lock().await;
        // Whoever waited here has what came of it: a connection, or word that there is none.
        if entry.speaks() == Some(Alpn::Http1) {
            return Ok(None);
        }
        if let Some(opened) = entry.stream(true) {
            return Ok(Some(opened));
        }
        if let Some(failure) = entry.failed() {
            return Err(failure);
        }
        Box::pin(self.connect(target, entry)).await.inspect_err(|failure| entry.set_failed(failure))?;
        Ok(entry.stream(false))
    }

    /// Makes a connection, speaks what the upstream chose, and puts it into the pool.
    async fn connect(&self, target: &Target, entry: &Rc<Entry>) -> Result<Alpn, UpstreamFailure> {
        let offers = [Alpn::Http2, Alpn::Http1].map(|alpn| alpn.name().to_vec());
        let secured = self.connector.secure(target, offers.into()).await?;
        let (connected, alpn) = self.connector.speak(secured).await?;
        entry.set_speaks(alpn);
        match connected {
            Connected::Http1(connection) => Lease::new(entry, connection).give_back(),
            Connected::Http2(sender, address, terms, task) => entry.share(sender, address, terms, task),
        }
        Ok(alpn)
    }

    /// `None` when the upstream let the time pass: since the request began, or since its body last moved.
    async fn head<E>(
        &self,
        sending: impl Future<Output = Result<Response<Incoming>, E>>,
        upload: &Upload,
    ) -> Option<Result<Response<Incoming>, E>> {
        let limit = self.connector.tuning.now().upstream.head_timeout;
        let mut sending = pin!(sending);
        let mut deadline = pin!(sleep(limit));
        loop {
            tokio::select! {
                biased;
                response = &mut sending => return Some(response),
                () = &mut deadline => match upload.moved().map(|moved| moved + limit) {
                    Some(later) if later > Instant::now() => deadline.as_mut().reset(later),
                    _ => return None,
                },
            }
        }
    }

    /// Whether this is one of the addresses of the name, as it resolves here.
    pub async fn leads_to(&self, name: &Arc<str>, address: SocketAddr) -> bool {
        let target = Target::new(Scheme::Https, TargetHost::Domain(Arc::clone(name)), address.port());
        self.connector
            .resolver
            .resolve(&target)
            .await
            .is_ok_and(|addresses| addresses.iter().any(|one| one.ip().to_canonical() == address.ip().to_canonical()))
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
        self.pool.sweep(self.connector.tuning.now().upstream.idle_timeout);
    }
}

/// What hyper says of a request that was sent.
fn failed(entry: &Entry, error: &hyper::Error, address: SocketAddr, reused: bool) -> UpstreamFailure {
    let failure = UpstreamFailure::of(error, address, reused);
    if matches!(failure, UpstreamFailure::Stale(_)) {
        entry.forget_idle();
    }
    failure
}

/// NTLM and Negotiate say who the peer of a connection is, not who sent a request (RFC 4559 section 6).
fn binds(headers: &HeaderMap, name: &HeaderName) -> bool {
    let is_one = |word: &[u8]| word.eq_ignore_ascii_case(b"ntlm") || word.eq_ignore_ascii_case(b"negotiate");
    let mut values = headers.get_all(name).iter();
    values.any(|value| value.as_bytes().split(|b| matches!(b, b' ' | b'\t' | b',')).any(is_one))
}

/// To send it again.
fn copy<B>(request: &Request<B>) -> request::Parts {
    let mut copy = Request::new(()).into_parts().0;
    copy.method = request.method().clone();
    copy.uri = request.uri().clone();
    copy.version = request.version();
    copy.headers = request.headers().clone();
    copy.extensions = request.extensions().clone();
    copy
}

fn closed_at_once(address: SocketAddr) -> UpstreamFailure {
    UpstreamFailure::Reset(format!("{address}: closed as soon as it was open"))
}
