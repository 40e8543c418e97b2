//! The issuer's keys: where they are, its discovery document says (OpenID Connect Discovery 1.0); what they are, its key set (RFC
//! 7517). Both are bounded, kept, and fetched again when they are old or a token names a key that is not among them, yet seldom,
//! whatever tokens come. While the issuer is away, the keys that are known go on until they are too old.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::RwLock;
use reqwest::{Certificate, Client, Url, redirect::Policy};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{
    OidcConfig, OidcError,
    token::{Algorithm, PublicKey},
};

/// Fetched again after it, when a token comes.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// Without the issuer, they count for so long.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
/// Between two fetches, whatever the reason.
const PAUSE: Duration = Duration::from_secs(10);
/// Of an answer's time and bytes.
const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST: usize = 1 << 20;
/// Keys of a set that are looked at, and those that are tried for a token that names none.
const MOST: usize = 100;
const TRIES: usize = 8;

pub(super) struct Keys {
    http: Client,
    issuer: Url,
    known: RwLock<Option<Arc<Known>>>,
    /// One fetch at a time; when the last began or ended, and what kept it from ending well.
    fetching: Mutex<Option<(Instant, Option<String>)>>,
}

struct Known {
    keys: Vec<Key>,
    since: Instant,
}

struct Key {
    id: Option<String>,
    /// The one that it is for, where the set says so.
    algorithm: Option<Algorithm>,
    key: PublicKey,
}

/// As a set has it (RFC 7517, RFC 7518 section 6, RFC 8037).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn new(config: &OidcConfig) -> Result<Self, String> {
        let mut http = Client::builder().redirect(Policy::none()).timeout(PATIENCE).connect_timeout(PATIENCE / 2);
        if !is_https(&config.issuer) {
            // On this machine: not by way of a proxy.
            http = http.no_proxy();
        }
        if let Some(file) = &config.ca {
            let fault = |reason: String| format!("{}: {reason}", file.display());
            let pem = std::fs::read(file).map_err(|error| fault(error.to_string()))?;
            let roots = Certificate::from_pem_bundle(&pem).map_err(|error| fault(error.to_string()))?;
            if roots.is_empty() {
                return Err(fault("there is no certificate in PEM in it".to_owned()));
            }
            http = http.tls_certs_only(roots);
        }
        let http = http.build().map_err(|error| format!("TLS towards the issuer cannot be set up: {error}"))?;
        Ok(Self { http, issuer: config.issuer.clone(), known: RwLock::default(), fetching: Mutex::default() })
    }

    /// Those that a token which names this key, or none, may be signed with.
    pub(super) async fn for_token(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Vec<PublicKey>, OidcError> {
        let known = self.known.read().clone();
        let fitting = known.as_ref().map(|known| known.fitting(id, algorithm)).unwrap_or_default();
        let age = known.as_ref().map(|known| known.since.elapsed());
        if !fitting.is_empty() && age.is_some_and(|age| age < FRESH) {
            return Ok(fitting);
        }
        let counts = !fitting.is_empty() && age.is_some_and(|age| age < KEPT);
        let failed = self.refresh(known.as_ref(), counts).await;
        let now = self.known.read().clone().filter(|known| known.since.elapsed() < KEPT);
        match (now, failed) {
            (Some(known), _) => Ok(known.fitting(id, algorithm)),
            (None, Some(reason)) => Err(OidcError::Issuer(reason)),
            (None, None) => Err(OidcError::Issuer("it was asked a moment ago".to_owned())),
        }
    }

    /// Fetches them, unless somebody else did meanwhile or it is too soon. Gives what keeps them from being known. Who has one that
    /// counts does not wait for an issuer that somebody else waits for.
    async fn refresh(&self, seen: Option<&Arc<Known>>, counts: bool) -> Option<String> {
        let mut last = match self.fetching.try_lock() {
            Ok(last) => last,
            Err(_) if counts => return None,
            Err(_) => self.fetching.lock().await,
        };
        let since = self.known.read().as_ref().map(|known| known.since);
        if since != seen.map(|known| known.since) {
            return None;
        }
        if let Some((at, failure)) = last.as_ref()
            && at.elapsed() < PAUSE
        {
            return failure.clone();
        }
        // Whoever hangs up has asked all the same.
        *last = Some((Instant::now(), None));
        // The pause begins when the issuer has answered, or did not: those who waited do not wait once more.
        let fetched = self.fetch().await;
        *last = Some((Instant::now(), None));
        match fetched {
            Ok(keys) => {
                tracing::info!(count = keys.len(), issuer = %self.issuer, "the issuer's keys were fetched");
                *self.known.write() = Some(Arc::new(Known { keys, since: Instant::now() }));
                None
            }
            Err(reason) => {
                tracing::warn!(reason, issuer = %self.issuer, "the issuer's keys cannot be fetched");
                *last = Some((Instant::now(), Some(reason.clone())));
                Some(reason)
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let mut url = self.issuer.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend([".well-known", "openid-configuration"]);
        }
        let discovery: Discovery = self.get(&url).await?;
        // Section 4.3: else one issuer could speak for another.
        if discovery.issuer.trim_end_matches('/') != self.issuer.as_str().trim_end_matches('/') {
            return Err(format!("{url} is the document of {}", discovery.issuer));
        }
        let place = Url::parse(&discovery.jwks_uri).map_err(|error| format!("jwks_uri: {error}"))?;
        if !is_https(&place) && is_https(&self.issuer) {
            return Err(format!("its keys are not at an https address but at {place}"));
        }
        let set: Set = self.get(&place).await?;
        let keys: Vec<Key> = set.keys.into_iter().take(MOST).filter_map(Key::read).collect();
        if keys.is_empty() { Err(format!("{place} has no key that can be used")) } else { Ok(keys) }
    }

    async fn get<T: for<'a> Deserialize<'a>>(&self, url: &Url) -> Result<T, String> {
        let fault = |error: reqwest::Error| {
            let mut cause: &dyn std::error::Error = &error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            format!("{url}: {cause}")
        };
        let mut response = self.http.get(url.clone()).send().await.map_err(fault)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{url} answers {}", response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(format!("{url} answers more than {LONGEST} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| format!("{url}: {error}"))
    }
}

