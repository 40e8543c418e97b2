//! Lets requests through that carry a valid token (RFC 7519) of a key in the configuration. In: request heads. Out: the same
//! head with claims in it, or a refusal (RFC 6750).
#![forbid(unsafe_code)]

mod claims;
mod config;
mod headers;
mod key;
mod keys;
mod source;
mod token;

use weir_sdk::{
    Action, Filter, LocalResponse, Problems, Refusal, Request, Subscription, clock,
    matching::{Facts, Scope},
    warn,
};

use crate::{claims::Rules, config::Config, headers::ClaimHeaders, keys::Keys, source::Sources, token::Invalid};

/// The filter.
#[derive(Debug)]
pub struct JwtAuth {
    keys: Keys,
    rules: Rules,
    sources: Sources,
    headers: ClaimHeaders,
    except: Scope,
    realm: String,
}

impl Filter for JwtAuth {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let filter = Self {
            keys: Keys::new(&config.jwks, &mut problems),
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

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        // What stands in these fields is this filter's word, on every path.
        if let Err(fault) = self.headers.clear(request) {
            warn!("fields that a client may not send were not removed: {fault}");
            return self.refuse(request, &Refused::CANNOT_TELL).into();
        }
        if !self.except.is_empty() && self.except.covers(&Facts::of(request)) {
            return Action::Next;
        }
        match self.check(request) {
            Ok(()) => Action::Next,
            Err(refused) => self.refuse(request, &refused).into(),
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

impl JwtAuth {
    fn check(&self, request: &mut Request) -> Result<(), Refused> {
        let found = self.sources.find(request).map_err(|_| Refused::SEVERAL)?.ok_or(Refused::ABSENT)?;
        let claims = self.keys.open(&found.token).map_err(Refused::of)?;
        self.rules.check(&claims, clock::now_ms() / 1000.0).map_err(Refused::of)?;
        let told = self.headers.set(&claims, request).and_then(|()| self.sources.strip(&found, request));
        told.map_err(|fault| {
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
        if refused.status == 500 {
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
