//! Bodies of entries. Browsers tell a response's decoded, beside fields that say how it was coded: it is coded again, so that
//! what is stored is a message whose fields are true.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::Bytes;
use weir_proto::v1::{Body, Field};

use super::{
    MAX_BODY_BYTES,
    custom::PassedOver,
    model::{Content, MessageExtra, PostData, Response},
    place::Fault,
};
use crate::{coding, fields};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// What a size says: below zero, and what is no whole number of bytes, is not known.
pub(super) fn size(number: Option<f64>) -> Option<u64> {
    let number = number.filter(|number| (0.0..9.0e15).contains(number))?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some(number as u64)
}

fn bytes(text: String, encoding: &str, pointer: &str) -> Result<Vec<u8>, Fault> {
    let encoding = encoding.trim();
    if encoding.is_empty() || ["utf-8", "utf8", "none"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain)) {
        return Ok(text.into_bytes());
    }
    if !encoding.eq_ignore_ascii_case("base64") {
        return Err(Fault::new(pointer, format!("the encoding `{encoding}` is not base64")));
    }
    decode(text, pointer)
}

fn decode(mut text: String, pointer: &str) -> Result<Vec<u8>, Fault> {
    // Some writers break lines.
    text.retain(|c| !c.is_ascii_whitespace());
    BASE64.decode(text).map_err(|error| Fault::new(pointer, format!("no base64: {error}")))
}

fn body(mut data: Vec<u8>, size: Option<u64>) -> Body {
    let size = size.unwrap_or(0).max(data.len() as u64);
    data.truncate(MAX_BODY_BYTES);
    Body { data: Bytes::from(data), size, ..Body::default() }
}

/// What Weir says of a body: of all of it the digest; and that values were left out, so that its length tells nothing of its size.
pub(super) fn marked(
    body: Option<Body>,
    weir: &MessageExtra,
    told: Option<f64>,
    (pointer, passed_over): (&str, &mut PassedOver),
) -> Option<Body> {
    let digest = match weir.digest.as_str() {
        "" => None,
        text => passed_over.ok(digest(text).ok_or_else(|| Fault::new(format!("{pointer}/_weir/digest"), "no SHA-256"))),
    };
    body.map(|mut body| {
        body.digest = digest.unwrap_or_default();
        match weir.redacted {
            true => Body { redacted: true, cut: weir.cut, size: size(told).unwrap_or(body.size), ..body },
            false => body,
        }
    })
}

fn digest(text: &str) -> Option<Bytes> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = text.bytes().map(|byte| digit(&byte)).collect::<Option<Vec<u8>>>()?;
    (digits.len() == 64).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>().into())
}

/// The bytes that Weir says were on the wire.
pub(super) fn wire(text: String, pointer: &str) -> Result<Vec<u8>, Fault> {
    decode(text, pointer)
}

/// The body of those.
pub(super) fn of_wire(data: Vec<u8>, told: Option<f64>) -> Body {
    body(data, size(told))
}

/// A request's: none where the entry tells of none.
pub(super) fn posted(
    post: Option<PostData>,
    told: Option<f64>,
    pointer: &str,
    passed_over: &mut PassedOver,
) -> Result<Option<Body>, Fault> {
    let told = size(told);
    let Some(mut post) = post else {
        return Ok(told.filter(|size| *size > 0).map(|size| body(Vec::new(), Some(size))));
    };
    let encoding = post.own_encoding.take(&format!("{pointer}/postData/_encoding"), passed_over);
    let encoding = encoding.unwrap_or(post.encoding);
    let data = match post.text {
        Some(text) => bytes(text, &encoding, &format!("{pointer}/postData/text"))?,
        None if is_form(&post.mime_type) && !post.params.is_empty() => {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.extend_pairs(post.params.iter().map(|pair| (&pair.name, &pair.value)));
            form.finish().into_bytes()
        }
        None => Vec::new(),
    };
    let body = body(data, told);
    Ok(Some(body).filter(|body| body.size > 0))
}

