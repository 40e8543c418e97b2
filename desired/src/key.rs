//! Which keys there are. One table: what is not in it, no configuration pushes.

/// Of a configuration's text, bytes.
pub const MAX_BYTES: usize = 64 << 10;

/// Most entries of a list.
pub(crate) const ENTRIES: usize = 1024;

/// A key that agents take while they run.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Such as `capture.body_bytes`.
    pub name: &'static str,
    pub kind: Kind,
}

/// What stands at a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, from and to.
    Count(u64, u64),
    /// A [`crate::Size`] of bytes, from and to.
    Size(u64, u64),
    /// A [`crate::Time`], from and to in seconds.
    Time(u64, u64),
    /// `true` or `false`.
    Flag,
    /// A list of [`crate::TargetPattern`].
    Targets,
    /// A list of texts.
    Texts,
    /// What is logged: levels, and levels of parts of the program.
    Level,
}

const DAY: u64 = 86_400;

/// By section and name.
const LIVE: [Key; 35] = [
    key("capture.body_bytes", Kind::Size(0, 1 << 20)),
    key("capture.connections", Kind::Flag),
    key("capture.filter_lines", Kind::Flag),
    key("capture.message_bytes", Kind::Size(0, 1 << 20)),
    key("capture.messages", Kind::Flag),
    key("capture.whole_digest", Kind::Flag),
    key("client.body_idle", Kind::Time(1, DAY)),
    key("client.connections", Kind::Count(1, 1_000_000)),
    key("client.handshake_timeout", Kind::Time(1, 300)),
    key("client.head_bytes", Kind::Size(4 << 10, 1 << 20)),
    key("client.head_timeout", Kind::Time(1, 3600)),
    key("client.headers", Kind::Count(16, 1024)),
    key("client.peek_timeout", Kind::Time(0, 60)),
    key("client.streams", Kind::Count(1, 10_000)),
    key("client.tunnel_idle", Kind::Time(1, 30 * DAY)),
    key("client.write_timeout", Kind::Time(1, DAY)),
    key("drain", Kind::Time(0, 3600)),
    key("intercept.enabled", Kind::Flag),
    key("intercept.pass_through", Kind::Targets),
    key("log.level", Kind::Level),
    key("metrics.buffer", Kind::Count(1, 100_000)),
    key("metrics.disk_details", Kind::Flag),
    key("metrics.disks", Kind::Texts),
    key("metrics.interfaces", Kind::Texts),
    key("metrics.interval", Kind::Time(1, 3600)),
    key("redact.form", Kind::Texts),
    key("redact.headers", Kind::Texts),
    key("redact.json", Kind::Texts),
    key("redact.patterns", Kind::Texts),
    key("redact.query", Kind::Texts),
    key("upstream.body_idle", Kind::Time(1, DAY)),
    key("upstream.connect_timeout", Kind::Time(1, 300)),
    key("upstream.head_timeout", Kind::Time(1, DAY)),
    key("upstream.idle_connections", Kind::Count(0, 65_536)),
    key("upstream.idle_timeout", Kind::Time(1, 3600)),
];

/// Agents have these too, and read them when they start.
const AT_START: [&str; 4] = ["capture.queue_bytes", "capture.spool_bytes", "log.format", "workers"];

/// What whoever runs an agent decides there, and nobody else: whom it trusts, where it listens, what it may reach. A name
/// that ends with a dot is all of a section.
const LOCAL: [&str; 13] = [
    "admin",
    "control.",
    "data_dir",
    "filters",
    "intercept.ca",
    "join_token",
    "listen",
    "orchestrator",
    "push.",
    "secrets",
    "targets.",
    "trust_keys",
    "upstream.ca",
];

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// Every key that can be pushed, in order.
pub fn live_keys() -> &'static [Key] {
    &LIVE
}

/// The key of this name, where it can be pushed.
pub(crate) fn live(name: &str) -> Option<&'static Key> {
    LIVE.iter().find(|key| key.name == name)
}

/// Why a key cannot be pushed.
pub fn not_live(name: &str) -> String {
    let is =
        |own: &&&str| own.strip_suffix('.').map_or(name == **own, |section| name == section || name.starts_with(**own));
    if AT_START.contains(&name) {
        return "agents read this when they start: set it where each agent runs, and restart it".to_owned();
    }
    if LOCAL.iter().find(is).is_some() {
        return "this is decided where the agent runs, by whoever runs it: no configuration that is pushed sets it"
            .to_owned();
    }
    let section = name.split_once('.').map_or("", |(section, _)| section);
    let beside = |known: &&str| known.split_once('.').is_some_and(|(of, _)| of == section);
    let all = LIVE.iter().map(|key| key.name);
    let mut known: Vec<&str> = all.clone().filter(beside).collect();
    if known.is_empty() {
        known.extend(all);
    }
    format!("there is no such key among those that can be pushed: {}", known.join(", "))
}
