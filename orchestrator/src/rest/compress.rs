//! Long answers in fewer bytes, where that tells nobody anything: of numbers and descriptions. Answers with recorded traffic are
//! sent as they are: text of strangers stands there beside secrets, and under TLS the length of the whole would tell how alike
//! the two are (BREACH).

use std::io::Write as _;

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::Body as _;

/// Shorter ones fit into a packet as they are.
const SHORTEST: u64 = 1 << 10;
/// Longer ones are sent as they are.
const LONGEST: u64 = 8 << 20;
/// As fast as the network, about.
const ZSTD_LEVEL: i32 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Zstd,
    Gzip,
}

/// As the client takes it (RFC 9110 section 12.5.3).
pub(super) async fn compress(request: Request, next: Next) -> Response {
    let coding = coding(request.headers());
    let mut response = next.run(request).await;
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = coding.filter(|_| fits(&response)) else { return response };
    let (mut parts, body) = response.into_parts();
    // As long as it said, which is not much.
    let Ok(bytes) = to_bytes(body, LONGEST as usize).await else {
        parts.status = StatusCode::INTERNAL_SERVER_ERROR;
        return Response::from_parts(parts, Body::empty());
    };
    let packed = tokio::task::spawn_blocking({
        let bytes = bytes.clone();
        move || coding.pack(&bytes)
    });
    let Ok(Ok(packed)) = packed.await else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    weaken(&mut parts.headers);
    Response::from_parts(parts, Body::from(packed))
}

fn fits(response: &Response) -> bool {
    let length = response.body().size_hint().exact();
    response.status() == StatusCode::OK
        && !response.headers().contains_key(header::CONTENT_ENCODING)
        && length.is_some_and(|length| (SHORTEST..=LONGEST).contains(&length))
}

/// The same in other bytes is no longer what a strong tag says (RFC 9110 section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let tag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"));
    if let Some(weak) = tag.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
        headers.insert(header::ETAG, weak);
    }
}

/// The best of those that the client takes.
fn coding(headers: &HeaderMap) -> Option<Coding> {
    let given = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut best = None;
    for one in given.flat_map(|value| value.split(',')) {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse::<f32>().is_ok_and(|q| q <= 0.0));
        match name.trim().to_ascii_lowercase().as_str() {
            "zstd" if !refused => return Some(Coding::Zstd),
            "gzip" | "x-gzip" if !refused => best = Some(Coding::Gzip),
            _ => {}
        }
    }
    best
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    fn pack(self, bytes: &Bytes) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Zstd => zstd::bulk::compress(bytes, ZSTD_LEVEL),
            Self::Gzip => {
                let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
                packer.write_all(bytes)?;
                packer.finish()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_takes() {
        for (accept, expect) in [
            ("gzip", Some(Coding::Gzip)),
            ("gzip, deflate, br, zstd", Some(Coding::Zstd)),
            ("br;q=1.0, gzip;q=0.8, *;q=0.1", Some(Coding::Gzip)),
            ("zstd;q=0, GZIP", Some(Coding::Gzip)),
            ("gzip;q=0.0", None),
            ("identity", None),
            ("", None),
        ] {
            let headers = [(header::ACCEPT_ENCODING, accept.parse().unwrap())].into_iter().collect();
            assert_eq!(coding(&headers), expect, "{accept}");
        }
    }
}
