//! `orchestrator push-filter`: looks at the component, puts the publication together, signs it here, sends it, and waits
//! until the agents run it.

use std::{collections::BTreeSet, fs, io::Read as _, path::PathBuf, time::Duration};

use clap::Args;
use serde_json::{Value, json};
use weir_artifact::{
    Capability, Digest, FailurePolicy, FailureRule, GroupName, Isolation, Limits, MAX_COMPONENT_BYTES, Name, NameError,
    Publication, Statement, TagPattern, Upstream,
};
use weir_query::Query;

use super::{
    client::Connect,
    failure::Failure,
    history::{History, Past},
    keys::KeyDir,
    output::{self, Format},
    publish::{self, Sending, Waiting},
    units,
};
use crate::components::{self, ComponentRefusal};

/// Sign a filter here and have every agent of a group run it
///
/// What is not given is taken over from the version that runs now, if a key of the key folder signed
/// that one; else it has its default.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PushFilter {
    /// The component
    file: PathBuf,
    /// Name of the filter [default: the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
    /// Version, above every one before [default: one more than the newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Group of agents
    #[arg(long, value_name = "GROUP", default_value_t)]
    group: GroupName,
    /// Which exchanges meet the filter, such as 'host:*.example.com -method:GET' [default: all]
    #[arg(long = "match", value_name = "QUERY")]
    matching: Option<String>,
    /// Requests meet filters in ascending priority, responses in descending [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    /// The filter's configuration, JSON or a file of it [default: {}]
    #[arg(long, value_name = "JSON|@FILE")]
    config: Option<String>,
    /// What exchanges get when the filter fails: an error, no filter, or its last good version [default: closed]
    #[arg(long, value_name = "POLICY", value_parser = ["closed", "open", "last-good"])]
    on_failure: Option<String>,
    /// Another policy for some exchanges, such as 'path:/public/*=open'; the first that fits counts
    #[arg(long, value_name = "QUERY=POLICY", value_parser = failure_rule)]
    on_failure_for: Vec<FailureRule>,
    /// One instance for all exchanges of a worker, or a fresh one for each [default: shared]
    #[arg(long, value_name = "HOW", value_parser = ["shared", "exchange"])]
    isolation: Option<String>,
    /// Let the component import this; needed where it imports more than its version before
    #[arg(long, value_name = "CAPABILITY", value_parser = capability)]
    grant: Vec<Capability>,
    /// A server that the filter may call by this name, such as keys=https://idp.example.com/keys; with
    /// ',timeout_ms=N' or ',max_bytes=N' behind it
    #[arg(long, value_name = "NAME=URL", value_parser = upstream)]
    upstream: Vec<(Name, Upstream)>,
    /// A tag of another filter that this one may read, such as jwt-auth.user or jwt-auth.*
    #[arg(long, value_name = "FILTER.TAG")]
    read: Vec<TagPattern>,
    /// A secret of the agents that the filter may use
    #[arg(long, value_name = "NAME")]
    secret: Vec<Name>,
    /// A bound, such as cpu_ms=20 or memory_bytes=33554432
    #[arg(long, value_name = "KEY=VALUE")]
    limit: Vec<String>,
    /// How long agents may take it up; what runs goes on
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = units::duration)]
    expires_in: Duration,
    /// Start from the defaults, not from the settings of the version that runs now
    #[arg(long)]
    fresh: bool,
    /// Form of the answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    dir: KeyDir,
    #[command(flatten)]
    connect: Connect,
}

fn upstream(text: &str) -> Result<(Name, Upstream), String> {
    let (name, rest) = text.split_once('=').ok_or("expected NAME=URL")?;
    let mut parts = rest.split(',');
    let mut upstream = Upstream::new(parts.next().unwrap_or_default());
    for part in parts {
        let (key, number) = part.split_once('=').ok_or_else(|| format!("`{part}`: expected KEY=NUMBER"))?;
        let number = number.parse().map_err(|_| format!("{key}: expected a whole number"))?;
        match key {
            "timeout_ms" => upstream.timeout_ms = number,
            "max_bytes" => upstream.max_bytes = number,
            _ => return Err(format!("{key}: timeout_ms and max_bytes can be set")),
        }
    }
    upstream.check().map_err(|fault| fault.to_string())?;
    Ok((name.parse().map_err(|error: NameError| error.to_string())?, upstream))
}

fn failure_rule(text: &str) -> Result<FailureRule, String> {
    let (matching, policy) = text.rsplit_once('=').ok_or("expected QUERY=POLICY")?;
    let on_failure = serde_json::from_value(Value::from(policy))
        .map_err(|_| format!("`{policy}` is no policy: there is closed, open and last-good"))?;
    let checked = Query::parse(matching).and_then(|query| query.request_only());
    checked.map_err(|error| error.shown(matching))?;
    Ok(FailureRule { matching: matching.to_owned(), on_failure })
}

