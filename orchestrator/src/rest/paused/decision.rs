//! A decision as people write it. Whether it can be carried out is for the agent to say, which has the message.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use prost::bytes::Bytes;
use serde::Deserialize;
use utoipa::ToSchema;
use weir_proto::v1::{self, decide};

use super::{super::problem::Problem, shown::HeldBody};

/// How a paused message goes on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "decision", rename_all = "lowercase", deny_unknown_fields)]
pub(in super::super) enum Decision {
    /// As it is.
    Continue {},
    /// Other than it is; what is left out stays.
    Modify(Modify),
    /// This response in place of the upstream's.
    Respond(Respond),
    /// A request goes to this scheme, host and port: `https://staging.example:8443`.
    Redirect { to: String },
    /// The client gets no answer: its connection is closed, over HTTP/2 its stream reset.
    Kill {},
    /// The client is told, with status 403, that the exchange was blocked.
    Block {},
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Modify {
    /// Of a request.
    method: Option<String>,
    /// Of a request: the whole, `https://…`. It decides where the request goes, and its `Host`.
    url: Option<String>,
    /// Of a response: 200 to 599.
    status: Option<u32>,
    /// All of them, in place of all that were shown.
    #[schema(value_type = Option<Vec<Vec<String>>>)]
    headers: Option<Vec<(String, String)>>,
    /// The whole. `text` goes as it is, without Content-Encoding; `base64` is encoded as the headers say.
    body: Option<HeldBody>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Respond {
    /// 200 to 599
    status: u32,
    #[serde(default)]
    #[schema(value_type = Vec<Vec<String>>)]
    headers: Vec<(String, String)>,
    body: Option<HeldBody>,
}

impl Decision {
    /// # Errors
    /// What cannot be said to an agent at all.
    pub(super) fn message(self) -> Result<decide::Decision, Problem> {
        Ok(match self {
            Self::Continue {} => decide::Decision::GoOn(v1::GoOn {}),
            Self::Modify(modify) => {
                let body_is_plain = matches!(modify.body, Some(HeldBody::Text(_)));
                let headers = modify.headers.map(fields).transpose()?.map(|fields| v1::HeaderEdit { fields });
                decide::Decision::Modify(v1::Modify {
                    method: modify.method,
                    url: modify.url,
                    status: modify.status,
                    headers,
                    body: modify.body.map(HeldBody::bytes).transpose()?,
                    body_is_plain,
                })
            }
            Self::Respond(respond) => decide::Decision::Respond(v1::Respond {
                status: respond.status,
                headers: fields(respond.headers)?,
                body: respond.body.map(HeldBody::bytes).transpose()?.unwrap_or_default(),
            }),
            Self::Redirect { to } => decide::Decision::Redirect(v1::Redirect { to }),
            Self::Kill {} => decide::Decision::Kill(v1::Kill {}),
            Self::Block {} => decide::Decision::Block(v1::Block {}),
        })
    }
}

impl HeldBody {
    fn bytes(self) -> Result<Bytes, Problem> {
        match self {
            Self::Text(text) => Ok(text.into()),
            Self::Base64(text) => {
                let bytes = STANDARD.decode(text);
                bytes
                    .map(Bytes::from)
                    .map_err(|_| Problem::unprocessable("decision", "body.base64 is no Base64 (RFC 4648)"))
            }
        }
    }
}

/// As they are shown: of a value, each character is one byte.
fn fields(fields: Vec<(String, String)>) -> Result<Vec<v1::Field>, Problem> {
    let field = |(name, value): (String, String)| {
        let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
        let value = bytes.map_err(|_| {
            let shown: String = name.chars().take(64).collect();
            Problem::unprocessable("decision", format!("the value of {shown:?} has a character that is no byte"))
        })?;
        Ok(v1::Field { name, value: value.into() })
    };
    fields.into_iter().map(field).collect()
}
