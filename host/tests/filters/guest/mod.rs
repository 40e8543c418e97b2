//! Guests for tests: hooks in WebAssembly text, made into real components with the contract embedded. No toolchain is
//! needed, and a guest can do wrong in ways that no compiler would let it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "shared by tests and the benchmark")]

mod text;

use weir_artifact::{Artifact, Capability, Digest, FailurePolicy, Isolation, Limits, Publication};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::Resolve;

/// Body modes in the contract's order.
pub const NONE: u8 = 0;
pub const OBSERVE: u8 = 1;
pub const TRANSFORM: u8 = 2;
pub const BUFFER: u8 = 3;

/// What the guest asks to see.
#[derive(Clone, Copy, Default)]
pub struct Wants {
    pub request_head: bool,
    pub request_body: u8,
    pub request_trailers: bool,
    pub response_head: bool,
    pub response_body: u8,
    pub response_trailers: bool,
    pub decoded: bool,
    pub max_buffer: u32,
}

/// Both heads, and nothing of the bodies.
pub const HEADS: Wants = Wants {
    request_head: true,
    request_body: NONE,
    request_trailers: false,
    response_head: true,
    response_body: NONE,
    response_trailers: false,
    decoded: false,
    max_buffer: 0,
};

/// A guest in the making. Each hook is the text of a function's body; what it can name:
///
/// locals `$of`, and by hook `$end`, `$origin`, `$ptr`, `$len`, `$reason`, `$a`, `$b` (scratch); answers `$next`
/// (also `pass`), `$abort`, `$hold`, `$wait`, `$respond` (403), `$drop`, `$chunk-respond` (403), `$chunk-abort`,
/// `$chunk-wait`, and of `on-resume` `$drop`, `$chunk-respond`, `$chunk-abort`, `$resume-hold`, `$resume-wait`; functions
/// `$replace` (ptr, len), `$set` (of, part, name, value), `$status` and those of `prelude.wat`.
#[derive(Clone)]
pub struct Guest {
    pub wants: Wants,
    pub request_head: String,
    pub response_head: String,
    pub body: String,
    pub trailers: String,
    pub upstream_error: String,
    pub resume: String,
    pub done: String,
    /// `on-connect` and `on-client-hello`, of a guest that exports them. What they can name: locals `$target` and
    /// `$target-len`; answers by [`Guest::decision`].
    pub connect: Option<[String; 2]>,
    /// `on-open` and `on-message`, of a guest that exports them. What they can name: locals `$of`, `$origin`, `$case`, and of
    /// text and bytes `$ptr` and `$len`, of an event `$data` and `$data-len`; answers by [`Guest::message_action`].
    pub message: Option<[String; 2]>,
    /// `on-completed`, of a guest that exports it.
    pub completed: Option<String>,
    /// `interval` and `on-tick`, of a guest that exports them.
    pub tick: Option<[String; 2]>,
    pub start: String,
    pub validate: String,
    pub configure: String,
    pub globals: String,
    pub imports: String,
    pub logs: bool,
    pub pages: u32,
    pub wit: String,
    pub data: Vec<u8>,
}

/// Of an answer in the guest's memory.
pub enum Word {
    Number(u32),
    Text(&'static str),
}

/// Where texts lie in the guest's memory.
const DATA: usize = 0x1000;

impl Default for Guest {
    fn default() -> Self {
        let next = "global.get $next".to_owned();
        Self {
            wants: Wants::default(),
            request_head: next.clone(),
            response_head: next.clone(),
            body: next.clone(),
            trailers: next.clone(),
            upstream_error: next.clone(),
            resume: next,
            done: String::new(),
            connect: None,
            message: None,
            completed: None,
            tick: None,
            start: String::new(),
            validate: "i32.const 0x80".to_owned(),
            configure: "i32.const 0xa0".to_owned(),
            globals: String::new(),
            imports: String::new(),
            logs: false,
            pages: 1,
            wit: weir_wit::FILTER_WIT.to_owned(),
            data: Vec::new(),
        }
    }
}

impl Guest {
    pub fn new(wants: Wants) -> Self {
        Self { wants, ..Self::default() }
    }

    /// Puts text into the guest's memory: pushes its address and length.
    pub fn text(&mut self, text: &str) -> String {
        let at = DATA + self.data.len();
        self.data.extend_from_slice(text.as_bytes());
        format!("(i32.const {at}) (i32.const {})", text.len())
    }

    /// An answer about a tunnel: the case's number in the contract, and its text.
    pub fn decision(&mut self, case: u32, text: &str) -> String {
        let at = (DATA + self.data.len()) as u32;
        self.data.extend_from_slice(text.as_bytes());
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let answer = DATA + self.data.len();
        for word in [case, at, text.len() as u32] {
            self.data.extend_from_slice(&word.to_le_bytes());
        }
        format!("i32.const {answer}")
    }