fn capability(text: &str) -> Result<Capability, String> {
    let known: Vec<&str> = Capability::ALL.iter().map(|capability| capability.interface()).collect();
    let found = Capability::ALL.into_iter().find(|capability| capability.interface() == text);
    found.ok_or_else(|| format!("there is {}", known.join(", ")))
}

/// A flag whose words are those of the statement.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_value(Value::from(text)).map_err(|error| Failure::Usage(error.to_string()))
}

impl PushFilter {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let name = self.name()?;
        let bytes = self.read(&name)?;
        // The server looks again, by the same rules.
        let needs = components::needs(&bytes, MAX_COMPONENT_BYTES).map_err(|refusal| self.refused(&name, &refusal))?;
        let key = self.dir.secret()?;
        let client = self.connect.client()?;
        let history = History::ask(&client, &name, &self.group, &self.dir.trusted()?).await?;
        let before = self.before(&name, &history)?;
        let publication = self.publication(name, &bytes, needs, &history, before)?;
        let statement = Statement::Publish(Box::new(publication.clone()));
        let tell = self.format == Format::Table;
        let sending = Sending {
            client: &client,
            key: &key,
            statement: &statement,
            component: Some(&bytes),
            waiting: &self.waiting,
            tell,
        };
        let signer = key.public().id();
        let (posted, answers) = sending.send(|posted| describe(&publication, signer.as_str(), posted.revision)).await?;
        if !tell {
            output::json(&json!({
                "name": publication.name, "version": publication.version, "group": publication.group,
                "digest": publication.digest, "grants": publication.grants, "key_id": signer,
                "revision": posted.revision, "agents": answers,
            }))?;
        }
        publish::verdict(&answers)
    }

    fn name(&self) -> Result<Name, Failure> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let stem = self.file.file_stem().unwrap_or_default().to_string_lossy();
        stem.parse().map_err(|error| Failure::Usage(format!("{error}; give one with --name")))
    }

    fn refused(&self, name: &Name, refusal: &ComponentRefusal) -> Failure {
        let reason = format!("{}: {refusal}", self.file.display());
        Failure::Filter { name: name.to_string(), phase: refusal.phase(), reason }
    }

    fn read(&self, name: &Name) -> Result<Vec<u8>, Failure> {
        let fault = |error| Failure::File { path: self.file.clone(), error };
        let file = fs::File::open(&self.file).map_err(fault)?;
        let size = file.metadata().map_err(fault)?.len();
        if size > MAX_COMPONENT_BYTES {
            return Err(self.refused(name, &ComponentRefusal::TooLarge(size, MAX_COMPONENT_BYTES)));
        }
        let mut bytes = Vec::new();
        // It may grow meanwhile, or be no file at all.
        file.take(MAX_COMPONENT_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
        Ok(bytes)
    }

    /// The publication whose settings are taken over.
    fn before<'a>(&self, name: &Name, history: &'a History) -> Result<Option<&'a Publication>, Failure> {
        if self.fresh || !history.active {
            return Ok(None);
        }
        match history.newest() {
            None => Ok(None),
            Some(Past { publication: Some(publication), .. }) => Ok(Some(publication)),
            Some(Past { version, key_id, .. }) => Err(Failure::Refused(format!(
                "{name} {version} was signed by key {key_id}, which the key folder does not know, so its settings are not \
                 taken over: put that publisher's .pub file there, or start anew with --fresh"
            ))),
        }
    }

    fn publication(
        &self,
        name: Name,
        bytes: &[u8],
        needs: BTreeSet<Capability>,
        history: &History,
        before: Option<&Publication>,
    ) -> Result<Publication, Failure> {
        let on_failure = self.on_failure.as_deref().map(word::<FailurePolicy>).transpose()?;
        let isolation = self.isolation.as_deref().map(word::<Isolation>).transpose()?;
        let publication = Publication {
            version: self.version.unwrap_or_else(|| history.next_version()),
            group: self.group.clone(),
            sequence: history.next_sequence(),
            rollback: false,
            expires: units::now().saturating_add(self.expires_in.as_secs()),
            digest: Digest::of(bytes),
            size: bytes.len() as u64,
            matching: self.matching()?.or_else(|| before.map(|past| past.matching.clone())).unwrap_or_default(),
            priority: self.priority.or_else(|| before.map(|past| past.priority)).unwrap_or_default(),
            config: self
                .config()?
                .or_else(|| before.map(|past| past.config.clone()))
                .unwrap_or_else(|| "{}".to_owned()),
            on_failure: on_failure.or_else(|| before.map(|past| past.on_failure)).unwrap_or_default(),
            on_failure_for: match self.on_failure_for.is_empty() {
                // Whoever says anew what holds in general does not mean rules of before.
                true if self.on_failure.is_none() => before.map(|past| past.on_failure_for.clone()).unwrap_or_default(),
                _ => self.on_failure_for.clone(),
            },
            isolation: isolation.or_else(|| before.map(|past| past.isolation)).unwrap_or_default(),
            limits: self.limits(before)?,
            grants: self.grants(&name, needs, before)?,
            upstreams: match self.upstream.is_empty() {
                true => before.map(|past| past.upstreams.clone()).unwrap_or_default(),
                false => self.upstream.iter().cloned().collect(),
            },
            reads: match self.read.is_empty() {
                true => before.map(|past| past.reads.clone()).unwrap_or_default(),
                false => self.read.iter().cloned().collect(),
            },
            secrets: match self.secret.is_empty() {
                true => before.map(|past| past.secrets.clone()).unwrap_or_default(),
                false => self.secret.iter().cloned().collect(),
            },
            name,
        };
        publication.check().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok(publication)
    }

    fn matching(&self) -> Result<Option<String>, Failure> {
        let Some(text) = &self.matching else { return Ok(None) };
        let checked = Query::parse(text).and_then(|query| query.request_only());
        checked.map_err(|error| Failure::Usage(format!("--match: {}", error.shown(text))))?;
        Ok(Some(text.clone()))
    }

    fn config(&self) -> Result<Option<String>, Failure> {
        let (text, from) = match self.config.as_deref() {
            None => return Ok(None),
            Some(given) => match given.strip_prefix('@') {
                None => (given.to_owned(), "--config".to_owned()),
                Some(path) => {
                    let text = fs::read_to_string(path);
                    (text.map_err(|error| Failure::File { path: path.into(), error })?, path.to_owned())
                }
            },
        };
        match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
            Ok(_) => Ok(Some(text)),
            Err(error) => Err(Failure::Usage(format!("{from} is not JSON: {error}"))),
        }
    }

    fn limits(&self, before: Option<&Publication>) -> Result<Limits, Failure> {
        let limits = before.map(|past| past.limits.clone()).unwrap_or_default();
        let fault = |given: &str, error: String| Failure::Usage(format!("--limit {given}: {error}"));
        let mut value = serde_json::to_value(limits).map_err(|error| fault("", error.to_string()))?;
        for given in &self.limit {
            let (key, number) = given.split_once('=').ok_or_else(|| fault(given, "expected KEY=VALUE".to_owned()))?;
            let number: u32 = number.parse().map_err(|_| fault(given, "expected a whole number".to_owned()))?;
            value[key] = number.into();
            // At each, so that the one that is wrong is named.
            serde_json::from_value::<Limits>(value.clone()).map_err(|error| fault(given, error.to_string()))?;
        }
        serde_json::from_value(value).map_err(|error| fault("", error.to_string()))
    }

    /// What it imports. An upgrade that wants more than the version before gets it by somebody's word only.
    fn grants(
        &self,
        name: &Name,
        needs: BTreeSet<Capability>,
        before: Option<&Publication>,
    ) -> Result<BTreeSet<Capability>, Failure> {
        let given: BTreeSet<Capability> = self.grant.iter().copied().collect();
        if let Some(before) = before {
            let more = needs.iter().filter(|need| !before.grants.contains(need) && !given.contains(need));
            let more: Vec<&str> = more.map(|capability| capability.interface()).collect();
            if !more.is_empty() {
                let reason = format!(
                    "it imports {}, which version {} did not have: if that is meant, say so with --grant {}",
                    more.join(", "),
                    before.version,
                    more.join(" --grant ")
                );
                return Err(Failure::Filter { name: name.to_string(), phase: "grants", reason });
            }
        }
        Ok(needs.union(&given).copied().collect())
    }
}

fn describe(publication: &Publication, signer: &str, revision: u64) -> String {
    let Publication { name, version, group, priority, .. } = publication;
    let grants: Vec<&str> = publication.grants.iter().map(|grant| grant.interface()).collect();
    let matching = if publication.matching.is_empty() { "every exchange" } else { &publication.matching };
    let words = json!([publication.on_failure, publication.isolation]);
    let (on_failure, isolation) = (words[0].as_str().unwrap_or("-"), words[1].as_str().unwrap_or("-"));
    let others = if publication.on_failure_for.is_empty() { "" } else { " and by rules" };
    let limits = if publication.limits == Limits::default() { "" } else { ", own limits" };
    format!(
        "pushed {name} {version} to group {group}, revision {revision}\n  \
         {}, {}, signed by {signer}, to be taken up before {}\n  \
         meets {matching}; priority {priority}, on failure {on_failure}{others}, isolation {isolation}{limits}; grants {}",
        publication.digest,
        units::size(publication.size),
        units::day(publication.expires),
        if grants.is_empty() { "none".to_owned() } else { grants.join(", ") },
    )
}
