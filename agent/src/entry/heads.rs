//! The bytes of an HTTP/1 client on their way to the HTTP codec. Enters: what is read; leaves: whole messages, each once the
//! exchange before it is over and its head was looked at. A head that is refused is replaced by another that stands for
//! the refusal, and is the last. Must not know what requests are for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use tokio::io::{AsyncRead, ReadBuf};

use super::head::{Head, Limits, check, is_worth_a_look};
use super::message::Message;
use super::notes::{Notes, Stage};
use crate::exchange::Problem;
use crate::io::Io;

/// In place of a head that is refused. The service never looks at it.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
/// The answer to this has no content (RFC 9110 section 9.3.2).
const STAND_IN_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n";

pub(super) struct Heads {
    limits: Limits,
    notes: Arc<Notes>,
    message: Message,
    /// of the next head
    gathered: BytesMut,
    /// bytes of it that were there at the last look
    looked_at: usize,
    /// what is left to pass of the head that stands for a refusal
    stand_in: Option<&'static [u8]>,
}

type Read = Poll<io::Result<()>>;

impl Heads {
    pub(super) fn new(limits: Limits, notes: Arc<Notes>) -> Self {
        notes.set_stage(Stage::Between);
        let (message, gathered) = (Message::default(), BytesMut::new());
        Heads { limits, notes, message, gathered, looked_at: 0, stand_in: None }
    }

    pub(super) fn has_refused(&self) -> bool {
        self.stand_in.is_some()
    }

    /// Whether all that was written has left.
    pub(super) fn wrote(&self, all: bool) {
        self.notes.set_sending(!all);
    }

    pub(super) fn poll_read(&mut self, io: &mut Io, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Read {
        loop {
            if self.notes.has_switched() {
                return Pin::new(io).poll_read(cx, buf);
            }
            if let Some(rest) = &mut self.stand_in {
                return pass_stand_in(rest, buf);
            }
            if !self.message.is_over() {
                return self.poll_message(io, cx, buf);
            }
            if !self.notes.is_free() {
                return self.poll_gone(io, cx, buf);
            }
            if ready!(self.poll_head(io, cx, buf))? {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The rest of a message, read straight into the codec's buffer.
    fn poll_message(&mut self, io: &mut Io, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Read {
        if self.message.is_broken() {
            let why = "what follows the last chunk is none (RFC 9112 section 7.1)";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        if io.unread_bytes().is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            self.follow(io, buf, before);
        } else {
            let most = io.unread_bytes().len().min(buf.remaining());
            let passed = self.message.follow(&io.unread_bytes()[..most]);
            buf.put_slice(&io.unread_bytes()[..passed]);
            io.consume(passed);
            self.note_end();
            if passed == 0 && most > 0 {
                return self.poll_message(io, cx, buf);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// What was read after `before`, as far as it is of this message; the rest is put back.
    fn follow(&mut self, io: &mut Io, buf: &mut ReadBuf<'_>, before: usize) {
        let read = &buf.filled()[before..];
        let passed = self.message.follow(read);
        if passed < read.len() {
            io.unread(Bytes::copy_from_slice(&read[passed..]));
            buf.set_filled(before + passed);
        }
        self.note_end();
    }

    fn note_end(&self) {
        if self.message.is_over() {
            self.notes.set_stage(Stage::Between);
        }
    }

    /// While an exchange is under way, its client may go; what it says more has to wait, for the answer says what it is.
    fn poll_gone(&mut self, io: &mut Io, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Read {
        if io.unread_bytes().is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
            let read = &buf.filled()[before..];
            if read.is_empty() {
                return Poll::Ready(Ok(()));
            }
            io.unread(Bytes::copy_from_slice(read));
            buf.set_filled(before);
        }
        self.notes.set_stage(Stage::Held);
        Poll::Pending
    }

    /// True: there is something for the codec, or the client has no more to say.
    fn poll_head(&mut self, io: &mut Io, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let limits = self.limits;
        if !io.unread_bytes().is_empty() {
            match check(io.unread_bytes(), limits) {
                Some(verdict) => self.decide(verdict, io.unread_bytes().first()),
                None => {
                    self.gather(io.unread_bytes());
                    io.consume(self.gathered.len());
                }
            }
            return Poll::Ready(Ok(false));
        }
        self.notes.set_stage(if self.gathered.is_empty() { Stage::Between } else { Stage::Head });
        if self.notes.has_expired() {
            return Poll::Ready(Ok(self.too_slow()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut *io).poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        if read.is_empty() {
            self.gathered.clear();
            self.notes.set_stage(Stage::Message);
            return Poll::Ready(Ok(true));
        }
        if self.gathered.is_empty() {
            match check(read, limits) {
                Some(Ok(head)) => {
                    self.decide(Ok(head), None);
                    self.follow(io, buf, before);
                    return Poll::Ready(Ok(true));
                }
                Some(refused) => self.decide(refused, read.first()),
                None => self.gather(read),
            }
            buf.set_filled(before);
            return Poll::Ready(Ok(false));
        }
        let had = self.gathered.len();
        self.gathered.extend_from_slice(read);
        buf.set_filled(before);
        if is_worth_a_look(&self.gathered, had, self.looked_at, limits) {
            self.looked_at = self.gathered.len();
            if let Some(verdict) = check(&self.gathered, limits) {
                let gathered = self.gathered.split().freeze();
                self.decide(verdict, gathered.first());
                io.unread(gathered);
            }
        }
        Poll::Ready(Ok(false))
    }

    fn gather(&mut self, read: &[u8]) {
        self.gathered.extend_from_slice(read);
        self.looked_at = self.gathered.len();
    }

    fn decide(&mut self, verdict: Result<Head, Problem>, first: Option<&u8>) {
        match verdict {
            Ok(head) => {
                self.message = Message::begin(head);
                self.notes.pass();
            }
            Err(problem) => self.refuse(problem, first),
        }
    }

    fn refuse(&mut self, problem: Problem, first: Option<&u8>) {
        self.stand_in = Some(if first == Some(&b'H') { STAND_IN_HEAD } else { STAND_IN });
        self.notes.refuse(problem);
        self.notes.pass();
    }

    /// A client that said nothing is not answered: true, as at the end of its bytes.
    fn too_slow(&mut self) -> bool {
        if self.gathered.is_empty() {
            self.notes.set_stage(Stage::Message);
            return true;
        }
        let why = "the request head did not arrive in time".to_owned();
        let problem = Problem { status: StatusCode::REQUEST_TIMEOUT, ..Problem::bad_request(why) };
        let first = self.gathered.first().copied();
        self.refuse(problem, first.as_ref());
        false
    }
}

/// After it nothing counts, so nothing is read before the answer is out.
fn pass_stand_in(rest: &mut &'static [u8], buf: &mut ReadBuf<'_>) -> Read {
    if rest.is_empty() {
        return Poll::Pending;
    }
    let (now, later) = rest.split_at(rest.len().min(buf.remaining()));
    buf.put_slice(now);
    *rest = later;
    Poll::Ready(Ok(()))
}
