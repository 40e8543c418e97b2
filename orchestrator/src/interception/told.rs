//! What agents tell of pauses, in words for people. Agents are not trusted to be brief.

use weir_proto::v1;

use crate::grpc::bounded;

const LONGEST_URL: usize = 4 << 10;

/// `request` or `response`.
pub(crate) fn at(at_response: bool) -> &'static str {
    if at_response { "response" } else { "request" }
}

/// Method and URL.
pub(crate) fn request(paused: &v1::Paused) -> (String, String) {
    let Some(request) = &paused.request else { return (String::new(), String::new()) };
    let url = format!("{}://{}{}", request.scheme, request.authority, request.path);
    (bounded(&request.method, 64), bounded(&url, LONGEST_URL))
}

/// Of a response.
pub(crate) fn status(paused: &v1::Paused) -> Option<u16> {
    paused.response.as_ref().and_then(|response| u16::try_from(response.status).ok())
}
