//! Golden cases of filters: one exchange per file, written as text, with what is expected of the filter. In: the text of
//! a case and what a runner saw. Out: the case as data, and the difference as text. Knows neither the SDK nor the
//! host, so that the same cases run natively and in wasm. `golden/README.md` shows the format.
#![deny(missing_docs)]

mod case;
mod compare;
mod diff;
mod folder;
mod message;
mod parse;
mod render;
mod talk;
mod tunnel;

pub use case::{Case, Connection, EXCHANGE_ID, Expect, Outcome, Upstream, Verdict, shown_secret};
pub use compare::Mismatch;
pub use folder::{FolderError, folder};
pub use message::{Fields, Message, RequestLine, Start, Status};
pub use parse::ParseError;
pub use talk::{Heard, Said, Speaker, Words};
pub use tunnel::{ClientHello, Course, Tunnel};
