//! Bodies by the rules: their codings are undone, and done again where something was found. What a body says of its codings may
//! be wrong, or may have been taken from its head on the way: its own first bytes count, and what the other head said.

use std::{borrow::Cow, cell::Cell};

use bytes::Bytes;
use weir_host::Codings;

use super::{
    Kind, RedactConfig, Redacted, Rules, calls, form, json,
    kind::{Coding, Multipart},
    mask::{Kept, Masking},
    multipart, pattern, trailers,
};

/// Of a body whose content codings are undone, and of all messages in it together, as much is looked into as an agent may be told
/// to capture of one.
pub(super) const MOST_DECODED: usize = 1 << 20;
/// What it costs to begin with codings, as much as so many bytes of that.
const SETUP: usize = 1 << 8;
/// What messages that pass may grow to, beside that: so many times as much as they have bytes.
const MESSAGE_GROWTH: usize = 128;
/// What is left of it, coded anew, takes no more than so many times what was captured, and some.
const GROWTH: usize = 2;
const SOME: usize = 1 << 10;
/// Of codings within codings, beside those that a head tells of.
const MOST_WITHIN: usize = 4;

/// What was captured, and whether there was more of it.
#[derive(Clone, Copy)]
struct Captured<'c> {
    bytes: &'c [u8],
    is_cut: bool,
    /// codings that it may have within
    within: usize,
    /// bytes that may still be decoded
    left: &'c Cell<usize>,
}

/// What may still be decoded of messages that follow each other.
pub struct Decodable(Cell<usize>);

impl Default for Decodable {
    fn default() -> Self {
        Self(Cell::new(MOST_DECODED))
    }
}

impl Rules {
    /// Does any rule look into bodies?
    pub fn looks_into_bodies(&self) -> bool {
        let RedactConfig { json, form, patterns, .. } = &self.config;
        !(json.is_empty() && form.is_empty() && patterns.is_empty())
    }

    /// The same of a body of this kind: one of gRPC-Web has trailers in it.
    pub fn looks_into(&self, kind: &Kind) -> bool {
        self.looks_into_bodies() || kind.trailers && !self.config.headers.is_empty()
    }

    /// What was captured of a body; `is_cut` where there was more of it.
    pub fn body(&self, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let left = &Cell::new(MOST_DECODED);
        self.layer(&mut Masking::Alike, kind, Captured { bytes: captured, is_cut, within: MOST_WITHIN, left })
    }

    /// The same of a message, one of many.
    pub fn message(&self, decodable: &Decodable, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let left = &decodable.0;
        left.set(MOST_DECODED.min(left.get() + captured.len() * MESSAGE_GROWTH));
        self.layer(&mut Masking::Alike, kind, Captured { bytes: captured, is_cut, within: MOST_WITHIN, left })
    }

    /// The same, with what it takes out kept. Where that is more than is kept, it is withheld.
    pub fn body_kept(&self, kept: &mut Kept, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let left = &Cell::new(MOST_DECODED);
        let captured = Captured { bytes: captured, is_cut, within: MOST_WITHIN, left };
        let redacted = self.layer(&mut Masking::Numbered(kept), kind, captured);
        if kept.is_full() { Redacted::Withheld } else { redacted }
    }

    /// A body that goes as this kind, without its codings; none where nobody can undo them, or it is too long without them.
    pub fn decoded(&self, kind: &Kind, body: &[u8]) -> Option<Bytes> {
        match &kind.coding {
            Coding::Plain => Some(Bytes::copy_from_slice(body)),
            Coding::Known(codings) => {
                let undone = codings.undo(Bytes::copy_from_slice(body), MOST_DECODED).ok()?;
                undone.complete.then(|| undone.bytes.into())
            }
            Coding::Unknown => None,
        }
    }

    fn layer(&self, masking: &mut Masking<'_>, kind: &Kind, captured: Captured<'_>) -> Redacted {
        if captured.bytes.is_empty() || !self.looks_into(kind) {
            return Redacted::Same;
        }
        let marked = Codings::marked(captured.bytes);
        match (&kind.coding, &kind.perhaps) {
            (Coding::Known(codings), _) => self.coded(masking, (codings, kind), captured),
            (Coding::Unknown, _) | (Coding::Plain, Coding::Unknown) => Redacted::Withheld,
            (Coding::Plain, Coding::Known(codings)) if is_coded(codings, captured) => match marked {
                Some(_) => self.coded(masking, (codings, kind), captured),
                None => self.either((codings, kind), captured),
            },
            (Coding::Plain, _) => match marked {
                Some(codings) => self.coded(masking, (&codings, kind), captured),
                None => self.plain(masking, kind, captured),
            },
        }
    }

