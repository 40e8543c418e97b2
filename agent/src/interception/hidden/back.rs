//! A value goes back where it was taken out, and only where the rules find it again when the message is recorded.

use http::{HeaderName, HeaderValue, Uri};
use weir_proto::v1;

use super::{Hidden, Place};
use crate::redact::{Kept, Kind, Redacted, Restored, markers, unnumbered};

/// Values that are looked for one by one, where an edit adds some that the rules take out too.
const MOST_SOUGHT: usize = 64;

impl Hidden {
    pub(super) fn field(&self, field: &v1::Field, head: &[v1::Field]) -> Result<Restored, String> {
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

    pub(super) fn url(&self, url: &str, path: &str) -> Result<Restored, String> {
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

    pub(super) fn body(&self, edited: &[u8], shown: &[u8], kind: &Kind) -> Result<Restored, String> {
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

pub(super) fn count(text: &[u8], value: &[u8]) -> usize {
    if value.is_empty() { 0 } else { text.windows(value.len()).filter(|window| *window == value).count() }
}
