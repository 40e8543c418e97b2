//! Arguments that clap refuses: what the types of Rust say of a text is nothing to somebody who typed it.

use std::{
    error::Error,
    net::AddrParseError,
    num::{IntErrorKind, ParseIntError},
};

use clap::error::{ContextKind, ContextValue};

use super::failure::Failure;

/// As clap tells it, but where it tells no more than a parser of the standard library.
pub(crate) fn told(error: clap::Error) -> Failure {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let (argument, value) = (named(ContextKind::InvalidArg), named(ContextKind::InvalidValue));
    match error.source().and_then(|source| fault(source, value)) {
        Some(fault) => Failure::Usage(format!("{argument}: `{value}` is {fault}")),
        None => Failure::Arguments(error),
    }
}

fn fault(source: &(dyn Error + 'static), value: &str) -> Option<&'static str> {
    if let Some(number) = source.downcast_ref::<ParseIntError>() {
        let is_negative = value.parse::<i128>().is_ok_and(|number| number < 0);
        return Some(match number.kind() {
            IntErrorKind::PosOverflow => "too large",
            _ if is_negative => "too small",
            _ => "no whole number",
        });
    }
    source.is::<AddrParseError>().then_some("no address such as 127.0.0.1:7080 or [::1]:7080; names are not looked up")
}
