//! Header fields of a message: found, and fit to be written.

use weir_proto::v1::Field;

/// The first value of a field.
pub(crate) fn value<'a>(fields: &'a [Field], name: &str) -> Option<&'a [u8]> {
    values(fields, name).next()
}

/// Every value of a field.
pub(crate) fn values<'a>(fields: &'a [Field], name: &str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| &field.value[..])
}

/// The first value as text; what is not UTF-8 in it is shown as such.
pub(crate) fn text(fields: &[Field], name: &str) -> String {
    value(fields, name).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
}

/// RFC 9110 section 5.6.2: a name that cannot end its line.
pub(crate) fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// RFC 9110 section 5.5: a value that holds no end of line.
pub(crate) fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

/// The registered reason phrase: HTTP/2 has none, and HTTP/1's is not recorded.
pub fn reason(status: u32) -> &'static str {
    let status = u16::try_from(status).ok().and_then(|status| http::StatusCode::from_u16(status).ok());
    status.and_then(|status| status.canonical_reason()).unwrap_or_default()
}
