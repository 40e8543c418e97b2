//! What guests may call: one file per interface of the contract.

mod ambient;
mod calls;
mod control;
mod fields;
mod http;
mod kv;
mod limits;
mod log;
mod metrics;
mod secrets;
mod tags;

use wasmtime::{Engine, component::Linker};

pub(crate) use self::control::{parse_authority, parse_path};
pub(crate) use self::fields::{Extent, HEAD_BYTES, HEAD_LINES, is_owned, lines, parse_value};
pub(crate) use self::{ambient::TooMuch, calls::prepare as prepare_call, metrics::WrongMetric};
use crate::state::State;

/// The linker that every filter is linked with. Whether a filter may import what has to be granted was decided before.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    http::add(&mut linker)?;
    log::add(&mut linker)?;
    limits::add(&mut linker)?;
    metrics::add(&mut linker)?;
    ambient::add(&mut linker)?;
    kv::add(&mut linker)?;
    tags::add(&mut linker)?;
    calls::add(&mut linker)?;
    secrets::add(&mut linker)?;
    Ok(linker)
}

pub(crate) fn interface(name: &str) -> String {
    format!("{}/{name}@{}", weir_wit::PACKAGE, weir_wit::VERSION)
}
