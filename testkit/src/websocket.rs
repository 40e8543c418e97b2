//! As much of RFC 6455 as carries short binary messages: enough to see that an upgraded connection lives.

use anyhow::{bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The key of section 1.3's example, which every client here sends.
pub const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// What the example's server answers to it.
pub const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A client's end, after the handshake.
pub struct WebSocket<S> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Asks for the upgrade; `target` is a path, or an absolute URI for a forward proxy.
    pub async fn open(mut stream: S, target: &str, host: &str) -> anyhow::Result<Self> {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {SAMPLE_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await?);
        }
        let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        ensure!(answer.starts_with("http/1.1 101"), "no upgrade: {answer}");
        ensure!(answer.contains(&SAMPLE_ACCEPT.to_ascii_lowercase()), "no accept: {answer}");
        Ok(Self { stream })
    }

    /// Sends a message and takes the next one, which must be its echo.
    pub async fn echo(&mut self, message: &[u8]) -> anyhow::Result<()> {
        write(&mut self.stream, BINARY, message, true).await?;
        let (kind, answer) = read(&mut self.stream).await?;
        ensure!(kind == BINARY && answer == message, "another message than sent came back");
        Ok(())
    }

    /// Says goodbye and waits for the other's.
    pub async fn close(mut self) -> anyhow::Result<()> {
        write(&mut self.stream, CLOSE, &[], true).await?;
        let (kind, _) = read(&mut self.stream).await?;
        ensure!(kind == CLOSE, "no goodbye");
        Ok(())
    }
}

/// A server's end: sends every message back, until the client says goodbye.
pub async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> anyhow::Result<()> {
    loop {
        let (kind, message) = read(&mut stream).await?;
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

async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> anyhow::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u8().await?;
    let masked = length & 0x80 != 0;
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
