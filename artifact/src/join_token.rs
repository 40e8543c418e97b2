//! The one line that lets an agent join: the orchestrator's one-time token and CA, and the publishers to trust.
//!
//! The client command composes it on the publisher's machine, so the orchestrator chooses neither the publisher keys nor
//! the group.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde::{Deserialize, Serialize};

use crate::{Digest, GroupName, TrustedKey};

const PREFIX: &str = "weir-join-1.";
const MAX_BYTES: usize = 32 << 10;
/// Hex digits of the checksum: against slips in copying, not against anybody who means it.
const SUM_LEN: usize = 8;

/// What a joining agent has to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinToken {
    /// Spent at the first use.
    pub token: String,
    /// The orchestrator's CA certificate, DER in base64: whoever cannot show a certificate of this CA is not the orchestrator.
    #[serde(with = "der")]
    pub ca: Vec<u8>,
    /// The group the agent joins: it accepts no statement for another, whatever group the orchestrator puts it in.
    pub group: GroupName,
    /// Keys whose statements the agent will accept.
    pub publishers: Vec<TrustedKey>,
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken")
            .field("group", &self.group)
            .field("publishers", &self.publishers)
            .finish_non_exhaustive()
    }
}

/// The text is no join token.
#[derive(Debug, thiserror::Error)]
#[error("not a join token: {0}")]
pub struct JoinTokenError(String);

impl JoinToken {
    /// One line of URL-safe text.
    pub fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).expect("a join token has string keys only");
        format!("{PREFIX}{}.{}", BASE64.encode(&json), sum(&json))
    }

    /// Reads the line of [`Self::to_text`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_text(text: &str) -> Result<Self, JoinTokenError> {
        let text = text.trim();
        if text.len() > MAX_BYTES {
            return Err(JoinTokenError(format!("{} bytes, more than {MAX_BYTES}", text.len())));
        }
        let body =
            text.strip_prefix(PREFIX).ok_or_else(|| JoinTokenError(format!("it does not begin with {PREFIX}")))?;
        let altered = || JoinTokenError("it was cut or altered on the way: copy the whole line".to_owned());
        let (body, stated) = body.rsplit_once('.').ok_or_else(altered)?;
        let json = BASE64.decode(body).map_err(|_| altered())?;
        if sum(&json) != stated {
            return Err(altered());
        }
        serde_json::from_slice(&json).map_err(|error| JoinTokenError(error.to_string()))
    }
}

fn sum(json: &[u8]) -> String {
    Digest::of(json).hex()[..SUM_LEN].to_owned()
}

mod der {
    use base64::Engine as _;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        super::BASE64.decode(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
