//! Asks for a name and a password (RFC 7617). In: request heads. Out: the same head with the user's name in it, or a refusal.
//!
//! Hashes of passwords are slow on purpose, and a hook has little time: what was verified once is remembered under a random
//! key for the life of the instance, and what was not is verified only so often a second.
#![forbid(unsafe_code)]

mod config;
mod credentials;
mod hash;
mod memory;
mod pace;

use std::cell::RefCell;

use weir_sdk::{
    Action, Filter, HeaderError, LocalResponse, Problems, Refusal, Request, Subscription, field, latin1,
    matching::{Facts, Scope},
    warn,
};

use crate::{
    config::Config,
    credentials::{Credentials, Unreadable},
    hash::Hash,
    memory::Memory,
    pace::Pace,
};

/// The filter.
#[derive(Debug)]
pub struct BasicAuth {
    users: Vec<(String, Hash)>,
    challenge: String,
    except: Scope,
    user_header: Option<String>,
    forward: bool,
    memory: RefCell<Memory>,
    pace: RefCell<Pace>,
}

impl Filter for BasicAuth {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let mut problems = Problems::new();
        let users = config.users(&mut problems);
        let challenge = config.challenge(&mut problems);
        if let Some(Err(fault)) = config.user_header.as_deref().map(field::check_name) {
            problems.push("/user_header", fault);
        }
        if !(1..=1000).contains(&config.verifications_per_second) {
            problems.push("/verifications_per_second", "1 to 1000");
        }
        let except = Scope::new("/except", &config.except, &mut problems);
        problems.or(Self {
            memory: RefCell::new(Memory::new(users.len())),
            pace: RefCell::new(Pace::new(config.verifications_per_second)),
            users,
            challenge,
            except,
            user_header: config.user_header.map(|name| name.to_ascii_lowercase()),
            forward: config.forward,
        })
    }

    fn subscription(&self) -> Subscription {
        Subscription::new().request_head()
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        // A name in this field is this filter's word, on every path.
        if let Some(name) = &self.user_header
            && let Err(fault) = request.headers_mut().remove_forged(&[name])
        {
            return unusable(request, fault);
        }
        if !self.except.is_empty() && self.except.covers(&Facts::of(request)) {
            return Action::Next;
        }
        let credentials = match Credentials::read(&request.headers().get_all("authorization")) {
            Ok(credentials) => credentials,
            Err(Unreadable::Absent) => return self.ask(request, "This needs a name and a password.").into(),
            Err(Unreadable::Malformed) => {
                return self.ask(request, "Authorization holds no name and password.").into();
            }
        };
        match self.verify(&credentials) {
            Some(true) => self.let_in(request, &credentials).unwrap_or_else(|fault| unusable(request, fault)),
            Some(false) => self.ask(request, "The name or the password is wrong.").into(),
            None => busy(request).into(),
        }
    }
}

weir_sdk::export!(BasicAuth);

impl BasicAuth {
    /// None: there are too many to verify just now.
    fn verify(&self, credentials: &Credentials) -> Option<bool> {
        let mut memory = self.memory.borrow_mut();
        let user = self.users.iter().position(|(name, _)| *name == credentials.user);
        let seen = memory.digest(credentials);
        if let Some(known) = memory.recall(user, &seen) {
            return Some(known);
        }
        if !self.pace.borrow_mut().admits() {
            return None;
        }
        // A name that nobody has costs as much as one that somebody has, so time does not tell them apart.
        let (_, hash) = user.or((!self.users.is_empty()).then_some(0)).and_then(|index| self.users.get(index))?;
        let is_right = hash.verify(&credentials.password) & user.is_some();
        memory.keep(user, seen, is_right);
        Some(is_right)
    }

    fn let_in(&self, request: &mut Request, credentials: &Credentials) -> Result<Action, HeaderError> {
        if let Some(name) = &self.user_header {
            request.headers_mut().set(name, &latin1::from_utf8(&credentials.user))?;
        }
        if !self.forward {
            request.headers_mut().remove("authorization")?;
        }
        Ok(Action::Next)
    }

    fn ask(&self, request: &Request, detail: &str) -> LocalResponse {
        let refusal = Refusal {
            filter: "basic-auth",
            status: 401,
            kind: "unauthorized",
            title: "A login is needed",
            detail,
            rule: None,
        };
        refusal.response(request).header("www-authenticate", &self.challenge)
    }
}

fn busy(request: &Request) -> LocalResponse {
    let refusal = Refusal {
        filter: "basic-auth",
        status: 429,
        kind: "too-many-logins",
        title: "Too many logins at once",
        detail: "Passwords are verified only so often a second. Try again.",
        rule: None,
    };
    refusal.response(request).header("retry-after", "1")
}

/// Nobody is let in whose name could not be told.
#[cold]
fn unusable(request: &Request, fault: HeaderError) -> Action {
    warn!("a head could not be changed: {fault}");
    let refusal = Refusal {
        filter: "basic-auth",
        status: 500,
        kind: "not-told",
        title: "The login could not be passed on",
        detail: "The filter `basic-auth` could not change the request's head.",
        rule: None,
    };
    refusal.response(request).into()
}

#[cfg(test)]
mod tests;
