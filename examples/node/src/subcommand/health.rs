//! `keyslot-node health`: asks a running node how it is, for container probes that have no `redis-cli`.
//!
//! Alive means that the node answers, even if it says that it is loading. Ready (`--ready`) means that it serves: it
//! answers PONG, loads nothing, and if it is a cluster node its cluster is up.

use crate::command_line::UsageError;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Whom to ask, and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HealthOptions {
    wants_ready: bool,
    host: String,
    port: u16,
    /// Asked instead of host and port.
    socket: Option<String>,
    password: Option<String>,
    timeout: Duration,
}

impl HealthOptions {
    pub(crate) fn read(arguments: &[Vec<u8>]) -> Result<Self, UsageError> {
        let mut options = Self {
            wants_ready: false,
            host: "127.0.0.1".into(),
            port: 6379,
            socket: None,
            password: None,
            timeout: Duration::from_secs(1),
        };
        let mut arguments = arguments.iter().map(|argument| String::from_utf8_lossy(argument).into_owned());
        while let Some(name) = arguments.next() {
            if name == "--ready" {
                options.wants_ready = true;
                continue;
            }
            if !matches!(name.as_str(), "-h" | "-p" | "-s" | "-a" | "-t") {
                return Err(UsageError::UnknownHealthOption(name));
            }
            let value = arguments.next().ok_or_else(|| UsageError::MissingValue(name.clone()))?;
            match name.as_str() {
                "-h" => options.host = value,
                "-p" => options.port = value.parse().map_err(|_| UsageError::BadNumber(value))?,
                "-s" => options.socket = Some(value),
                "-a" => options.password = Some(value),
                _ => {
                    let seconds = value.parse().ok().filter(|seconds| (0.001..=3600.0).contains(seconds));
                    options.timeout = Duration::from_secs_f64(seconds.ok_or(UsageError::BadNumber(value))?);
                }
            }
        }
        Ok(options)
    }
}

/// Why a node does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    #[error("cannot reach {place}: {error}")]
    Unreachable { place: String, error: io::Error },
    #[error("the answer broke off: {0}")]
    Io(#[from] io::Error),
    #[error("the node answered: {0}")]
    Refused(String),
    #[error("the cluster is not up")]
    ClusterDown,
}

/// Asks, and says what is wrong if anything is. The password may also stand in `REDISCLI_AUTH`.
pub(crate) fn check(options: &HealthOptions, password_of_environment: Option<String>) -> Result<(), Unhealthy> {
    let mut node = connect(options)?;
    if let Some(password) = options.password.clone().or(password_of_environment) {
        let answer = ask(&mut node, &["AUTH", &password])?;
        if answer != "+OK" && !answer.contains("without any password configured") {
            return Err(Unhealthy::Refused(answer));
        }
    }
    let answer = ask(&mut node, &["PING"])?;
    let is_busy = answer.starts_with("-LOADING") || answer.starts_with("-MASTERDOWN");
    if answer != "+PONG" && (options.wants_ready || !is_busy) {
        return Err(Unhealthy::Refused(answer));
    }
    if !options.wants_ready {
        return Ok(());
    }
    if ask(&mut node, &["INFO", "persistence"])?.contains("\nloading:1") {
        return Err(Unhealthy::Refused("loading".into()));
    }
    let is_clustered = ask(&mut node, &["INFO", "cluster"])?.contains("cluster_enabled:1");
    if is_clustered && !ask(&mut node, &["CLUSTER", "INFO"])?.contains("cluster_state:ok") {
        return Err(Unhealthy::ClusterDown);
    }
    Ok(())
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn connect(options: &HealthOptions) -> Result<BufReader<Box<dyn Stream>>, Unhealthy> {
    let limit = Some(options.timeout);
    let (place, stream) = match &options.socket {
        Some(path) => (path.clone(), unix_stream(path, limit)),
        None => {
            let place = format!("{}:{}", options.host, options.port);
            (place, tcp_stream(&options.host, options.port, options.timeout))
        }
    };
    stream.map(BufReader::new).map_err(|error| Unhealthy::Unreachable { place, error })
}

fn unix_stream(path: &str, limit: Option<Duration>) -> io::Result<Box<dyn Stream>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(limit)?;
    stream.set_write_timeout(limit)?;
    Ok(Box::new(stream))
}

