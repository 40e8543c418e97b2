//! Filters that have bodies as streams: `async` hooks that read a body chunk by chunk, wait in between, and write another one
//! while it is read. What else a filter has is in `weir-sdk`.
//!
//! ```
//! use weir_sdk::{NoConfig, Problems, Response};
//! use weir_streaming::{Action, Body, StreamFilter, Subscription};
//!
//! struct Shout;
//!
//! impl StreamFilter for Shout {
//!     type Config = NoConfig;
//!
//!     fn new(_config: NoConfig) -> Result<Self, Problems> {
//!         Ok(Self)
//!     }
//!
//!     fn subscription(&self) -> Subscription {
//!         Subscription::new().response()
//!     }
//!
//!     async fn response(&'static self, _response: &mut Response, body: Option<Body>) -> Action {
//!         let Some(mut body) = body else { return Action::Next };
//!         Action::NextWith(Body::written(async move |out| {
//!             while let Some(mut chunk) = body.chunk().await {
//!                 chunk.make_ascii_uppercase();
//!                 out.write(chunk).await?;
//!             }
//!             Ok(())
//!         }))
//!     }
//! }
//!
//! weir_streaming::export!(Shout);
//! ```
//!
//! * Each exchange has an instance of its own, built from the configuration: what `request` leaves in a [`std::cell::Cell`] of
//!   the filter is there in `response`, and nobody else's.
//! * A body that a hook hands on unread is not copied: [`Action::Next`], or [`Action::NextWith`] and the very [`Body`].
//! * The instance ends when both hooks have returned and the bodies that it writes have ended, or the exchange is over. What
//!   else it has begun ends with it.
//! * `async` functions wait for bodies, for [`sleep`], for answers of an [`Upstream`], and for one another; there is no other runtime.
//!
//! The contract beneath is `wit/stream.wit`.
#![deny(missing_docs)]

mod action;
mod body;
mod filter;
mod subscription;
mod upstream;
mod writer;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
use wasm as agent;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
use native as agent;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use action::{Action, Reply};
pub use body::{Body, BrokenOff, Fields};
pub use filter::StreamFilter;
pub use subscription::Subscription;
pub use upstream::{FetchError, Upstream};
pub use writer::{Gone, Writer};

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod __private {
    pub use crate::component::*;
}

/// Comes back after this time, a minute at most. The publication has to grant `timer`.
pub async fn sleep(time: std::time::Duration) {
    agent::sleep(u32::try_from(time.as_millis()).unwrap_or(u32::MAX)).await;
}

/// Makes a type that implements [`StreamFilter`] the filter of this component. Once per crate; the crate is a `cdylib`.
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            $crate::__export_component!($filter);
            #[cfg(not(target_arch = "wasm32"))]
            const fn is_a_filter<F: $crate::StreamFilter>() {}
            #[cfg(not(target_arch = "wasm32"))]
            is_a_filter::<$filter>();
        };
    };
}

/// Code in pages of documentation is compiled, so that it stays true.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../../docs/filters/streaming.md")]
    struct Streaming;
}
