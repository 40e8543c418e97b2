//! One message that pauses. Enters: its head and what is held of its body; leaves: how it goes on, when somebody decides or
//! something else ends the pause. Dropped before that, its client is gone. Must not know how an exchange is carried.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Version, request, response};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;
use weir_host::Connection;
use weir_proto::v1;

use super::breakpoint::Breakpoint;
use super::edit::is_of_this_hop;
use super::hidden::Hidden;
use super::table::{Decided, Show, Table};
use crate::redact::Rules;

/// Of one body, read ahead while it pauses.
const MOST_AHEAD: usize = 4 << 20;

/// A place in which a message may pause.
pub struct Slot {
    table: Arc<Table>,
    breakpoint: Arc<Breakpoint>,
    ends: Instant,
}

/// What pauses.
pub struct Message<'a> {
    pub exchange: Uuid,
    pub connection: &'a Connection,
    pub request: &'a request::Parts,
    /// of a response that pauses
    pub response: Option<&'a response::Parts>,
    /// what is held of its body
    pub body: Bytes,
    /// and whether that is all
    pub is_whole: bool,
    /// a response may have no content by its nature
    pub has_content: bool,
    /// what of it is not to be seen; of a response's request nothing more is to be taken out
    pub rules: Option<&'a Arc<Rules>>,
}

pub struct Pausing {
    slot: Slot,
    id: Uuid,
    decided: oneshot::Receiver<Decided>,
}

/// Room for what is read of a body while it pauses, beyond what is shown.
pub struct Ahead {
    table: Arc<Table>,
    taken: usize,
}

/// How a pause ended.
pub enum End {
    Decided(Decided),
    /// by itself: the message goes on, or fails
    ByItself {
        how: v1::Intervention,
        fails: bool,
    },
}

impl Slot {
    pub(super) fn take(table: &Arc<Table>, breakpoint: &Arc<Breakpoint>) -> Option<Self> {
        if !breakpoint.enter() {
            breakpoint.let_pass();
            return None;
        }
        if !table.reserve(breakpoint.body_bytes) {
            breakpoint.leave();
            breakpoint.let_pass();
            return None;
        }
        breakpoint.has_paused();
        let ends = Instant::now() + breakpoint.timeout;
        Some(Self { table: Arc::clone(table), breakpoint: Arc::clone(breakpoint), ends })
    }

    /// How much of a body is to be held.
    pub fn body_bytes(&self) -> usize {
        self.breakpoint.body_bytes
    }

    /// When the pause ends by itself.
    pub fn time_left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Room to read on.
    pub fn ahead(&self) -> Ahead {
        Ahead { table: Arc::clone(&self.table), taken: 0 }
    }

    /// From here on people see it.
    pub fn pause(self, mut message: Message<'_>) -> Pausing {
        let id = Uuid::now_v7();
        let mut paused = v1::Paused {
            breakpoint: Bytes::copy_from_slice(self.breakpoint.id.as_bytes()),
            exchange: Bytes::copy_from_slice(message.exchange.as_bytes()),
            at_response: message.response.is_some(),
            connection: Some(connection(message.connection)),
            request: Some(request(message.request)),
            response: message.response.map(response),
            body_held: message.body.len() as u64,
            body_is_whole: message.is_whole,
            ..v1::Paused::default()
        };
        let hidden = message.rules.map(|rules| Arc::new(mask(rules, &mut message, &mut paused)));
        let (body, has_content, ends) = (message.body, message.has_content, self.ends);
        let decided = self.table.show(id, Show { paused, body, has_content, ends, hidden });
        Pausing { slot: self, id, decided }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.breakpoint.leave();
        self.table.give_back(self.breakpoint.body_bytes);
    }
}

impl Ahead {
    /// Whether there is room for more behind these, which are read already.
    pub fn has_room(&mut self, bytes: usize) -> bool {
        let has_room = self.taken + bytes < MOST_AHEAD && self.table.reserve_ahead(bytes);
        if has_room {
            self.taken += bytes;
        }
        has_room
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.table.give_back_ahead(self.taken);
    }
}

