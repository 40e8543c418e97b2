//! Sign-in with tokens of an issuer (OpenID Connect): a JWT of a `Bearer` credential becomes a `Principal`, or a reason why not. The
//! issuer is asked for its keys alone, now and then; it never hears of a request.

mod claims;
mod keys;
mod token;

use std::path::PathBuf;

use reqwest::Url;

use self::{keys::Keys, token::Unverified};
use super::{Areas, Principal, Role};
use crate::clock::now_us;

/// Whose tokens count, and as what.
#[derive(Debug, Clone)]
pub struct OidcConfig {
    /// As tokens name it (`iss`).
    pub issuer: Url,
    /// Its certificate's CA, where it is none of the system's.
    pub ca: Option<PathBuf>,
    /// For whom a token has to be (`aud`): one of these.
    pub audiences: Vec<String>,
    /// The claim that holds roles or groups; dots go into objects.
    pub roles_claim: String,
    /// What of it gives which role; the first that fits counts.
    pub roles: Vec<(String, Role)>,
    /// The claim that holds what a token is for; dots go into objects.
    pub areas_claim: String,
    /// What of it gives which areas, all that fit together; without any every token is for everything.
    pub(crate) areas: Vec<(String, Areas)>,
    /// The claim that names people in the audit trail, beside `sub`.
    pub name_claim: String,
}

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OidcError {
    /// Of the token.
    #[error("the token {0}")]
    Token(&'static str),
    /// It counts, but is nobody's here.
    #[error("the token is good, but nothing in its claim `{0}` is given a role here")]
    NoRole(String),
    /// It counts, but is for nothing here.
    #[error("the token is good, but nothing in its claim `{0}` is given an area here")]
    NoArea(String),
    /// Of the issuer.
    #[error("the issuer's keys are not known: {0}")]
    Issuer(String),
}

/// Looks at tokens.
pub(crate) struct Oidc {
    config: OidcConfig,
    keys: Keys,
}

impl Oidc {
    pub(crate) fn new(config: OidcConfig) -> Result<Self, String> {
        let keys = Keys::new(&config)?;
        Ok(Self { config, keys })
    }

    /// Does this look like a token of an issuer? Tokens of this server have no dots.
    pub(crate) fn is_one(token: &str) -> bool {
        token.bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Whose it is.
    pub(crate) async fn principal(&self, token: &str) -> Result<Principal, OidcError> {
        let token = Unverified::read(token).map_err(OidcError::Token)?;
        let keys = self.keys.for_token(token.key_id.as_deref(), token.algorithm).await?;
        let claims = keys.iter().find_map(|key| token.claims(key));
        let claims = claims.ok_or(OidcError::Token("is signed by none of the issuer's keys"))?;
        let now_s = now_us() as f64 / 1e6;
        token::check(&claims, self.config.issuer.as_str(), &self.config.audiences, now_s).map_err(OidcError::Token)?;
        claims::principal(&claims, &self.config)
    }
}
