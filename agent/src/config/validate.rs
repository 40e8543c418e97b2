//! From settings, each of the right form, to a configuration that can run: ranges, files that are named, combinations.
//! Reads the files it names and nothing else.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use weir_artifact::{JoinToken, TrustedKey};
use weir_desired::{Size, Time};

use super::{
    Config, Local, OrchestratorConfig,
    settings::{Allowed, CaChoice, Settings},
};
use crate::{redact, secrets::Secrets};

/// What is wrong with one key.
#[derive(Debug)]
pub(super) struct KeyFault {
    pub key: &'static str,
    pub problem: String,
}

/// Checks everything and goes on after a fault, so that an operator sees all of them at once.
pub(super) fn validate(settings: Settings) -> Result<Config, Vec<KeyFault>> {
    let mut check = Check { faults: Vec::new() };
    let mut config = Config { local: Local::of(&settings), ..Config::default() };
    let Settings { top, client, upstream, intercept, targets, capture, metrics, redact: hidden, control, log, .. } =
        settings;

    check.parsed("listen", top.listen, &mut config.listen, "an address such as 127.0.0.1:8080");
    check.parsed("admin", top.admin, &mut config.admin, "an address such as 127.0.0.1:8081");
    check.count("workers", top.workers, 1..=256, &mut config.workers);
    if let Some(dir) = top.data_dir {
        config.data_dir = dir;
    }
    check.time("drain", top.drain, 0..=3600, &mut config.drain);
    config.filters = top.filters;
    if let Some(dir) = &config.filters
        && !dir.is_dir()
    {
        check.fault("filters", format!("{} is not a folder", dir.display()));
    }
    for path in top.trust_keys.unwrap_or_default() {
        match read_key(&path) {
            Ok(key) => config.trust_keys.push(key),
            Err(problem) => check.fault("trust_keys", problem),
        }
    }
    if let Some(path) = &top.secrets
        && let Err(fault) = Secrets::check(path)
    {
        check.fault("secrets", fault.to_string());
    }
    config.secrets = top.secrets;
    config.orchestrator = check.orchestrator(top.orchestrator, top.join_token);

    let own = &mut config.client;
    check.count("client.connections", client.connections, 1..=1_000_000, &mut own.connections);
    check.size("client.head_bytes", client.head_bytes, 4 << 10..=1 << 20, &mut own.head_bytes);
    check.count("client.headers", client.headers, 16..=1024, &mut own.headers);
    check.time("client.head_timeout", client.head_timeout, 1..=3600, &mut own.head_timeout);
    check.time("client.handshake_timeout", client.handshake_timeout, 1..=300, &mut own.handshake_timeout);
    check.time("client.peek_timeout", client.peek_timeout, 0..=60, &mut own.peek_timeout);
    check.time("client.tunnel_idle", client.tunnel_idle, 1..=30 * 86_400, &mut own.tunnel_idle);
    check.time("client.body_idle", client.body_idle, 1..=86_400, &mut own.body_idle);
    check.time("client.write_timeout", client.write_timeout, 1..=86_400, &mut own.write_timeout);
    let mut streams = own.streams as usize;
    check.count("client.streams", client.streams.map(|n| n as usize), 1..=10_000, &mut streams);
    own.streams = u32::try_from(streams).unwrap_or(own.streams);

    let own = &mut config.upstream;
    if let Some(path) = upstream.ca {
        if let Err(problem) = read_certificates(&path) {
            check.fault("upstream.ca", problem);
        }
        own.ca_file = Some(path);
    }
    check.time("upstream.connect_timeout", upstream.connect_timeout, 1..=300, &mut own.connect_timeout);
    check.time("upstream.head_timeout", upstream.head_timeout, 1..=86_400, &mut own.head_timeout);
    check.count("upstream.idle_connections", upstream.idle_connections, 0..=65_536, &mut own.idle_connections);
    check.time("upstream.body_idle", upstream.body_idle, 1..=86_400, &mut own.body_idle);
    check.time("upstream.idle_timeout", upstream.idle_timeout, 1..=3600, &mut own.idle_timeout);

    config.intercept.enabled = intercept.enabled.unwrap_or(config.intercept.enabled);
    config.intercept.ca = intercept.ca.unwrap_or_default();
    if config.intercept.ca == CaChoice::Fleet && config.orchestrator.is_none() {
        check.fault("intercept.ca", "the fleet's root is an orchestrator's: set orchestrator too".to_owned());
    }
    config.intercept.pass_through = intercept.pass_through.unwrap_or_default();
    if !config.intercept.enabled && !config.intercept.pass_through.is_empty() {
        check.fault("intercept.pass_through", "nothing is intercepted, since intercept.enabled is false".to_owned());
    }
    config.targets.allow = targets.allow.unwrap_or_default();

    let own = &mut config.capture;
    check.size("capture.body_bytes", capture.body_bytes, 0..=1 << 20, &mut own.body_bytes);
    own.filter_lines = capture.filter_lines.unwrap_or(own.filter_lines);
    own.connections = capture.connections.unwrap_or(own.connections);
    own.messages = capture.messages.unwrap_or(own.messages);
    check.size("capture.message_bytes", capture.message_bytes, 0..=1 << 20, &mut own.message_bytes);
    own.whole_digest = capture.whole_digest.unwrap_or(own.whole_digest);
    check.size("capture.queue_bytes", capture.queue_bytes, 64 << 10..=1 << 30, &mut own.queue_bytes);
    let mut spool = usize::try_from(own.spool_bytes).unwrap_or(usize::MAX);
    check.size("capture.spool_bytes", capture.spool_bytes, 0..=1 << 40, &mut spool);
    own.spool_bytes = spool as u64;
    if own.body_bytes.saturating_mul(4) > own.queue_bytes {
        let problem = format!(
            "capture.queue_bytes is {}: four bodies of {} would not fit into it",
            Size(own.queue_bytes as u64),
            Size(own.body_bytes as u64)
        );
        check.fault("capture.body_bytes", problem);
    }

    if own.messages && own.message_bytes.saturating_mul(4) > own.queue_bytes {
        let (queue, message) = (Size(own.queue_bytes as u64), Size(own.message_bytes as u64));
        let problem =
            format!("capture.queue_bytes is {queue}: two messages of {message} would not fit into half of it");
        check.fault("capture.message_bytes", problem);
    }

    check.time("metrics.interval", metrics.interval, 1..=3600, &mut config.metrics.interval);
    config.metrics.interfaces = metrics.interfaces.unwrap_or_default();
    config.metrics.disk_details = metrics.disk_details.unwrap_or(config.metrics.disk_details);
    check.count("metrics.buffer", metrics.buffer, 1..=100_000, &mut config.metrics.buffer);
    config.metrics.disks = metrics.disks.unwrap_or_default();
    if !config.metrics.disk_details && !config.metrics.disks.is_empty() {
        check.fault("metrics.disks", "no disk is looked at, since metrics.disk_details is false".to_owned());
    }
    if let Some(allow) = control.allow {
        let given = allow.len();
        config.control.allow = allow.into_iter().filter(|allowed| *allowed != Allowed::None).collect();
        if config.control.allow.len() != given && given > 1 {
            check.fault("control.allow", "`none` stands by itself".to_owned());
        }
    }
    for name in hidden.headers.unwrap_or_default() {
        match http::HeaderName::try_from(&name) {
            Ok(name) => config.redact.headers.push(name),
            Err(_) => check.fault("redact.headers", format!("`{name}` is no name of a field")),
        }
    }
    config.redact.query = hidden.query.unwrap_or_default();
    config.redact.json = hidden.json.unwrap_or_default();
    config.redact.form = hidden.form.unwrap_or_default();
    config.redact.patterns = hidden.patterns.unwrap_or_default();
    for (key, count) in [("redact.json", config.redact.json.len()), ("redact.patterns", config.redact.patterns.len())] {
        if count > redact::MOST {
            check.fault(key, format!("{count} of them, more than {}", redact::MOST));
        }
    }
    config.log.format = log.format.unwrap_or(config.log.format);
    if let Some(level) = log.level {
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&level) {
            check.fault("log.level", error.to_string());
        }
        config.log.level = level;
    }
    if config.listen == config.admin && config.listen.port() != 0 {
        check.fault("admin", format!("{} is where clients connect already (listen)", config.admin));
    }
    if check.faults.is_empty() { Ok(config) } else { Err(check.faults) }
}

