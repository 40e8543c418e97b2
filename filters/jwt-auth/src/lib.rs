//! Lets requests through that carry a valid token (RFC 7519) of a key in the configuration. In: request heads. Out: the same
//! head with claims in it, or a refusal (RFC 6750).
#![forbid(unsafe_code)]

mod claims;
mod config;
mod fetched;
mod headers;
mod key;
mod keys;
mod source;
mod token;

use weir_sdk::{
    Action, CallOutcome, Done, Filter, LocalResponse, Problems, Refusal, Request, Resumed, Resumption, Subscription,
    clock,
    matching::{Facts, Scope},
    warn,
};

use crate::{
    claims::Rules,
    config::Config,
    fetched::{Fetched, Had},
    headers::ClaimHeaders,
    keys::Keys,
    source::{Found, Sources},
    token::{Invalid, Parts},
};

/// The filter.
#[derive(Debug)]
pub struct JwtAuth {
    keys: KeySet,
    rules: Rules,
    sources: Sources,
    headers: ClaimHeaders,
    except: Scope,
    realm: String,
}

/// Whose signatures count.
#[derive(Debug)]
enum KeySet {
    Given(Keys),
    Fetched(Fetched),
}

impl KeySet {
    fn new(config: &Config, problems: &mut Problems) -> Self {
        match (&config.jwks, &config.jwks_from) {
            (None, Some(remote)) => Self::Fetched(Fetched::new(remote, problems)),
            (Some(jwks), None) => Self::Given(Keys::new(jwks, problems)),
            (jwks, _) => {
                problems.push("/jwks", "one of `jwks` and `jwks_from`");
                Self::Given(Keys::new(jwks.as_ref().unwrap_or_default(), &mut Problems::new()))
            }
        }
    }
}

impl Filter for JwtAuth {
    type Config = Config;
    /// It waits for the issuer's keys.
    type State = bool;

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let filter = Self {
            keys: KeySet::new(&config, &mut problems),
            rules: Rules::new(&config, &mut problems),
            sources: Sources::new(&config, &mut problems),
            headers: ClaimHeaders::new(&config.claim_headers, &mut problems),
            except: Scope::new("/except", &config.except, &mut problems),
            realm: config.realm,
        };
        if !filter.realm.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte)) {
            problems.push("/realm", "printable ASCII without `\"` and `\\` only");
        }
        problems.or(filter)
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, waits: &mut bool) -> Action {
        // What stands in these fields is this filter's word, on every path.
        if let Err(fault) = self.headers.clear(request) {
            warn!("fields that a client may not send were not removed: {fault}");
            return self.refuse(request, &Refused::CANNOT_TELL).into();
        }
        if !self.except.is_empty() && self.except.covers(&Facts::of(request)) {
            return Action::Next;
        }
        match self.check(request, false) {
            Ok(Checked::Good) => Action::Next,
            Ok(Checked::Asks) => {
                *waits = true;
                Action::Wait
            }
            Err(refused) => self.refuse(request, &refused).into(),
        }
    }

    fn done(&self, _done: &Done, waits: bool) {
        if let KeySet::Fetched(fetched) = &self.keys
            && waits
        {
            fetched.given_up();
        }
    }

    fn resumed(&self, resumed: &mut Resumed, outcome: CallOutcome, waits: &mut bool) -> Resumption {
        if let KeySet::Fetched(fetched) = &self.keys {
            *waits = false;
            fetched.heard(Some(&outcome), clock::monotonic_ms());
        }
        match self.check(resumed.request_mut(), true) {
            Ok(_) => Resumption::Proceed,
            Err(refused) => self.refuse(resumed.request(), &refused).into(),
        }
    }
}

weir_sdk::export!(JwtAuth);

/// Why a request is not let through (RFC 6750 section 3.1).
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    status: u16,
    /// None where the client sent no token: then it is told nothing but that it needs one.
    error: Option<&'static str>,
    detail: &'static str,
}

impl Refused {
    const CANNOT_TELL: Self = Self { status: 500, error: None, detail: "The request's head could not be changed." };
    const ABSENT: Self = Self { status: 401, error: None, detail: "This needs a token." };
    const NO_KEYS: Self = Self { status: 503, error: None, detail: "The keys of the issuer cannot be had." };
    const SEVERAL: Self = Self {
        status: 400,
        error: Some("invalid_request"),
        detail: "There is more than one token, or it is too long.",
    };

    fn of(invalid: Invalid) -> Self {
        let (status, error) = match invalid {
            Invalid::NotEnough => (403, "insufficient_scope"),
            _ => (401, "invalid_token"),
        };
        Self { status, error: Some(error), detail: invalid.detail() }
    }
}

/// What came of a look at a request that is not refused.
enum Checked {
    /// Its token is good, and its head says what it is to say.
    Good,
    /// The keys are asked for.
    Asks,
}

impl JwtAuth {
    /// `has_asked`: for the keys, on behalf of this exchange.
    fn check(&self, request: &mut Request, has_asked: bool) -> Result<Checked, Refused> {
        let found = self.sources.find(request).map_err(|_| Refused::SEVERAL)?.ok_or(Refused::ABSENT)?;
        let fetched = match &self.keys {
            KeySet::Given(keys) => return self.open(keys, &found, request),
            KeySet::Fetched(fetched) => fetched,
        };
        // nobody asks for what is no token
        let parts = Parts::read(&found.token).map_err(Refused::of)?;
        let now = clock::monotonic_ms();
        match fetched.keys_for(parts.key_id.as_deref(), now, has_asked) {
            Had::Keys(keys) => self.open(&keys, &found, request),
            Had::Nothing => Err(Refused::NO_KEYS),
            Had::Ask => {
                let (upstream, question) = fetched.question(now);
                if let Err(error) = request.start_call(upstream, &question) {
                    warn!("the issuer cannot be asked for its keys: {error}");
                    fetched.heard(None, now);
                    return self.check(request, true);
                }
                Ok(Checked::Asks)
            }
        }
    }

    fn open(&self, keys: &Keys, found: &Found, request: &mut Request) -> Result<Checked, Refused> {
        let claims = keys.open(&found.token).map_err(Refused::of)?;
        self.rules.check(&claims, clock::now_ms() / 1000.0).map_err(Refused::of)?;
        let told = self.headers.set(&claims, request).and_then(|()| self.sources.strip(found, request));
        told.map(|()| Checked::Good).map_err(|fault| {
            warn!("a request's head was not changed: {fault}");
            Refused::CANNOT_TELL
        })
    }

    fn refuse(&self, request: &Request, refused: &Refused) -> LocalResponse {
        let refusal = Refusal {
            filter: "jwt-auth",
            status: refused.status,
            kind: "unauthorized",
            title: "A valid token is needed",
            detail: refused.detail,
            rule: None,
        };
        let response = refusal.response(request);
        if refused.status >= 500 {
            return response;
        }
        let mut challenge = format!("Bearer realm=\"{}\"", self.realm);
        if let Some(error) = refused.error {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{}\"", refused.detail));
        }
        response.header("www-authenticate", challenge)
    }
}

#[cfg(test)]
mod tests;
