//! Certificates of agents end, and are renewed before.

use tonic::Code;
use weir_proto::v1::{RenewRequest, TrafficBatch, control_client::ControlClient};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::harness::{Home, Running, eventually, exchange};

async fn short_lived() -> Running {
    Running::start_in(Home::new().await, |mut args| {
        args.agent_certificate = Some("15s".to_owned());
        args
    })
    .await
}

#[tokio::test]
async fn a_renewed_certificate_is_of_the_same_agent_and_outlives_the_one_before() {
    let running = short_lived().await;
    let ticket = running.person.join_token("default").await;
    let agent = crate::harness::Agent::join(running.grpc, &ticket).await.unwrap();
    let (renewed, chain) = agent.renewed(running.grpc, &ticket.ca).await.unwrap();
    let (_, leaf) = X509Certificate::from_der(&chain[0]).unwrap();
    assert_eq!(leaf.subject().to_string(), format!("CN={}", agent.id));
    assert!(leaf.subject_alternative_name().unwrap().is_none(), "the agent asked for a name of ours");
    assert_eq!(chain[1], ticket.ca);

    // Each has its own end, on connections that were open before.
    let mut newest = renewed;
    let ended = eventually(
        || async { agent.sync().await.map(drop).err() },
        |end| end.as_ref().is_some_and(|end| end.code() == Code::Unauthenticated),
    );
    let renewing = async {
        loop {
            newest = newest.renewed(running.grpc, &ticket.ca).await.unwrap().0;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    let ended = tokio::select! {
        ended = ended => ended.unwrap(),
        () = renewing => unreachable!(),
    };
    assert!(ended.message().contains("ended at"), "{ended}");
    let mut control = newest.sync().await.unwrap();
    control.state().await.unwrap();
    let listed = running.person.get("/api/v1/agents").await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let ends = listed["items"][0]["certificate_ends"].as_str().unwrap();
    assert!(ends > listed["items"][0]["joined"].as_str().unwrap(), "{listed}");
}

#[tokio::test]
async fn nothing_is_signed_for_a_stranger_or_for_nonsense() {
    let running = Running::start().await;
    let ticket = running.person.join_token("default").await;
    let agent = crate::harness::Agent::join(running.grpc, &ticket).await.unwrap();
    for certificate_request in [vec![], b"not DER".to_vec(), vec![0x30; 60_000]] {
        let request = RenewRequest { certificate_request: certificate_request.into() };
        let refused = ControlClient::new(agent.channel.clone()).renew(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    }
    let nobody = crate::harness::connect(running.grpc, &ticket.ca, None).await.unwrap();
    let refused = ControlClient::new(nobody).renew(RenewRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_stream_ends_with_the_certificate_that_opened_it() {
    let running = short_lived().await;
    let agent = running.agent().await;
    let mut control = agent.sync().await.unwrap();
    control.state().await.unwrap();
    let mut traffic = agent.traffic().await.unwrap();
    let batch = |batch, path| TrafficBatch {
        batch,
        exchanges: vec![exchange("a.example", path, 200)],
        ..TrafficBatch::default()
    };
    traffic.send.send(batch(1, "/in-time")).await.unwrap();
    assert_eq!(traffic.acks.message().await.unwrap().unwrap().batch, 1);
    // Nothing is sent meanwhile that could be refused: it is the server that looks at the clock.
    for end in [control.end().await, traffic.acks.message().await.unwrap_err()] {
        assert_eq!(end.code(), Code::Unauthenticated);
        assert!(end.message().contains("ended at"), "{end}");
    }
    let _ = traffic.send.send(batch(2, "/late")).await;
    let refused = agent.traffic().await.map(drop).unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert_eq!(running.person.ids("", 10).await.len(), 1);
}
