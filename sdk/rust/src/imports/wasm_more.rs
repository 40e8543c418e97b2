//! Calls to the host beyond the exchange's own heads: limits, store, tags, timers and calls.

use crate::{
    CallError, CallRequest, TagError, TagValue,
    component::bindings::weir::filter::{callout, kv as host_kv, limits, secrets, tags, timer},
    kv::{Entry, KvError},
};

pub(crate) fn start_call(of: u32, upstream: &str, request: &CallRequest) -> Result<u32, CallError> {
    let asked = callout::CallRequest {
        method: request.method.clone(),
        path: request.path.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
    };
    callout::start(of, upstream, &asked, request.timeout).map_err(|error| match error {
        callout::CallError::UnknownUpstream => CallError::UnknownUpstream,
        callout::CallError::InvalidRequest => CallError::Invalid,
        callout::CallError::TooMany => CallError::TooMany,
    })
}

pub(crate) fn start_timer(of: u32, milliseconds: u32) -> Result<u32, CallError> {
    timer::start(of, milliseconds).map_err(|error| match error {
        timer::TimerError::TooLong => CallError::Invalid,
        timer::TimerError::TooMany => CallError::TooMany,
    })
}

pub(crate) fn placeholder(of: u32, secret: &str) -> Option<String> {
    secrets::placeholder(of, secret)
}

pub(crate) fn set_tag(of: u32, name: &str, value: TagValue) -> Result<(), TagError> {
    let value = match value {
        TagValue::Text(text) => tags::TagValue::Text(text),
        TagValue::Number(number) => tags::TagValue::Number(number),
        TagValue::Flag(flag) => tags::TagValue::Flag(flag),
    };
    tags::set(of, name, &value).map_err(tag_error)
}

pub(crate) fn tag(of: u32, name: &str) -> Result<Option<TagValue>, TagError> {
    let found = tags::get(of, name).map_err(tag_error)?;
    Ok(found.map(|value| match value {
        tags::TagValue::Text(text) => TagValue::Text(text),
        tags::TagValue::Number(number) => TagValue::Number(number),
        tags::TagValue::Flag(flag) => TagValue::Flag(flag),
    }))
}

fn tag_error(error: tags::TagError) -> TagError {
    match error {
        tags::TagError::InvalidName => TagError::InvalidName,
        tags::TagError::InvalidValue => TagError::InvalidValue,
        tags::TagError::TooMany => TagError::TooMany,
        tags::TagError::Forbidden => TagError::Forbidden,
    }
}

pub(crate) fn cpu_ms() -> u32 {
    limits::cpu_ms()
}

pub(crate) fn memory_bytes() -> f64 {
    limits::memory_bytes()
}

pub(crate) fn buffer_bytes() -> u32 {
    limits::buffer_bytes()
}

pub(crate) fn answer_bytes() -> u32 {
    limits::answer_bytes()
}

pub(crate) fn kv_get(key: &str) -> Option<Entry> {
    host_kv::get(key).map(|entry| Entry { value: entry.value, version: entry.version })
}

pub(crate) fn kv_set(key: &str, value: &[u8], ttl: Option<f64>) -> Result<(), KvError> {
    host_kv::set(key, value, ttl).map_err(kv_error)
}

pub(crate) fn kv_compare_and_set(
    key: &str,
    version: Option<f64>,
    value: &[u8],
    ttl: Option<f64>,
) -> Result<bool, KvError> {
    host_kv::compare_and_set(key, version, value, ttl).map_err(kv_error)
}

pub(crate) fn kv_delete(key: &str) -> bool {
    host_kv::delete(key)
}

pub(crate) fn kv_add(key: &str, by: f64, ttl: Option<f64>) -> Result<f64, KvError> {
    host_kv::add(key, by, ttl).map_err(kv_error)
}

fn kv_error(error: host_kv::KvError) -> KvError {
    match error {
        host_kv::KvError::TooLarge => KvError::TooLarge,
        host_kv::KvError::Full => KvError::Full,
        host_kv::KvError::NotANumber => KvError::NotANumber,
    }
}
