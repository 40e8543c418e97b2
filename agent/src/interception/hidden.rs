//! What rules of redaction keep from the people who look at a paused message. Enters: the rules and a message; leaves: the message
//! as they may see it, with a numbered marker for each value, and what they make of it with the values back in their places. A
//! value goes back where it was taken out and nowhere else: not into another field, not to another host, and not where the
//! rules would not find it again when the message is recorded. Pure.

mod back;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use weir_proto::v1::{self, decide::Decision};

use crate::redact::{Kept, Kind, Redacted, Restored, Rules};

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

#[cfg(test)]
#[path = "hidden_tests.rs"]
mod tests;
