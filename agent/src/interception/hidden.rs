//! What rules of redaction keep from the people who look at a paused message. Enters: the rules and a message; leaves: the message
//! as they may see it, with a numbered marker for each value, and what they make of it with the values back in their places. A
//! value goes back where it was taken out and nowhere else: not into another field, not to another host, and not where the
//! rules would not find it again when the message is recorded. Pure.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, request, response};
use weir_proto::v1::{self, decide::Decision};

use crate::redact::{Kept, Kind, Redacted, Restored, Rules, markers, unnumbered};

/// Values that are looked for one by one, where an edit adds some that the rules take out too.
const MOST_SOUGHT: usize = 64;

/// Where a value was.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Path,
    Field(HeaderName),
    Body,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Path => f.write_str("the path"),
            Place::Field(name) => write!(f, "`{name}`"),
            Place::Body => f.write_str("the body"),
        }
    }
}

/// What is not shown of a message that pauses.
#[derive(Debug)]
pub(super) struct Hidden {
    rules: Arc<Rules>,
    kept: Kept,
    /// of a request, as it is
    path: String,
    /// of each value that is kept
    places: Vec<Place>,
    kind: Kind,
    /// nothing is shown of the body, since the rules cannot look into it
    pub(super) body_is_withheld: bool,
    /// what is shown of it may not be all that it hides
    body_is_known: bool,
}

/// A message as it is shown.
pub(super) struct Masked {
    /// of a request
    pub(super) path: String,
    pub(super) fields: Vec<v1::Field>,
    pub(super) body: Bytes,
}

/// A request's head as its record has it: what a breakpoint may ask about.
pub fn seen_request(rules: &Rules, head: &request::Parts) -> request::Parts {
    let mut seen = Request::new(()).into_parts().0;
    (seen.method, seen.version) = (head.method.clone(), head.version);
    seen.uri = seen_uri(rules, &head.uri);
    seen.headers = seen_fields(rules, &head.headers);
    seen
}

/// The same of a response.
pub(super) fn seen_response(rules: &Rules, head: &response::Parts) -> response::Parts {
    let mut seen = Response::new(()).into_parts().0;
    (seen.status, seen.version) = (head.status, head.version);
    seen.headers = seen_fields(rules, &head.headers);
    seen
}

fn seen_uri(rules: &Rules, uri: &Uri) -> Uri {
    let Some(path) = uri.path_and_query() else { return uri.clone() };
    let Cow::Owned(path) = rules.path(path.as_str()) else { return uri.clone() };
    let mut parts = uri.clone().into_parts();
    // a pattern may leave what is no path
    parts.path_and_query = PathAndQuery::try_from(&path[..]).ok().or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

fn seen_fields(rules: &Rules, headers: &HeaderMap) -> HeaderMap {
    let mut seen = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let value = match rules.field(name, value) {
            Cow::Borrowed(bytes) if bytes == value.as_bytes() => value.clone(),
            other => HeaderValue::from_bytes(&other).unwrap_or(HeaderValue::from_static("")),
        };
        seen.append(name, value);
    }
    seen
}

impl Hidden {
    /// `path` is a request's; of the fields those that are shown.
    pub(super) fn of(
        rules: &Arc<Rules>,
        path: Option<&str>,
        headers: &HeaderMap,
        fields: Vec<v1::Field>,
        (body, is_whole): (&Bytes, bool),
    ) -> (Self, Masked) {
        let (mut kept, mut places) = (Kept::default(), Vec::new());
        let original = path.unwrap_or_default().to_owned();
        let path = path.map_or(Cow::Borrowed(&b""[..]), |path| rules.path_kept(&mut kept, path.as_bytes()));
        let path = String::from_utf8_lossy(&path).into_owned();
        places.resize(kept.len(), Place::Path);
        let masked = |mut field: v1::Field| {
            if let Ok(name) = HeaderName::from_bytes(field.name.as_bytes()) {
                field.value = rules.field_kept(&mut kept, &name, &field.value).into_owned().into();
                places.resize(kept.len(), Place::Field(name));
            }
            field
        };
        let fields = fields.into_iter().map(masked).collect();
        let kind = Kind::of(headers);
        let (shown, body_is_withheld) = match rules.body_kept(&mut kept, &kind, body, !is_whole) {
            Redacted::Same => (body.clone(), false),
            // what is shown of a whole body is all of it, or an edit would lose the rest
            Redacted::Other(_, true) if is_whole => (Bytes::new(), true),
            Redacted::Other(shown, _) => (shown.into(), false),
            Redacted::Withheld => (Bytes::new(), true),
        };
        places.resize(kept.len(), Place::Body);
        let body_is_known = !body_is_withheld && (is_whole || !rules.looks_into(&kind));
        let hidden =
            Self { rules: Arc::clone(rules), kept, path: original, places, kind, body_is_withheld, body_is_known };
        (hidden, Masked { path, fields, body: shown })
    }

    /// What was shown, with the path that the request has.
    pub(super) fn original(&self, shown: &v1::Paused) -> v1::Paused {
        let mut original = shown.clone();
        if let Some(request) = original.request.as_mut().filter(|_| !shown.at_response) {
            request.path.clone_from(&self.path);
        }
        original
    }

