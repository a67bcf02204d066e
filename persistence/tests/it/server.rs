//! A real `redis-server` on a directory of its own, reached by a socket file in it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Whether a program can be run; prints a reason if not.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match found {
        Ok(mut child) => child.wait().is_ok(),
        Err(error) => {
            eprintln!("skipped: {program} cannot be run: {error}");
            false
        }
    }
}

/// See the module. It ends with this.
pub(crate) struct Server {
    child: Child,
    stream: BufReader<UnixStream>,
}

impl Server {
    /// Starts it; nothing is saved unless the arguments say so.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        let socket = dir.join("redis.sock");
        let mut child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--enable-debug-command", "yes", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(dir)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap());
        let mut seen = String::new();
        while !seen.contains("ready to accept connections") && !seen.contains("Ready to accept connections") {
            assert!(log.read_line(&mut seen).unwrap() > 0, "redis-server did not start:\n{seen}");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Self { child, stream: BufReader::new(UnixStream::connect(socket).unwrap()) }
    }

    /// The reply's text: a bulk's bytes, or the line.
    pub(crate) fn call(&mut self, args: &[impl AsRef<[u8]>]) -> String {
        let mut request = Vec::new();
        let args: Vec<&[u8]> = args.iter().map(AsRef::as_ref).collect();
        keyslot_engine::effect::encode_effect(&mut request, &args);
        self.stream.get_mut().write_all(&request).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        match line.trim_end().strip_prefix('$') {
            Some(size) if size != "-1" => {
                let mut bulk = vec![0; size.parse::<usize>().unwrap() + 2];
                self.stream.read_exact(&mut bulk).unwrap();
                bulk.truncate(bulk.len() - 2);
                String::from_utf8_lossy(&bulk).into_owned()
            }
            _ if line.starts_with('*') => {
                // Replies to writes that are arrays are not looked at.
                let count = line[1..].trim_end().parse::<usize>().unwrap_or(0);
                (0..count).for_each(|_| drop(self.reply()));
                line
            }
            _ => line.trim_end().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stream.get_mut().write_all(b"*1\r\n$8\r\nSHUTDOWN\r\n");
        self.child.wait().unwrap();
    }
}
