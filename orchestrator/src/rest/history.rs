//! `/api/v1/metrics/history`: system metrics of an agent over a time, in steps, from the tier that fits.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{input::Params, problem::Problem};
use crate::{
    MetricsRetention,
    cli::units,
    clock::{now_us, parse, rfc3339},
    orchestrator::Orchestrator,
    store::{self, TIERS, Tier},
};

/// Of one answer.
const MOST: u64 = 5000;
/// Without a step there are about as many points.
const WANTED: u64 = 500;
const HOUR_US: u64 = 3_600_000_000;
/// Steps that people like, seconds.
const STEPS: [u64; 10] = [5, 15, 60, 300, 900, 3600, 3 * 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600];

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Id of an agent
    #[param(value_type = String, format = "uuid")]
    agent: Uuid,
    /// RFC 3339; by default an hour before `to`
    from: Option<String>,
    /// RFC 3339; by default now
    to: Option<String>,
    /// Such as `15s`, `1m` or `6h`, 1s at least; by default what gives some hundred points
    step: Option<String>,
}

/// What was measured over a time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MetricsHistory {
    #[schema(value_type = String, format = "uuid")]
    agent: Uuid,
    from: String,
    to: String,
    /// Seconds.
    step_s: u64,
    /// What it was made of: samples, minutes or hours.
    tier: &'static str,
    /// In order; steps of which nothing is known are left out.
    items: Vec<HistoryItem>,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
struct HistoryItem {
    /// Its beginning.
    at: String,
    samples: u64,
    cpu_percent: Option<Spread>,
    memory_total_bytes: u64,
    memory_used_bytes: Option<Spread>,
    swap_total_bytes: u64,
    swap_used_bytes: Option<Spread>,
    load_1m: Option<Spread>,
    networks: Vec<Passed>,
    disks: Vec<Room>,
    /// The agent itself.
    process_cpu_percent: Option<Spread>,
    process_memory_bytes: Option<Spread>,
    process_open_files: Option<Spread>,
}

/// Least, average and most of what was seen.
#[derive(Debug, Serialize, ToSchema)]
struct Spread {
    min: f64,
    avg: f64,
    max: f64,
}

