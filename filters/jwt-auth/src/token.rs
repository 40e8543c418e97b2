//! A token in its parts (RFC 7515 section 7.1).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

/// What is wrong with a token. Clients are told no more than helps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    Malformed,
    Signature,
    Expired,
    NotYet,
    Issuer,
    Audience,
    Required,
    NotEnough,
}

impl Invalid {
    /// Printable ASCII without quotes, for `error_description` (RFC 6750 section 3).
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Malformed => "The token is malformed.",
            Self::Signature => "No key that is known here signed the token.",
            Self::Expired => "The token expired, or does not say when it does.",
            Self::NotYet => "The token is not valid yet.",
            Self::Issuer => "The token is of another issuer.",
            Self::Audience => "The token is for another audience.",
            Self::Required => "The token lacks a claim.",
            Self::NotEnough => "The token does not reach that far.",
        }
    }
}

/// A token whose signature is not verified yet: nothing of its claims can be read.
pub(crate) struct Parts<'a> {
    pub(crate) algorithm: String,
    pub(crate) key_id: Option<String>,
    /// What was signed.
    pub(crate) signed: &'a [u8],
    pub(crate) signature: Vec<u8>,
    payload: &'a str,
}

impl<'a> Parts<'a> {
    pub(crate) fn read(token: &'a str) -> Result<Self, Invalid> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Invalid::Malformed)?;
        let (head, payload) =
            signed.split_once('.').filter(|(_, rest)| !rest.contains('.')).ok_or(Invalid::Malformed)?;
        let header = object(head)?;
        // RFC 7515 section 4.1.11: what has to be understood, and is not known here, makes the token invalid.
        if header.contains_key("crit") {
            return Err(Invalid::Malformed);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Invalid::Malformed),
        };
        Ok(Self {
            algorithm: text("alg")?.ok_or(Invalid::Malformed)?,
            key_id: text("kid")?,
            signed: signed.as_bytes(),
            signature: URL_SAFE_NO_PAD.decode(signature).map_err(|_| Invalid::Malformed)?,
            payload,
        })
    }

    /// To be asked when the signature is verified.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, Invalid> {
        object(self.payload)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, Invalid> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| Invalid::Malformed)
}
