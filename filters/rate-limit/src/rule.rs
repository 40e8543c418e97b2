//! One limit: whose request it is, and whether there is room for it.

use std::{net::SocketAddr, time::Duration};

use weir_sdk::{
    Problems, Request, field,
    kv::{self, KvError},
    matching::{Facts, Scope, normal_host},
};

use crate::{
    config::{By, RuleConfig},
    window::{self, Place},
};

/// Values of fields are cut here, so that keys fit into the store.
const VALUE_BYTES: usize = 256;

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// Where it stands in the configuration.
    pub(crate) pointer: String,
    pub(crate) status: u16,
    scope: Scope,
    by: By,
    limit: f64,
    window_seconds: u32,
}

/// What becomes of a request.
pub(crate) enum Verdict {
    Taken(Taken),
    /// In so many seconds there is room.
    Over {
        seconds: u64,
    },
    /// The store has no room for the key.
    Full,
}

/// A request that was counted.
pub(crate) struct Taken {
    key: String,
    /// For the response.
    pub(crate) field: String,
}

impl Taken {
    pub(crate) fn give_back(&self) {
        // what is there can always be counted down
        let _ = kv::add(&self.key, -1.0, None);
    }
}

impl Rule {
    pub(crate) fn new(at: &str, config: RuleConfig, problems: &mut Problems) -> Self {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !(1..=64).contains(&config.name.len()) || !config.name.bytes().all(is_name) {
            problems.push(format!("{at}/name"), "1 to 64 of a-z, A-Z, 0-9, `-` and `_`");
        }
        if config.limit == 0 {
            problems.push(format!("{at}/limit"), "0 lets nothing through: `block` does that");
        }
        if !(1..=86_400).contains(&config.window_seconds) {
            problems.push(format!("{at}/window_seconds"), "1 to 86400");
        }
        if !(400..=599).contains(&config.status) {
            problems.push(format!("{at}/status"), "400 to 599");
        }
        if let By::Header(name) = &config.by
            && !field::is_token(name)
        {
            problems.push(format!("{at}/by/header"), "that is no field name (RFC 9110 section 5.1)");
        }
        Self {
            scope: Scope::new(&format!("{at}/match"), &config.scope, problems),
            name: config.name,
            pointer: at.to_owned(),
            status: config.status,
            by: config.by,
            limit: f64::from(config.limit),
            window_seconds: config.window_seconds.max(1),
        }
    }

    /// Some reading of the request is limited: no spelling slips through.
    pub(crate) fn covers(&self, facts: &Facts<'_>) -> bool {
        self.scope.touches(facts)
    }

    pub(crate) fn window_seconds(&self) -> u64 {
        self.window_seconds.into()
    }

    /// `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name, self.limit, self.window_seconds)
    }

    /// Counts the request, if there is room. `now` in milliseconds.
    pub(crate) fn take(&self, request: &Request, now: f64) -> Verdict {
        let window = f64::from(self.window_seconds) * 1000.0;
        let place = Place::of(now, window);
        let who = self.who(request);
        let key = |index: u64| format!("{}:{index}:{who}", self.name);
        let before = place.index.checked_sub(1).map_or(0.0, |index| count(&key(index)));
        let current = key(place.index);
        // it is looked at for one window more
        let ttl = Duration::from_secs(2 * self.window_seconds());
        let sum = match kv::add(&current, 1.0, Some(ttl)) {
            Ok(sum) => sum,
            Err(KvError::Full) => return Verdict::Full,
            // what is there is no number of ours: nothing is known to be used
            Err(_) => 1.0,
        };
        let used = window::used(place, before, sum);
        let taken = Taken { key: current, field: self.field(place, (self.limit - used).max(0.0)) };
        if used <= self.limit {
            return Verdict::Taken(taken);
        }
        taken.give_back();
        let wait = window::wait(place, before, sum - 1.0, self.limit, window);
        Verdict::Over { seconds: ((wait / 1000.0).ceil() as u64).max(1) }
    }

    /// `RateLimit` (draft-ietf-httpapi-ratelimit-headers): what is left, and for how long that is known.
    fn field(&self, place: Place, left: f64) -> String {
        let seconds = (1.0 - place.passed) * f64::from(self.window_seconds);
        format!("\"{}\";r={};t={}", self.name, left.floor(), seconds.ceil())
    }

    fn who(&self, request: &Request) -> String {
        let connection = request.connection();
        let client = || client(&connection.client_address);
        match &self.by {
            By::All => String::new(),
            By::Host => normal_host(&request.authority()).into_owned(),
            By::Client => client(),
            By::User => connection.user.clone().map_or_else(client, |user| format!("u:{}", cut(user))),
            By::Header(name) => match request.headers().get(name) {
                Some(value) => format!("h:{}", cut(value)),
                None => client(),
            },
        }
    }
}

fn count(key: &str) -> f64 {
    let entry = kv::get(key);
    let text = entry.and_then(|entry| String::from_utf8(entry.value).ok());
    text.and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(VALUE_BYTES));
    text
}

/// One customer has a whole /64 of IPv6 addresses, mostly.
fn client(address: &str) -> String {
    match address.parse() {
        Ok(SocketAddr::V6(v6)) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => v4.to_string(),
            None => format!("{:x}", v6.ip().to_bits() >> 64),
        },
        Ok(SocketAddr::V4(v4)) => v4.ip().to_string(),
        Err(_) => address.to_owned(),
    }
}