    /// What may be coded or not, and reads as both: where something is found, nobody knows as what it would have to be written.
    fn either(&self, (codings, kind): (&Codings, &Kind), captured: Captured<'_>) -> Redacted {
        let coded = self.coded(&mut Masking::Alike, (codings, kind), captured);
        // that something of its end would be given up is nothing found
        match (self.plain(&mut Masking::Alike, kind, Captured { is_cut: false, ..captured }), coded) {
            (Redacted::Same, coded) => coded,
            // it is not what it claims to be, unless it is coded
            (Redacted::Withheld, coded) if !captured.is_cut => coded,
            (plain, Redacted::Same) => plain,
            _ => Redacted::Withheld,
        }
    }

    /// What is in the codings is looked into, and coded again where it was changed, or was not seen to its end: what is left in the
    /// coded bytes then, nobody has looked at.
    fn coded(&self, masking: &mut Masking<'_>, (codings, kind): (&Codings, &Kind), captured: Captured<'_>) -> Redacted {
        let Captured { bytes, is_cut, within, left } = captured;
        let (Some(within), most @ 1..) = (within.checked_sub(1), left.get()) else { return Redacted::Withheld };
        left.set(most.saturating_sub(SETUP));
        let Ok(undone) = codings.undo(Bytes::copy_from_slice(bytes), most) else {
            return Redacted::Withheld;
        };
        left.set(most.saturating_sub(undone.bytes.len().max(SETUP)));
        let is_cut = is_cut || !undone.complete;
        let inner = Kind { coding: Coding::Plain, perhaps: Coding::Plain, ..kind.clone() };
        let (mut text, mut is_cut) =
            match self.layer(masking, &inner, Captured { bytes: &undone.bytes, is_cut, within, left }) {
                Redacted::Withheld => return Redacted::Withheld,
                // the frame of a coding has room for texts of its own, such as the name of a file
                Redacted::Same if !is_cut && !self.patterns.fit(bytes) => return Redacted::Same,
                Redacted::Same => (undone.bytes, is_cut),
                Redacted::Other(text, is_cut) => (text, is_cut),
            };
        loop {
            match codings.redo(&text) {
                // it reads as what a pattern names, and will whoever codes it
                Ok(coded) if self.patterns.fit(&coded) => return Redacted::Withheld,
                Ok(coded) if coded.len() <= bytes.len() * GROWTH + SOME => return Redacted::Other(coded, is_cut),
                Ok(_) if !text.is_empty() => (text, is_cut) = (text[..text.len() / 2].to_vec(), true),
                _ => return Redacted::Withheld,
            }
        }
    }

    /// Without codings.
    fn plain(&self, masking: &mut Masking<'_>, kind: &Kind, captured: Captured<'_>) -> Redacted {
        let RedactConfig { json, form, .. } = &self.config;
        let has_parts = kind.multipart != Multipart::No;
        if has_parts && !form.is_empty() || kind.framed && !json.is_empty() {
            return Redacted::Withheld;
        }
        // nothing that a rule names would be found there
        if kind.wide || is_wide(captured.bytes) {
            return Redacted::Withheld;
        }
        match &kind.calls {
            Some(coding) if calls::are_in(captured.bytes) => self.calls(masking, (coding, kind), captured),
            None if kind.trailers => self.trailers(masking, captured),
            _ if has_parts && !json.is_empty() => self.parts(masking, kind, captured),
            _ => self.document(masking, kind, captured.bytes, captured.is_cut),
        }
    }

    /// Messages of gRPC, each by itself.
    fn calls(&self, masking: &mut Masking<'_>, (coding, kind): (&Coding, &Kind), captured: Captured<'_>) -> Redacted {
        // what somebody edits has the values in it again, and is as long as it was
        let is_edited = matches!(masking, Masking::Numbered(_));
        let coding = if is_edited || *coding == Coding::Plain { &Coding::Unknown } else { coding };
        let Captured { bytes: mut rest, mut is_cut, within, left } = captured;
        let (mut out, mut found) = (Vec::with_capacity(rest.len()), false);
        while let Some(next) = calls::next(&mut rest) {
            let frame = match next {
                calls::Next::Frame(frame) => frame,
                calls::Next::Head(bytes) => {
                    out.extend_from_slice(bytes);
                    break;
                }
                calls::Next::Other => return Redacted::Withheld,
            };
            let coding = if frame.is_compressed() { coding.clone() } else { Coding::Plain };
            let trailers = frame.is_trailers();
            let inner = Kind { json: kind.json && !trailers, trailers, coding, ..Kind::default() };
            let payload = Captured { bytes: frame.payload, is_cut: frame.missing > 0, within, left };
            match self.layer(masking, &inner, payload) {
                Redacted::Same => frame.write(frame.payload, &mut out),
                Redacted::Other(payload, was_cut) => {
                    let length = if is_edited { frame.payload.len() } else { payload.len() };
                    frame.write_as(length, &payload, &mut out);
                    (found, is_cut) = (true, is_cut || was_cut);
                }
                // nothing more can be looked into: of it and what is behind it nothing is left
                Redacted::Withheld if left.get() == 0 => {
                    (found, is_cut) = (true, true);
                    break;
                }
                Redacted::Withheld => return Redacted::Withheld,
            }
        }
        if found { Redacted::Other(out, is_cut) } else { Redacted::Same }
    }

