//! The time, and how it is written.

use std::time::{SystemTime, UNIX_EPOCH};

use time::{
    OffsetDateTime,
    format_description::{BorrowedFormatItem, well_known::Rfc3339},
    macros::format_description,
};

const RFC3339: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");

/// Microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC with microseconds. Later than the year 9999 cannot be written and reads as the end of it.
pub(crate) fn rfc3339(us: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(us) * 1000);
    let text = time.ok().and_then(|time| time.format(RFC3339).ok());
    text.unwrap_or_else(|| "9999-12-31T23:59:59.999999Z".to_owned())
}

/// What [`rfc3339`] writes, and all else that RFC 3339 lets be written; none before 1970.
pub(crate) fn parse(text: &str) -> Option<u64> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1000).ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_written_to_the_microsecond() {
        assert_eq!(super::rfc3339(1_700_000_000_000_001), "2023-11-14T22:13:20.000001Z");
        assert_eq!(super::rfc3339(u64::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(super::parse("2023-11-14T22:13:20.000001Z"), Some(1_700_000_000_000_001));
        assert_eq!(super::parse("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000_000));
        assert_eq!((super::parse("1969-12-31T23:59:59Z"), super::parse("yesterday")), (None, None));
    }
}
