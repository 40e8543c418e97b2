//! `Authorization: Basic …` (RFC 7617 section 2).

use base64::{
    Engine as _,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

/// Bytes of the field that are looked at at all.
const LONGEST: usize = 2048;

/// Padding may be missing: some clients leave it out, and nothing hangs on it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

/// A name and a password, as a client sent them.
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: Vec<u8>,
}

/// There are none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Absent,
    Malformed,
}

impl Credentials {
    /// `lines` are those of Authorization. Two are one too many: nobody knows which one the upstream goes by.
    pub(crate) fn read(lines: &[String]) -> Result<Self, Unreadable> {
        let [line] = lines else {
            return Err(if lines.is_empty() { Unreadable::Absent } else { Unreadable::Malformed });
        };
        let (scheme, rest) = line.split_once(' ').ok_or(Unreadable::Malformed)?;
        if !scheme.eq_ignore_ascii_case("basic") || line.len() > LONGEST {
            return Err(Unreadable::Malformed);
        }
        let bytes = BASE64.decode(rest.trim()).map_err(|_| Unreadable::Malformed)?;
        let colon = bytes.iter().position(|byte| *byte == b':').ok_or(Unreadable::Malformed)?;
        let user = String::from_utf8(bytes[..colon].to_vec()).map_err(|_| Unreadable::Malformed)?;
        Ok(Self { user, password: bytes[colon + 1..].to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_rfc_has_it() {
        let read = |line: &str| Credentials::read(&[line.to_owned()]).map(|found| (found.user, found.password));
        let aladdin = Ok(("Aladdin".to_owned(), b"open sesame".to_vec()));
        assert_eq!(read("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), aladdin);
        assert_eq!(read("bASIC   QWxhZGRpbjpvcGVuIHNlc2FtZQ"), aladdin);
        assert_eq!(read("Basic YTpiOmM="), Ok(("a".to_owned(), b"b:c".to_vec())));
        for bad in ["", "Basic", "Basic ", "Basic YQ==", "Basic %%%", "Bearer YTpi", "Basic /zpi", "BasicYTpi"] {
            assert_eq!(read(bad), Err(Unreadable::Malformed), "{bad}");
        }
        assert_eq!(read(&format!("Basic {}", "YTpi".repeat(600))), Err(Unreadable::Malformed));
        assert_eq!(Credentials::read(&[]).err(), Some(Unreadable::Absent));
    }
}
