//! What the head of a message says of its body. Enters: fields; leaves: what kind of content there is, and in which codings. Pure.

use http::{HeaderMap, HeaderName, header};
use weir_host::Codings;

static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What the head of a message says of its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kind {
    pub(super) form: bool,
    pub(super) multipart: Multipart,
    pub(super) json: bool,
    /// JSON within frames of something else
    pub(super) framed: bool,
    /// its characters are no bytes
    pub(super) wide: bool,
    /// there are messages of gRPC in it, and so are those coded that say that they are
    pub(super) calls: Option<Coding>,
    /// some of those messages are trailers; of one of them: it is
    pub(super) trailers: bool,
    pub(super) coding: Coding,
    /// the other head of the same body tells of a coding that its own does not
    pub(super) perhaps: Coding,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    #[default]
    Plain,
    Known(Codings),
    /// nobody here can look into it
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Multipart {
    #[default]
    No,
    /// with its boundary
    By(Vec<u8>),
    /// without one, or with several
    Unclear,
}

impl Coding {
    /// As these fields say, which hold what Content-Encoding does.
    fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let lines = headers.get_all(name).iter().map(|line| (header::CONTENT_ENCODING, line.clone()));
        match Codings::of(&lines.collect()) {
            Ok(None) => Coding::Plain,
            Ok(Some(codings)) => Coding::Known(codings),
            Err(_) => Coding::Unknown,
        }
    }

    fn or(self, other: &Self) -> Self {
        if self == Coding::Plain { other.clone() } else { self }
    }
}

impl Multipart {
    /// Of each line of the field that says that there are parts.
    fn of<'v>(lines: impl Iterator<Item = &'v str>) -> Self {
        let one = |line| boundary(line).map_or(Self::Unclear, |boundary| Self::By(boundary.into_bytes()));
        lines.map(one).fold(Self::No, |all, one| all.or(&one))
    }

    fn or(self, other: &Self) -> Self {
        match (self, other) {
            (own, Self::No) => own,
            (Self::No, other) => other.clone(),
            (own, other) if own == *other => own,
            _ => Self::Unclear,
        }
    }
}

/// RFC 2046 section 5.1.1.
fn boundary(line: &str) -> Option<String> {
    let value = line.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.strip_prefix('"').map_or(value, |quoted| quoted.trim_end_matches('"'));
    (!value.is_empty() && value.len() <= 70 && !value.contains(['"', '\\'])).then(|| value.to_owned())
}

impl Kind {
    pub fn of(headers: &HeaderMap) -> Self {
        // who says it twice, or with characters that have no place there, means it all the same
        let values = headers.get_all(header::CONTENT_TYPE).iter();
        let lines: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).collect();
        let contents: Vec<String> = lines.iter().map(|line| line.to_ascii_lowercase()).collect();
        let is = |kind: &str| contents.iter().any(|content| content.starts_with(kind));
        let has_parts = lines.iter().zip(&contents).filter(|(_, content)| content.starts_with("multipart/"));
        // in base64 it has no messages that could be told apart, and shows nobody what it says
        let is_text = is("application/grpc-web-text");
        let has_calls = is("application/grpc") && !is_text;
        let has_trailers = is_text || has_calls && is("application/grpc-web");
        Kind {
            form: is("application/x-www-form-urlencoded"),
            multipart: Multipart::of(has_parts.map(|(line, _)| line.as_str())),
            json: contents.iter().any(|content| content.contains("json")),
            framed: is("text/event-stream"),
            wide: contents.iter().any(|content| content.contains("utf-16") || content.contains("utf-32")),
            calls: has_calls.then(|| Coding::of(headers, &GRPC_ENCODING)),
            trailers: has_trailers,
            coding: if is_text { Coding::Unknown } else { Coding::of(headers, &header::CONTENT_ENCODING) },
            perhaps: Coding::Plain,
        }
    }

    /// Of a message: one that is compressed, and whose sender alone knows how; one that is trailers.
    pub fn message(is_compressed: bool, trailers: bool) -> Self {
        Kind { coding: if is_compressed { Coding::Unknown } else { Coding::Plain }, trailers, ..Kind::default() }
    }

    /// The same without codings.
    pub fn uncoded(self) -> Self {
        Kind { coding: Coding::Plain, perhaps: self.perhaps.or(&self.coding), ..self }
    }

    pub fn is_coded(&self) -> bool {
        self.coding != Coding::Plain
    }

    /// How it is coded says the head that came with it; what it is may the other head of the same body say too. Whoever took the
    /// coding from a head may have left it on the body.
    pub fn or_as(self, other: &Self) -> Self {
        Kind {
            form: self.form || other.form,
            multipart: self.multipart.or(&other.multipart),
            json: self.json || other.json,
            framed: self.framed || other.framed,
            wide: self.wide || other.wide,
            calls: match (self.calls, &other.calls) {
                (Some(own), Some(other)) => Some(own.or(other)),
                (own, other) => own.or_else(|| other.clone()),
            },
            trailers: self.trailers || other.trailers,
            perhaps: match self.coding {
                Coding::Plain => self.perhaps.or(&other.coding).or(&other.perhaps),
                _ => Coding::Plain,
            },
            coding: self.coding,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(fields: &[(&HeaderName, &'static str)]) -> Kind {
        Kind::of(&fields.iter().map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value))).collect())
    }

    #[test]
    fn boundaries_as_senders_write_them() {
        let check = |line: &'static str, expect: Multipart| {
            assert_eq!(of(&[(&header::CONTENT_TYPE, line)]).multipart, expect, "{line}");
        };
        let by = |boundary: &str| Multipart::By(boundary.as_bytes().to_vec());
        check("multipart/form-data; boundary=----WebKitFormBoundaryAb", by("----WebKitFormBoundaryAb"));
        check("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\"", by("a b"));
        check("multipart/form-data", Multipart::Unclear);
        check("multipart/form-data; boundary=", Multipart::Unclear);
        check("text/plain; boundary=x", Multipart::No);
        let twice = [
            (&header::CONTENT_TYPE, "multipart/mixed; boundary=a"),
            (&header::CONTENT_TYPE, "multipart/x; boundary=b"),
        ];
        assert_eq!(of(&twice).multipart, Multipart::Unclear);
    }

    #[test]
    fn a_coding_that_one_head_tells_of_is_not_forgotten() {
        let [gzip, other] = ["gzip", "other"].map(|coding| of(&[(&header::CONTENT_ENCODING, coding)]));
        let plain = of(&[]);
        assert_eq!(plain.clone().or_as(&gzip).perhaps, gzip.coding);
        assert_eq!(plain.clone().or_as(&other).perhaps, Coding::Unknown);
        assert_eq!(gzip.clone().or_as(&plain), gzip);
        assert_eq!(gzip.clone().uncoded().perhaps, gzip.coding);
        let call = |coding| of(&[(&header::CONTENT_TYPE, "application/grpc"), (&GRPC_ENCODING, coding)]);
        assert_eq!(call("identity").or_as(&call("gzip")).calls, Some(gzip.coding));
    }
}
