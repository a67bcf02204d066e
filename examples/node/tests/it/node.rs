//! A node in a process of its own, and a client that speaks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A running node, killed when dropped. Its folder holds `node.sock`, `log` and its data.
pub(crate) struct Node {
    child: Child,
    folder: PathBuf,
}

impl Node {
    /// Starts a node in `folder` that listens on a Unix socket only, unless `options` say more, and waits for it.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        Self::launch(folder, command(), options)
    }

    /// Starts a node with a settings file.
    pub(crate) fn start_with_file(folder: &Path, file: &Path, options: &[&str]) -> Self {
        let mut command = command();
        command.arg(file);
        Self::launch(folder, command, options)
    }

    /// Starts a node and does not wait until its data is loaded, only until it listens.
    pub(crate) fn start_loading(folder: &Path, options: &[&str]) -> Self {
        let node = Self::spawn(folder, command(), options);
        let deadline = Instant::now() + LIMIT;
        while UnixStream::connect(folder.join("node.sock")).is_err() {
            assert!(Instant::now() < deadline, "the node does not listen: {}", node.log());
            std::thread::yield_now();
        }
        node
    }

    fn launch(folder: &Path, command: Command, options: &[&str]) -> Self {
        let mut node = Self::spawn(folder, command, options);
        node.wait_for_log("Ready to accept connections");
        node
    }

    fn spawn(folder: &Path, mut command: Command, options: &[&str]) -> Self {
        let _ = std::fs::remove_file(folder.join("log"));
        let child = command
            .current_dir(folder)
            .args(["--port", "0", "--unixsocket", "node.sock", "--logfile", "log", "--io-threads", "2"])
            .args(options)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, folder: folder.to_owned() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until the log holds `text`; fails the test if the process ends or a minute passes.
    pub(crate) fn wait_for_log(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.log().contains(text) {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(self.log().contains(text), "the node ended with {status}; log: {}", self.log());
                return;
            }
            assert!(Instant::now() < deadline, "no {text:?} in the log: {}", self.log());
            std::thread::yield_now();
        }
    }

    /// A client on the Unix socket.
    pub(crate) fn client(&self) -> Client {
        Client::on(&self.folder.join("node.sock"))
    }

    /// A client on a TCP port of this machine.
    pub(crate) fn tcp_client(&self, port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client { reader: BufReader::new(Box::new(stream)) }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end of the process and returns its exit code; `None` if a signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "the node does not end; log: {}", self.log());
            std::thread::yield_now();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The node's program.
pub(crate) fn command() -> Command {
    Command::new(std::env::var_os("KEYSLOT_NODE").unwrap_or(env!("CARGO_BIN_EXE_keyslot-node").into()))
}

/// Runs the program to its end.
pub(crate) fn output(arguments: &[&str]) -> Output {
    command().args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A client that writes bytes and reads replies as text.
pub(crate) struct Client {
    reader: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// A client on a Unix socket.
    pub(crate) fn on(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self { reader: BufReader::new(Box::new(stream)) }
    }

    /// A client on a TCP port of this machine, if somebody listens there.
    pub(crate) fn reach(port: u16) -> Option<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_read_timeout(Some(LIMIT)).ok()?;
        Some(Self { reader: BufReader::new(Box::new(stream)) })
    }

    /// Sends a request and returns its reply, which is one line or one string; `None` if the connection ends before it is whole.
    pub(crate) fn try_ask(&mut self, words: &[&str]) -> Option<String> {
        self.reader.get_mut().write_all(&request(words)).ok()?;
        let mut line = String::new();
        self.reader.read_line(&mut line).ok()?;
        let line = line.strip_suffix("\r\n")?;
        match line.strip_prefix('$') {
            None => Some(line.to_owned()),
            Some("-1") => Some("(nil)".to_owned()),
            Some(length) => {
                let mut bytes = vec![0; length.parse::<usize>().ok()? + 2];
                self.reader.read_exact(&mut bytes).ok()?;
                bytes.truncate(bytes.len() - 2);
                String::from_utf8(bytes).ok()
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    /// Whether the node answers PING; it may also close the connection.
    pub(crate) fn is_served(&mut self) -> bool {
        self.reader.get_mut().write_all(&request(&["PING"])).is_ok() && self.reply() == "+PONG"
    }

    /// Sends a request and returns its reply; see [`reply`](Self::reply).
    pub(crate) fn ask(&mut self, words: &[&str]) -> String {
        self.write(&request(words));
        self.reply()
    }

    /// The next reply: a line with its type, the bytes of a bulk string, or elements joined by spaces. Nothing if the
    /// node closed the connection.
    pub(crate) fn reply(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap_or(0);
        let line = line.trim_end();
        match line.split_at_checked(1) {
            Some(("$", "-1")) => "(nil)".into(),
            Some(("$", length)) => {
                let mut bytes = vec![0; length.parse::<usize>().unwrap() + 2];
                self.reader.read_exact(&mut bytes).unwrap();
                bytes.truncate(bytes.len() - 2);
                String::from_utf8_lossy(&bytes).into_owned()
            }
            Some(("*", count)) => (0..count.parse().unwrap()).map(|_| self.reply()).collect::<Vec<_>>().join(" "),
            _ => line.to_owned(),
        }
    }

    /// Whether the node has closed the connection; waits for that or for a byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.reader.fill_buf().map_or(true, <[u8]>::is_empty)
    }
}

/// A request in RESP.
pub(crate) fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    bytes.into_bytes()
}

/// How long a test waits for anything.
const LIMIT: Duration = Duration::from_secs(60);
