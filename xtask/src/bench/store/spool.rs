//! Exchanges in the spool of an agent that has not run yet: it delivers them as fast as the orchestrator takes them, which is
//! the load. What stands in a spool `agent/src/record/spool.rs` says, what an exchange is `proto/weir.proto`.

use std::{
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Of each response.
const BODY: usize = 2048;
/// Exchanges of a batch, and batches of a file.
const BATCH: u64 = 100;
const BATCHES: u64 = 32;
/// As many names as a busy service has.
pub(super) const HOSTS: u64 = 1000;
/// One of so many fails.
pub(super) const FAILS: u64 = 500;
const FIRST: u64 = 1_000_000_000;

/// Writes so many exchanges, numbered from `from` on.
pub(super) fn write(folder: &Path, from: u64, count: u64) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut noise = Noise(from.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let began = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let mut number = from;
    let mut file = 0;
    while number < from + count {
        let mut out = BufWriter::new(File::create(folder.join(format!("{:020}.seg", FIRST + file)))?);
        file += 1;
        for _ in 0..BATCHES {
            let some = BATCH.min(from + count - number);
            if some == 0 {
                break;
            }
            let mut payload = Vec::new();
            for of in number..number + some {
                field(&mut payload, 2, &exchange(of, began, &mut noise));
            }
            number += some;
            let exchanges = u32::try_from(some)?.to_le_bytes();
            let mut checked = exchanges.to_vec();
            checked.extend_from_slice(&payload);
            out.write_all(&u32::try_from(payload.len())?.to_le_bytes())?;
            out.write_all(&crc32fast::hash(&checked).to_le_bytes())?;
            out.write_all(&checked)?;
        }
        out.flush()?;
    }
    Ok(())
}

fn exchange(number: u64, began_ms: u64, noise: &mut Noise) -> Vec<u8> {
    // UUIDv7 (RFC 9562 section 5.7).
    let mut id = [0; 16];
    let (ms, rest) = (began_ms + number / 10, number % 10);
    id[..8].copy_from_slice(&(ms << 16 | 0x7000 | rest).to_be_bytes());
    id[8..].copy_from_slice(&(noise.next() >> 2 | 1 << 63).to_be_bytes());
    let mut request = Vec::new();
    field(&mut request, 1, b"GET");
    field(&mut request, 2, b"https");
    field(&mut request, 3, format!("h{}.example.com:8443", number % HOSTS).as_bytes());
    field(&mut request, 4, format!("/items/{number}?page=2").as_bytes());
    field(&mut request, 5, b"HTTP/1.1");
    for header in 0..12 {
        headers(&mut request, 6, &format!("x-field-{header}"), "some value");
    }
    let mut body = Vec::new();
    let mut data = Vec::with_capacity(BODY);
    while data.len() < BODY {
        data.extend_from_slice(&noise.next().to_le_bytes());
    }
    field(&mut body, 1, &data);
    count(&mut body, 2, BODY as u64);
    let mut response = Vec::new();
    count(&mut response, 1, if number.is_multiple_of(FAILS) { 500 } else { 200 });
    field(&mut response, 2, b"HTTP/1.1");
    headers(&mut response, 3, "content-type", "application/octet-stream");
    field(&mut response, 4, &body);
    let mut exchange = Vec::new();
    field(&mut exchange, 1, &id);
    count(&mut exchange, 2, (began_ms + number / 10) * 1000);
    count(&mut exchange, 3, 1500);
    count(&mut exchange, 4, 900);
    field(&mut exchange, 6, &request);
    field(&mut exchange, 8, &response);
    exchange
}

fn headers(out: &mut Vec<u8>, number: u64, name: &str, value: &str) {
    let mut header = Vec::new();
    field(&mut header, 1, name.as_bytes());
    field(&mut header, 2, value.as_bytes());
    field(out, number, &header);
}

/// Length-delimited (protobuf.dev/programming-guides/encoding).
fn field(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint(out, number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn count(out: &mut Vec<u8>, number: u64, value: u64) {
    varint(out, number << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Xorshift: what no packer makes smaller.
pub(super) struct Noise(pub(super) u64);

impl Noise {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
