//! What a person makes of a paused message. Enters: a decision as it came over the network, and the message as it was shown;
//! leaves: one that can be carried out, or why it cannot. Pure.
//!
//! How a message is framed is never taken from an edit: a length is counted anew, fields of this hop stay as they are.

use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::uri::{self, PathAndQuery};
use http::{HeaderMap, Method, StatusCode, Uri};
use weir_host::LocalResponse;
use weir_proto::v1::{self, decide::Decision};

use super::breakpoint::MOST_BODY;
use crate::target::Target;

/// Fields in an edited head.
const MOST_FIELDS: usize = 128;
/// And their bytes, names and values.
const MOST_FIELD_BYTES: usize = 64 << 10;

/// How a paused message goes on.
#[derive(Debug)]
pub enum Verdict {
    GoOn,
    Modify(Box<Edit>),
    /// This goes to the client in place of the upstream's response.
    Respond(LocalResponse),
    Kill,
    Block,
}

/// What is other than it was; what is none stays.
#[derive(Debug, Default)]
pub struct Edit {
    pub method: Option<Method>,
    /// in absolute form
    pub uri: Option<Uri>,
    pub status: Option<StatusCode>,
    /// all of them but those of [`is_of_this_hop`], `Host` and Content-Length
    pub headers: Option<HeaderMap>,
    pub body: Option<Bytes>,
    /// that body has no Content-Encoding
    pub is_plain: bool,
}

/// Not for editors: what a field says of this connection, or of where a message ends.
pub fn is_of_this_hop(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 9] =
        [CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA];
    const OTHERS: [&str; 4] = ["keep-alive", "proxy-connection", "proxy-authentication-info", "http2-settings"];
    NAMES.contains(name) || OTHERS.contains(&name.as_str())
}

/// The decision, and what the record says of it.
pub(super) fn verdict(
    decide: v1::Decide,
    shown: &v1::Paused,
    has_content: bool,
) -> Result<(Verdict, v1::Intervention), String> {
    let decision = decide.decision.ok_or("this agent does not know this decision")?;
    let (name, verdict) = match decision {
        Decision::GoOn(_) => ("continue", Verdict::GoOn),
        Decision::Modify(modify) => ("modify", Verdict::Modify(Box::new(edit(modify, shown, has_content)?))),
        Decision::Respond(respond) => ("respond", answer(respond, shown, has_content)?),
        Decision::Redirect(redirect) => {
            let uri = Some(redirected(&redirect.to, shown)?);
            ("redirect", Verdict::Modify(Box::new(Edit { uri, ..Edit::default() })))
        }
        Decision::Kill(_) => ("kill", Verdict::Kill),
        Decision::Block(_) => ("block", Verdict::Block),
    };
    let changed = match &verdict {
        Verdict::Modify(edit) => edit.changed(),
        _ => Vec::new(),
    };
    let how = v1::Intervention {
        at_response: shown.at_response,
        decision: name.to_owned(),
        by: decide.by.chars().filter(|c| !c.is_control()).take(128).collect(),
        changed,
        ..v1::Intervention::default()
    };
    Ok((verdict, how))
}

impl Edit {
    fn changed(&self) -> Vec<String> {
        let parts = [
            ("method", self.method.is_some()),
            ("url", self.uri.is_some()),
            ("status", self.status.is_some()),
            ("headers", self.headers.is_some()),
            ("body", self.body.is_some()),
        ];
        parts.into_iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| name.to_owned()).collect()
    }
}

fn edit(modify: v1::Modify, shown: &v1::Paused, has_content: bool) -> Result<Edit, String> {
    if shown.at_response && (modify.method.is_some() || modify.url.is_some()) {
        return Err("a response has neither method nor URL: it can be edited at the request only".to_owned());
    }
    if !shown.at_response && modify.status.is_some() {
        return Err("a request has no status: `respond` answers it".to_owned());
    }
    let request = shown.request.as_ref().ok_or("the request is lost")?;
    let method = modify.method.map(|text| method(&text, &request.method)).transpose()?;
    let uri = modify.url.map(|text| absolute(&text)).transpose()?;
    let status = modify.status.map(status).transpose()?;
    let body = modify.body;
    if let Some(body) = &body {
        check_body(body)?;
        if !shown.body_is_whole {
            let held = shown.body_held;
            return Err(format!(
                "the body is longer than the {held} bytes that are held of it, so it cannot be replaced"
            ));
        }
    }
    let may_have_content = status.map_or(has_content, |status| has_content_as(status, shown));
    if shown.at_response && !may_have_content && body.as_ref().is_some_and(|body| !body.is_empty()) {
        return Err("this response has no content (RFC 9110 section 6.4.1)".to_owned());
    }
    let authority = match &uri {
        Some(uri) => uri.authority().map(|authority| authority.as_str()),
        None => Some(request.authority.as_str()).filter(|_| !shown.at_response),
    };
    let length = match &body {
        Some(body) => Some(body.len() as u64),
        None => Some(shown.body_held).filter(|_| shown.body_is_whole),
    };
    let headers = modify.headers.map(|edited| fields(&edited.fields, authority, length)).transpose()?;
    let is_plain = modify.body_is_plain && body.is_some();
    Ok(Edit { method, uri, status, headers, body, is_plain })
}

