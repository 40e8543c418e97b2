//! `kv`: the filter's own store.

use wasmtime::{
    StoreContextMut,
    component::{Linker, WasmStr},
};

use crate::{
    bindings::weir::filter::kv::{Entry, KvError},
    kv::{Bounds, Refusal},
    state::State,
};

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut kv = linker.instance(&super::interface("kv"))?;
    kv.func_wrap("get", |store: StoreContextMut<'_, State>, (key,): (WasmStr,)| {
        let found = store.data().filter.kv().get(&key.to_str(&store)?);
        Ok((found.map(|(value, version)| Entry { value, version: version as f64 }),))
    })?;
    type Set = (String, Vec<u8>, Option<f64>);
    kv.func_wrap("set", |store: StoreContextMut<'_, State>, (key, value, ttl): Set| {
        let filter = &store.data().filter;
        Ok((filter.kv().set(key, value, ttl, bounds(store.data())).map_err(KvError::from),))
    })?;
    type Swap = (String, Option<f64>, Vec<u8>, Option<f64>);
    kv.func_wrap("compare-and-set", |store: StoreContextMut<'_, State>, (key, version, value, ttl): Swap| {
        let filter = &store.data().filter;
        let swapped =
            filter.kv().compare_and_set(key, version.map(|version| version as u64), value, ttl, bounds(store.data()));
        Ok((swapped.map_err(KvError::from),))
    })?;
    kv.func_wrap("delete", |store: StoreContextMut<'_, State>, (key,): (WasmStr,)| {
        Ok((store.data().filter.kv().delete(&key.to_str(&store)?),))
    })?;
    type Add = (String, f64, Option<f64>);
    kv.func_wrap("add", |store: StoreContextMut<'_, State>, (key, by, ttl): Add| {
        let filter = &store.data().filter;
        Ok((filter.kv().add(key, by, ttl, bounds(store.data())).map_err(KvError::from),))
    })
}

fn bounds(state: &State) -> Bounds {
    let limits = &state.filter.publication().limits;
    Bounds { entries: limits.kv_entries as usize, bytes: limits.kv_bytes as usize }
}

impl From<Refusal> for KvError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooLarge => Self::TooLarge,
            Refusal::Full => Self::Full,
            Refusal::NotANumber => Self::NotANumber,
        }
    }
}