fn tcp_stream(host: &str, port: u16, timeout: Duration) -> io::Result<Box<dyn Stream>> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                stream.set_read_timeout(Some(timeout))?;
                stream.set_write_timeout(Some(timeout))?;
                return Ok(Box::new(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Sends one request; gives the reply's line, or a bulk reply's text.
fn ask(node: &mut BufReader<Box<dyn Stream>>, words: &[&str]) -> io::Result<String> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    node.get_mut().write_all(request.as_bytes())?;
    let mut line = String::new();
    node.by_ref().take(REPLY_SIZE_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let Some(length) = line.strip_prefix('$') else { return Ok(line.to_owned()) };
    let length = length.parse::<u64>().ok().filter(|length| *length <= REPLY_SIZE_MAX);
    let length = length.ok_or(io::ErrorKind::InvalidData)?;
    let mut text = Vec::new();
    node.by_ref().take(length + 2).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

const REPLY_SIZE_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn options(words: &[&str]) -> Result<HealthOptions, UsageError> {
        HealthOptions::read(&words.iter().map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    /// A node that gives these answers, one to each request, whatever is asked.
    fn node(answers: &'static [&'static str]) -> HealthOptions {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).unwrap();
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let mut options = options(&["-p", &port, "--ready"]).unwrap();
        options.timeout = Duration::from_secs(20);
        options
    }

    const CALM: &str = "$11\r\n\r\nloading:0\r\n";

    #[test]
    fn a_ready_node_is_ready() {
        check(&node(&["+PONG\r\n", CALM, "$17\r\ncluster_enabled:0\r\n"]), None).unwrap();
        check(&node(&["+PONG\r\n", CALM, "$17\r\ncluster_enabled:1\r\n", "$16\r\ncluster_state:ok\r\n"]), None)
            .unwrap();
    }

    #[test]
    fn a_loading_node_is_alive_but_not_ready() {
        let mut asked = node(&["-LOADING Redis is loading the dataset in memory\r\n"]);
        assert!(matches!(check(&asked, None), Err(Unhealthy::Refused(_))));
        asked = node(&["-LOADING Redis is loading the dataset in memory\r\n"]);
        asked.wants_ready = false;
        check(&asked, None).unwrap();
    }

    #[test]
    fn a_node_of_a_broken_cluster_is_not_ready() {
        let asked = node(&["+PONG\r\n", CALM, "$17\r\ncluster_enabled:1\r\n", "$18\r\ncluster_state:fail\r\n"]);
        assert!(matches!(check(&asked, None), Err(Unhealthy::ClusterDown)));
    }

    #[test]
    fn a_wrong_password_and_a_cut_answer_are_unhealthy() {
        let wrong = node(&["-WRONGPASS invalid\r\n"]);
        assert!(matches!(check(&wrong, Some("x".into())), Err(Unhealthy::Refused(_))));
        assert!(matches!(check(&node(&[]), None), Err(Unhealthy::Io(_))));
    }

    #[test]
    fn options_are_read_and_wrong_ones_refused() {
        let read = options(&["--ready", "-h", "::1", "-p", "7000", "-a", "x", "-t", "0.5"]).unwrap();
        assert_eq!((read.host.as_str(), read.port, read.timeout), ("::1", 7000, Duration::from_millis(500)));
        assert_eq!(options(&["-p"]), Err(UsageError::MissingValue("-p".into())));
        assert_eq!(options(&["-p", "x"]), Err(UsageError::BadNumber("x".into())));
        assert_eq!(options(&["-t", "nan"]), Err(UsageError::BadNumber("nan".into())));
        assert_eq!(options(&["-x"]), Err(UsageError::UnknownHealthOption("-x".into())));
    }
}