/// At the response it takes the place of what the upstream said, and filters have it as they would have had that.
fn answer(respond: v1::Respond, shown: &v1::Paused, has_content: bool) -> Result<Verdict, String> {
    let status = status(respond.status)?;
    let body = respond.body;
    check_body(&body)?;
    let may_have_content = if shown.at_response { has_content_as(status, shown) } else { has_content };
    if (!may_have_content || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)) && !body.is_empty() {
        return Err("this response has no content (RFC 9110 section 6.4.1)".to_owned());
    }
    let headers = fields(&respond.headers, None, Some(body.len() as u64))?;
    Ok(Verdict::Respond(LocalResponse { status, headers, body }))
}

/// Whether the response to the shown request has content, with this status.
fn has_content_as(status: StatusCode, shown: &v1::Paused) -> bool {
    let to_head = shown.request.as_ref().is_some_and(|request| request.method == "HEAD");
    !to_head && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn check_body(body: &Bytes) -> Result<(), String> {
    if body.len() > MOST_BODY as usize {
        return Err(format!("a body may have {MOST_BODY} bytes at most"));
    }
    Ok(())
}

fn method(text: &str, before: &str) -> Result<Method, String> {
    let method = Method::from_bytes(text.as_bytes()).map_err(|_| "this is no method (RFC 9110 section 9.1)")?;
    if method == Method::CONNECT {
        return Err("CONNECT makes a tunnel: no request becomes one".to_owned());
    }
    // what answers a HEAD says how long it would be, and is empty
    if method.as_str() != before && (method == Method::HEAD || before == "HEAD") {
        return Err(
            "HEAD cannot be made of another method, nor another of it: their responses end differently".to_owned()
        );
    }
    Ok(method)
}

fn status(status: u32) -> Result<StatusCode, String> {
    let code = u16::try_from(status).ok().filter(|code| (200..600).contains(code));
    code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or("a status is 200 to 599".to_owned())
}

fn absolute(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|error| format!("this is no URL: {error}"))?;
    Target::from_uri(&uri).map_err(|_| "a URL begins with http:// or https:// and a host, and names no user")?;
    let mut parts = uri.into_parts();
    parts.path_and_query = match parts.path_and_query {
        Some(path) if path.as_str().starts_with('?') => format!("/{}", path.as_str()).parse().ok(),
        path => path.or(Some(PathAndQuery::from_static("/"))),
    };
    Uri::from_parts(parts).map_err(|error| format!("this is no URL: {error}"))
}

fn redirected(to: &str, shown: &v1::Paused) -> Result<Uri, String> {
    if shown.at_response {
        return Err("a response cannot be redirected: its request has been sent".to_owned());
    }
    let to = absolute(to)?;
    if to.path_and_query().is_some_and(|path| path.as_str() != "/") {
        return Err("`redirect` takes scheme, host and port; `modify` with `url` takes the whole".to_owned());
    }
    let path = shown.request.as_ref().map_or("/", |request| request.path.as_str());
    let mut parts: uri::Parts = to.into_parts();
    parts.path_and_query = Some(path.parse().map_err(|_| "the path of the request cannot be sent on")?);
    Uri::from_parts(parts).map_err(|error| format!("this is no URL: {error}"))
}

/// Fields of an edited head. `Host` and Content-Length may be there as long as they say what is so.
fn fields(edited: &[v1::Field], authority: Option<&str>, length: Option<u64>) -> Result<HeaderMap, String> {
    let bytes: usize = edited.iter().map(|field| field.name.len() + field.value.len()).sum();
    if edited.len() > MOST_FIELDS || bytes > MOST_FIELD_BYTES {
        return Err(format!("a head may have {MOST_FIELDS} fields and {MOST_FIELD_BYTES} bytes at most"));
    }
    let mut headers = HeaderMap::with_capacity(edited.len());
    for field in edited {
        let shown: String = field.name.chars().take(64).collect();
        let name = HeaderName::from_bytes(field.name.as_bytes())
            .map_err(|_| format!("{shown:?} is no name of a field (RFC 9110 section 5.1)"))?;
        let value = HeaderValue::from_bytes(&field.value)
            .map_err(|_| format!("the value of `{name}` has a control character in it (RFC 9110 section 5.5)"))?;
        if name == HOST {
            if authority.is_some_and(|authority| authority.as_bytes() != value.as_bytes()) {
                return Err("`host` is made of the URL: edit that".to_owned());
            }
        } else if name == CONTENT_LENGTH {
            if length.is_none_or(|length| length.to_string().as_bytes() != value.as_bytes()) {
                return Err("`content-length` is not the length of the body: leave it out, it is counted".to_owned());
            }
        } else if is_of_this_hop(&name) {
            return Err(format!("`{name}` is about this connection: it stays as it is, leave it out"));
        } else {
            headers.append(name, value);
        }
    }
    Ok(headers)
}

#[cfg(test)]
#[path = "edit_tests.rs"]
mod tests;
