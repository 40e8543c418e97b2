//! What `inspect` found, as lines for people and as a document for programs.

use std::{collections::BTreeSet, fmt::Write as _, time::Duration};

use serde_json::{Value, json};
use weir_adapter::{Anatomy, AnatomyError, Form};
use weir_artifact::{Capability, Digest, Limits, contract, standard};
use weir_host::{BodyMode, LoadError, Subscription};

use super::{inspect::Loaded, ours, short, size};

pub(super) struct Portrait {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) limits: Limits,
    pub(super) anatomy: Result<Anatomy, AnatomyError>,
    pub(super) loaded: Result<Loaded, LoadError>,
}

impl Portrait {
    pub(super) fn text(&self) -> String {
        let mut text = self.file.clone();
        let mut line = |name: &str, value: &str| {
            // writing to a string cannot fail
            let _ = write!(text, "\n  {name:<10}{value}");
        };
        line("form", &format!("{}, {}", self.form(), size(self.size)));
        line("digest", &self.digest.to_string());
        if let Ok(anatomy) = &self.anatomy {
            line("world", world(anatomy).unwrap_or("none that agents run"));
            line("contract", &version(anatomy).map_or_else(|| "none of ours".to_owned(), str::to_owned));
            line("exports", &list(short(&anatomy.exports, anatomy.form)));
            line("imports", &list(short(&anatomy.imports, anatomy.form)));
            line("needs", &list(needs(anatomy)));
            line("made by", &list(made_by(anatomy)));
            line("memory", &self.memory(anatomy));
        }
        match &self.loaded {
            Ok(loaded) => {
                line("loads", &format!("yes: compiled in {}, started in {}", ms(loaded.compile), ms(loaded.start)));
                match &loaded.configured {
                    Ok((subscription, hooks)) => {
                        line("sees", &list(sees(subscription)));
                        let more: Vec<&str> = hooks.names().collect();
                        if !more.is_empty() {
                            line("hooks", &list(more));
                        }
                    }
                    Err(problems) => {
                        problems.iter().for_each(|problem| line("config", &format!("refused {problem}")));
                    }
                }
            }
            Err(refusal) => line("loads", &format!("no: refused in {}: {}", refusal.phase(), refusal.reason())),
        }
        text
    }

    pub(super) fn json(&self) -> String {
        let mut document = json!({
            "file": self.file, "size": self.size, "digest": self.digest, "form": self.form(), "loads": self.loaded.is_ok(),
        });
        if let Ok(anatomy) = &self.anatomy {
            document["world"] = world(anatomy).into();
            document["contract"] = version(anatomy).into();
            document["exports"] = json!(anatomy.exports);
            document["imports"] = json!(anatomy.imports);
            document["needs"] = json!(needs(anatomy));
            document["producers"] = json!(anatomy.producers);
            let memories = anatomy.memories.iter();
            document["memory"] = json!({
                "declared": memories.map(|it| json!({"initial": it.initial, "maximum": it.maximum})).collect::<Vec<_>>(),
                "limit": self.limits.memory_bytes,
            });
        }
        match &self.loaded {
            Ok(loaded) => {
                document["compile_us"] = micros(loaded.compile);
                document["start_us"] = micros(loaded.start);
                match &loaded.configured {
                    Ok((subscription, hooks)) => {
                        document["sees"] = json!(sees(subscription));
                        document["hooks"] = json!(hooks.names().collect::<Vec<_>>());
                    }
                    Err(problems) => {
                        let problem = problems.iter().map(|it| json!({"pointer": it.pointer, "message": it.message}));
                        document["problems"] = problem.collect();
                    }
                }
            }
            Err(refusal) => {
                document["refused"] = json!({"phase": refusal.phase(), "reason": refusal.reason()});
            }
        }
        format!("{document:#}")
    }

