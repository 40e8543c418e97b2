//! Sizes, durations and times, to and from text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Seconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    since_epoch().as_secs()
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `365d`, `12h`, `30m`, `10s`, `500ms`
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no duration: a whole number and ms, s, m, h or d, such as 30m");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(split);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    number.checked_mul(scale).map(Duration::from_millis).ok_or_else(expected)
}

/// `27.6 kB`: the units of queries.
pub(crate) fn size(bytes: u64) -> String {
    let scaled = |unit: u64, name: &str| {
        let tenths = bytes / (unit / 10);
        format!("{}.{} {name}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => scaled(1_000, "kB"),
        1_000_000..1_000_000_000 => scaled(1_000_000, "MB"),
        _ => scaled(1_000_000_000, "GB"),
    }
}

/// `1 exchange`, `2 exchanges`
pub(crate) fn counted(count: u64, of: &str) -> String {
    format!("{count} {of}{}", if count == 1 { "" } else { "s" })
}

/// `212 ms`
pub(crate) fn took(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} us"),
        1_000..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        1_000_000..60_000_000 => format!("{}.{:02} s", micros / 1_000_000, micros % 1_000_000 / 10_000),
        _ => format!("{}m{:02}s", micros / 60_000_000, micros % 60_000_000 / 1_000_000),
    }
}

/// A time in RFC 3339 as a short one in UTC: the time of day, of another day it and the minute, of another year the day.
pub(crate) fn short_time(rfc3339: &str) -> String {
    short_time_at(rfc3339, OffsetDateTime::now_utc())
}

fn short_time_at(rfc3339: &str, now: OffsetDateTime) -> String {
    let Ok(at) = OffsetDateTime::parse(rfc3339, &Rfc3339) else { return "-".to_owned() };
    let form = if now.date() == at.date() {
        format_description!("[hour]:[minute]:[second]")
    } else if now.year() == at.year() {
        format_description!("[month]-[day] [hour]:[minute]")
    } else {
        format_description!("[year]-[month]-[day]")
    };
    at.format(form).unwrap_or_else(|_| "-".to_owned())
}

/// Seconds since the Unix epoch as a day.
pub(crate) fn day(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    at.map_or_else(|| "never".to_owned(), |at| at.date().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("365d"), Ok(Duration::from_secs(365 * 86_400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        for bad in ["", "d", "5", "-1s", "1.5h", "1w", "99999999999999999999d", "18446744073709551615d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn text_for_people() {
        assert_eq!(
            [size(999), size(1_000), size(27_650), size(1_500_000), size(u64::MAX)],
            ["999 B", "1.0 kB", "27.6 kB", "1.5 MB", "18446744073.7 GB"]
        );
        assert_eq!(
            [took(7), took(1_250), took(212_900), took(1_509_999), took(61_000_000)],
            ["7 us", "1.2 ms", "212 ms", "1.50 s", "1m01s"]
        );
        assert_eq!(day(1_795_132_800), "2026-11-20");
        assert_eq!(day(u64::MAX), "never");
        assert_eq!(
            [counted(0, "exchange"), counted(1, "exchange"), counted(2, "exchange")],
            ["0 exchanges", "1 exchange", "2 exchanges"]
        );
        assert_eq!(short_time("yesterday"), "-");
    }

    #[test]
    fn a_time_says_as_much_as_it_has_to() {
        let now = OffsetDateTime::from_unix_timestamp(1_795_132_800).unwrap();
        for (time, expect) in [
            ("2026-11-20T03:04:05.000001Z", "03:04:05"),
            ("2026-11-19T23:59:59Z", "11-19 23:59"),
            ("2026-12-01T00:00:00Z", "12-01 00:00"),
            ("2027-02-18T11:17:00Z", "2027-02-18"),
            ("2020-11-20T03:04:05Z", "2020-11-20"),
        ] {
            assert_eq!(short_time_at(time, now), expect);
        }
    }
}
