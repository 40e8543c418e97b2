//! Tests of a filter without an agent and without wasm: the SDK plays the agent's part.
//!
//! ```
//! # use weir_sdk::{Action, Filter, NoConfig, Problems, Response, Subscription};
//! # struct Hello;
//! # impl Filter for Hello {
//! #     type Config = NoConfig;
//! #     type State = ();
//! #     fn new(_config: NoConfig) -> Result<Self, Problems> { Ok(Self) }
//! #     fn subscription(&self) -> Subscription { Subscription::new().response_head() }
//! #     fn response_head(&self, response: &mut Response, _: &mut ()) -> Action {
//! #         let _ = response.headers_mut().set("x-hello", "world");
//! #         Action::Next
//! #     }
//! # }
//! use weir_sdk::testing::{Exchange, Tested, Verdict};
//!
//! let filter = Tested::<Hello>::new("{}").unwrap();
//! let outcome = filter.run(Exchange::get("http://example.com/"));
//! assert_eq!(outcome.verdict, Verdict::Pass);
//! assert_eq!(outcome.received.unwrap().field("x-hello"), Some("world"));
//! ```
//!
//! [`golden`] runs every golden case of a folder, [`Golden`] those with tunnels and messages too; the same cases run in wasm in a real host. What this double leaves out:
//! encoded bodies (write them decoded), bounds on the size of heads, limits of CPU and memory.

mod exchange;
mod further;
mod golden;
pub(crate) mod live;
mod passage;
mod schema;
mod tested;

/// What filters on this thread have counted: a counter's or gauge's value, a histogram's sum; none if there is no such series.
pub fn metric(name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    crate::imports::metric(name, labels)
}

pub use exchange::Exchange;
pub use golden::{Failures, Golden, golden};
pub use schema::schema;
pub use tested::Tested;
pub use weir_golden::{Connection, Message, Outcome, RequestLine, Status, Upstream, Verdict};
