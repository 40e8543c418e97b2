//! Messages of a WebSocket as Chromium writes them, `_webSocketMessages` of an entry, become recorded messages. Whatever stands
//! in the list is read; what is no message, or beyond what is kept of one exchange, is counted.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use weir_proto::v1::{Message, MessageKind};

use super::{
    custom::{Custom, PassedOver},
    exchange::LAST_US,
    lenient,
    place::Fault,
};

/// Of one exchange.
const MOST: usize = 50_000;

/// What the list holds.
#[derive(Debug, Default)]
pub(super) struct Listed {
    told: Vec<Told>,
    pub(super) left_out: u64,
    /// in what was read all the same
    pub(super) faults: Vec<Fault>,
}

/// One item.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    #[serde(rename = "type", deserialize_with = "lenient::text")]
    way: String,
    /// seconds since the Unix epoch
    #[serde(deserialize_with = "lenient::number")]
    time: Option<f64>,
    /// RFC 6455 section 5.2; -1 of an error
    #[serde(deserialize_with = "lenient::number")]
    opcode: Option<f64>,
    #[serde(deserialize_with = "lenient::text")]
    data: String,
    #[serde(rename = "_weir")]
    extra: Custom<Extra>,
}

/// What Weir itself says of one that is not in it as it passed.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra {
    size: u64,
    encoding: String,
    compressed: bool,
}

impl Listed {
    fn no_list() -> Self {
        Listed { faults: vec![Fault::new("", "no list of messages")], ..Listed::default() }
    }

    /// The next item.
    fn take(&mut self, mut item: Custom<Told>) {
        let (place, mut odd) = (self.told.len() as u64 + self.left_out, PassedOver::default());
        match item.take(&format!("/{place}"), &mut odd) {
            Some(mut told) if told.is_one() => {
                told.extra.value = told.extra.take(&format!("/{place}/_weir"), &mut odd);
                self.faults.extend(odd.0);
                self.told.push(told);
            }
            _ => self.left_out += 1,
        }
    }

    /// In their order, `exchange` yet to be said of each; one without a time passed when the exchange began.
    pub(super) fn messages(self, began_us: u64) -> Vec<Message> {
        let message = |(at, told): (usize, Told)| Message { number: at as u64 + 1, ..told.message(began_us) };
        self.told.into_iter().enumerate().map(message).collect()
    }
}

impl Told {
    fn kind(&self) -> Option<MessageKind> {
        #[allow(clippy::cast_possible_truncation, reason = "what is no small number is none of these")]
        let opcode = self.opcode.map_or(1, |opcode| opcode as i64);
        match opcode {
            1 => Some(MessageKind::Text),
            2 => Some(MessageKind::Binary),
            8 => Some(MessageKind::Close),
            9 => Some(MessageKind::Ping),
            10 => Some(MessageKind::Pong),
            _ => None,
        }
    }

    fn is_one(&self) -> bool {
        matches!(&*self.way, "send" | "receive") && self.kind().is_some()
    }

    fn message(self, began_us: u64) -> Message {
        let kind = self.kind().unwrap_or_default();
        let Told { way, time, data, extra, .. } = self;
        let extra = extra.value.unwrap_or_default();
        let mut note = "";
        let data = match kind == MessageKind::Binary || extra.encoding == "base64" {
            true => STANDARD.decode(&data).unwrap_or_else(|_| {
                note = "in the file its data is no Base64: this is it as it stands there";
                data.into_bytes()
            }),
            false => data.into_bytes(),
        };
        Message {
            at_us: time.and_then(micros).unwrap_or(began_us),
            kind: kind.into(),
            from_client: way == "send",
            size: extra.size.max(data.len() as u64),
            data: data.into(),
            note: note.to_owned(),
            compressed: extra.compressed,
            ..Message::default()
        }
    }
}

fn micros(seconds: f64) -> Option<u64> {
    let micros = (seconds * 1e6).round();
    #[allow(clippy::cast_precision_loss, reason = "a bound, far below 2^63")]
    let is_one = (0.0..=LAST_US as f64).contains(&micros);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the bound")]
    is_one.then_some(micros as u64)
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfList)
    }
}