/// What passed an interface within the step.
#[derive(Debug, Serialize, ToSchema)]
struct Passed {
    name: String,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
struct Room {
    mount: String,
    total_bytes: u64,
    available_bytes: Option<Spread>,
}

/// System metrics of an agent from a time to another, in steps.
#[utoipa::path(get, path = "/api/v1/metrics/history", operation_id = "getMetricsHistory", tag = "metrics", params(Which), responses(
    (status = 200, body = MetricsHistory), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn history(
    State(orchestrator): State<Arc<Orchestrator>>,
    Params(which): Params<Which>,
) -> Result<Json<MetricsHistory>, Problem> {
    let now = now_us();
    let to_us = time("to", which.to.as_deref())?.unwrap_or(now);
    let from_us = time("from", which.from.as_deref())?.unwrap_or(to_us.saturating_sub(HOUR_US));
    if from_us >= to_us {
        return Err(Problem::bad_request("from has to be before to"));
    }
    let step_us = match which.step.as_deref() {
        Some(text) => step(text)?,
        None => fitting((from_us, to_us), now, &orchestrator.metrics),
    };
    if (to_us - from_us) / step_us > MOST {
        let least = (to_us - from_us) / MOST / 1_000_000 + 1;
        return Err(Problem::bad_request(format!("more than {MOST} steps: take one of {least}s at least")));
    }
    let agent = which.agent;
    if orchestrator.store.agent(agent).await?.is_none() {
        return Err(Problem::not_found(format!("there is no agent {agent}")));
    }
    let tier = tier(step_us);
    let asked = store::History { agent, from_us: from_us - from_us % step_us, to_us, step_us, tier };
    let points = orchestrator.store.metrics_history(asked).await?.ok_or_else(|| {
        Problem::bad_request(
            "the agent tells of so much that the answer would be too long: take a longer step or a shorter time",
        )
    })?;
    Ok(Json(MetricsHistory {
        agent,
        from: rfc3339(from_us),
        to: rfc3339(to_us),
        step_s: step_us / 1_000_000,
        tier: match tier {
            Tier::Samples => "samples",
            Tier::Minutes => "minutes",
            Tier::Hours => "hours",
        },
        items: points.into_iter().map(item).collect(),
    }))
}

pub(super) fn time(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let fault =
        || Problem::bad_request(format!("{name}: a time is written as in RFC 3339, such as 2026-11-26T08:00:00Z"));
    text.map(|text| parse(text).ok_or_else(fault)).transpose()
}

fn step(text: &str) -> Result<u64, Problem> {
    let step = units::duration(text).map_err(|reason| Problem::bad_request(format!("step: {reason}")))?;
    match step.as_secs() {
        0 => Err(Problem::bad_request("step has to be 1s at least")),
        seconds => Ok(seconds.min(u64::MAX / 1_000_000) * 1_000_000),
    }
}

/// The coarsest that is not coarser than the step, and whose rows do not lie across two steps.
fn tier(step_us: u64) -> Tier {
    let fits = |tier: &Tier| *tier == Tier::Samples || step_us.is_multiple_of(tier.us());
    TIERS.into_iter().rev().find(fits).unwrap_or(Tier::Samples)
}

/// Some hundred points, of a tier that reaches back so far.
fn fitting((from_us, to_us): (u64, u64), now_us: u64, keep: &MetricsRetention) -> u64 {
    let age = now_us.saturating_sub(from_us);
    let reaches = |step: u64| {
        let kept = match tier(step) {
            Tier::Samples => keep.samples,
            Tier::Minutes => keep.minutes,
            Tier::Hours => return true,
        };
        u64::try_from(kept.as_micros()).is_ok_and(|kept| age <= kept)
    };
    let mut steps = STEPS.into_iter().map(|seconds| seconds * 1_000_000);
    let fits = |step: &u64| (to_us - from_us) / step <= WANTED && reaches(*step);
    steps.find(fits).unwrap_or_else(|| ((to_us - from_us) / WANTED).next_multiple_of(HOUR_US).max(HOUR_US))
}

fn item(store::Point { at_us, summary }: store::Point) -> HistoryItem {
    HistoryItem {
        at: rfc3339(at_us),
        samples: summary.samples,
        cpu_percent: summary.cpu_percent.map(spread),
        memory_total_bytes: summary.memory_total,
        memory_used_bytes: summary.memory_used.map(spread),
        swap_total_bytes: summary.swap_total,
        swap_used_bytes: summary.swap_used.map(spread),
        load_1m: summary.load_1m.map(spread),
        networks: summary
            .networks
            .into_iter()
            .map(|own| Passed { name: own.name, received_bytes: own.received, sent_bytes: own.sent })
            .collect(),
        disks: summary
            .disks
            .into_iter()
            .map(|disk| Room {
                mount: disk.mount,
                total_bytes: disk.total,
                available_bytes: disk.available.map(spread),
            })
            .collect(),
        process_cpu_percent: summary.process_cpu.map(spread),
        process_memory_bytes: summary.process_memory.map(spread),
        process_open_files: summary.process_files.map(spread),
    }
}

fn spread(range: store::Range) -> Spread {
    Spread { min: range.min, avg: range.average(), max: range.max }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const DAY: u64 = 24 * 3600;

    #[test]
    fn the_step_gives_the_tier() {
        for (seconds, expect) in [
            (1, Tier::Samples),
            (90, Tier::Samples),
            (60, Tier::Minutes),
            (5400, Tier::Minutes),
            (3600, Tier::Hours),
            (7 * DAY, Tier::Hours),
        ] {
            assert_eq!(tier(seconds * 1_000_000), expect, "{seconds}");
        }
    }

    #[test]
    fn without_a_step_it_is_one_that_fits_and_reaches_back() {
        let days = |days: u64| Duration::from_secs(days * DAY);
        let keep = MetricsRetention { samples: days(2), minutes: days(30), hours: days(730) };
        let now = 2_000_000_000_000_000;
        for (from, length, expect) in [
            (3600, 3600, 15),
            (600, 600, 5),
            (DAY, DAY, 300),
            // samples of these times are gone
            (10 * DAY, 600, 60),
            (100 * DAY, 600, 3600),
            (365 * DAY, 365 * DAY, DAY),
            (6000 * DAY, 6000 * DAY, 12 * DAY),
        ] {
            let from_us = now - from * 1_000_000;
            let step = fitting((from_us, from_us + length * 1_000_000), now, &keep) / 1_000_000;
            assert_eq!(step, expect, "{from} {length}");
        }
    }
}
