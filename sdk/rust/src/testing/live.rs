//! The one exchange whose hook runs, as the imports of a native build see it.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use weir_golden::{Fields, RequestLine};

use crate::{BodyMode, CallOutcome, Connection, HeaderError, TagValue, exchange::Direction, headers::Part, log::Level};

/// Field lines, names in lower case.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Head(pub(crate) Fields);

impl Head {
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_ascii_lowercase();
        self.0.iter().filter(move |(field, _)| *field == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.append(name, value);
    }

    pub(crate) fn append(&mut self, name: &str, value: &str) {
        self.0.push((name.to_ascii_lowercase(), value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }
}

/// What a filter can reach of an exchange, and what of it may still be changed.
pub(crate) struct Live {
    pub(crate) number: u32,
    pub(crate) connection: Connection,
    pub(crate) line: RequestLine,
    pub(crate) request: Head,
    pub(crate) status: Option<u16>,
    pub(crate) response: Head,
    pub(crate) request_trailers: Option<Head>,
    pub(crate) response_trailers: Option<Head>,
    /// Parts that may be changed now.
    pub(crate) open: Vec<Part>,
    /// The direction whose head hook runs.
    pub(crate) in_head: Option<Direction>,
    /// What was subscribed.
    pub(crate) asked: [BodyMode; 2],
    /// What is left of it.
    pub(crate) modes: [BodyMode; 2],
    /// What calls come to.
    pub(crate) upstreams: Vec<(String, CallOutcome)>,
    pub(crate) calls_started: usize,
    /// Not told to the filter yet.
    pub(crate) ended_calls: VecDeque<(u32, CallOutcome)>,
    /// Of a body's hook that is resumed.
    pub(crate) waiting_chunk: Option<Vec<u8>>,
    pub(crate) tags: BTreeMap<String, TagValue>,
    pub(crate) others_tags: Vec<(String, TagValue)>,
    /// Names of those that the filter may use.
    pub(crate) secrets: Vec<String>,
}

/// What stands for the secret in this place of the list.
pub(crate) fn placeholder(at: usize) -> String {
    format!("weir-secret-{at:032x}")
}

impl Live {
    /// The request's fields as the upstream gets them, each secret by its name.
    pub(crate) fn filled(&self) -> Fields {
        let fill = |value: &str| {
            let stands = |value: String, (at, name): (usize, &String)| {
                value.replace(&placeholder(at), &weir_golden::shown_secret(name))
            };
            self.secrets.iter().enumerate().fold(value.to_owned(), stands)
        };
        self.request.0.iter().map(|(name, value)| (name.clone(), fill(value))).collect()
    }

    pub(crate) fn head(&self, part: Part) -> Option<&Head> {
        match part {
            Part::Request => Some(&self.request),
            Part::Response => self.status.map(|_| &self.response),
            Part::RequestTrailers => self.request_trailers.as_ref(),
            Part::ResponseTrailers => self.response_trailers.as_ref(),
        }
    }

    fn head_mut(&mut self, part: Part) -> Option<&mut Head> {
        match part {
            Part::Request => Some(&mut self.request),
            Part::Response => self.status.map(|_| &mut self.response),
            Part::RequestTrailers => self.request_trailers.as_mut(),
            Part::ResponseTrailers => self.response_trailers.as_mut(),
        }
    }
}

thread_local! {
    static LIVE: RefCell<Option<Live>> = const { RefCell::new(None) };
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

/// Runs a hook with this exchange reachable, and nothing of it afterwards.
pub(crate) fn during<R>(live: &mut Option<Live>, hook: impl FnOnce() -> R) -> R {
    LIVE.with(|slot| *slot.borrow_mut() = live.take());
    let answer = hook();
    *live = LIVE.with(|slot| slot.borrow_mut().take());
    answer
}

pub(crate) fn log(level: Level, message: &str) {
    LOG.with(|lines| lines.borrow_mut().push((level, message.to_owned())));
}

pub(crate) fn take_log() -> Vec<(Level, String)> {
    LOG.with(|lines| std::mem::take(&mut *lines.borrow_mut()))
}

#[allow(clippy::panic, reason = "the agent traps a filter that does this")]
pub(crate) fn with<R>(of: u32, use_it: impl FnOnce(&mut Live) -> R) -> R {
    LIVE.with(|slot| match slot.borrow_mut().as_mut() {
        Some(live) if live.number == of => use_it(live),
        _ => panic!("exchange {of} was used outside of its hooks"),
    })
}

pub(crate) fn read<R>(of: u32, read: impl FnOnce(&Live) -> R) -> R {
    with(of, |live| read(live))
}

pub(crate) fn change(
    of: u32,
    part: Part,
    change: impl FnOnce(&mut Live) -> Result<(), HeaderError>,
) -> Result<(), HeaderError> {
    with(of, |live| match live.head(part) {
        None => Err(HeaderError::Absent),
        Some(_) if !live.open.contains(&part) => Err(HeaderError::Frozen),
        Some(_) => change(live),
    })
}

pub(crate) fn change_request(
    of: u32,
    to: impl FnOnce(&mut Live) -> Result<(), HeaderError>,
) -> Result<(), HeaderError> {
    change(of, Part::Request, to)
}

pub(crate) fn change_head(of: u32, part: Part, to: impl FnOnce(&mut Head)) -> Result<(), HeaderError> {
    change(of, part, |live| {
        live.head_mut(part).map(to);
        Ok(())
    })
}

pub(crate) fn set_body_mode(of: u32, direction: Direction, mode: BodyMode) -> Result<(), HeaderError> {
    with(of, |live| {
        if live.in_head != Some(direction) {
            return Err(HeaderError::Frozen);
        }
        let asked = live.asked[direction as usize];
        let is_less = mode == asked || mode == BodyMode::None || (mode == BodyMode::Observe && asked > mode);
        if !is_less {
            return Err(HeaderError::Forbidden);
        }
        live.modes[direction as usize] = mode;
        Ok(())
    })
}
