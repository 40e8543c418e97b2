//! The configuration as it is written. `schema.json` says the same to editors.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_sdk::{Problems, matching::ScopeConfig};

use crate::hash::Hash;

/// Who is let in.
#[derive(Debug, Deserialize)]
pub struct Config {
    /// Names and hashes of passwords.
    pub users: BTreeMap<String, String>,
    /// What the login is for; browsers show it.
    #[serde(default = "default_realm")]
    pub realm: String,
    /// What needs no login.
    #[serde(default)]
    pub except: ScopeConfig,
    /// A field for the upstream with the user's name.
    #[serde(default)]
    pub user_header: Option<String>,
    /// Pass the password on to the upstream.
    #[serde(default)]
    pub forward: bool,
    /// Passwords that one instance verifies in a second; those that it knows already do not count.
    #[serde(default = "default_pace")]
    pub verifications_per_second: u32,
}

fn default_realm() -> String {
    "weir".to_owned()
}

fn default_pace() -> u32 {
    10
}

/// Bytes.
const LONGEST_NAME: usize = 256;

impl Config {
    pub(crate) fn users(&self, problems: &mut Problems) -> Vec<(String, Hash)> {
        if self.users.is_empty() {
            problems.push("/users", "without users nobody is let in: `block` does that");
        }
        let mut users = Vec::with_capacity(self.users.len());
        for (name, hash) in &self.users {
            let at = format!("/users/{}", name.replace('~', "~0").replace('/', "~1"));
            let is_good = !name.is_empty() && name.trim() == name && name.len() <= LONGEST_NAME;
            if !is_good || name.contains(|c: char| c == ':' || c.is_control()) {
                problems.push(&at, "a name has no colon and no control characters, and no space around it (RFC 7617)");
            }
            match Hash::parse(hash) {
                Ok(hash) => users.push((name.clone(), hash)),
                Err(fault) => problems.push(at, fault),
            }
        }
        users
    }

    /// RFC 7617 sections 2 and 2.1.
    pub(crate) fn challenge(&self, problems: &mut Problems) -> String {
        if !self.realm.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            problems.push("/realm", "printable ASCII only: browsers read anything else in their own way");
        }
        let realm = self.realm.replace('\\', "\\\\").replace('"', "\\\"");
        format!("Basic realm=\"{realm}\", charset=\"UTF-8\"")
    }
}
