//! What can be wrong with a request's framing, and the words Redis uses for it.

use std::fmt;

/// A request that cannot be framed. The connection it came from cannot be resynchronised: answer with
/// [`ProtocolError::wire_text`] if there is one, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// The number after `*` is missing, malformed or above the limit.
    InvalidMultibulkLength,
    /// The number after `$` is missing, malformed, negative or above the limit.
    InvalidBulkLength,
    /// An argument starts with this byte instead of `$`.
    ExpectedDollar(u8),
    /// The `*` line goes on without an end.
    TooBigMultibulkCount,
    /// A `$` line goes on without an end.
    TooBigBulkCount,
    /// An inline request goes on without an end.
    TooBigInline,
    /// A peer that has not authenticated announces more arguments than it may.
    UnauthenticatedMultibulkLength,
    /// A peer that has not authenticated announces a longer argument than it may.
    UnauthenticatedBulkLength,
    /// An inline request with a quote that is not closed, or closed in the middle of a word.
    UnbalancedQuotes,
    /// The unfinished request is larger than the query buffer may grow. Redis closes without a word.
    QueryBufferFull,
}

impl ProtocolError {
    /// The error line to send, without the leading `-` and the line end, as Redis words it; `None` when the connection
    /// is to be closed in silence. Bytes, because the text may quote one byte of the peer's.
    pub fn wire_text(&self) -> Option<Vec<u8>> {
        let tail: &str = match self {
            Self::InvalidMultibulkLength => "invalid multibulk length",
            Self::InvalidBulkLength => "invalid bulk length",
            Self::ExpectedDollar(found) => {
                let mut text = b"ERR Protocol error: expected '$', got '".to_vec();
                text.push(if matches!(found, b'\r' | b'\n') { b' ' } else { *found });
                text.push(b'\'');
                return Some(text);
            }
            Self::TooBigMultibulkCount => "too big mbulk count string",
            Self::TooBigBulkCount => "too big bulk count string",
            Self::TooBigInline => "too big inline request",
            Self::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            Self::UnauthenticatedBulkLength => "unauthenticated bulk length",
            Self::UnbalancedQuotes => "unbalanced quotes in request",
            Self::QueryBufferFull => return None,
        };
        Some([b"ERR Protocol error: ", tail.as_bytes()].concat())
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wire_text() {
            Some(text) => f.write_str(&text[b"ERR ".len()..].escape_ascii().to_string()),
            None => f.write_str("query buffer limit exceeded by an unfinished request"),
        }
    }
}

impl std::error::Error for ProtocolError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_texts_are_those_of_redis() {
        for (error, text) in [
            (ProtocolError::InvalidMultibulkLength, "ERR Protocol error: invalid multibulk length"),
            (ProtocolError::InvalidBulkLength, "ERR Protocol error: invalid bulk length"),
            (ProtocolError::ExpectedDollar(b'X'), "ERR Protocol error: expected '$', got 'X'"),
            (ProtocolError::ExpectedDollar(b'\n'), "ERR Protocol error: expected '$', got ' '"),
            (ProtocolError::ExpectedDollar(1), "ERR Protocol error: expected '$', got '\x01'"),
            (ProtocolError::TooBigMultibulkCount, "ERR Protocol error: too big mbulk count string"),
            (ProtocolError::TooBigBulkCount, "ERR Protocol error: too big bulk count string"),
            (ProtocolError::TooBigInline, "ERR Protocol error: too big inline request"),
            (ProtocolError::UnauthenticatedMultibulkLength, "ERR Protocol error: unauthenticated multibulk length"),
            (ProtocolError::UnauthenticatedBulkLength, "ERR Protocol error: unauthenticated bulk length"),
            (ProtocolError::UnbalancedQuotes, "ERR Protocol error: unbalanced quotes in request"),
        ] {
            assert_eq!(error.wire_text().unwrap(), text.as_bytes());
        }
        assert_eq!(ProtocolError::QueryBufferFull.wire_text(), None);
        assert_eq!(ProtocolError::ExpectedDollar(0xff).wire_text().unwrap()[39], 0xff);
    }

    #[test]
    fn display_is_printable() {
        assert_eq!(ProtocolError::ExpectedDollar(0xff).to_string(), r"Protocol error: expected \'$\', got \'\xff\'");
    }
}