    /// The decision with the values of the message back in it.
    ///
    /// # Errors
    /// A value would go where it does not belong, or a marker in place of one; for people.
    pub(super) fn reveal(&self, decision: Decision, shown: &v1::Paused, body: &[u8]) -> Result<Decision, String> {
        match decision {
            Decision::Modify(modify) => self.modified(modify, shown, body).map(Decision::Modify),
            Decision::Redirect(redirect) => {
                if is_elsewhere(&redirect.to, shown) {
                    self.stays(false, &self.places)?;
                }
                Ok(Decision::Redirect(redirect))
            }
            Decision::Respond(respond) => {
                let fields = respond.headers.iter().map(|field| &field.value);
                if fields.chain([&respond.body]).any(|text| self.has_numbered(text)) {
                    return Err("a marker such as [redacted-1] stands for a value of the message that pauses: it means nothing in an \
                         answer of yours"
                        .to_owned());
                }
                Ok(Decision::Respond(respond))
            }
            other => Ok(other),
        }
    }

    fn has_numbered(&self, text: &[u8]) -> bool {
        !self.kept.restore(text).used.is_empty()
    }

    fn modified(&self, mut modify: v1::Modify, shown: &v1::Paused, body: &[u8]) -> Result<v1::Modify, String> {
        let head = match (&shown.response, &shown.request) {
            (Some(response), _) => &response.headers,
            (None, Some(request)) => &request.headers,
            (None, None) => return Err("the request is lost".to_owned()),
        };
        if modify.body.as_ref().is_some_and(|edited| edited == body) && !self.body_is_withheld {
            // as it is: it may be coded, and what was shown of it too
            (modify.body, modify.body_is_plain) = (None, false);
        }
        let is_left = |place: &&Place| match place {
            Place::Path => modify.url.is_none(),
            Place::Field(_) => modify.headers.is_none(),
            Place::Body => modify.body.is_none(),
        };
        // of each value that the message still has
        let mut stay: Vec<Place> = self.places.iter().filter(is_left).cloned().collect();
        let mut goes_elsewhere = false;
        let mut kind = self.kind.clone();
        let mut stays = |restored: &Restored| stay.extend(restored.used.iter().map(|at| self.places[*at].clone()));
        if let Some(edit) = &mut modify.headers {
            kind = kind_of(&edit.fields).or_as(&kind);
            for field in &mut edit.fields {
                let restored = self.field(field, head)?;
                stays(&restored);
                field.value = restored.text.into();
            }
        }
        if let Some(url) = &mut modify.url {
            let path = shown.request.as_ref().map_or("", |request| &request.path);
            let restored = self.url(url, path)?;
            stays(&restored);
            *url = String::from_utf8(restored.text).map_err(|_| "this is no URL".to_owned())?;
            // As it will be: a value may make another host of it.
            goes_elsewhere = is_elsewhere(url, shown);
        }
        if let Some(edited) = &mut modify.body {
            let kind = if modify.body_is_plain { kind.uncoded() } else { kind };
            let restored = self.body(edited, body, &kind)?;
            stays(&restored);
            *edited = restored.text.into();
        }
        if goes_elsewhere {
            self.stays(modify.body.is_some(), &stay)?;
        }
        Ok(modify)
    }

    /// What is hidden from people does not go where one of them says.
    fn stays(&self, has_other_body: bool, stay: &[Place]) -> Result<(), String> {
        let mut what: Vec<String> = Vec::new();
        for place in stay {
            let name = place.to_string();
            if !what.contains(&name) {
                what.push(name);
            }
        }
        if !has_other_body && !self.body_is_known && !stay.contains(&Place::Body) {
            what.push(Place::Body.to_string());
        }
        if what.is_empty() {
            return Ok(());
        }
        Err(format!(
            "the agent's rules of redaction hide something in {}, which does not go to another host: `modify` it without",
            what.join(", ")
        ))
    }

    fn field(&self, field: &v1::Field, head: &[v1::Field]) -> Result<Restored, String> {
        let name = HeaderName::from_bytes(field.name.to_ascii_lowercase().as_bytes());
        // what is no field is refused as such
        let Ok(name) = name else { return Ok(as_it_is(&field.value)) };
        let mut before = head.iter().filter(|one| one.name == name.as_str());
        if before.clone().any(|one| one.value == field.value) {
            return self.restored(&field.value, &field.value, &Place::Field(name));
        }
        let before = before.next().map_or(&b""[..], |one| &one.value);
        let restored = self.restored(&field.value, before, &Place::Field(name.clone()))?;
        if restored.used.is_empty() {
            return Ok(restored);
        }
        let value = |bytes: &[u8]| HeaderValue::from_bytes(bytes).ok();
        let again = |bytes: &[u8]| value(bytes).map(|value| self.rules.field(&name, &value).into_owned());
        let (Some(typed), Some(recorded)) = (again(&field.value), again(&restored.text)) else {
            return Err(format!("the value of `{name}` cannot be put together again: write the whole of it"));
        };
        self.is_hidden_still(&restored, &typed, &recorded, &Place::Field(name))?;
        Ok(restored)
    }

