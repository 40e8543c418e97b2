//! Query strings, path segments and JSON bodies, read so that whatever is wrong with them becomes a problem document.

use std::fmt;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::{header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{misread::misread, problem::Problem, vouched::unfinished};

const MOST: usize = 500;

/// The query string; an unknown parameter is an error, or a slip in one would go unseen.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(error) => Err(Problem::bad_request(parameters(&error.body_text()))),
        }
    }
}

/// What is wrong with a query string, in the words of whoever wrote it rather than of the parser.
pub(crate) fn parameters(told: &str) -> String {
    const WORDS: [(&str, &str); 4] = [
        ("invalid digit found in string", "a whole number is expected"),
        ("cannot parse integer from empty string", "a whole number is expected"),
        ("number too large to fit in target type", "the number is too large"),
        ("number too small to fit in target type", "the number is too small"),
    ];
    let told = told.strip_prefix("Failed to deserialize query string: ").unwrap_or(told);
    let (name, reason) = told.split_once(": ").unwrap_or(("", told));
    let plain = WORDS.into_iter().find(|(parser, _)| *parser == reason).map(|(_, plain)| plain);
    let is_id = reason.starts_with("UUID parsing failed");
    match plain.or(is_id.then_some("an id is a UUID, such as 0199aa3c-7b1e-7c3a-9f00-0123456789ab")) {
        Some(plain) => format!("query string: {name}: {plain}"),
        None => format!("query string: {told}"),
    }
}

/// `{id}` of the path.
pub(super) struct Id(pub(super) Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|Path(text)| Uuid::try_parse(&text).ok());
        id.map(Self).ok_or_else(|| Problem::not_found("an id is a UUID, such as 0199aa3c-7b1e-7c3a-9f00-0123456789ab"))
    }
}

/// `{name}` of the path, where there is one segment to take; none where it is not even text (RFC 3986 section 2.1).
pub(super) struct Segment(pub(super) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        Ok(Self(text.ok().map(|Path(text)| text)))
    }
}

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        json(request, state, &["application/json"]).await.map(Self)
    }
}

/// A JSON body that says what is to change (RFC 7396).
pub(super) struct Patch<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        json(request, state, &["application/merge-patch+json", "application/json"]).await.map(Self)
    }
}

async fn json<T: DeserializeOwned>(request: Request, state: &(impl Send + Sync), kinds: &[&str]) -> Result<T, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !kinds.iter().any(|kind| essence.eq_ignore_ascii_case(kind)) {
        return Err(Problem::unsupported_media_type());
    }
    let bytes = match Bytes::from_request(request, state).await {
        Ok(bytes) => bytes,
        Err(error) if error.status() == http::StatusCode::PAYLOAD_TOO_LARGE => {
            return Err(Problem::too_large("the body is larger than any that is taken here"));
        }
        Err(error) => return Err(unfinished(&error).unwrap_or_else(|| Problem::bad_request(error.body_text()))),
    };
    // An array would be taken for an object's members in the order in which they happen to be written here.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::bad_request("JSON: the body has to be an object"));
    }
    serde_json::from_slice(&bytes).map_err(|error| misread(&bytes, &error))
}

/// How much of a listing, from where on.
#[derive(Debug, Deserialize)]
pub(super) struct Paging {
    pub(super) limit: Option<usize>,
    pub(super) cursor: Option<String>,
}

impl Paging {
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(100) {
            limit @ 1..=MOST => Ok(limit),
            _ => Err(Problem::bad_request(format!("limit has to be 1 to {MOST}"))),
        }
    }

    /// The 16 bytes that [`cursor`] wrote.
    pub(super) fn place(&self) -> Result<Option<[u8; 16]>, Problem> {
        Ok(self.cursor.as_deref().map(Place::read).transpose()?.map(|place| place.0))
    }
}

/// A place in a listing or a stream, as programs hand it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(pub(crate) [u8; 16]);

impl Place {
    pub(crate) fn read(text: &str) -> Result<Self, Problem> {
        let fault = || Problem::bad_request("this is no cursor, or place, that an answer gave: use it as it came");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| fault())?;
        bytes.try_into().map(Self).map_err(|_| fault())
    }

    /// In the order of arrival. One of another listing is no place there, but is one that exists: it is bounded by what
    /// is there.
    pub(crate) fn number(self) -> i64 {
        i64::try_from(u128::from_be_bytes(self.0)).unwrap_or(i64::MAX)
    }
}

impl From<i64> for Place {
    fn from(number: i64) -> Self {
        Self(u128::from(number.unsigned_abs()).to_be_bytes())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The place in a listing in the order in which rows came. A cursor of another listing is no place in this one, but is one that
/// is bounded.
pub(super) fn arrival(paging: &Paging) -> Result<Option<u64>, Problem> {
    Ok(paging.place()?.map(|place| u64::try_from(u128::from_be_bytes(place)).unwrap_or(u64::MAX)))
}

/// The cursor that [`arrival`] reads.
pub(super) fn of_arrival(place: u64) -> String {
    cursor(u128::from(place).to_be_bytes())
}

/// A place in a listing, for `next`.
pub(super) fn cursor(place: [u8; 16]) -> String {
    Place(place).to_string()
}
