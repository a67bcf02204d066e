//! A client that fills a server with pipelines of a thousand requests.

use std::io::{Read, Write};
use std::net::TcpStream;

pub(crate) struct Client {
    stream: TcpStream,
    requests: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
        Self { stream, requests: Vec::new() }
    }

    /// Sets every key once.
    pub(crate) fn fill(&mut self, count: u32, expiry_s: Option<u32>) {
        for number in 0..count {
            self.set(number, expiry_s);
            self.flush_at(number, count, b"+OK\r\n");
        }
    }

    /// Deletes every key and sets it anew, a thousand at a time.
    pub(crate) fn replace(&mut self, count: u32) {
        let mut first = 0;
        while first < count {
            let end = count.min(first + PIPELINE_REQUESTS);
            for number in first..end {
                let key = key(number);
                self.requests.extend_from_slice(format!("*2\r\n$3\r\nDEL\r\n$16\r\n{key}\r\n").as_bytes());
            }
            self.exchange(end - first, b":1\r\n");
            for number in first..end {
                self.set(number, None);
            }
            self.exchange(end - first, b"+OK\r\n");
            first = end;
        }
    }

    fn set(&mut self, number: u32, expiry_s: Option<u32>) {
        let key = key(number);
        let value = "v".repeat(64);
        let request = match expiry_s {
            None => format!("*3\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$64\r\n{value}\r\n"),
            Some(seconds) => {
                let seconds = seconds.to_string();
                let len = seconds.len();
                format!("*5\r\n$3\r\nSET\r\n$16\r\n{key}\r\n$64\r\n{value}\r\n$2\r\nEX\r\n${len}\r\n{seconds}\r\n")
            }
        };
        self.requests.extend_from_slice(request.as_bytes());
    }

    fn flush_at(&mut self, number: u32, count: u32, reply: &[u8]) {
        if (number + 1) % PIPELINE_REQUESTS == 0 || number + 1 == count {
            self.exchange(number % PIPELINE_REQUESTS + 1, reply);
        }
    }

    /// Sends what was gathered and reads so many replies, all the same.
    fn exchange(&mut self, count: u32, reply: &[u8]) {
        self.stream.write_all(&self.requests).expect("the server reads");
        self.requests.clear();
        let mut replies = vec![0; count as usize * reply.len()];
        self.stream.read_exact(&mut replies).expect("the server answers");
        assert!(replies.chunks(reply.len()).all(|one| one == reply), "{}", String::from_utf8_lossy(&replies));
    }
}

fn key(number: u32) -> String {
    format!("key:{number:012}")
}

const PIPELINE_REQUESTS: u32 = 1000;