    fn url(&self, url: &str, path: &str) -> Result<Restored, String> {
        let is_same = url.parse::<Uri>().is_ok_and(|uri| uri.path_and_query().is_some_and(|own| own.as_str() == path));
        let shown = if is_same { url } else { path };
        let restored = self.restored(url.as_bytes(), shown.as_bytes(), &Place::Path)?;
        if is_same || restored.used.is_empty() {
            return Ok(restored);
        }
        let text = std::str::from_utf8(&restored.text).map_err(|_| "this is no URL".to_owned())?;
        self.is_hidden_still(&restored, &self.rules.path(url), &self.rules.path(text), &Place::Path)?;
        Ok(restored)
    }

    fn body(&self, edited: &[u8], shown: &[u8], kind: &Kind) -> Result<Restored, String> {
        if kind.is_coded() {
            let text = self.rules.decoded(kind, edited);
            return match text.is_some_and(|text| markers(&text) > 0) {
                true => {
                    Err("there is a marker in the encoded body: give it as text, without its Content-Encoding"
                        .to_owned())
                }
                false => Ok(as_it_is(edited)),
            };
        }
        let shown_text = self.rules.decoded(&self.kind, shown).unwrap_or_default();
        let shown = &shown_text[..];
        let restored = self.restored(edited, shown, &Place::Body)?;
        if edited == shown || restored.used.is_empty() {
            return Ok(restored);
        }
        let recorded = |bytes: &[u8]| match self.rules.body(kind, bytes, false) {
            Redacted::Same => Some(bytes.to_vec()),
            Redacted::Other(recorded, _) => Some(recorded),
            // it is in no record then
            Redacted::Withheld => None,
        };
        let Some(again) = recorded(&restored.text) else { return Ok(restored) };
        let typed = recorded(edited).unwrap_or_else(|| edited.to_vec());
        self.is_hidden_still(&restored, &typed, &again, &Place::Body)?;
        Ok(restored)
    }

    /// The edited text of a place with its values, if all of its markers stand for one of that place.
    fn restored(&self, edited: &[u8], shown: &[u8], place: &Place) -> Result<Restored, String> {
        let restored = self.kept.restore(edited);
        if restored.is_too_much {
            return Err(format!("the markers in {place} stand for more than can be sent: write the values themselves"));
        }
        if let Some(at) = restored.used.iter().find(|at| self.places[**at] != *place) {
            let (marker, belongs) = (Kept::name(*at), &self.places[*at]);
            return Err(format!("{marker} stands for a value in {belongs}: it cannot be put into {place}"));
        }
        // some may have come with the message
        let others = |text: &[u8], gone: usize| markers(text).saturating_sub(gone);
        if others(edited, restored.gone) > others(shown, self.kept.restore(shown).gone) {
            return Err(format!(
                "a marker in {place} stands for no value: leave it as it was shown, with its number, or write the value itself"
            ));
        }
        Ok(restored)
    }

    /// The rules find each value again when the message is recorded. `typed` and `recorded`: as the rules leave the edited text, and
    /// the same with the values in it.
    fn is_hidden_still(&self, restored: &Restored, typed: &[u8], recorded: &[u8], place: &Place) -> Result<(), String> {
        let typed = unnumbered(typed);
        if typed == recorded {
            return Ok(());
        }
        let mut sought = restored.used.clone();
        sought.sort_unstable();
        sought.dedup();
        let shows = |at: &usize| {
            let value = self.kept.value(*at);
            count(recorded, value) > count(&typed, value)
        };
        if sought.len() > MOST_SOUGHT || sought.iter().any(shows) {
            return Err(format!(
                "a value that the agent's rules of redaction hide would be recorded, since they do not find it in {place} as that is now: \
                 write the value itself, or leave its place as it was"
            ));
        }
        Ok(())
    }
}

fn as_it_is(text: &[u8]) -> Restored {
    Restored { text: text.to_vec(), ..Restored::default() }
}

fn kind_of(fields: &[v1::Field]) -> Kind {
    let mut headers = HeaderMap::new();
    for field in fields {
        let pair = (HeaderName::from_bytes(field.name.as_bytes()), HeaderValue::from_bytes(&field.value));
        if let (Ok(name), Ok(value)) = pair {
            headers.append(name, value);
        }
    }
    Kind::of(&headers)
}

/// Another scheme, host or port than the request has.
fn is_elsewhere(url: &str, shown: &v1::Paused) -> bool {
    let Some(request) = &shown.request else { return true };
    let Ok(uri) = url.parse::<Uri>() else { return true };
    let is_same = |a: Option<&str>, b: &str| a.is_some_and(|a| a.eq_ignore_ascii_case(b));
    let authority = uri.authority().map(|authority| authority.as_str());
    !(is_same(uri.scheme_str(), &request.scheme) && is_same(authority, &request.authority))
}

fn count(text: &[u8], value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { text.windows(value.len()).filter(|window| *window == value).count() }
}

#[cfg(test)]
#[path = "hidden_tests.rs"]
mod tests;
