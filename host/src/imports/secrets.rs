//! `secrets`: text that stands for a secret. What it stands for is never here: the agent knows, and puts it in.

use std::fmt::Write as _;

use rand::RngCore as _;
use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};
use weir_artifact::Name;

use crate::{exchange::Placeholder, state::State};

/// How a placeholder begins: whoever meets one in a log or a record sees what it is.
const BEGIN: &str = "weir-secret-";

/// Of chance, in a placeholder.
const BYTES: usize = 16;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut secrets = linker.instance(&super::interface("secrets"))?;
    secrets.func_wrap("placeholder", |mut store: StoreContextMut<'_, State>, (of, name): (u32, WasmStr)| {
        store.data().exchange(of)?;
        let name = name.to_str(&store)?.parse::<Name>().ok();
        Ok((name.and_then(|name| placeholder(store.data_mut(), of, name)),))
    })
}

fn placeholder(state: &mut State, of: u32, secret: Name) -> Option<String> {
    let publication = state.filter.publication();
    if !publication.secrets.contains(&secret) || !state.filter.host().has_secret(&secret) {
        return None;
    }
    let filter = publication.name.clone();
    let wire = state.wire.clone();
    // the caller has looked whether it is the exchange's number
    let exchange = state.exchange_mut(of).ok()?;
    let mut known = exchange.placeholders.iter();
    if let Some(known) = known.find(|known| known.filter == filter && known.secret == secret) {
        return Some(known.text.clone());
    }
    let text = random();
    let placeholder = Placeholder { filter, secret, text: text.clone() };
    // a guest beside the exchange has a copy of it
    if let Some(wire) = wire {
        wire.hold(placeholder.clone());
    }
    exchange.placeholders.push(placeholder);
    Some(text)
}

fn random() -> String {
    let mut bytes = [0; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().fold(BEGIN.to_owned(), |mut text, byte| {
        // writing to a string cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}
