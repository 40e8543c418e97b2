//! `limits`: what the publication allows the filter.

use wasmtime::{
    StoreContextMut,
    component::{Linker, LinkerInstance, Lower},
};
use weir_artifact::Limits;

use crate::state::State;

pub(super) fn add(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut limits = linker.instance(&super::interface("limits"))?;
    tell(&mut limits, "cpu-ms", |limits| limits.cpu_ms)?;
    tell(&mut limits, "memory-bytes", |limits| f64::from(limits.memory_bytes))?;
    tell(&mut limits, "buffer-bytes", |limits| limits.buffer_bytes)?;
    tell(&mut limits, "answer-bytes", |limits| limits.answer_bytes)
}

fn tell<R: Lower + wasmtime::component::ComponentType + 'static>(
    limits: &mut LinkerInstance<'_, State>,
    name: &str,
    get: impl Fn(&Limits) -> R + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    limits.func_wrap(name, move |store: StoreContextMut<'_, State>, (): ()| {
        Ok((get(&store.data().filter.publication().limits),))
    })
}