impl Known {
    fn fitting(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<PublicKey> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let fits = |key: &&Key| key.key.fits(algorithm) && key.algorithm.is_none_or(|own| own == algorithm);
        self.keys.iter().filter(named).filter(fits).take(TRIES).map(|key| key.key.clone()).collect()
    }
}

impl Key {
    /// None where it is no public key for signatures; a set may hold any.
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let for_signatures = jwk.r#use.as_ref().is_none_or(|r#use| r#use == "sig")
            && jwk.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        let algorithm = match &jwk.alg {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_ref()?.trim_end_matches('=')).ok();
        let point = |length: usize| {
            let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
            (x.len() == length && y.len() == length).then(|| [vec![4], x, y].concat())
        };
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => PublicKey::Rsa(RsaPublicKeyComponents { n: bytes(&jwk.n)?, e: bytes(&jwk.e)? }),
            ("EC", Some("P-256")) => PublicKey::P256(point(32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(48)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(bytes(&jwk.x).filter(|key| key.len() == 32)?),
            _ => return None,
        };
        let useful = for_signatures && algorithm.is_none_or(|algorithm| key.fits(algorithm));
        useful.then_some(Self { id: jwk.kid, algorithm, key })
    }
}

fn is_https(url: &Url) -> bool {
    url.scheme() == "https"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn is_one(value: Value) -> bool {
        Key::read(value).is_some()
    }

    #[test]
    fn only_public_keys_for_signatures_are_keys() {
        let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
        let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
        let ec = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "1"});
        assert!(is_one(ec.clone()));
        let with = |name: &str, value: &str| {
            let mut key = ec.clone();
            key[name] = json!(value);
            key
        };
        assert!(is_one(with("use", "sig")) && is_one(with("alg", "ES256")));
        for (name, value) in [
            ("use", "enc"),
            ("alg", "ES384"),
            ("alg", "RS256"),
            ("alg", "HS256"),
            ("alg", "none"),
            ("kty", "oct"),
            ("crv", "P-384"),
            ("crv", "P-521"),
            ("x", "AQAB"),
            ("y", "!"),
        ] {
            assert!(!is_one(with(name, value)), "{name} {value}");
        }
        assert!(!is_one(json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})));
        assert!(!is_one(json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"})));
        assert!(is_one(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["verify"]})));
        assert!(!is_one(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "key_ops": ["encrypt"]})));
        for other in [json!(null), json!({}), json!({"kty": "EC"}), json!([1])] {
            assert!(!is_one(other));
        }
    }
}