    /// Trailers, and whatever else calls itself that.
    fn trailers(&self, masking: &mut Masking<'_>, Captured { bytes, is_cut, .. }: Captured<'_>) -> Redacted {
        let Some(text) = trailers::redact(bytes, &self.config.headers, masking) else {
            return self.document(masking, &Kind::default(), bytes, is_cut);
        };
        match self.document(masking, &Kind::default(), &text, is_cut) {
            Redacted::Same => Redacted::Other(text, is_cut),
            other => other,
        }
    }

    /// Parts that are JSON, and patterns in all of it.
    fn parts(&self, masking: &mut Masking<'_>, kind: &Kind, Captured { bytes, is_cut, .. }: Captured<'_>) -> Redacted {
        let Multipart::By(boundary) = &kind.multipart else { return Redacted::Withheld };
        match multipart::each(bytes, boundary, is_cut, |part| self.part(masking, part)) {
            Ok(body) => self.text(masking, kind, body.map_or(Cow::Borrowed(bytes), Cow::Owned), is_cut),
            Err(multipart::Unread) => Redacted::Withheld,
        }
    }

    fn part(
        &self,
        masking: &mut Masking<'_>,
        part: &multipart::Part<'_>,
    ) -> Result<Option<Vec<u8>>, multipart::Unread> {
        let kind = Kind::of(&part.fields);
        if kind.multipart != Multipart::No {
            return Err(multipart::Unread);
        }
        if !kind.json && !json::looks_like_it(part.body) {
            return Ok(None);
        }
        if kind.is_coded() || part.is_transfer_coded() {
            return Err(multipart::Unread);
        }
        let done = json::redact(part.body, &self.places, masking).map_err(|_| multipart::Unread)?;
        if done.ends_within && !part.is_cut { Err(multipart::Unread) } else { Ok(done.redacted) }
    }

    /// What is one thing, of this kind or of none.
    pub(super) fn document(&self, masking: &mut Masking<'_>, kind: &Kind, captured: &[u8], is_cut: bool) -> Redacted {
        let RedactConfig { json, form, .. } = &self.config;
        let mut body = Cow::Borrowed(captured);
        if kind.form
            && let Some(redacted) = form::redact(&body, form, masking)
        {
            body = Cow::Owned(redacted);
        }
        // also of what says that it is a form: who reads it may not believe that
        if !json.is_empty() && (kind.json || json::looks_like_it(&body)) {
            match json::redact(&body, &self.places, masking) {
                Ok(done) => body = done.redacted.map_or(body, Cow::Owned),
                Err(json::Unread::Malformed | json::Unread::TooMuch) => return Redacted::Withheld,
            }
        }
        self.text(masking, kind, body, is_cut)
    }

    fn text(&self, masking: &mut Masking<'_>, kind: &Kind, mut body: Cow<'_, [u8]>, is_cut: bool) -> Redacted {
        if !self.config.patterns.is_empty() {
            body = match kind.form {
                true => self.patterns.replace_in_form(masking, body),
                false => self.patterns.replace(masking, body),
            };
            if is_cut {
                self.give_up_end(body.to_mut());
            }
        }
        match body {
            Cow::Borrowed(_) => Redacted::Same,
            Cow::Owned(body) => Redacted::Other(body, is_cut),
        }
    }

    /// What began before a cut and would have been found is not to be left half.
    pub(super) fn give_up_end(&self, text: &mut Vec<u8>) {
        if !self.config.patterns.is_empty() {
            text.truncate(text.len().saturating_sub(pattern::LONGEST));
        }
    }
}

/// Text in UTF-16 or UTF-32, as its mark says (RFC 2781 section 3.2).
fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") || bytes.starts_with(b"\0\0\xfe\xff")
}

/// Does it read as this? Of what was cut it is enough that nothing says otherwise.
fn is_coded(codings: &Codings, captured: Captured<'_>) -> bool {
    let undone = codings.undo(Bytes::copy_from_slice(captured.bytes), MOST_DECODED);
    undone.is_ok_and(|undone| {
        let is_whole = undone.complete || undone.bytes.len() == MOST_DECODED;
        (is_whole || captured.is_cut) && !undone.bytes.is_empty()
    })
}
