//! Moments: RFC 3339, a date, or so long ago.

use time::{
    Date, OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description,
};

use crate::{QueryError, lex::Value};

const EXPECTED: &str = "expected a moment such as 2026-11-20, 2026-11-20T08:00, 2026-11-20T08:00:00+01:00 or -15m \
                        (s, m, h, d, w ago)";
const AGO: [(&str, u64); 5] = [("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Milliseconds since the Unix epoch.
pub(crate) fn moment(value: &Value, now_ms: u64) -> Result<u64, QueryError> {
    let fault = |message| QueryError::new(value.column, message);
    let [text] = &value.pieces[..] else { return Err(fault(EXPECTED)) };
    if let Some(ago) = text.strip_prefix('-') {
        return Ok(now_ms.saturating_sub(span(ago).ok_or_else(|| fault(EXPECTED))?));
    }
    let nanoseconds = absolute(text).ok_or_else(|| fault(EXPECTED))?.unix_timestamp_nanos();
    u64::try_from(nanoseconds / 1_000_000).map_err(|_| fault("expected a moment from 1970 on"))
}

fn span(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let &(_, scale) = AGO.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(scale)
}

/// What says no offset is UTC.
fn absolute(text: &str) -> Option<OffsetDateTime> {
    // RFC 3339 section 5.6: lower case and a space are as good.
    let text = text.replace(' ', "T");
    if let Ok(moment) = OffsetDateTime::parse(&text.to_ascii_uppercase(), &Rfc3339) {
        return Some(moment);
    }
    if let Ok(date) = Date::parse(&text, format_description!("[year]-[month]-[day]")) {
        return Some(date.midnight().assume_utc());
    }
    let text = text.to_ascii_uppercase();
    let to_the_minute = format_description!("[year]-[month]-[day]T[hour]:[minute]");
    let to_the_second = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let parsed =
        PrimitiveDateTime::parse(&text, to_the_minute).or_else(|_| PrimitiveDateTime::parse(&text, to_the_second));
    parsed.ok().map(PrimitiveDateTime::assume_utc)
}

/// RFC 3339 in UTC; later than can be written reads as the end of the year 9999.
pub(crate) fn written(ms: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    let text = time.ok().and_then(|time| time.format(format).ok());
    text.unwrap_or_else(|| "9999-12-31T23:59:59.999Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_763_640_000_000;

    fn check(text: &str, expect: Option<u64>) {
        let value = Value { column: 1, pieces: vec![text.to_owned()] };
        assert_eq!(moment(&value, NOW).ok(), expect, "{text}");
        if let Some(ms) = expect {
            let again = Value { column: 1, pieces: vec![written(ms)] };
            assert_eq!(moment(&again, NOW), Ok(ms), "{text}");
        }
    }

    #[test]
    fn moments() {
        check("2025-11-20", Some(1_763_596_800_000));
        check("2025-11-20T12:00", Some(NOW));
        check("2025-11-20T12:00:00", Some(NOW));
        check("2025-11-20t12:00:00z", Some(NOW));
        check("2025-11-20T13:00:00.25+01:00", Some(NOW + 250));
        check("1970-01-01", Some(0));
        check("1969-12-31", None);
        check("-15m", Some(NOW - 900_000));
        check("-2H", Some(NOW - 7_200_000));
        check("-99999999d", Some(0));
        check("-99999999999999999999d", None);
        for text in ["", "-", "-5", "-5y", "15m", "yesterday", "2025-13-01", "2025-11-20T25:00", "-1.5h", "+1h", "--1h"]
        {
            check(text, None);
        }
    }
}
