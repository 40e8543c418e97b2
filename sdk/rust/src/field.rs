//! What a field, a method or a status may be (RFC 9110), for configurations that name some: a fault is told when the filter
//! is configured, not when an exchange meets it.

/// Fields that the agent owns: framing and hop-by-hop (RFC 9110 section 7.6.1), and `Host`, which follows the authority. In
/// lower case.
pub const OWNED: [&str; 12] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Is this a token (RFC 9110 section 5.6.2), as names of fields, methods and cookies are?
pub fn is_token(text: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(token)
}

/// A name of a field that a filter may change.
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    if !is_token(name) {
        Err(format!("`{}` is no field name (RFC 9110 section 5.1)", name.escape_debug()))
    } else if OWNED.contains(&name.to_ascii_lowercase().as_str()) {
        Err(format!("`{name}` is the agent's own: no filter changes it"))
    } else {
        Ok(())
    }
}

/// Text that can be the value of a field; it travels as UTF-8 when it went through
/// [`latin1::from_utf8`](crate::latin1::from_utf8).
///
/// # Errors
/// What is wrong with it.
pub fn check_value(value: &str) -> Result<(), String> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        Err("a field value has no control characters (RFC 9110 section 5.5)".to_owned())
    } else if value.trim() != value {
        Err("white space around a value does not travel".to_owned())
    } else {
        Ok(())
    }
}

/// A method.
///
/// # Errors
/// It is none.
pub fn check_method(text: &str) -> Result<(), String> {
    if is_token(text) { Ok(()) } else { Err(format!("`{text}` is no method")) }
}

/// A status that a filter's own response may have.
///
/// # Errors
/// It is none.
pub fn check_status(status: u16) -> Result<(), String> {
    if (200..=599).contains(&status) { Ok(()) } else { Err(format!("{status} is no final status: 200 to 599")) }
}
