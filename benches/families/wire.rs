//! A client that sends pipelines of any commands and reads whole replies.

use keyslot_engine::resp::{Value, parse_reply};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A connection and the requests that were gathered for it.
pub(crate) struct Wire {
    stream: TcpStream,
    requests: Vec<u8>,
    count: usize,
    replies: Vec<u8>,
}

impl Wire {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        stream.set_nodelay(true).expect("a socket takes the option");
        Self { stream, requests: Vec::new(), count: 0, replies: Vec::new() }
    }

    /// Gathers a request; sends what was gathered when it is enough for one pipeline.
    pub(crate) fn push(&mut self, args: &[&[u8]]) {
        self.requests.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            self.requests.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            self.requests.extend_from_slice(arg);
            self.requests.extend_from_slice(b"\r\n");
        }
        self.count += 1;
        if self.count == PIPELINE_REQUESTS || self.requests.len() > PIPELINE_BYTES {
            self.flush();
        }
    }

    /// Sends what was gathered, reads its replies, none of which may be an error, and returns the last.
    pub(crate) fn flush(&mut self) -> Value {
        self.stream.write_all(&self.requests).expect("the server reads");
        self.requests.clear();
        let mut last = Value::Nil;
        for _ in 0..std::mem::take(&mut self.count) {
            last = self.reply();
            assert!(!matches!(last, Value::Error(_)), "{last:?}");
        }
        last
    }

    /// Sends one request, written as words, and reads its reply.
    pub(crate) fn ask(&mut self, line: &str) -> Value {
        self.flush();
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.push(&words);
        self.flush()
    }

    /// How long one request takes, the way over loopback included.
    pub(crate) fn time(&mut self, line: &str) -> Duration {
        let start = Instant::now();
        self.ask(line);
        start.elapsed()
    }

    /// Sends one request and reads so many replies or pushes.
    pub(crate) fn subscribe(&mut self, line: &str, count: usize) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.push(&words);
        self.stream.write_all(&std::mem::take(&mut self.requests)).expect("the server reads");
        self.count = 0;
        for _ in 0..count {
            self.reply();
        }
    }

    /// Throws away so many bytes that come.
    pub(crate) fn drain(&mut self, mut bytes: usize) {
        let mut buffer = [0; 64 * 1024];
        while bytes > 0 {
            let size = buffer.len().min(bytes);
            self.stream.read_exact(&mut buffer[..size]).expect("the server sends");
            bytes -= size;
        }
    }

    fn reply(&mut self) -> Value {
        loop {
            if let Some((value, size)) = parse_reply(&self.replies).expect("the server speaks RESP") {
                self.replies.drain(..size);
                return value;
            }
            let mut buffer = [0; 64 * 1024];
            let size = self.stream.read(&mut buffer).expect("the server answers");
            assert_ne!(size, 0, "the server closed the connection");
            self.replies.extend_from_slice(&buffer[..size]);
        }
    }
}

const PIPELINE_REQUESTS: usize = 500;
const PIPELINE_BYTES: usize = 256 * 1024;
