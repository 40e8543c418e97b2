//! The agent's part in a native build: the calls work on the exchange that the `testing` module holds while it runs a
//! hook. Where the agent would trap the filter, this panics.

use crate::{
    BodyMode, Connection, HeaderError, Version,
    exchange::Direction,
    field::{OWNED, is_token},
    headers::Part,
    log::Level,
    testing::live::{self, Head},
};

type Changed = Result<(), HeaderError>;

pub(crate) fn id(of: u32) -> String {
    live::read(of, |_| weir_golden::EXCHANGE_ID.to_owned())
}

pub(crate) fn connection(of: u32) -> Connection {
    live::read(of, |exchange| exchange.connection.clone())
}

pub(crate) fn version(of: u32, _: Direction) -> Version {
    live::read(of, |_| Version::Http11)
}

pub(crate) fn method(of: u32) -> String {
    live::read(of, |exchange| exchange.line.method.clone())
}

pub(crate) fn set_method(of: u32, value: &str) -> Changed {
    live::change_request(of, |exchange| {
        syntax(is_token(value))?;
        if value == "CONNECT" {
            return Err(HeaderError::Forbidden);
        }
        exchange.line.method = value.to_owned();
        Ok(())
    })
}

pub(crate) fn scheme(of: u32) -> String {
    live::read(of, |exchange| exchange.line.scheme.clone())
}

pub(crate) fn set_scheme(of: u32, value: &str) -> Changed {
    live::change_request(of, |exchange| {
        syntax(matches!(value, "http" | "https"))?;
        exchange.line.scheme = value.to_owned();
        Ok(())
    })
}

pub(crate) fn waiting_chunk(of: u32) -> Option<Vec<u8>> {
    live::read(of, |exchange| exchange.waiting_chunk.clone())
}

pub(crate) fn authority(of: u32) -> String {
    live::read(of, |exchange| exchange.line.authority.clone())
}

pub(crate) fn set_authority(of: u32, value: &str) -> Changed {
    live::change_request(of, |exchange| {
        let allowed = |c: char| c.is_ascii_graphic() && !"/?#@\\".contains(c);
        syntax(!value.is_empty() && value.chars().all(allowed))?;
        exchange.line.authority = value.to_owned();
        if exchange.request.first("host").is_some() {
            exchange.request.set("host", value);
        }
        Ok(())
    })
}

pub(crate) fn path(of: u32) -> String {
    live::read(of, |exchange| exchange.line.path.clone())
}

pub(crate) fn set_path(of: u32, value: &str) -> Changed {
    live::change_request(of, |exchange| {
        syntax(value.starts_with('/') && value.chars().all(|c| c.is_ascii_graphic() && c != '#'))?;
        exchange.line.path = value.to_owned();
        Ok(())
    })
}

pub(crate) fn status(of: u32) -> Option<u16> {
    live::read(of, |exchange| exchange.status)
}

pub(crate) fn set_status(of: u32, value: u16) -> Changed {
    live::change(of, Part::Response, |exchange| {
        syntax((200..=599).contains(&value))?;
        if matches!(value, 204 | 304) {
            return Err(HeaderError::Forbidden);
        }
        exchange.status = Some(value);
        Ok(())
    })
}

pub(crate) fn header(of: u32, part: Part, name: &str) -> Option<String> {
    header_values(of, part, name).into_iter().next()
}

pub(crate) fn header_values(of: u32, part: Part, name: &str) -> Vec<String> {
    if is_host(part, name) {
        return vec![authority(of)];
    }
    if is_hidden(name) {
        return Vec::new();
    }
    let values = |head: &Head| head.values(name).map(str::to_owned).collect();
    live::read(of, |exchange| exchange.head(part).map(values).unwrap_or_default())
}

pub(crate) fn headers(of: u32, part: Part) -> Vec<(String, String)> {
    let host = (part == Part::Request).then(|| ("host".to_owned(), authority(of)));
    live::read(of, |exchange| {
        let Some(head) = exchange.head(part) else { return Vec::new() };
        let seen = head.0.iter().filter(|(name, _)| !is_host(part, name) && !is_hidden(name));
        host.into_iter().chain(seen.cloned()).collect()
    })
}

pub(crate) fn set_header(of: u32, part: Part, name: &str, value: &str) -> Changed {
    if is_host(part, name) {
        return set_authority(of, value);
    }
    changeable(name)?;
    syntax(is_value(value))?;
    live::change_head(of, part, |head| head.set(name, value))
}

pub(crate) fn append_header(of: u32, part: Part, name: &str, value: &str) -> Changed {
    changeable(name)?;
    syntax(is_value(value))?;
    live::change_head(of, part, |head| head.append(name, value))
}

pub(crate) fn remove_header(of: u32, part: Part, name: &str) -> Changed {
    changeable(name)?;
    live::change_head(of, part, |head| head.remove(name))
}

pub(crate) fn set_body_mode(of: u32, direction: Direction, mode: BodyMode) -> Changed {
    live::set_body_mode(of, direction, mode)
}

pub(crate) fn log(level: Level, message: &str) {
    live::log(level, message);
}

fn syntax(is_good: bool) -> Changed {
    if is_good { Ok(()) } else { Err(HeaderError::InvalidSyntax) }
}

/// Fields that the agent owns: framing, hop-by-hop (RFC 9110 section 7.6.1), and `Host`, which is the authority's.
fn changeable(name: &str) -> Changed {
    syntax(is_token(name))?;
    let is_owned = OWNED.contains(&name.to_ascii_lowercase().as_str());
    if is_owned { Err(HeaderError::Forbidden) } else { Ok(()) }
}

fn is_host(part: Part, name: &str) -> bool {
    part == Part::Request && name.eq_ignore_ascii_case("host")
}

/// Credentials for the agent, not for filters.
fn is_hidden(name: &str) -> bool {
    name.eq_ignore_ascii_case("proxy-authorization")
}

fn is_value(text: &str) -> bool {
    let is_trimmed = !text.starts_with([' ', '\t']) && !text.ends_with([' ', '\t']);
    is_trimmed && text.chars().all(|c| c == '\t' || (c as u32 <= 0xff && c as u32 >= 0x20 && c != '\x7f'))
}
