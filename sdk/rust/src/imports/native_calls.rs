//! Calls, timers, secrets and tags in a native build: what a call comes to is what the test says, and timers have passed at once.

use crate::{CallError, CallOutcome, CallRequest, TagError, TagValue, testing::live};

/// As in the agent.
const CALLS: usize = 16;
const TAGS: usize = 16;

pub(crate) fn start_call(of: u32, upstream: &str, request: &CallRequest) -> Result<u32, CallError> {
    let is_valid = request.path.starts_with('/') && !request.method.is_empty();
    live::with(of, |live| {
        let found = live.upstreams.iter().find(|(name, _)| name == upstream).map(|(_, outcome)| outcome.clone());
        let outcome = found.ok_or(CallError::UnknownUpstream)?;
        if !is_valid {
            return Err(CallError::Invalid);
        }
        start(live, outcome)
    })
}

/// For hooks that wait where they stand: the outcome at once, and it counts for nothing, as one call after the other may be made.
pub(crate) fn call(of: u32, upstream: &str, request: &CallRequest) -> Result<CallOutcome, CallError> {
    start_call(of, upstream, request)?;
    live::with(of, |live| {
        live.calls_started -= 1;
        live.ended_calls.pop_back().map(|(_, outcome)| outcome).ok_or(CallError::TooMany)
    })
}

pub(crate) fn start_timer(of: u32, milliseconds: u32) -> Result<u32, CallError> {
    live::with(of, |live| match milliseconds {
        0..=60_000 => start(live, CallOutcome::Elapsed),
        _ => Err(CallError::Invalid),
    })
}

fn start(live: &mut live::Live, outcome: CallOutcome) -> Result<u32, CallError> {
    if live.calls_started == CALLS {
        return Err(CallError::TooMany);
    }
    let number = u32::try_from(live.calls_started).map_err(|_| CallError::TooMany)?;
    live.calls_started += 1;
    live.ended_calls.push_back((number, outcome));
    Ok(number)
}

/// What stands for the test's secrets, one after the other.
pub(crate) fn placeholder(of: u32, secret: &str) -> Option<String> {
    live::with(of, |live| live.secrets.iter().position(|known| known == secret).map(live::placeholder))
}

fn is_tag_name(name: &str) -> bool {
    let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

pub(crate) fn set_tag(of: u32, name: &str, value: TagValue) -> Result<(), TagError> {
    if !is_tag_name(name) {
        return Err(TagError::InvalidName);
    }
    let is_valid = match &value {
        TagValue::Text(text) => text.len() <= 1024,
        TagValue::Number(number) => number.is_finite(),
        TagValue::Flag(_) => true,
    };
    if !is_valid {
        return Err(TagError::InvalidValue);
    }
    live::with(of, |live| {
        if live.tags.len() == TAGS && !live.tags.contains_key(name) {
            return Err(TagError::TooMany);
        }
        live.tags.insert(name.to_owned(), value);
        Ok(())
    })
}

/// Others' tags are what the test says.
pub(crate) fn tag(of: u32, name: &str) -> Result<Option<TagValue>, TagError> {
    live::with(of, |live| match name.split_once('.') {
        None if !is_tag_name(name) => Err(TagError::InvalidName),
        None => Ok(live.tags.get(name).cloned()),
        Some(_) => match live.others_tags.iter().find(|(other, _)| other == name) {
            Some((_, value)) => Ok(Some(value.clone())),
            None => Err(TagError::Forbidden),
        },
    })
}
