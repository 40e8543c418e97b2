//! `tags`: what a filter says of an exchange, and what it may read of others' words.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};
use weir_artifact::is_tag_name;

use crate::{
    bindings::weir::filter::tags::{TagError, TagValue as GuestValue},
    exchange::{Tag, TagValue},
    line::line,
    middleware::Wire,
    state::State,
};

/// Tags of one filter on one exchange.
const TAGS: usize = 16;
const TEXT_BYTES: usize = 1024;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut tags = linker.instance(&super::interface("tags"))?;
    type Said = (u32, String, GuestValue);
    tags.func_wrap("set", |mut store: StoreContextMut<'_, State>, (of, name, value): Said| {
        let state = store.data_mut();
        state.exchange(of)?;
        Ok((checked(name, value).and_then(|(name, value)| set(state, of, name, value)),))
    })?;
    tags.func_wrap("get", |store: StoreContextMut<'_, State>, (of, name): (u32, WasmStr)| {
        let state = store.data();
        state.exchange(of)?;
        Ok((get(state, of, &name.to_str(&store)?),))
    })
}

fn checked(name: String, value: GuestValue) -> Result<(String, TagValue), TagError> {
    if !is_tag_name(&name) {
        return Err(TagError::InvalidName);
    }
    let value = match value {
        GuestValue::Flag(flag) => TagValue::Flag(flag),
        GuestValue::Number(number) if number.is_finite() => TagValue::Number(number),
        // as in a log: no line ends, no escapes for terminals
        GuestValue::Text(text) if text.len() <= TEXT_BYTES => TagValue::Text(line(&text, TEXT_BYTES).into_owned()),
        GuestValue::Number(_) | GuestValue::Text(_) => return Err(TagError::InvalidValue),
    };
    Ok((name, value))
}

fn set(state: &mut State, of: u32, name: String, value: TagValue) -> Result<(), TagError> {
    let filter = state.filter.name().clone();
    let wire = state.wire.clone();
    // the caller has looked whether it is the exchange's number
    let Ok(exchange) = state.exchange_mut(of) else { return Err(TagError::InvalidName) };
    let mut own = exchange.tags.iter_mut().filter(|tag| tag.filter == filter);
    if let Some(tag) = own.find(|tag| tag.name == name) {
        tag.value = value;
        tell(wire.as_deref(), tag);
        return Ok(());
    }
    if exchange.tags.iter().filter(|tag| tag.filter == filter).count() >= TAGS {
        return Err(TagError::TooMany);
    }
    let tag = Tag { filter, name, value };
    tell(wire.as_deref(), &tag);
    exchange.tags.push(tag);
    Ok(())
}

/// A guest beside the exchange has a copy of it: others hear of it over the wire.
fn tell(wire: Option<&Wire>, tag: &Tag) {
    if let Some(wire) = wire {
        wire.say(tag.clone());
    }
}

fn get(state: &State, of: u32, full: &str) -> Result<Option<GuestValue>, TagError> {
    let publication = state.filter.publication();
    let own = publication.name.as_str();
    // names of filters may have dots, those of tags have none
    let (filter, name) = full.rsplit_once('.').unwrap_or((own, full));
    if filter != own && !publication.reads.iter().any(|read| read.covers(filter, name)) {
        return Err(TagError::Forbidden);
    }
    if !is_tag_name(name) {
        return Err(TagError::InvalidName);
    }
    let Ok(exchange) = state.exchange(of) else { return Err(TagError::InvalidName) };
    let found = exchange.tags.iter().find(|tag| tag.filter.as_str() == filter && tag.name == name);
    Ok(found.map(|tag| match &tag.value {
        TagValue::Text(text) => GuestValue::Text(text.clone()),
        TagValue::Number(number) => GuestValue::Number(*number),
        TagValue::Flag(flag) => GuestValue::Flag(*flag),
    }))
}
