//! Bytes on a socket, both sides: what hyper would not let a test say.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::wait::{PATIENCE, within};

/// A client's socket.
pub struct Raw {
    stream: TcpStream,
}

/// An HTTP/1.1 response, read as far as its Content-Length or the end of the connection.
#[derive(Debug)]
pub struct RawResponse {
    /// The status code.
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    /// Body, not de-chunked.
    pub body: Vec<u8>,
}

impl Raw {
    /// Connects.
    pub async fn dial(to: SocketAddr) -> anyhow::Result<Self> {
        let stream = within(PATIENCE, "connecting", TcpStream::connect(to)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Goes on with a socket.
    pub fn over(stream: TcpStream) -> Self {
        Self { stream }
    }

    /// Sends bytes.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> anyhow::Result<()> {
        Ok(self.stream.write_all(bytes.as_ref()).await?)
    }

    /// Sends bytes one by one, each in a segment of its own.
    pub async fn say_slowly(&mut self, bytes: impl AsRef<[u8]>, pace: Duration) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(pace);
        for byte in bytes.as_ref() {
            tick.tick().await;
            self.stream.write_all(&[*byte]).await?;
        }
        Ok(())
    }

    /// Reads `count` bytes.
    pub async fn hear(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        within(PATIENCE, &format!("{count} bytes"), self.stream.read_exact(&mut bytes)).await??;
        Ok(bytes)
    }

    /// Reads to the end of the connection; a reset counts as its end.
    pub async fn hear_all(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let _ = within(PATIENCE, "the end of the connection", self.stream.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }

    /// Reads a response.
    pub async fn response(&mut self) -> anyhow::Result<RawResponse> {
        within(PATIENCE, "a response", self.read_response()).await?
    }

    async fn read_response(&mut self) -> anyhow::Result<RawResponse> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.with_context(|| {
                format!("closed after {} bytes of a response head: {:?}", head.len(), String::from_utf8_lossy(&head))
            })?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("a status code")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                self.stream.read_exact(&mut body).await?;
            }
            None if status < 200 => {}
            None => {
                self.stream.read_to_end(&mut body).await?;
            }
        }
        Ok(RawResponse { status, head, body })
    }
}

impl RawResponse {
    /// As [`crate::client::Reply::problem`].
    pub fn problem(&self, status: u16, blame: &str) -> anyhow::Result<serde_json::Value> {
        let content_type = self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-type").then(|| value.trim())
        });
        crate::client::problem(self.status, content_type.unwrap_or_default(), &self.body, status, blame)
    }
}

/// What a [`RawOrigin`] does with each connection.
#[derive(Clone)]
pub enum Script {
    /// Reads a request head, then writes these bytes and closes.
    Answer(Vec<u8>),
    /// Writes these bytes before it has read anything, then sends back what it hears.
    Greet(Vec<u8>),
    /// Resets the connection after it has read a request head.
    Reset,
    /// Reads for ever and says nothing.
    Silence,
}

/// An origin that follows a script.
pub struct RawOrigin {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl RawOrigin {
    /// Listens.
    pub async fn start(script: Script) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let heard = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let keep = heard.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = {
                    let mut heard = keep.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.push(Vec::new());
                    heard.len() - 1
                };
                tokio::spawn(play(script.clone(), stream, keep.clone(), at));
            }
        });
        Ok(Self { address, heard, task })
    }

    /// Where.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What each connection said, in the order they came.
    pub fn heard(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

impl Drop for RawOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn play(script: Script, mut stream: TcpStream, heard: Arc<Mutex<Vec<Vec<u8>>>>, at: usize) -> anyhow::Result<()> {
    if let Script::Greet(greeting) = &script {
        stream.write_all(greeting).await?;
    }
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let head_ended = {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard[at].extend_from_slice(&buffer[..count]);
            heard[at].windows(4).any(|window| window == b"\r\n\r\n")
        };
        match &script {
            Script::Greet(_) => stream.write_all(&buffer[..count]).await?,
            Script::Answer(answer) if head_ended => {
                stream.write_all(answer).await?;
                return Ok(stream.shutdown().await?);
            }
            Script::Reset if head_ended => {
                // Closing with unread or unsent data and no linger sends RST (socket(7), SO_LINGER).
                stream.set_zero_linger()?;
                return Ok(());
            }
            Script::Answer(_) | Script::Reset | Script::Silence => {}
        }
    }
}