struct Check {
    faults: Vec<KeyFault>,
}

impl Check {
    fn fault(&mut self, key: &'static str, problem: String) {
        self.faults.push(KeyFault { key, problem });
    }

    fn parsed<T: FromStr>(&mut self, key: &'static str, text: Option<String>, into: &mut T, what: &str) {
        let Some(text) = text else { return };
        match text.parse() {
            Ok(value) => *into = value,
            Err(_) => self.fault(key, format!("`{text}` is not {what}")),
        }
    }

    fn count(
        &mut self,
        key: &'static str,
        value: Option<usize>,
        range: std::ops::RangeInclusive<usize>,
        into: &mut usize,
    ) {
        let Some(value) = value else { return };
        if range.contains(&value) {
            *into = value;
        } else {
            self.fault(key, format!("{value} is out of range: {} to {}", range.start(), range.end()));
        }
    }

    fn size(&mut self, key: &'static str, value: Option<Size>, range: std::ops::RangeInclusive<u64>, into: &mut usize) {
        let Some(value) = value else { return };
        match usize::try_from(value.0) {
            Ok(bytes) if range.contains(&value.0) => *into = bytes,
            _ => {
                self.fault(key, format!("{value} is out of range: {} to {}", Size(*range.start()), Size(*range.end())))
            }
        }
    }

