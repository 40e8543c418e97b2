//! Cookies as HAR lists them beside the fields that they came in.

use serde_json::{Value, json};
use time::{PrimitiveDateTime, format_description::BorrowedFormatItem, macros::format_description};
use weir_proto::v1::Field;

use crate::fields;

/// RFC 9110 section 5.6.7; cookies of old have dashes in it (RFC 6265 section 5.1.1 takes both).
const DATES: [&[BorrowedFormatItem<'_>]; 2] = [
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"),
    format_description!("[weekday repr:short], [day]-[month repr:short]-[year] [hour]:[minute]:[second] GMT"),
];

/// RFC 6265 section 4.2.1
pub(super) fn sent(headers: &[Field]) -> Vec<Value> {
    let lines: Vec<_> = fields::values(headers, "cookie").map(String::from_utf8_lossy).collect();
    let each = lines.iter().flat_map(|line| line.split(';')).map(pair);
    each.filter(|(name, _)| !name.is_empty()).map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// RFC 6265 section 4.1.1
pub(super) fn set(headers: &[Field]) -> Vec<Value> {
    fields::values(headers, "set-cookie").map(|line| cookie(&String::from_utf8_lossy(line))).collect()
}

fn cookie(line: &str) -> Value {
    let mut parts = line.split(';').map(pair);
    let (name, value) = parts.next().unwrap_or_default();
    let mut cookie = json!({"name": name, "value": value});
    for (attribute, value) in parts {
        match attribute.to_ascii_lowercase().as_str() {
            "path" => cookie["path"] = value.into(),
            "domain" => cookie["domain"] = value.into(),
            "httponly" => cookie["httpOnly"] = true.into(),
            "secure" => cookie["secure"] = true.into(),
            "samesite" => cookie["sameSite"] = value.into(),
            "expires" => {
                // What is no date cannot be told as one; the field says what it was.
                if let Some(date) = DATES.iter().find_map(|form| PrimitiveDateTime::parse(value, form).ok()) {
                    cookie["expires"] = format!("{}T{}.000Z", date.date(), clock(date)).into();
                }
            }
            _ => {}
        }
    }
    cookie
}

fn clock(date: PrimitiveDateTime) -> String {
    let (hour, minute, second) = date.as_hms();
    format!("{hour:02}:{minute:02}:{second:02}")
}

fn pair(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.trim(), value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_told_as_the_format_has_them() {
        let line = "s=1=2; Path=/; HttpOnly; secure; SameSite=Lax; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Max-Age=5";
        let expect = json!({"name": "s", "value": "1=2", "path": "/", "httpOnly": true, "secure": true,
            "sameSite": "Lax", "expires": "2026-10-21T07:28:00.000Z"});
        assert_eq!(cookie(line), expect);
        assert_eq!(cookie("a; Expires=never"), json!({"name": "a", "value": ""}));
        assert_eq!(cookie("a=b; expires=Wed, 21-Oct-2026 07:28:00 GMT")["expires"], "2026-10-21T07:28:00.000Z");
    }

    #[test]
    fn sent_in_one_line_or_several() {
        let field = |value: &'static [u8]| Field { name: "Cookie".into(), value: value.into() };
        let cookies = sent(&[field(b"a=1; b=2"), field(b"; c")]);
        assert_eq!(cookies.iter().map(|cookie| cookie["name"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
