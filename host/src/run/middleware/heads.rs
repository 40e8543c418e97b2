//! Heads on their way into a middleware and out of it. Fields that are the agent's own stay behind and come back; what the
//! guest made is held to the bounds that every filter is held to. Pure.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_LENGTH, HOST},
    request, response,
    uri::Authority,
};

use crate::{
    Direction, Exchange,
    imports::{self, Extent},
    middleware::{Tags, is_agents_own},
};

/// Fields that a guest is not shown.
pub(super) type Kept = HeaderMap;

/// The request as a guest gets it.
pub(super) fn request<B>(exchange: &Exchange, kept: &mut Kept, body: B) -> Request<B> {
    let head = &exchange.request;
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = without_user(&head.uri);
    *request.version_mut() = head.version;
    *request.headers_mut() = shown(&head.headers, kept);
    request
}

/// The response as a guest gets it.
pub(super) fn response(exchange: &Exchange, kept: &mut Kept) -> Response<()> {
    let mut response = Response::new(());
    response.extensions_mut().insert(Tags(exchange.tags.clone()));
    if let Some(head) = &exchange.response {
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = shown(&head.headers, kept);
    }
    response
}

fn shown(headers: &HeaderMap, kept: &mut Kept) -> HeaderMap {
    let mut shown = HeaderMap::with_capacity(headers.keys_len());
    kept.clear();
    // to take lines out of a map would change the order of the others
    for (name, value) in headers {
        let map = if is_agents_own(name) { &mut *kept } else { &mut shown };
        map.append(name.clone(), value.clone());
    }
    shown
}

/// What a client put there by mistake is no business of a filter.
fn without_user(uri: &Uri) -> Uri {
    let Some((_, host)) = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')) else {
        return uri.clone();
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = host.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

/// The request that a guest handed on, and the length that it promised.
pub(super) fn requested(
    mut head: request::Parts,
    exchange: &Exchange,
    kept: &Kept,
) -> Result<(request::Parts, Option<u64>), String> {
    // what it was given it may hand on, whatever a client made of it
    let is_own = head.method != exchange.request.method;
    if is_own && (head.method == Method::CONNECT || head.method.as_str().len() > 64) {
        return Err(format!("it hands on a request with the method {}", head.method));
    }
    head.uri = target(&head, &exchange.request.uri)?;
    let declared = restore(&mut head.headers, kept, Extent::of(&exchange.request.headers))?;
    if head.headers.contains_key(HOST) {
        let host = head.uri.authority().map_or("", Authority::as_str);
        head.headers.insert(HOST, HeaderValue::from_str(host).map_err(|error| error.to_string())?);
    }
    head.version = exchange.request.version;
    Ok((head, declared))
}

/// An absolute URI again; without an authority it goes where it went.
fn target(head: &request::Parts, before: &Uri) -> Result<Uri, String> {
    let given = without_user(before);
    if head.uri.path_and_query() == given.path_and_query()
        && head.uri.authority().is_none_or(|it| given.authority() == Some(it))
    {
        let mut parts = before.clone().into_parts();
        parts.authority = given.authority().cloned();
        parts.scheme = head.uri.scheme().cloned().or(parts.scheme);
        return Uri::from_parts(parts).map_err(|_| "it hands on a request whose target no request can have".to_owned());
    }
    let mut parts = head.uri.clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
    let path = if path.is_empty() { "/".to_owned() } else { path };
    let wrong = |what: &str| format!("it hands on a request whose {what} no request can have");
    parts.path_and_query = Some(imports::parse_path(path, &head.method).map_err(|_| wrong("path"))?);
    parts.authority = match parts.authority {
        Some(authority) => {
            Some(imports::parse_authority(authority.as_str().to_owned()).map_err(|_| wrong("authority"))?)
        }
        None => before.authority().cloned(),
    };
    parts.scheme = parts.scheme.or_else(|| before.scheme().cloned());
    Uri::from_parts(parts).map_err(|_| wrong("target"))
}

/// The response that a guest gave in place of the one `before`, or of itself; and the length that it promised.
pub(super) fn responded(
    mut head: response::Parts,
    before: Option<&response::Parts>,
    kept: &Kept,
) -> Result<(response::Parts, Option<u64>), String> {
    let is_given = before.is_some_and(|it| it.status == head.status);
    if !is_given && !(200..600).contains(&head.status.as_u16()) {
        return Err(format!("it responds with the status {}", head.status.as_u16()));
    }
    let nothing = Kept::new();
    let (kept, given) = match before {
        Some(before) => (kept, Extent::of(&before.headers)),
        None => (&nothing, Extent::default()),
    };
    let declared = restore(&mut head.headers, kept, given)?;
    if let Some(before) = before {
        head.version = before.version;
        head.extensions = before.extensions.clone();
    }
    Ok((head, declared))
}

/// Takes the fields out that are not the guest's to set, puts those back that were not its to see, and gives the length
/// that it promised. What it was given it may hand on, however large.
fn restore(headers: &mut HeaderMap, kept: &Kept, given: Extent) -> Result<Option<u64>, String> {
    let declared = headers.remove(CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse().ok());
    let made = Extent::of(headers);
    if !made.may_follow(given) {
        return Err(format!("it hands on {} fields with {} bytes", made.lines, made.bytes));
    }
    let foreign: Vec<_> = headers.keys().filter(|name| is_agents_own(name)).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    if !kept.is_empty() {
        // in front, where `Host` belongs (RFC 9110 section 7.2)
        let made = std::mem::replace(headers, kept.clone());
        headers.extend(made);
    }
    Ok(declared)
}

/// Trailers that a guest handed on; `given` is the most that it was given of them.
pub(super) fn trailers(mut trailers: HeaderMap, given: Extent) -> Result<HeaderMap, String> {
    restore(&mut trailers, &Kept::new(), given).map_err(|reason| format!("{reason} as trailers"))?;
    Ok(trailers)
}

/// What is said of the content's length until it is known how it goes on.
#[derive(Clone, Copy)]
pub(super) struct Said {
    /// By the guest.
    pub(super) declared: Option<u64>,
    /// What was said before is as true as ever.
    pub(super) keeps: bool,
}

impl Said {
    fn put(self, headers: &mut HeaderMap, before: &HeaderMap) {
        let kept = before.get(CONTENT_LENGTH).filter(|_| self.keeps).cloned();
        if let Some(length) = self.declared.map(HeaderValue::from).or(kept) {
            headers.insert(CONTENT_LENGTH, length);
        }
    }
}

/// Makes it the exchange's request. True: it is another one.
pub(super) fn replace_request(exchange: &mut Exchange, mut head: request::Parts, said: Said) -> bool {
    let before = &exchange.request;
    said.put(&mut head.headers, &before.headers);
    let changed = head.method != before.method || head.uri != before.uri || head.headers != before.headers;
    if changed {
        exchange.keep_original(Direction::Request);
        let before = std::mem::replace(&mut exchange.request, head);
        exchange.request.extensions = before.extensions;
    }
    changed
}

/// Makes it the exchange's response. True: it is another one.
pub(super) fn replace_response(
    exchange: &mut Exchange,
    mut head: response::Parts,
    said: Said,
    keeps_original: bool,
) -> bool {
    let Some(before) = &exchange.response else {
        exchange.response = Some(head);
        return true;
    };
    said.put(&mut head.headers, &before.headers);
    let changed = head.status != before.status || head.headers != before.headers;
    if changed {
        if keeps_original {
            exchange.keep_original(Direction::Response);
        }
        exchange.response = Some(head);
    }
    changed
}

#[cfg(test)]
mod tests;
