//! `traceparent` (W3C Trace Context, section 3.2).

use crate::generate::{hex, random_bytes};

pub(crate) struct TraceParent;

impl TraceParent {
    /// Begins a trace. Ids of zeros are invalid; a generator fit for cryptography gives none in the life of the universe, but
    /// a bit costs nothing.
    pub(crate) fn start(is_sampled: bool) -> String {
        let (mut trace, mut parent) = (random_bytes::<16>(), random_bytes::<8>());
        trace[15] |= u8::from(trace == [0; 16]);
        parent[7] |= u8::from(parent == [0; 8]);
        format!("00-{}-{}-0{}", hex(&trace), hex(&parent), u8::from(is_sampled))
    }

    /// Sections 3.2.2 and 4.3: of a version that is not known, what is known of version 00 has to be there, and more may
    /// follow behind a dash. Bytes of a header are characters here, so those beyond ASCII are no hexadecimal digits.
    pub(crate) fn is_valid(text: &str) -> bool {
        let bytes = text.as_bytes();
        let [v, ver, b'-', rest @ ..] = bytes else { return false };
        if !is_hex(&[*v, *ver]) || (*v, *ver) == (b'f', b'f') || rest.len() < 52 {
            return false;
        }
        let (known, more) = rest.split_at(52);
        let is_of_00 = (*v, *ver) == (b'0', b'0');
        let ends_well = more.is_empty() || !is_of_00 && more[0] == b'-';
        let (trace, parent, flags) = (&known[..32], &known[33..49], &known[50..]);
        let is_some = |id: &[u8]| is_hex(id) && id.iter().any(|digit| *digit != b'0');
        ends_well && known[32] == b'-' && known[49] == b'-' && is_some(trace) && is_some(parent) && is_hex(flags)
    }
}

fn is_hex(text: &[u8]) -> bool {
    text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::TraceParent;

    #[test]
    fn what_is_started_is_valid() {
        for sampled in [false, true] {
            let text = TraceParent::start(sampled);
            assert!(TraceParent::is_valid(&text) && text.ends_with(if sampled { "-01" } else { "-00" }), "{text}");
        }
    }

    #[test]
    fn what_is_valid_is_what_the_recommendation_says() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(TraceParent::is_valid(good));
        assert!(TraceParent::is_valid(&format!("cc{}", &good[2..])));
        assert!(TraceParent::is_valid(&format!("cc{}-what-is-to-come", &good[2..])));
        for bad in [
            String::new(),
            good[..54].to_owned(),
            format!("{good}-x"),
            format!("{good} "),
            format!("ff{}", &good[2..]),
            format!("cc{}x", &good[2..]),
            good.to_uppercase(),
            good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replace('-', "_"),
            good.replace("0af", "0\u{e9}"),
            "é".repeat(28),
        ] {
            assert!(!TraceParent::is_valid(&bad), "{bad}");
        }
    }
}
