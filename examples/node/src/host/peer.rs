//! Asking other nodes, and this one, as a client does.

use super::Node;
use keyslot::engine::resp::{ReplyLimits, ReplyParser, Value};
use keyslot::engine::{Session, SessionState};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Requests that go out together.
#[derive(Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    count: usize,
}

impl Requests {
    /// One more.
    pub(super) fn push(&mut self, words: &[impl AsRef<[u8]>]) {
        self.bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in words {
            let word = word.as_ref();
            self.bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            self.bytes.extend_from_slice(word);
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.count += 1;
    }
}

/// A connection to another node.
pub(super) struct Wire(TcpStream);

impl Wire {
    pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<Self> {
        let stream = tokio::time::timeout(limit, TcpStream::connect((host, port))).await??;
        let _ = stream.set_nodelay(true);
        Ok(Self(stream))
    }

    /// Whether the node has closed the connection, or says what nobody asked for.
    pub(super) fn has_ended(&self) -> bool {
        match self.0.try_read(&mut [0]) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Sends requests, and returns their replies, each as it was encoded. After an error the connection is of no use.
    pub(super) async fn ask(&mut self, requests: &Requests) -> io::Result<Vec<Vec<u8>>> {
        self.0.write_all(&requests.bytes).await?;
        let mut replies = Replies::default();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.0.read(&mut buffer).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    if replies.take(&buffer[..read], requests.count).map_err(io::Error::other)? {
                        return Ok(replies.whole);
                    }
                }
            }
        }
    }
}

/// This node's own engine, asked by the node itself.
pub(super) struct Inside {
    node: Arc<Node>,
    session: Option<Session>,
}

impl Inside {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node, session: None }
    }

    /// Has the engine do requests, and returns their replies. To be awaited in one task for as long as it lives.
    pub(super) async fn ask(&mut self, requests: Requests) -> Result<Vec<Vec<u8>>, String> {
        let (mut input, mut output) = (Some(requests.bytes), Vec::new());
        let mut replies = Replies::default();
        let asked = poll_fn(|context| {
            let session = self.session.get_or_insert_with(|| self.node.engine.inner_session(context.waker().clone()));
            if let Some(input) = input.take() {
                session.feed(&input);
            }
            output.clear();
            let state = session.poll_output(&mut output);
            match replies.take(&output, requests.count) {
                Ok(true) => Poll::Ready(Ok(())),
                Ok(false) if state == SessionState::Closing => Poll::Ready(Err("the session was ended".into())),
                Ok(false) => Poll::Pending,
                Err(reason) => Poll::Ready(Err(reason)),
            }
        })
        .await;
        if asked.is_err() {
            // What it still owes belongs to no later request.
            self.session = None;
        }
        asked.map(|()| replies.whole)
    }
}

/// Replies as they come, each as it was encoded.
struct Replies {
    parser: ReplyParser,
    bytes: Vec<u8>,
    parsed: usize,
    start: usize,
    whole: Vec<Vec<u8>>,
}

impl Default for Replies {
    fn default() -> Self {
        let parser = ReplyParser::new(ReplyLimits::default());
        Self { parser, bytes: Vec::new(), parsed: 0, start: 0, whole: Vec::new() }
    }
}

impl Replies {
    /// Takes more bytes; says whether so many replies are there.
    fn take(&mut self, bytes: &[u8], count: usize) -> Result<bool, String> {
        self.bytes.extend_from_slice(bytes);
        while self.whole.len() < count {
            let parsed = self.parser.parse(&self.bytes[self.parsed..]).map_err(|error| error.to_string())?;
            self.parsed += parsed.consumed;
            match parsed.value {
                None => break,
                Some(Value::Push(_)) => self.start = self.parsed,
                Some(_) => {
                    self.whole.push(self.bytes[self.start..self.parsed].to_vec());
                    self.start = self.parsed;
                }
            }
        }
        Ok(self.whole.len() == count)
    }
}

const READ_BYTES: usize = 16 << 10;
