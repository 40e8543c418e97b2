//! The keys of a set, and which of them a token may be of.

use serde_json::{Map, Value};
use weir_sdk::Problems;

use crate::{
    key::Key,
    token::{Invalid, Parts},
};

/// Keys that can be tried for one token: each costs time.
const MOST: usize = 16;

#[derive(Debug)]
pub(crate) struct Keys(Vec<(Option<String>, Key)>);

impl Keys {
    pub(crate) fn new(jwks: &Value, problems: &mut Problems) -> Self {
        let Some(list) = jwks["keys"].as_array() else {
            problems.push("/jwks", "no key set: `{\"keys\": […]}` (RFC 7517 section 5)");
            return Self(Vec::new());
        };
        let before = problems.iter().count();
        let mut keys: Vec<(Option<String>, Key)> = Vec::with_capacity(list.len());
        for (index, jwk) in list.iter().enumerate() {
            if jwk["d"].is_string() {
                problems.push(format!("/jwks/keys/{index}"), "this is a private key: publish its public part only");
                continue;
            }
            match Key::parse(jwk) {
                Ok(Some(key)) => keys.push((jwk["kid"].as_str().map(str::to_owned), key)),
                Ok(None) => {}
                Err(fault) => problems.push(format!("/jwks/keys/{index}"), fault),
            }
        }
        if keys.is_empty() && problems.iter().count() == before {
            problems.push("/jwks/keys", "no key for RS256, ES256, EdDSA or HS256");
        }
        if keys.len() > MOST {
            problems.push("/jwks/keys", format!("{} keys: {MOST} at most", keys.len()));
        }
        Self(keys)
    }

    /// Of a set that somebody else maintains: what is of no use here is passed over.
    pub(crate) fn published(jwks: &Value) -> Result<Self, String> {
        let list = jwks["keys"].as_array().ok_or("its answer is no key set (RFC 7517 section 5)")?;
        let usable = list.iter().filter(|jwk| !jwk["d"].is_string() && jwk["kty"] != "oct").filter_map(|jwk| {
            let key = Key::parse(jwk).ok()??;
            Some((jwk["kid"].as_str().map(str::to_owned), key))
        });
        let keys: Vec<_> = usable.take(MOST).collect();
        if keys.is_empty() { Err("it publishes no key for RS256, ES256 or EdDSA".to_owned()) } else { Ok(Self(keys)) }
    }

    /// Could a token be of this set that names this key, or none?
    pub(crate) fn may_have(&self, key_id: Option<&str>) -> bool {
        key_id.is_none_or(|named| self.0.iter().any(|(id, _)| id.as_deref().is_none_or(|id| id == named)))
    }

    /// The claims of a token, if a key of the set signed it.
    pub(crate) fn open(&self, token: &str) -> Result<Map<String, Value>, Invalid> {
        let parts = Parts::read(token)?;
        let mut known = self.0.iter().filter(|(id, key)| {
            // A token that names a key is of that one, or of one without a name.
            let is_named = parts.key_id.is_none() || id.is_none() || *id == parts.key_id;
            is_named && key.algorithm() == parts.algorithm
        });
        if known.any(|(_, key)| key.verifies(parts.signed, &parts.signature)) {
            parts.claims()
        } else {
            Err(Invalid::Signature)
        }
    }
}