fn is_form(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A response's. `own` is what Weir wrote, whose text is the bytes themselves unless `wire` has them. `headers` may lose
/// a `Content-Encoding` that nobody can apply again.
pub(super) fn content(
    response: &mut Response,
    headers: &mut Vec<Field>,
    own: bool,
    pointer: &str,
) -> Result<Option<Body>, Fault> {
    let told = size(response.body_size);
    let Content { size: length, text, encoding, .. } = response.content.take().unwrap_or_default();
    let length = size(length);
    let Some(text) = text else {
        let size = told.filter(|told| own || *told > 0).or(length).unwrap_or(0);
        return Ok(Some(body(Vec::new(), Some(size))).filter(|body| body.size > 0));
    };
    let data = bytes(text, &encoding, &format!("{pointer}/content/text"))?;
    if own {
        return Ok(Some(body(data, told)).filter(|body| body.size > 0));
    }
    let missing = length.unwrap_or(0).saturating_sub(data.len() as u64);
    let data = coded(data, headers);
    let size = (data.len() as u64).saturating_add(missing);
    Ok(Some(body(data, Some(size))).filter(|body| body.size > 0))
}

/// The bytes as they may have been on the wire.
fn coded(data: Vec<u8>, headers: &mut Vec<Field>) -> Vec<u8> {
    let value: Vec<&[u8]> = fields::values(headers, "content-encoding").collect();
    match coding::codings(&value.join(&b',')) {
        Ok(codings) if codings.is_empty() || data.is_empty() => data,
        Ok(codings) => {
            // Some writers leave it coded.
            let most = MAX_BODY_BYTES * 4;
            let is_coded = coding::decode(&codings, &data, most).is_ok_and(|decoded| decoded.complete);
            if is_coded { data } else { coding::encode(&codings, data).unwrap_or_default() }
        }
        Err(_) => {
            headers.retain(|field| !field.name.eq_ignore_ascii_case("content-encoding"));
            data
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str, encoding: &str, own: bool) -> (Body, usize) {
        let mut response: Response = serde_json::from_str(json).unwrap();
        let value = encoding.as_bytes().to_vec().into();
        let mut headers = vec![Field { name: "Content-Encoding".to_owned(), value }];
        let body = content(&mut response, &mut headers, own, "/response").unwrap().unwrap_or_default();
        (body, headers.len())
    }

    #[test]
    fn decoded_text_is_coded_again() {
        let json = r#"{"bodySize": 20, "content": {"size": 5, "text": "hello"}}"#;
        let (body, _) = read(json, "gzip", false);
        assert_eq!(coding::decode(&[coding::Coding::Gzip], &body.data, 5).unwrap().bytes, b"hello");
        assert_eq!(body.size, body.data.len() as u64);
        // What is coded already is left as it is.
        let text = base64::engine::general_purpose::STANDARD.encode(&body.data);
        let again = format!(r#"{{"content": {{"encoding": "base64", "text": "{text}"}}}}"#);
        assert_eq!(read(&again, "gzip", false).0, body);
        // And what nobody can code is stored as what it is.
        let (plain, fields) = read(json, "compress", false);
        assert_eq!((&plain.data[..], plain.size, fields), (&b"hello"[..], 5, 0));
        assert_eq!(read(json, "gzip", true).0.data, &b"hello"[..], "of Weir's own");
    }

    #[test]
    fn what_is_missing_is_counted() {
        let (body, _) = read(r#"{"bodySize": -1, "content": {"size": 9, "text": "hello"}}"#, "", false);
        assert_eq!((body.data.len(), body.size), (5, 9));
        let (body, _) = read(r#"{"bodySize": 7, "content": {"size": 9}}"#, "", false);
        assert_eq!((body.data.len(), body.size), (0, 7));
        let (body, _) = read(r#"{"bodySize": 0, "content": {"size": 9}}"#, "", false);
        assert_eq!((body.data.len(), body.size), (0, 9));
    }

    #[test]
    fn forms_are_written_again() {
        let post = serde_json::from_str(
            r#"{"mimeType": "application/x-www-form-urlencoded; charset=utf-8",
                "params": [{"name": "a b", "value": "ä&"}, {"name": "c"}]}"#,
        );
        let body = posted(Some(post.unwrap()), Some(-1.0), "", &mut PassedOver::default()).unwrap().unwrap();
        assert_eq!(body.data, &b"a+b=%C3%A4%26&c="[..]);
    }

    #[test]
    fn base64_is_read_as_it_is_written() {
        for text in ["aGk=", "aGk", "aG\r\nk=", "aGl="] {
            assert_eq!(bytes(text.to_owned(), "base64", "").unwrap(), b"hi", "{text}");
        }
        let fault = bytes("a*".to_owned(), "Base64", "/x").unwrap_err();
        assert!(fault.reason.starts_with("no base64"), "{}", fault.reason);
        assert!(bytes("a".to_owned(), "rot13", "/x").unwrap_err().reason.contains("rot13"));
    }
}