    /// An answer about a message: words of the action as it lies in memory, where a text is its address and length.
    pub fn message_action(&mut self, words: &[Word]) -> String {
        let words: Vec<u32> = words
            .iter()
            .flat_map(|word| match word {
                Word::Number(number) => vec![*number],
                Word::Text(text) => {
                    let at = (DATA + self.data.len()) as u32;
                    self.data.extend_from_slice(text.as_bytes());
                    vec![at, text.len() as u32]
                }
            })
            .collect();
        self.data.resize(self.data.len().next_multiple_of(4), 0);
        let answer = DATA + self.data.len();
        self.data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        self.data.extend([0; 48]);
        format!("i32.const {answer}")
    }

    /// Sees messages.
    pub fn messaging(on_open: &str, on_message: &str) -> Self {
        let message = Some([on_open.to_owned(), on_message.to_owned()]);
        let wit = weir_wit::FILTER_WIT.replace("  export events;\n", "  export events;\n  export message;\n");
        Self { message, wit, ..Self::default() }
    }

    /// Decides about tunnels.
    pub fn connecting(on_connect: &str, on_client_hello: &str) -> Self {
        let connect = Some([on_connect.to_owned(), on_client_hello.to_owned()]);
        let wit = weir_wit::FILTER_WIT.replace("  export events;\n", "  export events;\n  export connect;\n");
        Self { connect, wit, ..Self::default() }
    }

    /// Is told what exchanges came to.
    pub fn completing(on_completed: &str) -> Self {
        let wit = weir_wit::FILTER_WIT.replace("  export events;\n", "  export events;\n  export completed;\n");
        Self { completed: Some(on_completed.to_owned()), wit, ..Self::default() }
    }

    /// Works by the clock.
    pub fn ticking(interval: u32, on_tick: &str) -> Self {
        let wit = weir_wit::FILTER_WIT.replace("  export events;\n", "  export events;\n  export tick;\n");
        Self { tick: Some([format!("i32.const {interval}"), on_tick.to_owned()]), wit, ..Self::default() }
    }

    /// Sets a header field: drops the outcome.
    pub fn set(&mut self, part: u8, name: &str, value: &str) -> String {
        let (name, value) = (self.text(name), self.text(value));
        format!("(drop (call $set (local.get $of) (i32.const {part}) {name} {value}))")
    }

    /// Appends a header field: drops the outcome.
    pub fn append(&mut self, part: u8, name: &str, value: &str) -> String {
        let (name, value) = (self.text(name), self.text(value));
        format!("(call $append-header (local.get $of) (i32.const {part}) {name} {value} (i32.const 0x300))")
    }

    /// Sets a header field and notes the outcome in `x-outcome` of another part.
    pub fn try_set(&mut self, part: u8, name: &str, value: &str, note: u8) -> String {
        let (name, value) = (self.text(name), self.text(value));
        let set = format!("(call $set (local.get $of) (i32.const {part}) {name} {value})");
        format!("(call $note (local.get $of) (i32.const {note}) {set})")
    }

    /// Calls `set-method`, `set-path`, `set-authority` with a text and notes the outcome in the request.
    pub fn try_control(&mut self, function: &str, value: &str) -> String {
        let value = self.text(value);
        let call = format!("(call ${function} (local.get $of) {value} (i32.const 0x300))");
        format!("{call} (call $note (local.get $of) (i32.const 0) (call $outcome))")
    }

    /// The component.
    pub fn component(&self) -> Vec<u8> {
        encode(self.core(), &self.wit, "filter")
    }

    /// The component as an artifact called `name`.
    pub fn artifact(&self, name: &str) -> Artifact {
        self.publish(name, |_| {})
    }

    /// The component as an artifact, published in some other way.
    pub fn publish(&self, name: &str, adjust: impl FnOnce(&mut Publication)) -> Artifact {
        artifact(self.component(), name, adjust)
    }
}

/// Wraps a core module as a component of a world.
pub fn encode(mut core: Vec<u8>, wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).expect("the contract parses");
    let world = resolve.select_world(&[package], Some(world)).expect("the world is there");
    wit_component::embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8, false).unwrap();
    ComponentEncoder::default().module(&core).unwrap().validate(true).encode().unwrap()
}

/// Any bytes as an artifact.
pub fn artifact(component: Vec<u8>, name: &str, adjust: impl FnOnce(&mut Publication)) -> Artifact {
    let mut publication = Publication {
        name: name.parse().unwrap(),
        version: 1,
        group: weir_artifact::GroupName::default(),
        sequence: 1,
        rollback: false,
        expires: u64::MAX,
        digest: Digest::of(&component),
        size: 0,
        matching: String::new(),
        priority: 0,
        config: "{}".to_owned(),
        on_failure: FailurePolicy::Closed,
        on_failure_for: Vec::new(),
        isolation: Isolation::Shared,
        // a slow machine is for tests of its own
        limits: Limits { cpu_ms: 5_000, startup_ms: 30_000, ..Limits::default() },
        grants: Capability::ALL.into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    };
    adjust(&mut publication);
    Artifact::from_trusted_file(publication, component).unwrap()
}