    /// `range` in seconds.
    fn time(
        &mut self,
        key: &'static str,
        value: Option<Time>,
        range: std::ops::RangeInclusive<u64>,
        into: &mut Duration,
    ) {
        let Some(Time(value)) = value else { return };
        let (low, high) = (Duration::from_secs(*range.start()), Duration::from_secs(*range.end()));
        if (low..=high).contains(&value) {
            *into = value;
        } else {
            self.fault(key, format!("{} is out of range: {} to {}", Time(value), Time(low), Time(high)));
        }
    }

    fn orchestrator(&mut self, url: Option<String>, token: Option<String>) -> Option<OrchestratorConfig> {
        let join_token = token.and_then(|text| {
            JoinToken::from_text(&text).map_err(|error| self.fault("join_token", error.to_string())).ok()
        });
        let Some(url) = url else {
            if join_token.is_some() {
                self.fault("join_token", "there is no orchestrator to join: set orchestrator too".to_owned());
            }
            return None;
        };
        let urls: Vec<String> = url.split(',').map(|url| url.trim().to_owned()).collect();
        for url in &urls {
            let parsed = url.parse::<http::Uri>().ok().filter(|uri| {
                uri.scheme_str() == Some("https") && uri.host().is_some() && uri.path() == "/" && uri.query().is_none()
            });
            if parsed.is_none() {
                self.fault("orchestrator", format!("`{url}` is not of the form https://HOST:PORT"));
            }
        }
        Some(OrchestratorConfig { urls, join_token })
    }
}

/// A publisher's public key, the first line of the file that is not blank or a `#` comment.
fn read_key(path: &Path) -> Result<TrustedKey, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    TrustedKey::from_text(line).map_err(|error| format!("{}: {error}", path.display()))
}

fn read_certificates(path: &Path) -> Result<(), String> {
    let fault = |problem: String| format!("{}: {problem}", path.display());
    let bytes = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        certificate.map_err(|error| fault(error.to_string()))?;
        count += 1;
    }
    if count == 0 { Err(fault("there is no certificate in it".to_owned())) } else { Ok(()) }
}

/// By the XDG base directory specification, for root too: a service sets `data_dir`.
pub(super) fn default_data_dir() -> PathBuf {
    let from = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = from("XDG_DATA_HOME").or_else(|| Some(from("HOME")?.join(".local/share")));
    data.unwrap_or_else(|| PathBuf::from(".")).join("weir/agent")
}
