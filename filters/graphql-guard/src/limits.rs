//! The bounds of one configuration, and queries held against them.

use sha2::{Digest as _, Sha256};
use weir_sdk::Problems;

use crate::{
    config::{AllowConfig, Config},
    document::{Kind, Measure, Operation, operations},
    query::Query,
    reject::Reject,
};

#[derive(Debug)]
pub(crate) struct Limits {
    depth: u32,
    aliases: u32,
    roots: u32,
    fields: u32,
    directives: u32,
    pub(crate) batch: usize,
    tokens: usize,
    introspection: bool,
    allow: Option<AllowConfig>,
}

/// Tokens: what is measured within the time of a hook.
const MOST_TOKENS: usize = 20_000;
const MOST_BATCH: usize = 100;

impl Limits {
    pub(crate) fn new(config: Config, problems: &mut Problems) -> Self {
        let bounds = [
            ("/max_depth", u64::from(config.max_depth), 200),
            ("/max_root_fields", config.max_root_fields.into(), u32::MAX.into()),
            ("/max_fields", config.max_fields.into(), u32::MAX.into()),
            ("/max_batch", config.max_batch as u64, MOST_BATCH as u64),
            ("/max_tokens", config.max_tokens as u64, MOST_TOKENS as u64),
        ];
        for (at, value, most) in bounds {
            if value == 0 || value > most {
                problems.push(at, format!("1 to {most}"));
            }
        }
        if let Some(allow) = &config.allow {
            if allow.hashes.is_empty() && allow.names.is_empty() {
                problems.push("/allow", "nothing would be allowed: `block` does that");
            }
            for (index, hash) in allow.hashes.iter().enumerate() {
                if hash.len() != 64 || !hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
                    problems.push(format!("/allow/hashes/{index}"), "64 hexadecimal digits in lower case");
                }
            }
        }
        Self {
            depth: config.max_depth,
            aliases: config.max_aliases,
            roots: config.max_root_fields,
            fields: config.max_fields,
            directives: config.max_directives,
            batch: config.max_batch,
            tokens: config.max_tokens,
            introspection: config.introspection,
            allow: config.allow,
        }
    }

    pub(crate) fn has_allow_list(&self) -> bool {
        self.allow.is_some()
    }

    pub(crate) fn check(&self, query: &Query, is_get: bool) -> Result<(), Reject> {
        let Some(text) = query.query.as_deref().filter(|text| !text.is_empty()) else {
            return self.check_persisted(query);
        };
        let operations = operations(text, self.tokens)?;
        if is_get && operations.iter().any(|operation| operation.kind != Kind::Query) {
            return Err(Reject::MUTATION_BY_GET);
        }
        operations.iter().try_for_each(|operation| self.measure(&operation.measure))?;
        self.allowed(text, query, &operations)
    }

    /// The text is the server's: what is in it was looked at when it was stored, if it went through here.
    fn check_persisted(&self, query: &Query) -> Result<(), Reject> {
        match (query.persisted(), &self.allow) {
            (None, _) => Err(Reject::NO_QUERY),
            (Some(hash), Some(allow)) if !allow.hashes.iter().any(|known| known == hash) => Err(Reject::NOT_ALLOWED),
            (Some(_), _) => Ok(()),
        }
    }

    fn measure(&self, seen: &Measure) -> Result<(), Reject> {
        let bounds = [
            ("DEPTH", "levels of fields", seen.depth, self.depth),
            ("ROOT_FIELDS", "fields at the top", seen.roots, self.roots),
            ("FIELDS", "fields", seen.fields, self.fields),
            ("ALIASES", "aliases", seen.aliases, self.aliases),
            ("DIRECTIVES", "directives", seen.directives, self.directives),
        ];
        for (code, what, seen, most) in bounds {
            if seen > most.into() {
                return Err(Reject::too_much(code, what, seen, most.into()));
            }
        }
        if seen.introspects && !self.introspection { Err(Reject::INTROSPECTION) } else { Ok(()) }
    }

    fn allowed(&self, text: &str, query: &Query, operations: &[Operation]) -> Result<(), Reject> {
        let Some(allow) = &self.allow else { return Ok(()) };
        // GraphQL section 6.1: without a name, the only operation is meant.
        let name = match (&query.operation, operations) {
            (Some(name), _) if operations.iter().any(|operation| operation.name.as_ref() == Some(name)) => Some(name),
            (None, [only]) => only.name.as_ref(),
            _ => None,
        };
        if name.is_some_and(|name| allow.names.contains(name)) {
            return Ok(());
        }
        let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        if allow.hashes.contains(&digest) { Ok(()) } else { Err(Reject::NOT_ALLOWED) }
    }
}
