//! The load commands, the same for every contender: wrk with absolute-form requests, oha through CONNECT.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::{
    Contender,
    site::{OTHER_CPU, Site, pinned},
};
use crate::steps::output;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    Plain,
    Intercepted,
    /// Plain, for responses of server-sent events
    Events,
}

/// How fast.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// Each connection asks again when it was answered.
    Closed { connections: u32 },
    /// So many requests a second, however long answers take.
    Open { connections: u32, rate: u32 },
}

pub(super) struct Result {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) percentiles: [f64; 3],
}

/// A body is 32 characters of the origin's and these.
const RANDOM_LENGTH: usize = 68;

impl Load {
    pub(super) fn run(self, site: &Site, contender: &Contender, pace: Pace, seconds: u32) -> anyhow::Result<Result> {
        match (self, pace) {
            (Self::Plain | Self::Events, Pace::Closed { connections }) => {
                wrk(self, site, contender, connections, seconds)
            }
            (Self::Plain | Self::Events, Pace::Open { .. }) | (Self::Intercepted, _) => {
                oha(self, site, contender, pace, seconds)
            }
        }
    }

    /// What comes before the random part.
    fn path(self) -> &'static str {
        match self {
            Self::Plain | Self::Intercepted => "/u/",
            Self::Events => "/events?",
        }
    }
}

fn wrk(load: Load, site: &Site, contender: &Contender, connections: u32, seconds: u32) -> anyhow::Result<Result> {
    let prefix = if contender.reverse { String::new() } else { format!("http://{}", site.plain) };
    let script = site.dir.join("absolute.lua");
    fs::write(&script, lua(&format!("{prefix}{}", load.path()), &site.plain))?;
    let mut command = pinned(OTHER_CPU, Path::new("wrk"));
    command.args(["--threads", "1", "--latency", "--connections", &connections.to_string()]);
    command.args(["--duration", &format!("{seconds}s"), "--script"]).arg(&script);
    let text = output(command.arg(format!("http://{}/", contender.address)))?;
    let number = |words: &str, before: bool| -> Option<u64> {
        let line = text.lines().find(|line| line.contains(words))?;
        let digits = if before { line.split(words).next()? } else { line.split(words).nth(1)? };
        digits.split_whitespace().next_back()?.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()
    };
    let requests = number(" requests in", true).with_context(|| text.clone())?;
    let failed = number("Non-2xx or 3xx responses:", false).unwrap_or(0)
        + text.lines().find(|line| line.contains("Socket errors")).map_or(0, |line| {
            line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u64>().ok()).sum()
        });
    let percentile = |name: &str| text.lines().find_map(|line| milliseconds(line.trim().strip_prefix(name)?.trim()));
    let percentiles = ["50%", "90%", "99%"].map(|name| percentile(name).unwrap_or_default());
    ensure!(requests > 0, "{}: no request was answered:\n{text}", contender.name);
    Ok(Result { requests, failed, percentiles })
}

/// `1.23ms`, `456.00us`, `1.02s`.
fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let number: f64 = text[..unit].parse().ok()?;
    Some(match &text[unit..] {
        "us" => number / 1000.0,
        "ms" => number,
        "s" => number * 1000.0,
        _ => return None,
    })
}

/// Requests are made before the load begins: a random path each of 4096, since paths come back in bodies.
fn lua(prefix: &str, host: &str) -> String {
    format!(
        "local letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'\n\
         local requests, at = {{}}, 0\n\
         function init()\n  math.randomseed(os.time())\n  wrk.headers['Host'] = '{host}'\n  for i = 1, 4096 do\n    \
         local path = {{}}\n    for j = 1, {RANDOM_LENGTH} do local k = math.random(#letters); path[j] = letters:sub(k, k) end\n    \
         requests[i] = wrk.format('GET', '{prefix}' .. table.concat(path))\n  end\nend\n\
         function request()\n  at = at % 4096 + 1\n  return requests[at]\nend\n"
    )
}

fn oha(load: Load, site: &Site, contender: &Contender, pace: Pace, seconds: u32) -> anyhow::Result<Result> {
    let (connections, rate) = match pace {
        Pace::Closed { connections } => (connections, None),
        Pace::Open { connections, rate } => (connections, Some(rate)),
    };
    let base = match load {
        Load::Plain | Load::Events => format!("http://{}", site.plain),
        Load::Intercepted => format!("https://{}", site.tls),
    };
    let mut command = pinned(OTHER_CPU, &site.oha);
    command.args(["--no-tui", "--output-format", "json", "-z", &format!("{seconds}s"), "-c", &connections.to_string()]);
    command.args(["-x", &format!("http://{}", contender.address), "--rand-regex-url"]);
    let fixed = format!("{base}{}", load.path()).replace('.', "[.]").replace('?', "[?]");
    command.arg(format!("{fixed}[a-zA-Z0-9]{{{RANDOM_LENGTH}}}"));
    if let Some(ca) = &contender.ca {
        command.arg("--cacert").arg(ca);
    }
    if let Some(rate) = rate {
        command.args(["-q", &rate.to_string(), "--latency-correction"]);
    }
    let text = output(&mut command)?;
    let report: Value = serde_json::from_str(&text).with_context(|| text.clone())?;
    let codes = report["statusCodeDistribution"].as_object().context("statusCodeDistribution")?;
    let count = |good: bool| {
        let of = codes.iter().filter(|(code, _)| (code.as_str() == "200") == good);
        of.filter_map(|(_, count)| count.as_u64()).sum::<u64>()
    };
    // connections that oha itself cuts when time is up are no failures
    let errors = report["errorDistribution"].as_object().into_iter().flatten();
    let errors: u64 =
        errors.filter(|(name, _)| !name.contains("deadline")).filter_map(|(_, count)| count.as_u64()).sum();
    let percentile = |name: &str| report["latencyPercentiles"][name].as_f64().unwrap_or_default() * 1000.0;
    ensure!(count(true) > 0, "{}: no request was answered:\n{text}", contender.name);
    Ok(Result {
        requests: count(true),
        failed: count(false) + errors,
        percentiles: ["p50", "p95", "p99"].map(percentile),
    })
}
