//! `clock` and `random`: what is the same for every filter.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::{Rng as _, RngCore as _};
use wasmtime::{StoreContextMut, component::Linker};

use crate::{clock, state::State};

/// The most random bytes of one call.
const RANDOM_BYTES: u32 = 4096;

/// The guest broke the contract.
#[derive(Debug, thiserror::Error)]
#[error("it asks for {0} random bytes at once, more than {RANDOM_BYTES}")]
pub(crate) struct TooMuch(u32);

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut clock = linker.instance(&super::interface("clock"))?;
    clock.func_wrap("now", |_: StoreContextMut<'_, State>, (): ()| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok((since.as_secs_f64() * 1000.0,))
    })?;
    clock.func_wrap("monotonic", |_: StoreContextMut<'_, State>, (): ()| Ok((clock::since_start(),)))?;
    let mut random = linker.instance(&super::interface("random"))?;
    random.func_wrap("bytes", |_: StoreContextMut<'_, State>, (count,): (u32,)| {
        if count > RANDOM_BYTES {
            return Err(TooMuch(count).into());
        }
        let mut bytes = vec![0; count as usize];
        rand::rng().fill_bytes(&mut bytes);
        Ok((bytes,))
    })?;
    random.func_wrap("number", |_: StoreContextMut<'_, State>, (): ()| Ok((rand::rng().random::<u32>(),)))
}
