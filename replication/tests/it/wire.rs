//! A client that is nothing but a socket: what a node sends, to the byte.

use keyslot_engine::resp::{Value, parse_reply};
use keyslot_replication::host::Cluster;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

pub(crate) struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn to(cluster: &Cluster, node: usize) -> Self {
        let stream = TcpStream::connect(cluster.addresses()[node]).unwrap();
        stream.set_nodelay(true).unwrap();
        // A test that would hang fails.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Sends a line, or more of them.
    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(format!("{text}\r\n").as_bytes()).unwrap();
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next whole reply.
    pub(crate) fn reply(&mut self) -> Value {
        loop {
            if let Some((value, count)) = parse_reply(&self.read).unwrap() {
                self.read.drain(..count);
                return value;
            }
            let mut part = [0; 16 << 10];
            let count = self.stream.read(&mut part).unwrap();
            assert!(count > 0, "the connection ended behind {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&part[..count]);
        }
    }

    pub(crate) fn ask(&mut self, text: &str) -> Value {
        self.send(text);
        self.reply()
    }

    /// The text of the error that answers.
    pub(crate) fn refused(&mut self, text: &str) -> String {
        let value = self.ask(text);
        let error = value.as_error().unwrap_or_else(|| panic!("{text} is answered {value:?}"));
        String::from_utf8_lossy(error).into_owned()
    }

    /// So many bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// What one look at the socket gives.
    pub(crate) fn glance(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 1 << 16];
        let count = self.stream.read(&mut bytes).unwrap();
        bytes.truncate(count);
        bytes
    }

    /// Everything up to the end of the connection, however it ends.
    pub(crate) fn until_end(&mut self) -> Vec<u8> {
        let (mut bytes, mut part) = (Vec::new(), [0; 1024]);
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return bytes,
                Ok(count) => bytes.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return bytes,
                Err(error) => panic!("it neither ends nor goes on: {error}"),
            }
        }
    }

    /// Whether nothing has come.
    pub(crate) fn is_silent(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let peeked = self.stream.peek(&mut [0; 1]);
        self.stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

/// The text of a reply that has one.
pub(crate) fn text(value: &Value) -> String {
    String::from_utf8_lossy(value.as_bytes().unwrap_or_else(|| panic!("no text: {value:?}"))).into_owned()
}

/// Who serves a key, in a cluster that serves all.
pub(crate) fn owner(cluster: &Cluster, key: &str) -> usize {
    cluster.primary_of(key).expect("every slot is served")
}