impl Pausing {
    /// Waits for a decision; `stops` when the agent does.
    pub async fn wait(mut self, stops: impl Future<Output = ()>) -> End {
        let mut stops = pin!(stops);
        let mut lease = self.slot.breakpoint.lease();
        let why = loop {
            let lease_ends = *lease.borrow_and_update();
            let until = lease_ends.min(self.slot.ends);
            tokio::select! {
                biased;
                decided = &mut self.decided => match decided {
                    Ok(decided) => return End::Decided(decided),
                    Err(_) => break "lease-ended",
                },
                () = stops.as_mut() => break "shut-down",
                _ = lease.changed() => {}
                () = sleep_until(until) => break if lease_ends < self.slot.ends { "lease-ended" } else { "timed-out" },
            }
        };
        let fails = self.slot.breakpoint.fails;
        match (self.slot.table.end(self.id, why, fails), self.decided.try_recv()) {
            (Some(how), _) => End::ByItself { how, fails },
            // somebody was just in time
            (None, Ok(decided)) => End::Decided(decided),
            (None, Err(_)) => End::ByItself { how: v1::Intervention::default(), fails },
        }
    }
}

impl Drop for Pausing {
    fn drop(&mut self) {
        self.slot.table.end(self.id, "client-gone", false);
    }
}

/// Takes out of what is shown what the rules name.
fn mask(rules: &Arc<Rules>, message: &mut Message<'_>, paused: &mut v1::Paused) -> Hidden {
    let body = (&message.body, message.is_whole);
    let (hidden, masked) = match (message.response, &mut paused.request, &mut paused.response) {
        (Some(head), _, Some(response)) => {
            let fields = std::mem::take(&mut response.headers);
            let (hidden, masked) = Hidden::of(rules, None, &head.headers, fields, body);
            response.headers = masked.fields;
            (hidden, masked.body)
        }
        (_, request, _) => {
            let request = request.get_or_insert_default();
            let fields = std::mem::take(&mut request.headers);
            let (hidden, masked) = Hidden::of(rules, Some(&request.path), &message.request.headers, fields, body);
            (request.path, request.headers) = (masked.path, masked.fields);
            (hidden, masked.body)
        }
    };
    paused.body_is_withheld = hidden.body_is_withheld;
    message.body = masked;
    hidden
}

fn connection(connection: &Connection) -> v1::Connection {
    v1::Connection {
        client_address: connection.client_address.to_string(),
        entry: connection.entry.as_str().to_owned(),
        user: connection.user.clone().unwrap_or_default(),
        tunnel_target: connection.tunnel_target.clone().unwrap_or_default(),
        server_name: connection.server_name.clone().unwrap_or_default(),
        intercepted: connection.intercepted,
    }
}

fn request(head: &request::Parts) -> v1::Request {
    let uri = &head.uri;
    v1::Request {
        method: head.method.to_string(),
        scheme: uri.scheme_str().unwrap_or_default().to_owned(),
        authority: uri.authority().map_or("", |authority| authority.as_str()).to_owned(),
        path: uri.path_and_query().map_or("", |path| path.as_str()).to_owned(),
        version: version(head.version).to_owned(),
        headers: fields(&head.headers),
        ..v1::Request::default()
    }
}

fn response(head: &response::Parts) -> v1::Response {
    v1::Response {
        status: u32::from(head.status.as_u16()),
        version: version(head.version).to_owned(),
        headers: fields(&head.headers),
        ..v1::Response::default()
    }
}

/// Those that may be edited: how a message is framed, and what is between two hops, is the agent's matter.
fn fields(headers: &HeaderMap) -> Vec<v1::Field> {
    let is_shown = |name: &http::HeaderName| name == HOST || (name != CONTENT_LENGTH && !is_of_this_hop(name));
    let shown = headers.iter().filter(|(name, _)| is_shown(name));
    let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| v1::Field {
        name: name.as_str().to_owned(),
        value: Bytes::copy_from_slice(value.as_bytes()),
    };
    shown.map(field).collect()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}
