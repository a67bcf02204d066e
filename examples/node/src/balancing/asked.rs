//! A node that is asked, one request after another, over a connection that waits.

use keyslot::engine::resp::{ReplyLimits, ReplyParser, Value};
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Why a node did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("cannot reach {place}: {error}")]
    Unreachable { place: String, error: io::Error },
    #[error("{place} answered {request} with: {answer}")]
    Refused { place: String, request: String, answer: String },
}

/// The words of a request.
pub(crate) type Request = Vec<Vec<u8>>;

/// A request whose words have no blanks in them.
pub(crate) fn request(text: &str) -> Request {
    text.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect()
}

/// As whom nodes are asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Credentials {
    /// `default` if it is not said.
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

/// A node that is asked.
pub(crate) struct Asked {
    place: String,
    stream: TcpStream,
}

impl Asked {
    /// Connects, and says who asks.
    pub(crate) fn connect(host: &str, port: u16, credentials: Option<&Credentials>) -> Result<Self, AskError> {
        let place = format!("{host}:{port}");
        let mut asked = match connect(host, port) {
            Ok(stream) => Self { place, stream },
            Err(error) => return Err(AskError::Unreachable { place, error }),
        };
        if let Some(Credentials { user, password }) = credentials {
            let words = [Some("AUTH"), user.as_deref(), Some(password.as_str())].into_iter().flatten();
            asked.ask(&words.map(|word| word.as_bytes().to_vec()).collect())?;
        }
        Ok(asked)
    }

    /// Has a request done. An error reply is an error.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Value, AskError> {
        match self.ask_all(std::slice::from_ref(request))?.pop() {
            Some(Value::Error(text)) => Err(AskError::Refused {
                place: self.place.clone(),
                request: shown(request),
                answer: String::from_utf8_lossy(&text).into_owned(),
            }),
            value => Ok(value.unwrap_or_default()),
        }
    }

    /// Has requests done that go out together, and gives their replies, errors among them.
    pub(crate) fn ask_all(&mut self, requests: &[Request]) -> Result<Vec<Value>, AskError> {
        let asked = self.exchange(requests);
        asked.map_err(|error| AskError::Unreachable { place: self.place.clone(), error })
    }

    /// The text of a reply.
    pub(crate) fn ask_text(&mut self, request: &Request) -> Result<String, AskError> {
        let value = self.ask(request)?;
        Ok(String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned())
    }

    fn exchange(&mut self, requests: &[Request]) -> io::Result<Vec<Value>> {
        let mut bytes = Vec::new();
        for request in requests {
            bytes.extend_from_slice(format!("*{}\r\n", request.len()).as_bytes());
            for word in request {
                bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                bytes.extend_from_slice(word);
                bytes.extend_from_slice(b"\r\n");
            }
        }
        self.stream.write_all(&bytes)?;
        let mut parser = ReplyParser::new(ReplyLimits::default());
        let (mut values, mut input, mut parsed) = (Vec::new(), Vec::new(), 0);
        let mut buffer = vec![0; READ_BYTES];
        while values.len() < requests.len() {
            let step = parser.parse(&input[parsed..]).map_err(io::Error::other)?;
            parsed += step.consumed;
            match step.value {
                Some(value) => values.push(value),
                None => match self.stream.read(&mut buffer)? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    read => input.extend_from_slice(&buffer[..read]),
                },
            }
        }
        Ok(values)
    }
}

/// The first words of a request, for an error.
fn shown(request: &Request) -> String {
    let words = request.iter().take(WORDS_SHOWN_MAX).map(|word| word.escape_ascii().to_string());
    words.collect::<Vec<_>>().join(" ")
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(LIMIT))?;
                stream.set_write_timeout(Some(LIMIT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A node that says nothing for so long is not there. Longer than MIGRATE is given.
const LIMIT: Duration = Duration::from_secs(90);

const READ_BYTES: usize = 64 << 10;

/// So much of a request is told.
const WORDS_SHOWN_MAX: usize = 5;
