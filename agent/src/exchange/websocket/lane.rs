//! One direction of a WebSocket whose messages filters see. Enters: bytes of one peer; leaves: the frames that the other gets.
//! No more is read before what came of the last bytes is written, so the receiver sets the pace. Must not know the other
//! direction.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use weir_host::{Close, Direction, Failure, Judged, Message};

use super::frame::{self, Fault, Mask, Opcode, Sender};
use super::reader::{Item, Reader};
use super::tap::{Tap, told};
use crate::exchange::live::Live;
use crate::record::{Fate, Kind, Messages, Passed};

const READ: usize = 16 << 10;
/// Messages that filters are shown before other tasks of the worker have their turn.
const AT_ONCE: u32 = 32;
/// What a lane keeps of its buffers while nothing moves.
const KEPT: usize = 256;

/// Why a WebSocket ends, where no peer ends it.
#[derive(Debug)]
pub(super) enum Stop {
    /// A peer is gone.
    Broken,
    Fault(Direction, Fault),
    Closed(Close),
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages are gathered.
    Open,
    /// No filter sees messages any more: bytes pass.
    Raw,
    /// A Close has passed: what comes behind it is forgotten (RFC 6455 section 5.5.1).
    Closed,
    Flushing,
    Ending,
    Done,
}

