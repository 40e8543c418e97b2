//! Which requests a filter is about, decided as the upstream will understand them and not as they were typed.
//!
//! A [`Scope`] is what most filters need: lists of hosts, paths and methods in the configuration, held against the
//! [`Facts`] of a request. It can be asked in two ways, and a filter that decides access has to ask in the right one:
//!
//! * [`Scope::touches`]: *some* reading of the request is in it. For what is refused: no spelling slips through.
//! * [`Scope::covers`]: *every* reading of the request is in it. For what is let through: no spelling gets in.
//!
//! ```
//! use serde::Deserialize;
//! use weir_sdk::{Action, Problems, Request, matching::{Facts, Scope, ScopeConfig}};
//!
//! #[derive(Default, Deserialize)]
//! #[serde(default)]
//! struct Config {
//!     /// Needs no login.
//!     except: ScopeConfig,
//! }
//!
//! struct Login {
//!     except: Scope,
//! }
//!
//! fn new(config: &Config) -> Result<Login, Problems> {
//!     let mut problems = Problems::new();
//!     let except = Scope::new("/except", &config.except, &mut problems);
//!     problems.or(Login { except })
//! }
//!
//! fn request_head(login: &Login, request: &Request) -> Action {
//!     if !login.except.is_empty() && login.except.covers(&Facts::of(request)) {
//!         return Action::Next;
//!     }
//!     # Action::Abort
//! }
//! ```

mod host;
mod media;
mod path;
mod pattern;
mod scope;

pub use host::{HostPattern, normal as normal_host};
pub use media::MediaTypes;
pub use path::{PathPattern, decode as decode_path, readings as path_readings};
pub use scope::{Facts, Scope, ScopeConfig};
