//! What can be asked about: fields, their names, and which of them are known when only the request's head is there.

/// When a query is asked about an exchange that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The request's head is there.
    Request,
    /// So is the response's.
    Response,
}

/// Fields of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Text {
    /// Host without port, brackets and closing dot; see [`crate::bare_host`].
    Host,
    /// Path as received, without `?` and what follows. Case counts.
    Path,
    /// The whole: scheme, authority, path and what follows it. Words without a field ask for it.
    Url,
    /// Request method.
    Method,
    /// `http` or `https`.
    Scheme,
    /// Who the client proved to be. Case counts.
    User,
    /// Address of the client, with or without its port.
    Client,
    /// How the client came in: forward, connect, socks5, transparent or reverse; import when it came from a file.
    Entry,
    /// Id or name of the agent.
    Agent,
    /// Media type of the response: Content-Type up to `;`.
    Type,
    /// Why it failed.
    Error,
    /// complete, client-gone, upstream-failed, filter-answered, filter-failed, refused, upgraded or shut-down.
    Outcome,
    /// The exchange's own UUID.
    Id,
}

/// Fields of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// Status of the response the client got.
    Status,
    /// Bytes of the response body; `response.size` is the same.
    Size,
    /// Bytes of the request body.
    RequestSize,
    /// Microseconds from the first byte of the request to the end of the response.
    Duration,
    /// Microseconds to the response head.
    FirstByte,
}

/// `is:…`: what is or is not so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Is {
    /// Became a WebSocket.
    Websocket,
    /// Failed.
    Error,
    /// A filter answered in place of the upstream.
    Answered,
    /// A filter changed the request or the response.
    Changed,
    /// Of a body less was kept than there was.
    Truncated,
    /// The client's request came as HTTP/2.
    H2,
    /// The scheme is https.
    Tls,
    /// The client's TLS ended at the agent.
    Intercepted,
    /// A person changed it, answered it or stopped it.
    Edited,
    /// No client sent it: an orchestrator had the agent send it.
    Replay,
}

/// Which message of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// One of the two.
    Either,
    /// As the client sent it.
    Request,
    /// As the client got it.
    Response,
}

/// What a filter did to an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Did {
    /// Let it go on.
    Next,
    /// Answered it.
    Responded,
    /// Ended it.
    Aborted,
    /// Failed.
    Failed,
    /// Was passed over.
    Skipped,
    /// Changed something.
    Changed,
}

pub(crate) const ALL_FIELDS: &str = "host, path, url, method, scheme, status, type, size, duration, first-byte, \
                                     header.NAME, body, user, client, agent, entry, filter, tag, is, error, outcome, \
                                     id, after, before, request.header.NAME, request.size, request.body, \
                                     response.header.NAME, response.size, response.body";
pub(crate) const REQUEST_FIELDS: &str = "host, path, url, method, scheme, header.NAME, request.header.NAME, user, \
                                         client, entry, is:h2, is:tls, is:intercepted";
/// Besides those.
pub(crate) const RESPONSE_FIELDS: &str = "status, type, response.header.NAME";

impl Text {
    pub(crate) const ALL: [(Self, &str); 13] = [
        (Self::Host, "host"),
        (Self::Path, "path"),
        (Self::Url, "url"),
        (Self::Method, "method"),
        (Self::Scheme, "scheme"),
        (Self::User, "user"),
        (Self::Client, "client"),
        (Self::Entry, "entry"),
        (Self::Agent, "agent"),
        (Self::Type, "type"),
        (Self::Error, "error"),
        (Self::Outcome, "outcome"),
        (Self::Id, "id"),
    ];

    /// As in a query.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    /// Upper and lower case are the same in this field; its patterns are in lower case.
    pub fn ignores_case(self) -> bool {
        !matches!(self, Self::Path | Self::User)
    }

    /// The only values there are, where they are few.
    pub(crate) fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Scheme => Some(&["http", "https"]),
            Self::Entry => Some(&["forward", "connect", "socks5", "transparent", "reverse", "import"]),
            Self::Outcome => Some(&[
                "complete",
                "client-gone",
                "upstream-failed",
                "filter-answered",
                "filter-failed",
                "refused",
                "upgraded",
                "shut-down",
            ]),
            _ => None,
        }
    }

    pub(crate) fn known_at(self, moment: Moment) -> bool {
        match self {
            Self::Agent | Self::Error | Self::Outcome | Self::Id => false,
            Self::Type => moment == Moment::Response,
            _ => true,
        }
    }
}

impl Number {
    pub(crate) const ALL: [(Self, &str); 5] = [
        (Self::Status, "status"),
        (Self::Size, "size"),
        (Self::RequestSize, "request.size"),
        (Self::Duration, "duration"),
        (Self::FirstByte, "first-byte"),
    ];

    /// As in a query.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(crate) fn is_time(self) -> bool {
        matches!(self, Self::Duration | Self::FirstByte)
    }
}

impl Is {
    pub(crate) const ALL: [(Self, &str); 10] = [
        (Self::Websocket, "websocket"),
        (Self::Error, "error"),
        (Self::Answered, "answered"),
        (Self::Changed, "changed"),
        (Self::Truncated, "truncated"),
        (Self::H2, "h2"),
        (Self::Tls, "tls"),
        (Self::Intercepted, "intercepted"),
        (Self::Edited, "edited"),
        (Self::Replay, "replay"),
    ];

    /// As in a query.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub(crate) fn is_of_request(self) -> bool {
        matches!(self, Self::H2 | Self::Tls | Self::Intercepted)
    }
}

impl Side {
    /// In front of `header.` and `body`.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Either => "",
            Self::Request => "request.",
            Self::Response => "response.",
        }
    }

    /// Does it take in the request?
    pub fn has_request(self) -> bool {
        self != Self::Response
    }

    /// Does it take in the response?
    pub fn has_response(self) -> bool {
        self != Self::Request
    }
}

impl Did {
    pub(crate) const ALL: [(Self, &str); 6] = [
        (Self::Next, "next"),
        (Self::Responded, "responded"),
        (Self::Aborted, "aborted"),
        (Self::Failed, "failed"),
        (Self::Skipped, "skipped"),
        (Self::Changed, "changed"),
    ];

    /// As in a query and, but for `changed`, in a receipt.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_the_order_of_their_enums() {
        for (field, name) in Text::ALL {
            assert_eq!(field.name(), name);
            assert!(ALL_FIELDS.split(", ").any(|known| known == name));
            assert_eq!(
                field.known_at(Moment::Request),
                REQUEST_FIELDS.split(", ").any(|known| known == name),
                "{name}"
            );
        }
        for (field, name) in Number::ALL {
            assert_eq!(field.name(), name);
            assert!(ALL_FIELDS.split(", ").any(|known| known == name));
        }
        for (is, name) in Is::ALL {
            assert_eq!(is.name(), name);
            assert_eq!(is.is_of_request(), REQUEST_FIELDS.contains(&format!("is:{name}")), "{name}");
        }
        Did::ALL.iter().for_each(|(did, name)| assert_eq!(did.name(), *name));
    }
}
