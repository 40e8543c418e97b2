//! Connections to the orchestrator: mTLS with the identity of this agent against the CA of its join token, and how long
//! to wait before the next attempt. Where several orchestrators work together, the next one is asked when one does not
//! answer. Must not know what is said over them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand::Rng as _;
use tokio::sync::watch;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Error};
use weir_proto::{ORCHESTRATOR_NAME, version::user_agent};

use super::Identity;

const CONNECT: Duration = Duration::from_secs(5);
/// A network that swallows everything is noticed within two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// How to reach the orchestrator as this agent. All clones show the newest certificate to the next connection.
#[derive(Clone)]
pub struct Link {
    urls: Arc<[String]>,
    endpoints: Arc<watch::Sender<Arc<[Endpoint]>>>,
    /// The one that answered last, for all that the agent has to say.
    last: Arc<AtomicUsize>,
}

impl Link {
    /// Each of `urls` is `https://HOST:PORT`; whoever answers there must show a certificate of the CA in `identity`.
    ///
    /// # Errors
    /// A URL or the identity is malformed.
    pub fn new(urls: &[String], identity: &Identity) -> Result<Self, Error> {
        Ok(Self::of(urls, as_agent(urls, identity)?))
    }

    fn of(urls: &[String], endpoints: Arc<[Endpoint]>) -> Self {
        Self { urls: urls.into(), endpoints: Arc::new(watch::Sender::new(endpoints)), last: Arc::default() }
    }

    /// Without TLS, so that a test can be the other side.
    #[cfg(test)]
    pub(crate) fn plain(url: &str) -> Result<Self, Error> {
        Ok(Self::of(&[url.to_owned()], [endpoint(url)?].into()))
    }

    /// The same orchestrators as this agent; an error where the identity cannot be used.
    pub(super) fn with(&self, identity: &Identity) -> Result<Arc<[Endpoint]>, Error> {
        as_agent(&self.urls, identity)
    }

    /// From the next connection on, this is who the agent is.
    pub(super) fn renew(&self, endpoints: Arc<[Endpoint]>) {
        self.endpoints.send_replace(endpoints);
    }

    /// The one that answered last lets itself be reached and is of no use: the next attempt begins behind it.
    pub(super) fn pass_over(&self) {
        self.last.fetch_add(1, Relaxed);
    }

    /// One connection, to the one that answered last or, when it does not, to the next that does.
    ///
    /// # Errors
    /// Nobody is there, or not the orchestrator: what the last one met.
    pub async fn connect(&self) -> Result<Channel, Error> {
        let endpoints = Arc::clone(&self.endpoints.borrow());
        let (first, count) = (self.last.load(Relaxed), endpoints.len());
        let mut place = first % count;
        loop {
            match endpoints[place].connect().await {
                Ok(channel) => {
                    self.last.store(place, Relaxed);
                    return Ok(channel);
                }
                Err(error) if (place + 1) % count == first % count => return Err(error),
                Err(error) => tracing::debug!("{} is away: {}", endpoints[place].uri(), explain(&error)),
            }
            place = (place + 1) % count;
        }
    }

    /// Tells each time that the next connection would be with another certificate than one made now.
    pub(super) fn renewals(&self) -> watch::Receiver<Arc<[Endpoint]>> {
        self.endpoints.subscribe()
    }
}

fn as_agent(urls: &[String], identity: &Identity) -> Result<Arc<[Endpoint]>, Error> {
    let own = tonic::transport::Identity::from_pem(&identity.certificate_pem, identity.key_pem.as_bytes());
    let tls = tls(&identity.ca_pem).identity(own);
    urls.iter().map(|url| endpoint(url)?.tls_config(tls.clone())).collect()
}

/// A connection for joining: no certificate of our own yet.
pub(super) async fn connect_to_join(url: &str, ca_pem: &str) -> Result<Channel, Error> {
    endpoint(url)?.tls_config(tls(ca_pem))?.connect().await
}

fn endpoint(url: &str) -> Result<Endpoint, Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .user_agent(user_agent())?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true))
}

fn tls(ca_pem: &str) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)).domain_name(ORCHESTRATOR_NAME)
}

/// RFC 7468.
pub(crate) fn certificate_pem(der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The whole of an error: tonic's own text stops before the cause.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    if tls_fault(error).is_some_and(is_of_the_clock) {
        text.push_str("; is the clock of this machine right?");
    }
    text
}

/// What TLS says, wherever it stands in the error.
pub(super) fn tls_fault<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let tls = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
        if tls.is_some() {
            return tls;
        }
        cause = error.source();
    }
    None
}

/// The certificate is right at another time than this machine's.
pub(super) fn is_of_the_clock(fault: &rustls::Error) -> bool {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(
        fault,
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
    )
}

/// Waits that grow from 0.2 s to 10 s, each with chance in it, so that a fleet does not come back all at once.
#[derive(Debug, Default)]
pub struct BackOff {
    failures: u32,
}

impl BackOff {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);

    /// It failed once since it last worked.
    pub fn is_first(&self) -> bool {
        self.failures == 1
    }

    /// How long to wait after one more failure: half to all of twice what it was before.
    pub fn wait(&mut self) -> Duration {
        let most = Self::FIRST.saturating_mul(1 << self.failures.min(6)).min(Self::LONGEST);
        self.failures += 1;
        most.mul_f64(rand::rng().random_range(0.5..=1.0))
    }

    /// The same, and no less than it was asked to.
    pub(crate) fn wait_at_least(&mut self, asked: Option<Duration>) -> Duration {
        self.wait().max(asked.unwrap_or_default())
    }

    /// Nothing has failed since it last worked.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// It worked: begin anew.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_begin_anew() {
        let mut back_off = BackOff::default();
        let waits: Vec<Duration> = (0..40).map(|_| back_off.wait()).collect();
        assert!(waits[0] >= BackOff::FIRST / 2 && waits[0] <= BackOff::FIRST);
        assert!(waits[3] > waits[0]);
        assert!(waits.iter().skip(10).all(|wait| (BackOff::LONGEST / 2..=BackOff::LONGEST).contains(wait)));
        back_off.reset();
        assert!(back_off.wait() <= BackOff::FIRST);
    }

    #[test]
    fn a_certificate_survives_the_way_through_pem() {
        use rustls_pki_types::{CertificateDer, pem::PemObject as _};
        let der: Vec<u8> = (0..=255).cycle().take(700).collect();
        assert_eq!(CertificateDer::from_pem_slice(certificate_pem(&der).as_bytes()).unwrap().as_ref(), der);
    }
}
