//! Answers that are kept: sealed with the client's key, and opened with the same alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;

use super::{super::problem::Problem, LONGEST_ANSWER, REPLAYED, hash};

/// Fields of an answer that are kept.
const FIELDS: [HeaderName; 3] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG];

/// An answer, or, where it cannot be kept, one that says so: what was done is not done again.
pub(super) async fn sealed(
    secret: &[u8; 32],
    status: StatusCode,
    headers: &HeaderMap,
    said: Option<Bytes>,
) -> Option<Vec<u8>> {
    if let Some(sealed) = said.and_then(|said| seal(secret, status, headers, &said)) {
        return Some(sealed);
    }
    let (parts, body) = Problem::not_kept(status).into_response().into_parts();
    let said = to_bytes(body, LONGEST_ANSWER).await.ok()?;
    seal(secret, parts.status, &parts.headers, &said)
}

/// The nonce is random, and stands before what it sealed.
fn sealing(secret: &[u8; 32]) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &hash(&[b"seal", secret])).ok().map(LessSafeKey::new)
}

pub(super) fn seal(secret: &[u8; 32], status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; 12];
    rand::fill(&mut nonce[..]);
    let mut plain = status.as_u16().to_be_bytes().to_vec();
    for name in FIELDS {
        let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        plain.extend(u16::try_from(value.len()).ok()?.to_be_bytes());
        plain.extend(value);
    }
    plain.extend(body);
    sealing(secret)?.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut plain).ok()?;
    Some([&nonce[..], &plain].concat())
}

pub(super) fn open(secret: &[u8; 32], sealed: &[u8]) -> Option<Response> {
    let (nonce, sealed) = sealed.split_first_chunk::<12>()?;
    let mut sealed = sealed.to_vec();
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let mut plain: &[u8] = sealing(secret)?.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
    let number = |plain: &mut &[u8]| {
        let (number, rest) = plain.split_first_chunk::<2>()?;
        *plain = rest;
        Some(u16::from_be_bytes(*number))
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(number(&mut plain)?).ok()?;
    for name in FIELDS {
        let length = number(&mut plain)?;
        let (value, rest) = plain.split_at_checked(length.into())?;
        plain = rest;
        if !value.is_empty() {
            response.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
        }
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    *response.body_mut() = Body::from(plain.to_vec());
    Some(response)
}
