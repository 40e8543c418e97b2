//! Does what no filter should, where and how its configuration says. `{"at":"request-head","fault":"loop"}`

use std::hint::black_box;

use serde::Deserialize;
use weir_sdk::{
    Action, BodyMode, Chunk, ChunkAction, ClientHello, Connect, Content, Decision, Done, Filter, MessageAction,
    Messages, Origin, Problems, Request, Response, Subscription, Tunnel, info,
};

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Configure,
    RequestHead,
    RequestBody,
    ResponseHead,
    ResponseBody,
    Done,
    Connect,
    ClientHello,
    Open,
    Message,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    Panic,
    Trap,
    Loop,
    Memory,
    Log,
}

#[derive(Deserialize)]
struct Config {
    at: Place,
    fault: Fault,
}

struct Rogue(Config);

impl Rogue {
    fn at(&self, place: Place) {
        if self.0.at != place {
            return;
        }
        match self.0.fault {
            #[expect(clippy::panic, reason = "that is what it is for")]
            Fault::Panic => panic!("the filter was told to panic"),
            Fault::Trap => std::process::abort(),
            Fault::Loop => loop {
                black_box(());
            },
            Fault::Memory => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(black_box(vec![1u8; 1 << 20]));
                }
            }
            Fault::Log => loop {
                info!("and another thing");
            },
        }
    }
}

impl Filter for Rogue {
    type Config = Config;
    type State = ();

    fn new(config: Config) -> Result<Self, Problems> {
        let rogue = Self(config);
        rogue.at(Place::Configure);
        Ok(rogue)
    }

    fn subscription(&self) -> Subscription {
        let subscription = Subscription::new().request_head().response_head();
        subscription.request_body(BodyMode::Observe).response_body(BodyMode::Observe)
    }

    fn request_head(&self, _request: &mut Request, _state: &mut ()) -> Action {
        self.at(Place::RequestHead);
        Action::Next
    }

    fn request_body(&self, _request: &mut Request, _chunk: Chunk, _state: &mut ()) -> ChunkAction {
        self.at(Place::RequestBody);
        ChunkAction::Pass
    }

    fn response_head(&self, _response: &mut Response, _state: &mut ()) -> Action {
        self.at(Place::ResponseHead);
        Action::Next
    }

    fn response_body(&self, _response: &mut Response, _chunk: Chunk, _state: &mut ()) -> ChunkAction {
        self.at(Place::ResponseBody);
        ChunkAction::Pass
    }

    fn done(&self, _done: &Done, _state: ()) {
        self.at(Place::Done);
    }
}

impl Connect for Rogue {
    fn connect(&self, _to: &Tunnel) -> Decision {
        self.at(Place::Connect);
        Decision::Next
    }

    fn client_hello(&self, _to: &Tunnel, _hello: &ClientHello) -> Decision {
        self.at(Place::ClientHello);
        Decision::Next
    }
}

impl Messages for Rogue {
    fn open(&self, _response: &Response, _state: &mut ()) -> bool {
        self.at(Place::Open);
        self.0.at == Place::Message
    }

    fn message(&self, _response: &Response, _origin: Origin, _content: Content, _state: &mut ()) -> MessageAction {
        self.at(Place::Message);
        MessageAction::Pass
    }
}

weir_sdk::export!(Rogue, with Connect + Messages);
