//! What is noted of an exchange, so that a query finds it: hashes of its words, and of every three bytes of its texts. Texts
//! are those that queries see ([`Seen`]), so nothing that fits is without what the query needs. Two that share a hash are
//! told apart by the query itself. Pure.
//!
//! The hashes are on the disk: who changes what is noted, or how, raises [`FORMAT`](super::FORMAT).

use weir_proto::v1::Exchange;
use weir_query::{Is, Number, Subject, Text, bare_host};

use super::super::{bodies::Kept, record, search::Seen};

/// Of a hash.
pub(super) const BITS: u32 = 24;
/// Classes of numbers: each but the last is of those that have two bits more.
const LAST_CLASS: u32 = 20;

/// What is true or not of an exchange, as a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Feature(pub(super) u32);

/// What a hash is made of. The numbers are on the disk.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Too much was to be noted: it is looked at whatever the query.
    Crowded = 1,
    /// Three bytes of a text, in lower case.
    Gram = 2,
    /// The whole of a text.
    Whole = 3,
    /// The text is not empty.
    Present = 4,
    Agent = 5,
    Class = 6,
    Status = 7,
    Hundred = 8,
    Is = 9,
    HeaderName = 10,
    Header = 11,
    Filter = 12,
    Did = 13,
    FilterDid = 14,
    AnyFilter = 15,
    Tag = 16,
    AnyTag = 17,
}

/// Texts of which three bytes at a time are noted; hosts and paths are parts of URLs, but where these were cut.
pub(super) const IN_GRAMS: [Text; 6] = [Text::Url, Text::Host, Text::Error, Text::User, Text::Client, Text::Type];
/// Texts of which the whole is noted.
pub(super) const WHOLE: [Text; 7] =
    [Text::Host, Text::Path, Text::User, Text::Method, Text::Scheme, Text::Entry, Text::Outcome];
/// Texts that are nothing when they are empty.
pub(super) const PRESENT: [Text; 6] = [Text::Host, Text::Error, Text::User, Text::Client, Text::Type, Text::Entry];
pub(super) const NUMBERS: [Number; 4] = [Number::Size, Number::RequestSize, Number::Duration, Number::FirstByte];
pub(super) const STATES: [Is; 10] = [
    Is::Websocket,
    Is::Error,
    Is::Answered,
    Is::Changed,
    Is::Truncated,
    Is::H2,
    Is::Tls,
    Is::Intercepted,
    Is::Edited,
    Is::Replay,
];

impl Feature {
    pub(super) fn crowded() -> Self {
        Self::of(Kind::Crowded, &[])
    }

    /// FNV-1a over the kind and the parts, folded.
    fn of(kind: Kind, parts: &[&[u8]]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        add(kind as u8);
        for part in parts {
            part.iter().for_each(|byte| add(*byte));
            add(0);
        }
        let folded = (hash ^ (hash >> 32)) as u32;
        Self((folded ^ (folded >> BITS)) & ((1 << BITS) - 1))
    }