struct OfList;

impl<'de> Visitor<'de> for OfList {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Listed, A::Error> {
        let mut listed = Listed::default();
        loop {
            if listed.told.len() == MOST {
                match items.next_element::<IgnoredAny>()? {
                    Some(_) => listed.left_out += 1,
                    None => return Ok(listed),
                }
                continue;
            }
            match items.next_element::<Custom<Told>>()? {
                Some(item) => listed.take(item),
                None => return Ok(listed),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Listed, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Listed::no_list())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Listed, E> {
        Ok(Listed::no_list())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Listed, E> {
        Ok(Listed::no_list())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Listed, E> {
        Ok(Listed::no_list())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Listed, E> {
        Ok(Listed::no_list())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Listed, E> {
        Ok(Listed::no_list())
    }

    fn visit_unit<E: Error>(self) -> Result<Listed, E> {
        Ok(Listed::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `from client, kind, data, size, time, note`.
    fn check(items: &str, left_out: u64, expect: &[(bool, MessageKind, &[u8], u64, u64)]) {
        let listed: Listed = serde_json::from_str(items).unwrap();
        assert_eq!(listed.left_out, left_out, "{items}");
        let messages = listed.messages(7);
        let told: Vec<_> =
            messages.iter().map(|one| (one.from_client, one.kind(), &one.data[..], one.size, one.at_us)).collect();
        assert_eq!(told, expect, "{items}");
        assert!(messages.iter().map(|one| one.number).eq(1..=expect.len() as u64));
    }

    #[test]
    fn what_is_a_message_is_read_and_the_rest_counted() {
        use MessageKind::{Binary, Close, Text};
        check("null", 0, &[]);
        check(
            r#"[{"type":"send","time":1795165200.204001,"opcode":1,"data":"é"},{"type":"receive","opcode":2,"data":"AAE="}]"#,
            0,
            &[(true, Text, "é".as_bytes(), 2, 1_795_165_200_204_001), (false, Binary, b"\0\x01", 2, 7)],
        );
        check(
            r#"[{"type":"receive","opcode":"8","data":null,"time":-1},{"type":"send","data":"x","time":1e300}]"#,
            0,
            &[(false, Close, b"", 0, 7), (true, Text, b"x", 1, 7)],
        );
        check(
            r#"[{"type":"receive","opcode":1,"data":"ab","_weir":{"size":9,"captured":2,"encoding":"","compressed":false}}]"#,
            0,
            &[(false, Text, b"ab", 9, 7)],
        );
        check(
            r#"[{"type":"error","opcode":-1,"data":"x"},{"type":"send","opcode":3},{},null,1,-1,1.5,"x",true,[1,[2]]]"#,
            10,
            &[],
        );
        let odd = r#"[{"type":"send","data":"a","time":"x","opcode":[1],"_weir":{"size":-1,"compressed":true}}]"#;
        check(odd, 0, &[(true, Text, b"a", 1, 7)]);
        let listed: Listed = serde_json::from_str(odd).unwrap();
        let places: Vec<&str> = listed.faults.iter().map(|fault| &*fault.pointer).collect();
        assert_eq!(places, ["/0/opcode", "/0/time", "/0/_weir/size"]);
        assert!(listed.messages(0)[0].compressed, "the rest of it is taken");
        for other in ["{}", "7", "\"x\"", "true", "-1", "1.5"] {
            let listed: Listed = serde_json::from_str(other).unwrap();
            assert_eq!((listed.faults.len(), listed.told.len()), (1, 0), "{other}");
        }
        let listed: Listed = serde_json::from_str(r#"[{"type":"send","opcode":2,"data":"!"}]"#).unwrap();
        let messages = listed.messages(0);
        assert_eq!((&messages[0].data[..], messages[0].note.is_empty()), (&b"!"[..], false));
    }

    #[test]
    fn of_one_exchange_only_so_many_are_kept() {
        let items = vec![r#"{"type":"send","data":""}"#; MOST + 3].join(",");
        let listed: Listed = serde_json::from_str(&format!("[{items}]")).unwrap();
        assert_eq!((listed.left_out, listed.messages(0).len()), (3, MOST));
    }
}
