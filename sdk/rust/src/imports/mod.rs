//! The agent as a filter sees it: the imports of the contract as plain functions. In wasm they are calls to the host; in
//! a native build they work on the exchange that the `testing` module holds.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
mod native_ambient;
#[cfg(not(target_arch = "wasm32"))]
mod native_calls;
#[cfg(not(target_arch = "wasm32"))]
mod native_kv;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
mod wasm_more;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native_ambient::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native_calls::*;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native_kv::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::*;
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm_more::*;