    /// Of every three bytes of a text, in lower case.
    pub(super) fn grams(field: Text, text: &[u8]) -> impl Iterator<Item = Self> {
        let field = match field {
            Text::Host | Text::Path => Text::Url,
            other => other,
        };
        let name = field.name().as_bytes();
        let kind = u32::from(name[0]) << 8 | u32::from(name[name.len() - 1]);
        text.windows(3).map(move |three| {
            let [a, b, c] = [0, 1, 2].map(|place: usize| u32::from(three[place].to_ascii_lowercase()));
            let mut hash = (a << 16 | b << 8 | c).wrapping_mul(0x9e37_79b1) ^ (kind << 8 | Kind::Gram as u32);
            hash = (hash ^ (hash >> 15)).wrapping_mul(0x85eb_ca77);
            hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae3d);
            Self((hash ^ (hash >> 16)) & ((1 << BITS) - 1))
        })
    }

    /// As the field has it: in lower case where case does not count.
    pub(super) fn whole(field: Text, text: &str) -> Self {
        let name = field.name().as_bytes();
        if field.ignores_case() {
            Self::of(Kind::Whole, &[name, text.to_ascii_lowercase().as_bytes()])
        } else {
            Self::of(Kind::Whole, &[name, text.as_bytes()])
        }
    }

    pub(super) fn present(field: Text) -> Self {
        Self::of(Kind::Present, &[field.name().as_bytes()])
    }

    pub(super) fn agent(number: i64) -> Self {
        Self::of(Kind::Agent, &[&number.to_le_bytes()])
    }

    pub(super) fn class(field: Number, class: u32) -> Self {
        Self::of(Kind::Class, &[field.name().as_bytes(), &class.to_le_bytes()])
    }

    pub(super) fn status(status: u64) -> Self {
        Self::of(Kind::Status, &[&status.to_le_bytes()])
    }

    pub(super) fn hundred(hundred: u64) -> Self {
        Self::of(Kind::Hundred, &[&hundred.to_le_bytes()])
    }

    pub(super) fn is(is: Is) -> Self {
        Self::of(Kind::Is, &[is.name().as_bytes()])
    }

    /// `name` in lower case.
    pub(super) fn header_name(name: &str) -> Self {
        Self::of(Kind::HeaderName, &[name.as_bytes()])
    }

    pub(super) fn header(name: &str, value: &[u8]) -> Self {
        Self::of(Kind::Header, &[name.as_bytes(), value])
    }

    /// `name` in lower case.
    pub(super) fn filter(name: &str) -> Self {
        Self::of(Kind::Filter, &[name.as_bytes()])
    }

    pub(super) fn did(did: &str) -> Self {
        Self::of(Kind::Did, &[did.as_bytes()])
    }

    pub(super) fn filter_did(name: &str, did: &str) -> Self {
        Self::of(Kind::FilterDid, &[name.as_bytes(), did.as_bytes()])
    }

    pub(super) fn any_filter() -> Self {
        Self::of(Kind::AnyFilter, &[])
    }

    pub(super) fn tag(tag: &str) -> Self {
        Self::of(Kind::Tag, &[tag.as_bytes()])
    }

    pub(super) fn any_tag() -> Self {
        Self::of(Kind::AnyTag, &[])
    }
}

/// Which class a number is of; greater ones are of the same or of a later one.
pub(super) fn class(number: u64) -> u32 {
    ((u64::BITS - number.leading_zeros()) / 2).min(LAST_CLASS)
}

/// All that is noted of an exchange.
pub(super) fn note(agent: i64, exchange: &Exchange, kept: &[Kept], mut add: impl FnMut(Feature)) {
    let seen = Seen::new(("", ""), exchange, kept);
    texts(&seen, &mut add);
    for field in NUMBERS {
        seen.number(field).into_iter().for_each(|number| add(Feature::class(field, class(number))));
    }
    if let Some(status) = seen.number(Number::Status) {
        add(Feature::status(status));
        add(Feature::hundred(status / 100));
    }
    STATES.into_iter().filter(|is| seen.is(*is)).for_each(|is| add(Feature::is(is)));
    add(Feature::agent(agent));
    let request = exchange.request.iter().flat_map(|request| &request.headers);
    for field in request.chain(exchange.response.iter().flat_map(|response| &response.headers)) {
        let name = field.name.to_ascii_lowercase();
        add(Feature::header_name(&name));
        add(Feature::header(&name, &field.value));
    }
    for receipt in record::receipts(exchange) {
        let name = receipt.name.to_ascii_lowercase();
        add(Feature::any_filter());
        add(Feature::filter(&name));
        for did in [Some(&*receipt.verdict), receipt.changed.then_some("changed")].into_iter().flatten() {
            add(Feature::did(did));
            add(Feature::filter_did(&name, did));
        }
    }
    seen.any_tag(&mut |tag| {
        add(Feature::any_tag());
        add(Feature::tag(tag));
        false
    });
}

fn texts(seen: &Seen<'_>, add: &mut impl FnMut(Feature)) {
    let each = |field: Text, with: &mut dyn FnMut(&str)| {
        seen.any_text(field, &mut |text| {
            with(text);
            false
        });
    };
    for field in IN_GRAMS {
        each(field, &mut |text| Feature::grams(field, text.as_bytes()).for_each(&mut *add));
    }
    for field in WHOLE {
        each(field, &mut |text| {
            let text = match field {
                Text::Path => text.split_once('?').map_or(text, |(path, _)| path),
                Text::Host => bare_host(text),
                _ => text,
            };
            add(Feature::whole(field, text));
        });
    }
    for field in PRESENT {
        each(field, &mut |_| add(Feature::present(field)));
    }
}
