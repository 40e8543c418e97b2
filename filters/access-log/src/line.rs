//! One exchange as a line of `key=value`, in a fixed order, so that `cut` and `awk` find their way.

use std::{fmt, time::Duration};

use weir_sdk::{Done, DoneReason, Summary};

pub(crate) struct Line<'a> {
    pub(crate) exchange: &'a Done,
    pub(crate) summary: &'a Summary,
    pub(crate) status: Option<u16>,
    pub(crate) query: bool,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (request, summary) = (self.exchange.request(), self.summary);
        let connection = request.connection();
        let path = request.path();
        let path = if self.query { &*path } else { path.split('?').next().unwrap_or_default() };
        write!(f, "client={} user={}", connection.client_address, connection.user.as_deref().map_or("-".into(), word))?;
        write!(f, " method={} url={}://{}{}", request.method(), request.scheme(), request.authority(), word(path))?;
        match self.status {
            Some(status) => write!(f, " status={status}")?,
            None => f.write_str(" status=-")?,
        }
        write!(
            f,
            " end={} in={} out={}",
            word_of(self.exchange.reason()),
            summary.request_bytes,
            summary.response_bytes
        )?;
        write!(f, " ms={}", milliseconds(Some(summary.duration)))?;
        write!(f, " first_ms={}", milliseconds(summary.first_byte))?;
        write!(f, " upstream={} id={}", summary.upstream_address.as_deref().unwrap_or("-"), request.id())
    }
}

/// A value is one word: what a client chose cannot make another key of it.
fn word(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() && c != '"' { c } else { '_' }).collect()
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", time.as_secs_f64() * 1000.0))
}

fn word_of(reason: DoneReason) -> &'static str {
    match reason {
        DoneReason::Complete => "complete",
        DoneReason::ClientGone => "client-gone",
        DoneReason::UpstreamGone => "upstream-gone",
        DoneReason::FilterAnswered => "filter-answered",
        DoneReason::FilterFailed => "filter-failed",
        DoneReason::ShutDown => "shut-down",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_one_word() {
        assert_eq!(word("/a b\"status=200\r\n\u{e4}"), "/a_b_status=200___");
    }
}