    fn form(&self) -> &'static str {
        match &self.anatomy {
            Ok(Anatomy { form: Form::Component, .. }) => "component",
            Ok(Anatomy { form: Form::Module, .. }) => "core module",
            Err(AnatomyError::NotWasm) => "not WebAssembly",
            Err(AnatomyError::Damaged(_)) => "damaged",
        }
    }

    fn memory(&self, anatomy: &Anatomy) -> String {
        let initial = anatomy.memories.iter().map(|memory| memory.initial).sum();
        let own: Option<u64> = anatomy.memories.iter().map(|memory| memory.maximum).sum();
        let own = own.map(|most| format!(", {} at most", size(most))).unwrap_or_default();
        format!("{} at start{own}; its limit is {}", size(initial), size(self.limits.memory_bytes.into()))
    }
}

/// What kind of filter it is.
fn world(anatomy: &Anatomy) -> Option<&'static str> {
    // of a module, behind marks of the canonical ABI
    let is_handler = |export: &String| {
        let interface = export.split('#').next().unwrap_or_default();
        standard::is_handler(interface.rsplit(']').next().unwrap_or_default())
    };
    if version(anatomy).is_some() {
        return Some(form(anatomy).world());
    }
    anatomy.exports.iter().any(is_handler).then_some("wasi:http/middleware")
}

/// The interfaces of the contract that it exports, with their versions.
fn exports(anatomy: &Anatomy) -> impl Iterator<Item = (&str, &str)> {
    // of a module, `weir:filter/events@0.1.0#on-done`, behind marks of the canonical ABI where a function is `async`
    anatomy.exports.iter().filter_map(|export| ours(export.split('#').next()?.rsplit(']').next()?))
}

/// Which world of the contract it is of, if it is of one.
fn form(anatomy: &Anatomy) -> contract::Form {
    contract::Form::of(exports(anatomy).map(|(interface, _)| interface))
}

/// The version of the contract that its exports are of.
fn version(anatomy: &Anatomy) -> Option<&str> {
    let [lifecycle, hooks] = form(anatomy).exports();
    let version = |name: &str| exports(anatomy).find(|(of, _)| *of == name).map(|(_, version)| version);
    version(hooks).or_else(|| version(lifecycle))
}

/// Capabilities that its publication has to grant.
fn needs(anatomy: &Anatomy) -> Vec<&'static str> {
    let form = form(anatomy);
    let need = |import: &String| {
        let import = import.split(' ').next()?;
        match ours(import) {
            Some((interface, _)) => form.import(interface)?,
            None => standard::import(import)?,
        }
    };
    let needed: BTreeSet<Capability> = anatomy.imports.iter().filter_map(need).collect();
    Capability::ALL.into_iter().filter(|capability| needed.contains(capability)).map(Capability::interface).collect()
}

/// Its languages first.
fn made_by(anatomy: &Anatomy) -> Vec<&str> {
    let of = |field: &str| anatomy.producers.get(field).into_iter().flatten().map(String::as_str);
    of("language").chain(of("processed-by")).chain(of("sdk")).collect()
}

fn sees(subscription: &Subscription) -> Vec<String> {
    let Subscription { request_head, request_body, request_trailers, .. } = *subscription;
    let Subscription { response_head, response_body, response_trailers, decoded, .. } = *subscription;
    let mut all = Vec::new();
    let mut side = |side: &str, head: bool, body: BodyMode, trailers: bool| {
        all.extend(head.then(|| format!("{side} head")));
        all.extend(mode(body).map(|mode| format!("{side} body ({mode})")));
        all.extend(trailers.then(|| format!("{side} trailers")));
    };
    side("request", request_head, request_body, request_trailers);
    side("response", response_head, response_body, response_trailers);
    all.extend(decoded.then(|| "bodies decoded".to_owned()));
    all
}

fn mode(body: BodyMode) -> Option<&'static str> {
    match body {
        BodyMode::None => None,
        BodyMode::Observe => Some("observe"),
        BodyMode::Transform => Some("transform"),
        BodyMode::Buffer => Some("buffer"),
    }
}

fn list<S: AsRef<str>>(items: Vec<S>) -> String {
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn micros(time: Duration) -> Value {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).into()
}
