//! Which stage comes next. Enters: what a client speaks, and what its connection is so far; leaves: a [`Stage`]. Pure: one
//! ladder, climbed again at every turn of a connection.

use crate::detect::Protocol;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Http1,
    Http2,
    /// end the client's TLS here, if filters and the operator let it be
    Intercept,
    /// carry the bytes and look no further
    Tunnel,
    /// nothing here for this client
    Close,
}

/// What of a connection decides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Situation {
    /// a CONNECT was answered
    pub tunnel: bool,
    /// nobody is to look into the tunnel
    pub opaque: bool,
    /// the operator lets TLS be ended here, in general and for this target
    pub may_intercept: bool,
    /// TLS has been ended here
    pub intercepted: bool,
    /// and there the client agreed on HTTP (ALPN)
    pub agreed_http: bool,
    /// filters are to be asked about TLS that begins here
    pub asks_about_tls: bool,
}

pub fn next(protocol: Protocol, situation: Situation) -> Stage {
    let Situation { tunnel, opaque, may_intercept, intercepted, agreed_http, asks_about_tls } = situation;
    // 0) Filters may refuse TLS that nobody here would look into.
    if tunnel && asks_about_tls && !intercepted && protocol == Protocol::Tls {
        return Stage::Intercept;
    }
    if opaque {
        return Stage::Tunnel;
    }
    match protocol {
        // 1) HTTP is HTTP, wherever it comes from.
        Protocol::Http1 => Stage::Http1,
        Protocol::Http2 => Stage::Http2,
        // Whoever agreed on HTTP means it, and what else it sends is HTTP gone wrong.
        Protocol::Tls | Protocol::Other if agreed_http => Stage::Http1,
        // 2) TLS is ended once; TLS inside of that is between the client and its target.
        Protocol::Tls if tunnel && may_intercept && !intercepted => Stage::Intercept,
        // 3) Whatever else was sent into a tunnel was not meant for a proxy.
        Protocol::Tls | Protocol::Other if tunnel => Stage::Tunnel,
        // 4) The proxy port is for proxy requests: TLS is not HTTP gone wrong, but all else is, and is told so.
        Protocol::Tls => Stage::Close,
        Protocol::Other => Stage::Http1,
    }
}

/// Why nobody looks into a tunnel that nothing else was said of.
pub fn why(protocol: Protocol, situation: Situation) -> &'static str {
    match protocol {
        Protocol::Tls if situation.intercepted => "nested-tls",
        Protocol::Tls => "off",
        _ if situation.opaque => "pass-through",
        _ => "protocol",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder() {
        let port = Situation { may_intercept: true, ..Situation::default() };
        let tunnel = Situation { tunnel: true, may_intercept: true, ..Situation::default() };
        let inside = Situation { intercepted: true, ..tunnel };
        let agreed = Situation { agreed_http: true, ..inside };
        let off = Situation { may_intercept: false, ..tunnel };
        let opaque = Situation { opaque: true, ..tunnel };
        for (protocol, situation, expect) in [
            (Protocol::Http1, port, Stage::Http1),
            (Protocol::Http2, port, Stage::Http2),
            (Protocol::Tls, port, Stage::Close),
            (Protocol::Other, port, Stage::Http1),
            (Protocol::Http1, tunnel, Stage::Http1),
            (Protocol::Tls, tunnel, Stage::Intercept),
            (Protocol::Other, tunnel, Stage::Tunnel),
            (Protocol::Http2, inside, Stage::Http2),
            (Protocol::Tls, inside, Stage::Tunnel),
            (Protocol::Other, inside, Stage::Tunnel),
            (Protocol::Http2, agreed, Stage::Http2),
            (Protocol::Tls, agreed, Stage::Http1),
            (Protocol::Other, agreed, Stage::Http1),
            (Protocol::Tls, off, Stage::Tunnel),
            (Protocol::Http1, off, Stage::Http1),
            (Protocol::Http1, opaque, Stage::Tunnel),
            (Protocol::Tls, opaque, Stage::Tunnel),
            (Protocol::Tls, Situation { asks_about_tls: true, ..opaque }, Stage::Intercept),
            (Protocol::Http1, Situation { asks_about_tls: true, ..opaque }, Stage::Tunnel),
            (Protocol::Tls, Situation { asks_about_tls: true, ..off }, Stage::Intercept),
            (Protocol::Tls, Situation { asks_about_tls: true, ..inside }, Stage::Tunnel),
            (Protocol::Tls, Situation { asks_about_tls: true, ..port }, Stage::Close),
        ] {
            assert_eq!(next(protocol, situation), expect, "{protocol:?} in {situation:?}");
        }
    }
}
