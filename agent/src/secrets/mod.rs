//! Secrets that filters use and cannot read. Enter: the operator's file, and heads in which placeholders stand; leave: the
//! heads as their upstreams get them. A value is in no log, record or metric, and shows in no debug output.

mod fill;
mod follow;
mod read;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use arc_swap::ArcSwap;
use weir_artifact::Name;
use weir_host::SecretNames;
use zeroize::Zeroizing;

pub use self::{fill::Misuse, read::SecretsFault};
use crate::{config::TargetPattern, target::Scheme, target::Target};

/// The secrets of this agent, as the file says now.
pub struct Secrets {
    /// none: there are none, and never will be
    path: Option<PathBuf>,
    known: ArcSwap<BTreeMap<Name, Secret>>,
}

/// One secret, and where it may go.
pub(crate) struct Secret {
    value: Zeroizing<Vec<u8>>,
    hosts: Vec<TargetPattern>,
    /// over HTTP without TLS too
    cleartext: bool,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value: _, hosts, cleartext } = self;
        f.debug_struct("Secret").field("hosts", hosts).field("cleartext", cleartext).finish_non_exhaustive()
    }
}

impl Secrets {
    /// Reads the file, if there is one.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub fn open(path: Option<&Path>) -> Result<Self, SecretsFault> {
        let known = path.map(read::read).transpose()?.unwrap_or_default();
        Ok(Self { path: path.map(Path::to_owned), known: ArcSwap::from_pointee(known.secrets) })
    }

    /// Looks whether the file can be used.
    ///
    /// # Errors
    /// What is wrong with it, or with a file that it names.
    pub fn check(path: &Path) -> Result<(), SecretsFault> {
        read::read(path).map(drop)
    }
}

impl SecretNames for Secrets {
    fn has(&self, secret: &Name) -> bool {
        self.known.load().contains_key(secret)
    }
}

impl Secret {
    /// Whether it is for who answers there. `site` is the host that the request names, which may be another: a server of
    /// many sites (RFC 9110 section 7.4) would hand it on to that one.
    fn is_for(&self, target: &Target, site: &Target) -> bool {
        self.covers(target) && self.hosts.iter().any(|pattern| covers(pattern, site, target.port))
    }

    fn covers(&self, target: &Target) -> bool {
        // what TLS has proven, not what was dialled: the client may have asked for an address and named the site in its SNI
        match &target.server_name {
            Some(name) if target.scheme == Scheme::Https => {
                self.hosts.iter().any(|pattern| pattern.covers(name, target.port))
            }
            _ => self.hosts.iter().any(|pattern| covers(pattern, target, target.port)),
        }
    }
}

fn covers(pattern: &TargetPattern, target: &Target, port: u16) -> bool {
    match target.host.address() {
        Some(address) => pattern.covers_address(address, port),
        None => pattern.covers(&target.host.to_string(), port),
    }
}
