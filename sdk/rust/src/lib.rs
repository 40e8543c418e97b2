//! Write filters for the Weir proxy in Rust.
//!
//! A filter is a struct that implements [`Filter`], and one line, [`export!`]. The agent calls its methods as the head,
//! body and trailers of a request and its response pass; what a method returns says what happens next.
//!
//! ```
//! use weir_sdk::{Action, Filter, NoConfig, Problems, Response, Subscription};
//!
//! struct Hello;
//!
//! impl Filter for Hello {
//!     type Config = NoConfig;
//!     type State = ();
//!
//!     fn new(_config: NoConfig) -> Result<Self, Problems> {
//!         Ok(Self)
//!     }
//!
//!     fn subscription(&self) -> Subscription {
//!         Subscription::new().response_head()
//!     }
//!
//!     fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
//!         let _ = response.headers_mut().set("x-hello", "world");
//!         Action::Next
//!     }
//! }
//!
//! weir_sdk::export!(Hello);
//! ```
//!
//! * The configuration arrives as the filter's own type: any [`serde::Deserialize`]. Faults are reported with the place in
//!   the JSON text where they are, and a field that the type does not know is a fault.
//! * One instance serves many exchanges at a time. What has to be remembered between two hooks of one exchange goes into
//!   [`Filter::State`]: each exchange has its own, made by [`Default`] and dropped when the exchange is over.
//! * Header values, paths and methods are strings of one character per byte ([`latin1`]).
//! * What many filters need is here: [`matching`] (hosts, paths and methods of a request, media types of bodies), [`Refusal`]
//!   (a problem document), [`field`] (checks of what a configuration names).
//! * In a native build (a unit test), the SDK plays the agent's part: see [`testing`].
//! * A panic is written to the filter's log and ends the instance, as any trap does; the agent starts another.
//!
//! The contract beneath is `wit/filter.wit`; a filter in Rust needs nothing of it.
#![deny(missing_docs)]

mod action;
pub mod call;
mod chunk;
pub mod clock;
mod completed;
mod config;
mod connect;
mod connection;
mod exchange;
pub mod field;
mod filter;
mod guest;
mod headers;
mod imports;
pub mod kv;
pub mod latin1;
pub mod limits;
mod local_response;
pub mod log;
pub mod matching;
mod message;
pub mod metrics;
mod problem;
pub mod random;
mod refusal;
#[doc(hidden)]
pub mod streaming;
mod subscription;
mod tag;
mod tick;
mod trailers;

#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(target_arch = "wasm32")]
mod component_completed;
#[cfg(target_arch = "wasm32")]
mod component_connect;
#[cfg(target_arch = "wasm32")]
mod component_message;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

pub use action::{Action, ChunkAction, Resumption, TrailersAction};
pub use call::{Call, CallError, CallOutcome, CallRequest, CallResponse, Hook, Resumed};
pub use chunk::Chunk;
pub use completed::{Completed, Summary};
pub use config::NoConfig;
pub use connect::{ClientHello, Connect, Decision, Tunnel};
pub use connection::{Connection, Entry};
pub use exchange::{Done, DoneReason, Request, Response, UpstreamError, Version};
pub use filter::Filter;
pub use headers::{HeaderError, Headers, HeadersMut};
pub use local_response::LocalResponse;
pub use message::{Content, MessageAction, Messages, Origin, ServerEvent};
pub use problem::{Problem, Problems};
pub use refusal::Refusal;
pub use subscription::{BodyMode, Subscription};
pub use tag::{TagError, TagValue};
pub use tick::Tick;
pub use trailers::Trailers;

/// Everything that most filters name: `use weir_sdk::prelude::*;`
pub mod prelude {
    pub use crate::{
        Action, BodyMode, Call, CallError, CallOutcome, CallRequest, Chunk, ChunkAction, Done, DoneReason, Filter,
        HeaderError, Headers, HeadersMut, Hook, LocalResponse, NoConfig, Problem, Problems, Refusal, Request, Response,
        Resumed, Resumption, Subscription, TagValue, Trailers, TrailersAction, UpstreamError,
    };
}

/// What [`export!`] expands to. Not for use by hand, and not stable.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::component::*;
    #[cfg(target_arch = "wasm32")]
    pub use crate::component_completed::{completed_bindings, export_completed, export_tick, tick_bindings};
    #[cfg(target_arch = "wasm32")]
    pub use crate::component_connect::{bindings as connect_bindings, export_connect};
    #[cfg(target_arch = "wasm32")]
    pub use crate::component_message::{bindings as message_bindings, export_message};
    pub use crate::guest::Guest;
}

/// Makes a type that implements [`Filter`] the filter of this component. Once per crate; the crate is a `cdylib`.
///
/// Interfaces that a filter may export beside are named: `weir_sdk::export!(MyFilter, with Connect)` needs [`Connect`]; there are
/// [`Messages`], [`Completed`] and [`Tick`] too, several with `+` between them. The agent asks no filter that does not export
/// them.
#[macro_export]
macro_rules! export {
    ($filter:ty $(, with $hooks:ident $(+ $more:ident)*)?) => {
        const _: () = {
            #[cfg(target_arch = "wasm32")]
            $crate::__export_component!($filter);
            $(
                #[cfg(target_arch = "wasm32")]
                $crate::__export_hooks!($hooks);
                $(
                    #[cfg(target_arch = "wasm32")]
                    $crate::__export_hooks!($more);
                )*
            )?
            #[cfg(not(target_arch = "wasm32"))]
            const fn is_a_filter<F: $crate::Filter $(+ $crate::$hooks $(+ $crate::$more)*)?>() {}
            #[cfg(not(target_arch = "wasm32"))]
            is_a_filter::<$filter>();
        };
    };
}

/// Code in pages of documentation is compiled, so that it stays true.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/filters/first-filter.md")]
    struct FirstFilter;
}
