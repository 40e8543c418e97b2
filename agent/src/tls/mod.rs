//! TLS towards clients: the agent's certificate authority, the leaves it signs, and the handshake.

mod authority;
mod fleet;
mod intercept;
mod leaf;
mod overheard;

pub use self::authority::{Authority, AuthorityError};
pub use self::fleet::FleetFolder;
pub use self::intercept::{intercept, version_name};
pub use overheard::Overheard;
