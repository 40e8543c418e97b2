//! Times as the dialects write them: ISO 8601 in all its forms.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// Microseconds since the Unix epoch.
pub(super) fn micros(text: &str) -> Option<u64> {
    let text = text.trim();
    let (day, clock) = text.split_once(['T', 't', ' '])?;
    let zone = clock.find(['Z', 'z', '+', '-']);
    let (clock, zone) = clock.split_at(zone.unwrap_or(clock.len()));
    // Seconds may be missing, and the zone; then it is UTC.
    let seconds = if clock.trim().matches(':').count() == 1 { ":00" } else { "" };
    let zone = match zone.len() {
        0 => "Z".to_owned(),
        3 if !zone.contains(':') => format!("{zone}:00"),
        5 if !zone.contains(':') && zone.is_ascii() => format!("{}:{}", &zone[..3], &zone[3..]),
        _ => zone.to_owned(),
    };
    let text = format!("{day}T{}{seconds}{zone}", clock.trim());
    let nanos = OffsetDateTime::parse(&text, &Rfc3339).ok()?.unix_timestamp_nanos();
    u64::try_from(nanos / 1000).ok().filter(|_| nanos >= 0)
}

#[cfg(test)]
mod tests {
    use super::micros;

    #[test]
    fn as_the_dialects_write_them() {
        let noon = Some(1_764_158_400_000_000);
        for text in [
            "2025-11-26T12:00:00.000Z",
            "2025-11-26T13:00:00.000+01:00",
            "2025-11-26T07:00:00-0500",
            "2025-11-26T17:30:00.0000000+05:30",
            "2025-11-26T14:00:00+02",
            "2025-11-26 12:00:00",
            "2025-11-26T12:00Z",
            " 2025-11-26t12:00:00z ",
        ] {
            assert_eq!(micros(text), noon, "{text}");
        }
        assert_eq!(micros("2025-11-26T12:00:00.123456Z"), Some(1_764_158_400_123_456));
        for text in
            ["", "yesterday", "2025-11-26", "2025-13-26T12:00:00Z", "1960-01-01T00:00:00Z", "2025-11-26T12:00:00é"]
        {
            assert_eq!(micros(text), None, "{text}");
        }
    }
}
