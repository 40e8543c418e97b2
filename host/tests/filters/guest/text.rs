//! A guest's core module, put together as text.

use std::fmt::Write as _;

use super::{DATA, Guest};

/// Memory below 0x4000: 0x80 an empty list of problems, 0xa0 the subscription, from 0x100 constant answers, 0x300 what
/// hostcalls return, from 0x1000 texts. The heap begins at 0x4000 and is emptied after each call.
const PRELUDE: &str = include_str!("prelude.wat");

impl Guest {
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

    fn version(&self) -> &str {
        let rest = self.wit.split_once("package weir:filter@").expect("the package has a version").1;
        rest.split_once(';').expect("a statement ends").0
    }
}

fn escape(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
