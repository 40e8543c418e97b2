//! Trailers of a request that is to be sent: fields behind its body. Pure.

use http::{
    HeaderName,
    header::{
        AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
        COOKIE, EXPECT, HOST, MAX_FORWARDS, PROXY_AUTHORIZATION, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};
use weir_proto::v1::{Field, Request};

use super::{Unfit, fields, name};

/// What says how a message is framed, where it goes, who sends it or what its content is has to come before that (RFC 9110 section
/// 6.5.1).
const NEVER: [HeaderName; 17] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    COOKIE,
    EXPECT,
    HOST,
    MAX_FORWARDS,
    PROXY_AUTHORIZATION,
    SET_COOKIE,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Those that are given.
pub(super) fn given(given: &[(String, String)]) -> Result<Vec<Field>, Unfit> {
    let given = fields(given)?;
    match given.iter().find(|field| NEVER.iter().any(|never| never == field.name.as_str())) {
        Some(field) => Err(Unfit::Trailer(field.name.clone())),
        None => Ok(given),
    }
}

/// Those of the request that are not to go are taken away, and those that are set stand in place of all of their names.
pub(super) fn edit(
    request: &mut Request,
    set: &[(String, String)],
    remove: &[String],
    changes: &mut Vec<String>,
) -> Result<(), Unfit> {
    for text in remove {
        let name = name(text)?;
        request.trailers.retain(|field| !field.name.eq_ignore_ascii_case(name.as_str()));
        changes.push(format!("removed trailer {name}"));
    }
    let set = given(set)?;
    changes.extend(set.iter().map(|field| format!("set trailer {}", field.name)));
    request.trailers.retain(|field| !set.iter().any(|new| new.name.eq_ignore_ascii_case(&field.name)));
    request.trailers.extend(set);
    Ok(())
}

/// Nothing is chunked over HTTP/1.0, and only what is chunked has trailers (RFC 9112 section 7.1.2).
pub(super) fn fit(request: &mut Request) {
    if !request.trailers.is_empty() && request.version == "HTTP/1.0" {
        request.version = "HTTP/1.1".to_owned();
    }
}
