//! Guests for tests: hooks in WebAssembly text, made into real components with the contract embedded. No toolchain is
//! needed, and a guest can do wrong in ways that no compiler would let it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic, reason = "shared by tests and the benchmark")]

use std::fmt::Write as _;

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

/// A guest in the making. Each hook is the text of a function's body; what it can name:
///
/// locals `$of`, and by hook `$end`, `$origin`, `$ptr`, `$len`, `$reason`, `$a`, `$b` (scratch); answers `$next`
/// (also `pass`), `$abort`, `$hold`, `$wait`, `$respond` (403), `$drop`, `$chunk-respond` (403), `$chunk-abort`,
/// `$chunk-wait`, and of `on-resume` `$drop`, `$chunk-respond`, `$chunk-abort`, `$resume-hold`, `$resume-wait`; functions `$replace` (ptr, len), `$set` (of, part, name, value), `$status` and those of [`PRELUDE`].
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

    /// The core module.
    pub fn core(&self) -> Vec<u8> {
        let version = self.version();
        let mut wat = String::from("(module\n");
        for (name, params) in [
            ("header", 5),
            ("headers", 3),
            ("header-values", 5),
            ("set-header", 7),
            ("append-header", 7),
            ("remove-header", 5),
            ("set-method", 4),
            ("set-authority", 4),
            ("set-path", 4),
            ("set-status", 3),
            ("status", 2),
            ("authority", 2),
            ("set-body-mode", 4),
        ] {
            let params = "i32 ".repeat(params);
            writeln!(wat, "(import \"weir:filter/http@{version}\" \"{name}\" (func ${name} (param {params})))")
                .unwrap();
        }
        if self.logs {
            writeln!(wat, "(import \"weir:filter/log@{version}\" \"write\" (func $log (param i32 i32 i32)))").unwrap();
        }
        wat.push_str(&self.imports);
        wat.push_str(PRELUDE);
        writeln!(wat, "(memory (export \"memory\") {})", self.pages).unwrap();
        writeln!(wat, "{}\n(func $start {})\n(start $start)", self.globals, self.start).unwrap();
        let mut hook = |interface: &str, name: &str, params: &str, result: &str, body: &str| {
            let export = format!("weir:filter/{interface}@{version}#{name}");
            writeln!(wat, "(func (export \"{export}\") {params} {result} (local $a i32) (local $b i32) {body})")
                .unwrap();
            if !result.is_empty() {
                let release = "(param i32) (global.set $heap (i32.const 0x4000))";
                writeln!(wat, "(func (export \"cabi_post_{export}\") {release})").unwrap();
            }
        };
        let (one, json) = ("(result i32)", "(param $ptr i32) (param $len i32)");
        hook("lifecycle", "validate-config", json, one, &self.validate);
        hook("lifecycle", "configure", json, one, &self.configure);
        let head = "(param $of i32) (param $end i32)";
        hook("events", "on-request-head", head, one, &self.request_head);
        hook("events", "on-response-head", head, one, &self.response_head);
        let body = "(param $of i32) (param $origin i32) (param $ptr i32) (param $len i32) (param $end i32)";
        hook("events", "on-body", body, one, &self.body);
        hook("events", "on-trailers", "(param $of i32) (param $origin i32)", one, &self.trailers);
        let error = "(param $of i32) (param $error i32) (param $ptr i32) (param $len i32)";
        hook("events", "on-upstream-error", error, one, &self.upstream_error);
        let outcome = "(param $of i32) (param $waiting i32) (param $call i32) (param $outcome i32) (param $c i32) (param $d i32) (param $e i32) \
                       (param $f i32) (param $g i32)";
        hook("events", "on-resume", outcome, one, &self.resume);
        hook("events", "on-done", "(param $of i32) (param $reason i32)", "", &self.done);
        if let Some([on_connect, on_client_hello]) = &self.connect {
            let to = "(param $entry i32) (param $client i32) (param $client-len i32) (param $has-user i32) \
                      (param $user i32) (param $user-len i32) (param $target i32) (param $target-len i32)";
            hook("connect", "on-connect", to, one, on_connect);
            let hello = format!("{to} (param i32 i32 i32 i32 i32)");
            hook("connect", "on-client-hello", &hello, one, on_client_hello);
        }
        if let Some([on_open, on_message]) = &self.message {
            hook("message", "on-open", "(param $of i32)", one, on_open);
            let content = "(param $of i32) (param $origin i32) (param $case i32) (param $ptr i32) (param $len i32) \
                           (param i32) (param $data i32) (param $data-len i32) (param i32 i32 i32 i32 i32)";
            hook("message", "on-message", content, one, on_message);
        }
        if let Some(on_completed) = &self.completed {
            let told = "(param $of i32) (param $reason i32) (param $in f64) (param $out f64) (param $duration f64) \
                        (param i32 f64) (param i32 i32 i32)";
            hook("completed", "on-completed", told, "", on_completed);
        }
        if let Some([interval, on_tick]) = &self.tick {
            hook("tick", "interval", "", one, interval);
            hook("tick", "on-tick", "", "", on_tick);
        }
        let w = self.wants;
        let flag = u8::from;
        let subscription = [
            [0, 0, 0, 0],
            [flag(w.request_head), w.request_body, flag(w.request_trailers), flag(w.response_head)],
            [w.response_body, flag(w.response_trailers), flag(w.decoded), 0],
            w.max_buffer.to_le_bytes(),
        ];
        writeln!(wat, "(data (i32.const 0xa0) \"{}\")", escape(subscription.as_flattened())).unwrap();
        writeln!(wat, "(data (i32.const {DATA}) \"{}\"))", escape(&self.data)).unwrap();
        wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
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

    fn version(&self) -> &str {
        let rest = self.wit.split_once("package weir:filter@").expect("the package has a version").1;
        rest.split_once(';').expect("a statement ends").0
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
        limits: Limits::default(),
        grants: Capability::ALL.into(),
        upstreams: Default::default(),
        reads: Default::default(),
        secrets: Default::default(),
    };
    adjust(&mut publication);
    Artifact::from_trusted_file(publication, component).unwrap()
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// Memory below 0x4000: 0x80 an empty list of problems, 0xa0 the subscription, from 0x100 constant answers, 0x300 what
/// hostcalls return, from 0x1000 texts. The heap begins at 0x4000 and is emptied after each call.
const PRELUDE: &str = r#"
(global $heap (mut i32) (i32.const 0x4000))
(global $next i32 (i32.const 0x100))
(global $abort i32 (i32.const 0x120))
(global $hold i32 (i32.const 0x140))
(global $wait i32 (i32.const 0x160))
(global $respond i32 (i32.const 0x180))
(global $drop i32 (i32.const 0x1a0))
(global $chunk-respond i32 (i32.const 0x1c0))
(global $chunk-abort i32 (i32.const 0x1e0))
(global $chunk-wait i32 (i32.const 0x200))
(global $resume-hold i32 (i32.const 0x260))
(global $resume-wait i32 (i32.const 0x240))
(data (i32.const 0x120) "\02")
(data (i32.const 0x140) "\04")
(data (i32.const 0x160) "\03")
(data (i32.const 0x180) "\01\00\00\00\93\01\00\00\80\02\00\00\01\00\00\00\a0\02\00\00\06\00\00\00")
(data (i32.const 0x1a0) "\05")
(data (i32.const 0x1c0) "\01\00\00\00\93\01\00\00\80\02\00\00\01\00\00\00\a0\02\00\00\06\00\00\00")
(data (i32.const 0x1e0) "\02")
(data (i32.const 0x200) "\03")
(data (i32.const 0x240) "\03")
(data (i32.const 0x260) "\04")
(data (i32.const 0x280) "\b0\02\00\00\08\00\00\00\b8\02\00\00\03\00\00\00")
(data (i32.const 0x2a0) "denied")
(data (i32.const 0x2b0) "x-filteryes")
(data (i32.const 0x2c0) "x-outcome")
(func $alloc (param $len i32) (result i32) (local $at i32) (local $past i32)
  (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 15)) (i32.const -16)))
  (global.set $heap (i32.add (local.get $at) (local.get $len)))
  (local.set $past (i32.sub (global.get $heap) (i32.shl (memory.size) (i32.const 16))))
  (if (i32.gt_s (local.get $past) (i32.const 0))
    (then (if (i32.eq (i32.const -1)
        (memory.grow (i32.add (i32.shr_u (local.get $past) (i32.const 16)) (i32.const 1))))
      (then unreachable))))
  (local.get $at))