pub(super) struct Lane {
    direction: Direction,
    reader: Reader,
    state: State,
    input: BytesMut,
    output: BytesMut,
    /// what the sender says cannot be followed any more
    is_deaf: bool,
    /// the record
    messages: Option<Rc<Messages>>,
    /// where it reads what no filter does
    tap: Option<Box<Tap>>,
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Lane {
    pub(super) fn new(direction: Direction, limit: usize, messages: Option<Rc<Messages>>) -> Self {
        let sender = if direction == Direction::Request { Sender::Client } else { Sender::Server };
        Lane {
            direction,
            reader: Reader::new(sender, limit),
            state: State::Open,
            input: BytesMut::new(),
            output: BytesMut::new(),
            is_deaf: false,
            messages,
            tap: None,
            received: 0,
            sent: 0,
        }
    }

    /// Moves everything as far as it goes. Ready: the direction has ended.
    pub(super) fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        live: &Live,
        from: &mut R,
        to: &mut W,
    ) -> Poll<Result<(), Stop>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut shown = 0;
        loop {
            ready!(self.poll_output(cx, to)).map_err(|_| Stop::Broken)?;
            match self.state {
                State::Open => {
                    if self.take(live, &mut shown)? {
                        if shown >= AT_ONCE {
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        continue;
                    }
                }
                State::Raw if !self.input.is_empty() => {
                    if let Some(tap) = &mut self.tap {
                        tap.passed(&self.input);
                    }
                    self.output = std::mem::take(&mut self.input);
                    continue;
                }
                State::Raw => {}
                State::Closed => self.input.clear(),
                State::Flushing => {
                    ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Stop::Broken)?;
                    self.state = State::Ending;
                    continue;
                }
                State::Ending => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Stop::Broken)?;
                    self.state = State::Done;
                    continue;
                }
                State::Done => return Poll::Ready(Ok(())),
            }
            ready!(self.poll_input(cx, from, to)).map_err(|_| Stop::Broken)?;
        }
    }

    fn poll_output<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.output.advance(written);
            self.sent += written as u64;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_input<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut scratch = [MaybeUninit::uninit(); READ];
        let mut read = ReadBuf::uninit(&mut scratch);
        if Pin::new(from).poll_read(cx, &mut read)?.is_pending() {
            self.rest();
            // What is written may wait in a TLS record until the reader has nothing more.
            ready!(Pin::new(to).poll_flush(cx))?;
            return Poll::Pending;
        }
        let read = read.filled();
        if read.is_empty() {
            self.state = State::Flushing;
        }
        self.received += read.len() as u64;
        self.input.extend_from_slice(read);
        Poll::Ready(Ok(()))
    }

    /// Nothing moves for a while.
    fn rest(&mut self) {
        if self.output.capacity() > KEPT {
            self.output = BytesMut::new();
        }
        if self.input.capacity() > KEPT && self.input.len() < KEPT {
            self.input = BytesMut::from(&self.input[..]);
        }
    }

    /// Takes one item of what came. False: more has to come.
    fn take(&mut self, live: &Live, shown: &mut u32) -> Result<bool, Stop> {
        let sees = live.with_run(|run| run.sees_messages()).unwrap_or_default();
        if !sees && self.reader.is_between() {
            self.read_no_more(None);
            return Ok(true);
        }
        match self.reader.next(&mut self.input) {
            Ok(None) => return Ok(false),
            Ok(Some(Item::Control(opcode, payload))) => {
                self.write(true, opcode, &payload);
                self.record(&told(opcode, &payload));
                if opcode == Opcode::Close {
                    self.state = State::Closed;
                }
            }
            Ok(Some(Item::Message { is_text, payload })) if sees => {
                *shown += 1;
                self.show(live, is_text, payload)?;
            }
            Ok(Some(Item::Message { is_text, payload })) => {
                self.record(&passed(is_text, &payload, Fate::Passed, None));
                self.write_message(is_text, &payload);
            }
            Ok(Some(Item::TooLong)) => {
                live.with_run(|run| run.message_too_long()).unwrap_or(Ok(())).map_err(Stop::Failed)?;
                self.give_up();
            }
            Err(fault) if sees => return Err(Stop::Fault(self.direction, fault)),
            Err(_) => self.give_up(),
        }
        Ok(true)
    }

    fn show(&mut self, live: &Live, is_text: bool, payload: Vec<u8>) -> Result<(), Stop> {
        let message = match is_text {
            true => Message::Text(String::from_utf8(payload).map_err(|_| Stop::Fault(self.direction, Fault::Utf8))?),
            false => Message::Binary(payload),
        };
        let judged = live.with_run(|run| run.message(self.direction, &message)).unwrap_or(Judged::Pass);
        let (fate, sent) = match &judged {
            Judged::Pass => (Fate::Passed, None),
            Judged::Replace(other) => (Fate::Replaced, Some(bytes_of(other))),
            Judged::Drop => (Fate::Dropped, None),
            Judged::Close(_) | Judged::Failed(_) => (Fate::Stopped, None),
        };
        self.record(&passed(is_text, bytes_of(&message), fate, sent));
        match judged {
            Judged::Pass => self.write_one(&message),
            Judged::Replace(other) => self.write_one(&other),
            Judged::Drop => {}
            Judged::Close(close) => return Err(Stop::Closed(close)),
            Judged::Failed(failure) => return Err(Stop::Failed(failure)),
        }
        Ok(())
    }

    fn write_one(&mut self, message: &Message) {
        match message {
            Message::Text(text) => self.write_message(true, text.as_bytes()),
            Message::Binary(bytes) => self.write_message(false, bytes),
            // the host puts none in a message's place
            Message::Event(_) => {}
        }
    }

    fn write_message(&mut self, is_text: bool, payload: &[u8]) {
        let opcode = if is_text { Opcode::Text } else { Opcode::Binary };
        self.write(true, opcode, payload);
    }

    fn write(&mut self, fin: bool, opcode: Opcode, payload: &[u8]) {
        let mask = self.mask();
        frame::write(&mut self.output, fin, opcode, payload, mask);
    }

    /// What goes to the server is the agent's word, and masked anew.
    fn mask(&self) -> Option<Mask> {
        (self.direction == Direction::Request).then(rand::random)
    }

    /// Nobody gathers any more, in the middle of a message: what came of it goes on as a fragment, and the rest as it comes.
    fn give_up(&mut self) {
        let begun = self.reader.give_up();
        if let Some((opcode, begun)) = &begun {
            self.write(false, *opcode, begun);
        }
        self.read_no_more(begun);
    }

    /// Filters do not; the record does.
    fn read_no_more(&mut self, begun: Option<(Opcode, Vec<u8>)>) {
        self.state = State::Raw;
        self.tap = self.messages.clone().map(|messages| {
            let tap = Tap::new(messages, self.direction, None);
            Box::new(match begun {
                Some((opcode, begun)) => tap.within(opcode, &begun),
                None => tap,
            })
        });
    }

    fn record(&self, passed: &Passed<'_>) {
        if let Some(messages) = &self.messages {
            messages.tell(self.direction, passed);
        }
    }

    /// The agent ends it: what is left to be written to the receiver.
    pub(super) fn farewell(&mut self, code: u16, reason: &str) -> Bytes {
        if self.state == State::Open {
            let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
            self.write(true, Opcode::Close, &payload);
        }
        self.output.split().freeze()
    }

    /// What the sender says from now on is forgotten. True: it has said goodbye.
    pub(super) fn has_closed(&mut self, bytes: &[u8]) -> bool {
        if self.state != State::Open {
            return true;
        }
        self.input.extend_from_slice(bytes);
        while !self.is_deaf {
            match self.reader.next(&mut self.input) {
                Ok(Some(Item::Control(Opcode::Close, _))) => return true,
                Ok(Some(Item::Control(..) | Item::Message { .. })) => {}
                Ok(None) => return false,
                Ok(Some(Item::TooLong)) | Err(_) => self.is_deaf = true,
            }
        }
        self.input.clear();
        false
    }
}

fn bytes_of(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        // no event comes this way
        Message::Event(_) => &[],
    }
}

fn passed<'a>(is_text: bool, data: &'a [u8], fate: Fate, sent: Option<&'a [u8]>) -> Passed<'a> {
    let kind = if is_text { Kind::Text } else { Kind::Binary };
    Passed { kind, data, size: data.len() as u64, fate, sent, ..Passed::default() }
}
