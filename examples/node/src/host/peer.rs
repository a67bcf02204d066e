//! Asking other nodes, and this one, as a client does.

use super::Node;
use keyslot::engine::resp::{ReplyLimits, ReplyParser, Value};
use keyslot::engine::{Session, SessionState};
use socket2::{SockRef, TcpKeepalive};
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

    /// One more, encoded already.
    pub(super) fn push_encoded(&mut self, request: &[u8]) {
        self.bytes.extend_from_slice(request);
        self.count += 1;
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }
}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// It ended, and no reply came.
    Lost,
    /// It failed.
    Failed,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Self::Lost,
            _ => Self::Failed,
        }
    }
}

/// A connection to another node.
pub(super) struct Wire {
    stream: TcpStream,
    /// How long it may stand still while it is asked something.
    idle: Option<Duration>,
}

impl Wire {
    pub(super) async fn connect(host: &str, port: u16, limit: Duration) -> io::Result<Self> {
        let stream = tokio::time::timeout(limit, TcpStream::connect((host, port))).await??;
        let _ = stream.set_nodelay(true);
        // A peer that is gone without a word is noticed.
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE).with_interval(KEEPALIVE_INTERVAL).with_retries(3);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        Ok(Self { stream, idle: None })
    }

    /// Has it fail when it stands still for so long while it is asked something.
    pub(super) fn set_idle(&mut self, idle: Duration) {
        self.idle = Some(idle);
    }

    /// Whether the node has closed the connection, or says what nobody asked for.
    pub(super) fn has_ended(&self) -> bool {
        match self.stream.try_read(&mut [0]) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Sends requests, and returns their replies, each as it was encoded. After an error the connection is of no use.
    pub(super) async fn ask(&mut self, requests: &Requests) -> io::Result<Vec<Vec<u8>>> {
        let mut replies = Replies::default();
        self.say(&requests.bytes).await?;
        self.hear(requests.count, &mut replies).await?;
        Ok(replies.whole)
    }

    /// As [`ask`](Self::ask), behind replies that came before.
    pub(super) async fn ask_into(&mut self, requests: &Requests, whole: &mut Vec<Vec<u8>>) -> Result<(), Broken> {
        let mut replies = Replies { whole: std::mem::take(whole), ..Replies::default() };
        let (before, count) = (replies.whole.len(), replies.whole.len() + requests.count);
        let heard = match self.say(&requests.bytes).await {
            Ok(()) => self.hear(count, &mut replies).await,
            Err(error) => Err(error),
        };
        match heard {
            Ok(()) => {
                *whole = replies.whole;
                Ok(())
            }
            Err(error) if before == 0 && replies.bytes.is_empty() => Err(error.into()),
            Err(_) => Err(Broken::Failed),
        }
    }

    async fn say(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = within(self.idle, self.stream.write(bytes)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }

    /// Reads until there are so many replies.
    async fn hear(&mut self, count: usize, replies: &mut Replies) -> io::Result<()> {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match within(self.idle, self.stream.read(&mut buffer)).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    if replies.take(&buffer[..read], count).map_err(io::Error::other)? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Bounds how long one step takes.
async fn within(limit: Option<Duration>, step: impl Future<Output = io::Result<usize>>) -> io::Result<usize> {
    match limit {
        None => step.await,
        Some(limit) => tokio::time::timeout(limit, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
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
        // As long as the longest value may be, which others may allow to be longer than this node does.
        let parser = ReplyParser::new(ReplyLimits { bulk_bytes_max: VALUE_BYTES_MAX, ..ReplyLimits::default() });
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

const VALUE_BYTES_MAX: usize = 1 << 40;

/// After so long without a word it is asked whether the peer is still there, and again after the interval.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
