//! Messages for one session, put there by whoever publishes and taken by the session between two replies.
//!
//! ```text
//! copied   | frame | frame | head of a long one || frame |
//! shared                                         ^ the rest of the long one, at this place
//! ```
//!
//! Short messages are copied: that costs less than sharing them would. Long ones are shared by all who get them.
//!
//! Invariants
//! - Messages are taken in the order in which they were put.
//! - A mailbox never holds more bytes than its limit: the message that would pass it closes the mailbox, which is then
//!   empty and takes no more.

use crate::effect::Offset;
use bytes::Bytes;
use parking_lot::Mutex;

/// One frame for a mailbox. Its first byte depends on the reader's version of the protocol, the rest does not.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Everything after the first byte.
    pub(crate) rest: &'a [u8],
    /// The same bytes, where they are worth sharing.
    pub(crate) shared: Option<&'a Bytes>,
    /// What the message tells of.
    pub(crate) offset: Offset,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delivery {
    /// It is the only one: its reader must be woken.
    First,
    /// It waits behind others, for which the reader was woken.
    Queued,
    /// It would have passed the limit: the mailbox is closed now.
    Overflowed,
    /// The mailbox was closed before.
    Refused,
}

/// The mailbox of one client.
#[derive(Default, Debug)]
pub(crate) struct Mailbox {
    mail: Mutex<Mail>,
}

#[derive(Default, Debug)]
struct Mail {
    copied: Vec<u8>,
    /// Long parts, each with its place among the copied bytes.
    shared: Vec<(usize, Bytes)>,
    /// Bytes in all.
    len: usize,
    /// The newest offset that any of them tells of.
    offset: Offset,
    is_closed: bool,
}

impl Mailbox {
    /// Puts a frame behind the others. `len_max` of 0 is no limit.
    pub(crate) fn put(&self, first: u8, frame: Frame<'_>, len_max: u64) -> Delivery {
        let mut mail = self.mail.lock();
        let mail = &mut *mail;
        if mail.is_closed {
            return Delivery::Refused;
        }
        let is_first = mail.len == 0;
        mail.len += 1 + frame.rest.len();
        if len_max > 0 && mail.len as u64 > len_max {
            *mail = Mail { is_closed: true, ..Mail::default() };
            return Delivery::Overflowed;
        }
        mail.offset = mail.offset.max(frame.offset);
        mail.copied.push(first);
        match frame.shared {
            None => mail.copied.extend_from_slice(frame.rest),
            Some(bytes) => mail.shared.push((mail.copied.len(), bytes.clone())),
        }
        if is_first { Delivery::First } else { Delivery::Queued }
    }

    /// Puts whole frames behind the others, shared with other readers.
    pub(crate) fn put_shared(&self, frames: &Bytes, len_max: u64) -> Delivery {
        let mut mail = self.mail.lock();
        if mail.is_closed {
            return Delivery::Refused;
        }
        let is_first = mail.len == 0;
        mail.len += frames.len();
        if len_max > 0 && mail.len as u64 > len_max {
            *mail = Mail { is_closed: true, ..Mail::default() };
            return Delivery::Overflowed;
        }
        let at = mail.copied.len();
        mail.shared.push((at, frames.clone()));
        if is_first { Delivery::First } else { Delivery::Queued }
    }

    /// Appends everything to `out`. Returns the newest offset that it tells of.
    pub(crate) fn take(&self, out: &mut Vec<u8>) -> Offset {
        let mut mail = self.mail.lock();
        let mail = &mut *mail;
        if mail.len == 0 {
            return Offset(0);
        }
        let mut from = 0;
        for (at, bytes) in mail.shared.drain(..) {
            out.extend_from_slice(&mail.copied[from..at]);
            out.extend_from_slice(&bytes);
            from = at;
        }
        out.extend_from_slice(&mail.copied[from..]);
        mail.copied.clear();
        mail.copied.shrink_to(KEPT_BYTES_MAX);
        mail.shared.shrink_to(KEPT_BYTES_MAX / size_of::<(usize, Bytes)>());
        mail.len = 0;
        std::mem::take(&mut mail.offset)
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.mail.lock().len
    }
}

/// Memory that an empty mailbox keeps.
const KEPT_BYTES_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn frame<'a>(rest: &'a [u8], shared: Option<&'a Bytes>, offset: u64) -> Frame<'a> {
        Frame { rest, shared, offset: Offset(offset) }
    }

    #[test]
    fn short_and_long_messages_come_in_order() {
        let mailbox = Mailbox::default();
        let long = Bytes::from(vec![b'x'; 5000]);
        assert_eq!(mailbox.put(b'*', frame(b"1", None, 0), 0), Delivery::First);
        assert_eq!(mailbox.put(b'>', frame(&long, Some(&long), 7), 0), Delivery::Queued);
        assert_eq!(mailbox.put(b'*', frame(b"3", None, 5), 0), Delivery::Queued);
        assert_eq!(mailbox.len(), 5005);
        let mut out = Vec::new();
        assert_eq!(mailbox.take(&mut out), Offset(7));
        assert_eq!(out, [b"*1>".as_slice(), &long, b"*3"].concat());
        assert_eq!((mailbox.take(&mut out), mailbox.len()), (Offset(0), 0));
        assert_eq!(mailbox.put(b'*', frame(b"4", None, 0), 0), Delivery::First);
    }

    #[test]
    fn a_full_mailbox_closes_and_lets_go_of_everything() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.put(b'*', frame(b"1234", None, 0), 10), Delivery::First);
        assert_eq!(mailbox.put(b'*', frame(b"1234", None, 0), 10), Delivery::Queued);
        assert_eq!(mailbox.put(b'*', frame(b"", None, 0), 10), Delivery::Overflowed);
        assert_eq!(mailbox.put(b'*', frame(b"", None, 0), 10), Delivery::Refused);
        let mut out = Vec::new();
        mailbox.take(&mut out);
        assert!(out.is_empty());
    }
}
