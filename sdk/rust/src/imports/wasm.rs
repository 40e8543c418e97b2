//! Calls to the host.

use crate::{
    BodyMode, Connection, Entry, HeaderError, Version,
    component::{
        bindings::weir::filter::{clock, http, log as host_log, metrics as host_metrics, random},
        body_mode,
    },
    exchange::Direction,
    headers::Part,
    log::Level,
    metrics::{Kind, MetricError},
};

type Changed = Result<(), HeaderError>;

pub(crate) fn id(of: u32) -> String {
    http::id(of)
}

pub(crate) fn connection(of: u32) -> Connection {
    let info = http::connection(of);
    Connection {
        entry: match info.entry {
            http::Entry::Forward => Entry::Forward,
            http::Entry::Connect => Entry::Connect,
            http::Entry::Socks5 => Entry::Socks5,
            http::Entry::Transparent => Entry::Transparent,
            http::Entry::Reverse => Entry::Reverse,
        },
        client_address: info.client_address,
        user: info.user,
        tunnel_target: info.tunnel_target,
        server_name: info.server_name,
        intercepted: info.intercepted,
    }
}

pub(crate) fn version(of: u32, direction: Direction) -> Version {
    match http::version(of, origin(direction)) {
        http::HttpVersion::Http10 => Version::Http10,
        http::HttpVersion::Http11 => Version::Http11,
        http::HttpVersion::Http2 => Version::Http2,
        http::HttpVersion::Http3 => Version::Http3,
    }
}

pub(crate) fn method(of: u32) -> String {
    http::method(of)
}

pub(crate) fn set_method(of: u32, value: &str) -> Changed {
    http::set_method(of, value).map_err(error)
}

pub(crate) fn scheme(of: u32) -> String {
    http::scheme(of)
}

pub(crate) fn set_scheme(of: u32, value: &str) -> Changed {
    http::set_scheme(of, value).map_err(error)
}

pub(crate) fn waiting_chunk(of: u32) -> Option<Vec<u8>> {
    http::waiting_chunk(of)
}

pub(crate) fn authority(of: u32) -> String {
    http::authority(of)
}

pub(crate) fn set_authority(of: u32, value: &str) -> Changed {
    http::set_authority(of, value).map_err(error)
}

pub(crate) fn path(of: u32) -> String {
    http::path(of)
}

pub(crate) fn set_path(of: u32, value: &str) -> Changed {
    http::set_path(of, value).map_err(error)
}

pub(crate) fn status(of: u32) -> Option<u16> {
    http::status(of)
}

pub(crate) fn set_status(of: u32, value: u16) -> Changed {
    http::set_status(of, value).map_err(error)
}

pub(crate) fn header(of: u32, part: Part, name: &str) -> Option<String> {
    http::header(of, fields(part), name)
}

pub(crate) fn header_values(of: u32, part: Part, name: &str) -> Vec<String> {
    http::header_values(of, fields(part), name)
}

pub(crate) fn headers(of: u32, part: Part) -> Vec<(String, String)> {
    http::headers(of, fields(part))
}

pub(crate) fn set_header(of: u32, part: Part, name: &str, value: &str) -> Changed {
    http::set_header(of, fields(part), name, value).map_err(error)
}

pub(crate) fn append_header(of: u32, part: Part, name: &str, value: &str) -> Changed {
    http::append_header(of, fields(part), name, value).map_err(error)
}

pub(crate) fn remove_header(of: u32, part: Part, name: &str) -> Changed {
    http::remove_header(of, fields(part), name).map_err(error)
}

pub(crate) fn set_body_mode(of: u32, direction: Direction, mode: BodyMode) -> Changed {
    http::set_body_mode(of, origin(direction), body_mode(mode)).map_err(error)
}

pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Debug => host_log::Level::Debug,
        Level::Info => host_log::Level::Info,
        Level::Warn => host_log::Level::Warn,
        Level::Error => host_log::Level::Error,
    };
    host_log::write(level, message);
}

pub(crate) fn define_metric(
    kind: Kind<'_>,
    name: &str,
    help: &str,
    labels: &[(&str, &str)],
) -> Result<u32, MetricError> {
    let labels: Vec<(String, String)> =
        labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let made = match kind {
        Kind::Counter => host_metrics::counter(name, help, &labels),
        Kind::Gauge => host_metrics::gauge(name, help, &labels),
        Kind::Histogram(bounds) => host_metrics::histogram(name, help, &labels, bounds),
    };
    made.map_err(|error| match error {
        host_metrics::MetricError::InvalidName => MetricError::InvalidName,
        host_metrics::MetricError::Conflict => MetricError::Conflict,
        host_metrics::MetricError::TooMany => MetricError::TooMany,
    })
}

pub(crate) fn add_metric(metric: u32, by: f64) {
    host_metrics::add(metric, by);
}

pub(crate) fn set_metric(metric: u32, value: f64) {
    host_metrics::set(metric, value);
}

pub(crate) fn observe_metric(metric: u32, value: f64) {
    host_metrics::observe(metric, value);
}

pub(crate) fn now() -> f64 {
    clock::now()
}

pub(crate) fn monotonic() -> f64 {
    clock::monotonic()
}

pub(crate) fn random_bytes(count: u32) -> Vec<u8> {
    random::bytes(count)
}

pub(crate) fn random_number() -> u32 {
    random::number()
}

fn origin(direction: Direction) -> http::Direction {
    match direction {
        Direction::Request => http::Direction::Request,
        Direction::Response => http::Direction::Response,
    }
}

fn fields(part: Part) -> http::Part {
    match part {
        Part::Request => http::Part::Request,
        Part::Response => http::Part::Response,
        Part::RequestTrailers => http::Part::RequestTrailers,
        Part::ResponseTrailers => http::Part::ResponseTrailers,
    }
}

fn error(error: http::HeaderError) -> HeaderError {
    match error {
        http::HeaderError::Forbidden => HeaderError::Forbidden,
        http::HeaderError::InvalidSyntax => HeaderError::InvalidSyntax,
        http::HeaderError::TooLarge => HeaderError::TooLarge,
        http::HeaderError::Frozen => HeaderError::Frozen,
        http::HeaderError::Absent => HeaderError::Absent,
    }
}
