//! Replies as owned values: what an embedder's raw call returns and what a parser makes of a peer's reply.

use bytes::Bytes;

use super::reply::{ReplyWriter, RespVersion};

/// One reply, in the types of RESP3. What RESP2 cannot say arrives as what it says instead: see [`ReplyWriter`].
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// No value: `_`, `$-1` or `*-1`.
    #[default]
    Nil,
    /// The simple string `OK`.
    Ok,
    /// Any other simple string.
    Simple(Bytes),
    /// An error; the text begins with its code, such as `ERR` or `WRONGTYPE`.
    Error(Bytes),
    /// An integer.
    Integer(i64),
    /// A bulk string.
    Bulk(Bytes),
    /// An array.
    Array(Vec<Value>),
    /// A map, in the order sent.
    Map(Vec<(Value, Value)>),
    /// A set, in the order sent.
    Set(Vec<Value>),
    /// Something sent without being asked for, such as a message or an invalidation.
    Push(Vec<Value>),
    /// A double.
    Double(f64),
    /// A boolean.
    Boolean(bool),
    /// Decimal digits with an optional sign.
    BigNumber(Bytes),
    /// Text with a three-letter format.
    Verbatim {
        /// `txt` or `mkd`, so far.
        format: [u8; 3],
        /// The text without the format.
        text: Bytes,
    },
    /// A reply with attributes ahead of it.
    Attributed {
        /// The attributes, in the order sent.
        attributes: Vec<(Value, Value)>,
        /// The reply they describe.
        reply: Box<Value>,
    },
}

impl Value {
    /// A bulk string with a copy of `bytes`.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// The bytes of a string of any kind; `None` for errors and everything else.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Ok => Some(b"OK"),
            Self::Simple(bytes) | Self::Bulk(bytes) | Self::BigNumber(bytes) | Self::Verbatim { text: bytes, .. } => {
                Some(bytes)
            }
            Self::Attributed { reply, .. } => reply.as_bytes(),
            _ => None,
        }
    }

    /// The number of an integer reply, of a boolean as 0 or 1, or of a string that holds one.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Boolean(value) => Some(i64::from(*value)),
            _ => crate::text::parse_i64(self.as_bytes()?),
        }
    }

    /// The elements of an array, set or push.
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) | Self::Set(elements) | Self::Push(elements) => Some(elements),
            Self::Attributed { reply, .. } => reply.as_slice(),
            _ => None,
        }
    }

    /// The text of an error.
    pub fn as_error(&self) -> Option<&[u8]> {
        match self {
            Self::Error(text) => Some(text),
            Self::Attributed { reply, .. } => reply.as_error(),
            _ => None,
        }
    }

    /// True for [`Value::Nil`].
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// The reply's bytes in `version`.
    pub fn encode(&self, version: RespVersion) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut ReplyWriter::new(&mut out, version));
        out
    }

    /// Appends the reply to `out`. RESP2 drops attributes.
    pub fn write(&self, out: &mut ReplyWriter<'_>) {
        match self {
            Self::Nil => out.null(),
            Self::Ok => out.ok(),
            Self::Simple(text) => out.simple_bytes(text),
            Self::Error(text) => out.error_bytes(text),
            Self::Integer(number) => out.integer(*number),
            Self::Bulk(bytes) => out.bulk(bytes),
            Self::Array(elements) => {
                out.array(elements.len());
                elements.iter().for_each(|element| element.write(out));
            }
            Self::Map(pairs) => {
                out.map(pairs.len());
                write_pairs(pairs, out);
            }
            Self::Set(elements) => {
                out.set(elements.len());
                elements.iter().for_each(|element| element.write(out));
            }
            Self::Push(elements) => {
                out.push(elements.len());
                elements.iter().for_each(|element| element.write(out));
            }
            Self::Double(number) => out.double(*number),
            Self::Boolean(value) => out.boolean(*value),
            Self::BigNumber(digits) => out.big_number_bytes(digits),
            Self::Verbatim { format, text } => out.verbatim_bytes(*format, text),
            Self::Attributed { attributes, reply } => {
                if out.attribute(attributes.len()) {
                    write_pairs(attributes, out);
                }
                reply.write(out);
            }
        }
    }
}

fn write_pairs(pairs: &[(Value, Value)], out: &mut ReplyWriter<'_>) {
    for (key, value) in pairs {
        key.write(out);
        value.write(out);
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::Bulk(bytes)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::bulk(text)
    }
}

impl From<Vec<Value>> for Value {
    fn from(elements: Vec<Value>) -> Self {
        Self::Array(elements)
    }
}
