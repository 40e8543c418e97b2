//! The name in a ClientHello that is not for us. Enters: what a client says first, in whatever pieces; leaves: the server name, if
//! it is TLS and has one. Must not know what becomes of the connection.

use rustls::server::Acceptor;

/// No honest ClientHello is longer (RFC 8446 section 5.1: a record).
const MOST: usize = 17 << 10;

#[derive(Default)]
pub struct Overheard {
    acceptor: Option<Box<Acceptor>>,
    heard: usize,
    has_ended: bool,
    name: Option<String>,
}

impl Overheard {
    /// Bytes that the client said. Once it is clear that there is a name, or none, they cost nothing.
    pub fn heard(&mut self, mut bytes: &[u8]) {
        while !self.has_ended && !bytes.is_empty() {
            // a record of a handshake
            if self.heard == 0 && bytes[0] != 22 {
                self.has_ended = true;
                return;
            }
            let acceptor = self.acceptor.get_or_insert_default();
            let count = acceptor.read_tls(&mut bytes).unwrap_or(0);
            self.heard += count;
            match acceptor.accept() {
                Ok(Some(hello)) => {
                    self.name = hello.client_hello().server_name().map(str::to_owned);
                    self.has_ended = true;
                }
                Ok(None) => self.has_ended = count == 0 || self.heard > MOST,
                Err(_) => self.has_ended = true,
            }
        }
        if self.has_ended {
            self.acceptor = None;
        }
    }

    pub fn take(&mut self) -> Option<String> {
        self.name.take()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;

    fn hello(name: &'static str) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    fn name_of(pieces: &[&[u8]]) -> Option<String> {
        let mut overheard = Overheard::default();
        pieces.iter().for_each(|piece| overheard.heard(piece));
        overheard.take()
    }

    #[test]
    fn the_name_is_heard_however_it_is_cut() {
        let hello = hello("a.example");
        for by in [1, 7, 100, 100_000] {
            let pieces: Vec<&[u8]> = hello.chunks(by).collect();
            assert_eq!(name_of(&pieces).as_deref(), Some("a.example"), "{by}");
        }
        assert_eq!(name_of(&[b"SSH-2.0-x\r\n", &hello]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard(bytes in prop::collection::vec(any::<u8>(), 0..400), by in 1..50usize) {
            let mut bytes = bytes;
            bytes.insert(0, 22);
            name_of(&bytes.chunks(by).collect::<Vec<_>>());
        }
    }
}
