//! The agent as a filter sees it: the imports of the contract as plain functions. In wasm they are calls to the host; in
//! a native build they work on the exchange that the `testing` module holds.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
mod native_ambient;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native_ambient::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;