(func (export "cabi_realloc") (param $old i32) (param $had i32) (param i32) (param $len i32) (result i32)
  (local $at i32)
  (local.set $at (call $alloc (local.get $len)))
  (memory.copy (local.get $at) (local.get $old)
    (select (local.get $had) (local.get $len) (i32.lt_u (local.get $had) (local.get $len))))
  (local.get $at))
(func $replace (param $ptr i32) (param $len i32) (result i32)
  (i32.store (i32.const 0x220) (i32.const 4))
  (i32.store (i32.const 0x224) (local.get $ptr))
  (i32.store (i32.const 0x228) (local.get $len))
  (i32.const 0x220))
;; of `on-resume`
(func $resume-replace (param $ptr i32) (param $len i32) (result i32)
  (drop (call $replace (local.get $ptr) (local.get $len)))
  (i32.store (i32.const 0x220) (i32.const 5))
  (i32.const 0x220))
;; 255 when it went well, else the error
(func $outcome (result i32)
  (select (i32.load8_u (i32.const 0x301)) (i32.const 255) (i32.load8_u (i32.const 0x300))))
;; appends x-outcome with the outcome as a letter: k for ok, else f(orbidden), i(nvalid), t(oo large), z (frozen), a(bsent)
(func $note (param $of i32) (param $part i32) (param $outcome i32)
  (i32.store (i32.const 0x2d0) (i32.const 0x7a746966))
  (i32.store8 (i32.const 0x2d4) (i32.const 97))
  (i32.store8 (i32.const 0x2d8) (select (i32.const 107) (i32.load8_u (i32.add (i32.const 0x2d0) (local.get $outcome)))
    (i32.eq (local.get $outcome) (i32.const 255))))
  (call $append-header (local.get $of) (local.get $part) (i32.const 0x2c0) (i32.const 9) (i32.const 0x2d8)
    (i32.const 1) (i32.const 0x310)))
;; every byte with its case bit turned, in place
(func $flip (param $ptr i32) (param $len i32) (result i32) (local $at i32)
  (local.set $at (local.get $ptr))
  (block $done (loop $next
    (br_if $done (i32.eq (local.get $at) (i32.add (local.get $ptr) (local.get $len))))
    (i32.store8 (local.get $at) (i32.xor (i32.load8_u (local.get $at)) (i32.const 0x20)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (br $next)))
  (call $replace (local.get $ptr) (local.get $len)))
(func $set (param $of i32) (param $part i32) (param i32 i32 i32 i32) (result i32)
  (call $set-header (local.get $of) (local.get $part) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
    (i32.const 0x300))
  (call $outcome))
;; whether a field is there; its value then lies at (0x304), (0x308)
(func $has (param $of i32) (param $part i32) (param i32 i32) (result i32)
  (call $header (local.get $of) (local.get $part) (local.get 2) (local.get 3) (i32.const 0x300))
  (i32.load8_u (i32.const 0x300)))
"#;
