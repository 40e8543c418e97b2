//! What follows a 101: both connections become one opaque pair of streams (RFC 9110 section 7.8). Enters: the two ends,
//! once hyper lets go of them; leaves: the bytes counted. The exchange, and with it the generation of filters it met,
//! lives until both ends are closed. Must not know the protocol that is spoken, but that there are
//! messages in it to be seen.

use std::rc::Rc;

use http::Request;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use weir_host::Direction;

use super::hop_by_hop::asks_upgrade;
use super::live::Live;
use super::websocket::{self, Spoken};
use crate::record::Outcome;
use crate::tunnel;

/// The client's end of a request that asks for another protocol. To be taken before the head is changed. An upstream that
/// changes protocol where nobody asked finds no client's end to take over.
pub(super) fn of_client(request: &mut Request<Incoming>) -> Option<OnUpgrade> {
    asks_upgrade(request.version(), request.headers()).then(|| hyper::upgrade::on(request))
}

/// Lets the bytes pass for as long as the two ends like; `watched`: as messages, since filters see them. The 101 is on its way
/// to the client.
pub(super) fn relay(live: &Rc<Live>, client: OnUpgrade, upstream: OnUpgrade, spoken: Spoken, watched: bool) {
    live.ends(Outcome::Upgraded, None);
    live.lasts();
    let live = Rc::clone(live);
    // From here on, so that a worker that stops does not end before the task has begun.
    let member = live.worker.drain.join();
    tokio::task::spawn_local(async move {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(ends) => ends,
            Err(error) => return tracing::debug!(exchange = %live.id, %error, "no upgrade after 101"),
        };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        let [received, sent] = match watched {
            true => Box::pin(websocket::relay(&live, &mut client, &mut upstream)).await,
            false => {
                let mut client = websocket::tapped(&live, &spoken, Direction::Request, client);
                let mut upstream = websocket::tapped(&live, &spoken, Direction::Response, upstream);
                [tunnel::relay(&live.worker, &mut client, &mut upstream).await; 2]
            }
        };
        drop(member);
        live.record(|ledger| {
            ledger.passed(Direction::Request, received.from_client, sent.from_client);
            ledger.passed(Direction::Response, received.to_client, sent.to_client);
        });
    });
}
