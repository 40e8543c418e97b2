//! What a filter counts, as whoever scrapes the agent reads it.

use weir_agent::{
    filters::{Source, swap},
    stats,
};
use weir_artifact::{Artifact, Capability};

use crate::{
    guest::Guest,
    support::{publication, shared},
};

/// Defines a series of this kind when it is configured, and counts a value in it.
fn counting(kind: &str, params: usize, count: &str, name: &str, value: f64) -> Artifact {
    let mut guest = Guest::default();
    let params = "i32 ".repeat(params);
    guest.imports = format!(
        "(import \"weir:filter/metrics@0.1.0\" \"{kind}\" (func $define (param {params})))
         (import \"weir:filter/metrics@0.1.0\" \"{count}\" (func $count (param i32 f64)))"
    );
    let (text, help) = (guest.text(name), guest.text("Counted by a test."));
    let bounds = if kind == "histogram" { "(i32.const 0) (i32.const 0)" } else { "" };
    guest.configure = format!(
        "(call $define {text} {help} (i32.const 0) (i32.const 0) {bounds} (i32.const 0x330))
         (if (i32.load8_u (i32.const 0x330)) (then unreachable))
         (call $count (i32.load (i32.const 0x334)) (f64.const {value}))
         i32.const 0xa0"
    );
    let component = guest.component();
    let mut publication = publication(&name.replace('_', "-"), 1, &component);
    publication.grants = [Capability::Metrics].into();
    Artifact::from_trusted_file(publication, component).unwrap()
}

#[tokio::test]
async fn series_of_filters_are_scraped_under_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(dir.path());
    for artifact in [
        counting("counter", 7, "add", "test_hits", 2.5),
        counting("gauge", 7, "set", "test_level", -1.0),
        counting("histogram", 9, "observe", "test_seconds", 0.02),
    ] {
        swap(&shared, artifact, Source::Folder).await.unwrap();
    }
    let text = stats::text(&shared);
    for line in [
        "# HELP weir_agent_filter_metric_test_hits Counted by a test.",
        "# TYPE weir_agent_filter_metric_test_hits counter",
        "weir_agent_filter_metric_test_hits_total{filter=\"test-hits\"} 2.5",
        "weir_agent_filter_metric_test_level{filter=\"test-level\"} -1.0",
        "weir_agent_filter_metric_test_seconds_count{filter=\"test-seconds\"} 1",
        "weir_agent_filter_metric_test_seconds_bucket{le=\"0.01\",filter=\"test-seconds\"} 0",
        "weir_agent_filter_metric_test_seconds_bucket{le=\"0.025\",filter=\"test-seconds\"} 1",
        "weir_agent_filter_metric_test_seconds_bucket{le=\"+Inf\",filter=\"test-seconds\"} 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}\n{text}");
    }
    assert!(!text.contains("e308"), "a bucket without bound has one name: +Inf");
}
