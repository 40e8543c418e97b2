//! What follows a 101: both connections become one opaque pair of streams (RFC 9110 section 7.8). Enters: the two ends,
//! once hyper lets go of them; leaves: the bytes counted. The exchange, and with it the generation of filters it met,
//! lives until both ends are closed. Must not know the protocol that is spoken.

use std::rc::Rc;

use http::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use weir_host::Direction;

use super::hop_by_hop::asks_upgrade;
use super::live::Live;
use crate::record::Outcome;
use crate::tunnel;

/// The client's end of a request that asks for another protocol. To be taken before the head is changed. An upstream that
/// changes protocol where nobody asked finds no client's end to take over.
pub(super) fn of_client(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    asks_upgrade(request.version(), request.headers()).then(|| hyper::upgrade::on(request))
}

/// Lets the bytes pass for as long as the two ends like. The 101 is on its way to the client.
pub(super) fn relay(live: &Rc<Live>, client: OnUpgrade, upstream: OnUpgrade) {
    live.ends(Outcome::Upgraded, None);
    let live = Rc::clone(live);
    // From here on, so that a worker that stops does not end before the task has begun.
    let member = live.worker.drain.join();
    tokio::task::spawn_local(async move {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(ends) => ends,
            Err(error) => return tracing::debug!(exchange = %live.id, %error, "no upgrade after 101"),
        };
        let relayed = tunnel::relay(&live.worker, &mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
        drop(member);
        live.record(|ledger| {
            ledger.passed(Direction::Request, relayed.from_client);
            ledger.passed(Direction::Response, relayed.to_client);
        });
    });
}
