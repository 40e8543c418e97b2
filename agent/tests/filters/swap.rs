//! A worker that cannot start a filter: everything stays as it was.

use weir_agent::filters::{Order, Source, swap};
use weir_artifact::{Artifact, FailurePolicy};
use weir_host::{LoadError, LoadFault};

use crate::support::{component, eventually, name, publication, shared};

fn artifact(version: u64) -> Artifact {
    let component = component(&version.to_string());
    let mut publication = publication("a", version, &component);
    publication.on_failure = FailurePolicy::LastGood;
    Artifact::from_trusted_file(publication, component).unwrap()
}

#[tokio::test]
async fn what_one_worker_cannot_start_no_worker_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(dir.path());
    for version in [1, 2] {
        swap(&shared, artifact(version), Source::Folder).await.unwrap();
    }
    let mut orders = shared.orders.subscribe();
    let worker = async {
        while let Some(order) = orders.recv().await {
            match order {
                Order::Warm(filter, _, answer) if filter.version() == 3 => {
                    let fault = LoadFault::NotWasm;
                    let _ = answer.send(Err(LoadError { filter: name("a"), version: 3, fault }));
                }
                Order::Warm(..) => {}
                Order::Keep(chain) => return chain.filters().iter().map(|filter| filter.version()).collect(),
            }
        }
        Vec::new()
    };
    let (refused, kept) = tokio::join!(swap(&shared, artifact(3), Source::Folder), worker);
    assert!(refused.is_err());
    assert_eq!(kept, [2], "what the workers are told to keep");
    assert_eq!(shared.active.find(&name("a")).unwrap().version(), 2);
    eventually("version 2 and what it falls back to", || shared.host.generations() == [(name("a"), 2)]).await;
}
