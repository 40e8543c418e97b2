//! `/filters`: what filters are active, and how they do.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_artifact::Isolation;
use weir_host::{BodyMode, Filter, Subscription};

use crate::{filters::Source, worker::Shared};

pub(super) fn list(shared: &Shared) -> Value {
    let generations = shared.host.generations();
    let live =
        |filter: &Filter| generations.iter().find(|(name, _)| name == filter.name()).map_or(0, |(_, live)| *live);
    let item = |(filter, source): (Arc<Filter>, Source)| {
        let (publication, stats) = (filter.publication(), filter.stats());
        let failures: serde_json::Map<_, _> = stats
            .failures()
            .filter(|(_, count)| *count != 0)
            .map(|(kind, count)| (kind.to_owned(), count.into()))
            .collect();
        json!({
            "name": filter.name(),
            "version": filter.version(),
            "digest": filter.digest(),
            "source": match source { Source::Signed => "signed", Source::Folder => "folder" },
            "match": publication.matching,
            "priority": publication.priority,
            "on_failure": publication.on_failure,
            "on_failure_for": publication.on_failure_for,
            "world": filter.world().as_str(),
            "isolation": if filter.keeps_instances() { Isolation::Shared } else { Isolation::Exchange },
            "subscription": subscription(filter.subscription()),
            "generations": live(&filter),
            "instances": stats.instances(),
            "memory_bytes": stats.memory(),
            "calls": stats.calls(),
            "exchanges": stats.exchanges(),
            "failures": failures,
            "time_us": u64::try_from(stats.time().as_micros()).unwrap_or(u64::MAX),
            "bytes_in": stats.bytes_in(),
            "bytes_out": stats.bytes_out(),
            "log_lines": stats.log_lines(),
            "log_suppressed": stats.log_suppressed(),
        })
    };
    json!({ "items": shared.active.list().into_iter().map(item).collect::<Vec<_>>(), "next": null })
}

fn subscription(subscription: Subscription) -> Value {
    let mode = |mode| match mode {
        BodyMode::None => "none",
        BodyMode::Observe => "observe",
        BodyMode::Transform => "transform",
        BodyMode::Buffer => "buffer",
    };
    json!({
        "request_head": subscription.request_head,
        "request_body": mode(subscription.request_body),
        "request_trailers": subscription.request_trailers,
        "response_head": subscription.response_head,
        "response_body": mode(subscription.response_body),
        "response_trailers": subscription.response_trailers,
        "decoded": subscription.decoded,
        "max_buffer": subscription.max_buffer,
    })
}
