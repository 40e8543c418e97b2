//! Components in the form that runs, shared by all generations made of the same bytes: a filter that is published again
//! with another configuration is not compiled again. Artifacts go in; compiled and linked components come out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use wasmtime::{
    Engine,
    component::{Component, InstancePre, Linker},
};
use weir_artifact::{Artifact, Digest};

use crate::{LoadFault, guest::Exports, state::State};

/// A component, compiled and linked. Its imports are not its authority: each generation is held against its own grants.
pub(crate) struct Compiled {
    pub(crate) linked: InstancePre<State>,
    pub(crate) exports: Exports,
}

/// What some live generation runs.
pub(crate) struct Compilations<C>(Mutex<HashMap<Digest, Weak<C>>>);

impl<C> Default for Compilations<C> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<C> Compilations<C> {
    /// Compiles, unless a live generation has done so.
    pub(crate) fn of(
        &self,
        artifact: &Artifact,
        compile: impl FnOnce() -> Result<C, LoadFault>,
    ) -> Result<Arc<C>, LoadFault> {
        let digest = artifact.publication().digest;
        if let Some(compiled) = self.lock().get(&digest).and_then(Weak::upgrade) {
            return Ok(compiled);
        }
        // Not under the lock: others may be compiled meanwhile.
        let compiled = Arc::new(compile()?);
        let mut live = self.lock();
        live.retain(|_, compiled| compiled.strong_count() > 0);
        live.insert(digest, Arc::downgrade(&compiled));
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Weak<C>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A component of the world `filter`.
pub(crate) fn compile(artifact: &Artifact, engine: &Engine, linker: &Linker<State>) -> Result<Compiled, LoadFault> {
    let component = Component::from_binary(engine, artifact.component())
        .map_err(|error| LoadFault::Compile(format!("{error:#}")))?;
    let link = |error: wasmtime::Error| LoadFault::Link(format!("{error:#}"));
    let linked = linker.instantiate_pre(&component).map_err(link)?;
    let exports = Exports::find(&linked).map_err(link)?;
    Ok(Compiled { linked, exports })
}
