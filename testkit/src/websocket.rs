//! As much of RFC 6455 as a test says and hears: frames, one by one, at either end.

use anyhow::{bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::wait::{PATIENCE, within};

/// The key of section 1.3's example, which every client here sends.
pub const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What the example's server answers to it.
pub const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// First bytes of frames: whole messages, their fragments, and what controls.
pub const TEXT: u8 = 0x81;
/// As [`TEXT`].
pub const BINARY: u8 = 0x82;
/// The beginning of a text.
pub const TEXT_BEGINS: u8 = 0x01;
/// The middle of a message.
pub const GOES_ON: u8 = 0x00;
/// The end of a message.
pub const ENDS: u8 = 0x80;
/// Goodbye.
pub const CLOSE: u8 = 0x88;
/// As [`TEXT`].
pub const PING: u8 = 0x89;
/// As [`TEXT`].
pub const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One end, after the handshake.
pub struct WebSocket<S> {
    stream: S,
    is_client: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks for the upgrade; `target` is a path, or an absolute URI for a forward proxy.
    pub async fn open(stream: S, target: &str, host: &str) -> anyhow::Result<Self> {
        Ok(Self::open_with(stream, target, host, "").await?.0)
    }

    /// With more fields (whole lines). The response's head comes, too.
    pub async fn open_with(mut stream: S, target: &str, host: &str, fields: &str) -> anyhow::Result<(Self, String)> {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let answer = head_of(&mut stream).await?;
        let lower = answer.to_ascii_lowercase();
        ensure!(lower.starts_with("http/1.1 101"), "no upgrade: {answer}");
        ensure!(lower.contains(&SAMPLE_ACCEPT.to_ascii_lowercase()), "no accept: {answer}");
        Ok((Self { stream, is_client: true }, answer))
    }

    /// The server's end: grants the upgrade, with more fields, which may name another protocol. The request's head comes, too.
    pub async fn accept(mut stream: S, fields: &str) -> anyhow::Result<(Self, String)> {
        let asked = head_of(&mut stream).await?;
        let upgrade = if fields.starts_with("Upgrade:") { "" } else { "Upgrade: WebSocket\r\n" };
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\n{upgrade}Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: {SAMPLE_ACCEPT}\r\n{fields}\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        Ok((Self { stream, is_client: false }, asked))
    }

    /// Sends a frame.
    pub async fn say(&mut self, first: u8, payload: impl AsRef<[u8]>) -> anyhow::Result<()> {
        write(&mut self.stream, first, payload.as_ref(), self.is_client).await
    }

    /// Sends bytes that need be no frame.
    pub async fn say_raw(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    /// Takes the next frame, which must be this one.
    pub async fn hear(&mut self, first: u8, payload: impl AsRef<[u8]>) -> anyhow::Result<()> {
        let (got, heard) = within(PATIENCE, "a frame", read(&mut self.stream, !self.is_client)).await??;
        let said = String::from_utf8_lossy(&heard);
        ensure!(got == first && heard == payload.as_ref(), "{got:#x} with {said:?} and not {first:#x}");
        Ok(())
    }

    /// Takes a Close, which must have this code. Its reason.
    pub async fn hear_close(&mut self, code: u16) -> anyhow::Result<String> {
        let (got, heard) = within(PATIENCE, "a Close", read(&mut self.stream, !self.is_client)).await??;
        let reason = String::from_utf8_lossy(heard.get(2..).unwrap_or_default()).into_owned();
        ensure!(got == CLOSE && heard.starts_with(&code.to_be_bytes()), "{got:#x} with {heard:?} and not {code}");
        Ok(reason)
    }

    /// The other end closes the connection: nothing more is there to be read.
    pub async fn hear_end(&mut self) -> anyhow::Result<()> {
        let mut rest = Vec::new();
        let _ = within(PATIENCE, "the end", self.stream.read_to_end(&mut rest)).await?;
        ensure!(rest.is_empty(), "something came before the end: {rest:?}");
        Ok(())
    }

    /// Sends a message and takes the next one, which must be its echo.
    pub async fn echo(&mut self, message: &[u8]) -> anyhow::Result<()> {
        self.say(BINARY, message).await?;
        self.hear(BINARY, message).await
    }

    /// Says goodbye and waits for the other's.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.say(CLOSE, []).await?;
        self.hear(CLOSE, []).await
    }
}

async fn head_of<S: AsyncRead + Unpin>(stream: &mut S) -> anyhow::Result<String> {
    let mut head = Vec::new();
    within(PATIENCE, "a head", async {
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        anyhow::Ok(())
    })
    .await??;
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// A server's end: sends every message back, until the client says goodbye.
pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> anyhow::Result<()> {
    loop {
        let (kind, message) = read(&mut stream, true).await?;
        write(&mut stream, kind, &message, false).await?;
        if kind == CLOSE {
            return Ok(());
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, kind: u8, message: &[u8], masked: bool) -> anyhow::Result<()> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut frame = vec![kind];
    match message.len() {
        short @ 0..=125 => frame.push(mask_bit | short as u8),
        length if length <= usize::from(u16::MAX) => {
            frame.push(mask_bit | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => bail!("{length} bytes are too many for a test's message"),
    }
    if masked {
        frame.extend_from_slice(&MASK);
        frame.extend(message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend_from_slice(message);
    }
    stream.write_all(&frame).await?;
    Ok(stream.flush().await?)
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, is_masked: bool) -> anyhow::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u8().await?;
    let masked = length & 0x80 != 0;
    ensure!(masked == is_masked, "a client masks, and a server does not");
    let length = match length & 0x7f {
        126 => usize::from(stream.read_u16().await?),
        127 => bail!("a message too long for a test"),
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    if masked {
        stream.read_exact(&mut mask).await?;
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await?;
    message.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok((kind, message))
}
