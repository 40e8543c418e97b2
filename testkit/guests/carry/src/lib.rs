//! Takes part in both bodies and changes no byte of them: observes, or has every chunk in and out of the guest. Says on
//! the response how it was told to.

use serde::Deserialize;
use weir_sdk::{Action, BodyMode, Chunk, ChunkAction, Filter, Problems, Request, Response, Subscription};

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    Observe,
    Transform,
    Hold,
}

#[derive(Deserialize)]
struct Config {
    mode: Mode,
}

struct Carry(Mode);

impl Carry {
    fn body(&self, chunk: Chunk) -> ChunkAction {
        match self.0 {
            Mode::Observe | Mode::Hold => ChunkAction::Pass,
            Mode::Transform => ChunkAction::Replace(chunk.bytes),
        }
    }
}

impl Filter for Carry {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        Ok(Self(config.mode))
    }

    fn subscription(&self) -> Subscription {
        let mode = if self.0 == Mode::Transform { BodyMode::Transform } else { BodyMode::Observe };
        Subscription::new().request_head().request_body(mode).response_head().response_body(mode)
    }

    fn request_head(&self, request: &mut Request, _state: &mut ()) -> Action {
        if self.0 == Mode::Hold && request.has_body() { Action::HoldForBody } else { Action::Next }
    }

    fn request_body(&self, _request: &mut Request, chunk: Chunk, _state: &mut ()) -> ChunkAction {
        self.body(chunk)
    }

    fn response_head(&self, response: &mut Response, _state: &mut ()) -> Action {
        let name = match self.0 {
            Mode::Observe => "observe",
            Mode::Transform => "transform",
            Mode::Hold => "hold",
        };
        let _ = response.headers_mut().set("x-carried", name);
        if self.0 == Mode::Hold && response.has_body() { Action::HoldForBody } else { Action::Next }
    }

    fn response_body(&self, _response: &mut Response, chunk: Chunk, _state: &mut ()) -> ChunkAction {
        self.body(chunk)
    }
}

weir_sdk::export!(Carry);
