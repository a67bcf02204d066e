//! Which requests of a session stand for all of them in the figures of slots.
//!
//! To add each request's time and bytes to its slot would cost as much as some of the requests. So a session books one in
//! [`WEIGHT_MAX`] on the mean, drawn by chance so that no pattern of a pipeline is missed, with the weight of all; and the time
//! that the others took is shared out by the same draw. A session that has not asked for much yet books every request as it is.

use crate::command::keys::Include;
use crate::command::table::Command;
use crate::core::Core;
use crate::keyspace::traffic::Taken;
use crate::slot::Slot;

/// See the module.
#[derive(Debug)]
pub(super) struct Sampler {
    /// Requests up to the next that is drawn, that one included.
    left: u32,
    /// For how many requests that one stands.
    weight: u32,
    /// How many were drawn, up to [`EXACT_REQUESTS`].
    drawn: u32,
    random: u32,
    /// Time that no slot was booked with.
    nanos: u64,
    /// The request that was drawn and whose time is not known yet.
    sample: Option<(Slot, Taken)>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self { left: 1, weight: 1, drawn: 0, random: 0x9e37_79b9, nanos: 0, sample: None }
    }
}

impl Sampler {
    /// Notes a request, and how many bytes it answered.
    #[inline]
    pub(super) fn note(&mut self, core: &Core, command: &Command, args: &[&[u8]], reply_bytes: usize) {
        self.left -= 1;
        if self.left == 0 {
            self.draw(core, command, args, reply_bytes);
        }
    }

    /// Notes time that requests took.
    #[inline]
    pub(super) fn note_time(&mut self, core: &Core, nanos: u64) {
        self.nanos += nanos;
        if self.sample.is_some() {
            self.book(core);
        }
    }

    /// Notes time that one request took. What is long is booked where it belongs.
    #[inline]
    pub(super) fn note_time_of(&mut self, core: &Core, command: &Command, args: &[&[u8]], nanos: u64) {
        match nanos < LONG_NS_MIN {
            true => self.note_time(core, nanos),
            false => book_long(core, command, args, nanos),
        }
    }

    #[cold]
    fn draw(&mut self, core: &Core, command: &Command, args: &[&[u8]], reply_bytes: usize) {
        self.book(core);
        let weight = u64::from(self.weight);
        if let Some(slot) = slot_of(command, args) {
            let (input_bytes, output_bytes) = (weight * wire_bytes(args), weight * reply_bytes as u64);
            self.sample = Some((slot, Taken { cpu_ns: 0, input_bytes, output_bytes }));
        }
        self.drawn += u32::from(self.drawn < EXACT_REQUESTS);
        if self.drawn < EXACT_REQUESTS {
            self.left = 1;
            return;
        }
        self.weight = WEIGHT_MAX;
        // Xorshift: any distance from 1 to twice the mean less 1 is as likely as any other.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.left = 1 + self.random % (2 * WEIGHT_MAX - 1);
    }

    /// Adds what was drawn to its slot, with the time since the last.
    fn book(&mut self, core: &Core) {
        if let Some((slot, taken)) = self.sample.take() {
            core.traffic.add(slot, Taken { cpu_ns: std::mem::take(&mut self.nanos), ..taken });
        }
    }
}

/// Adds a request that EXEC ran to its slot.
pub(super) fn book_queued(core: &Core, command: &Command, args: &[&[u8]], nanos: u64, reply_bytes: usize) {
    if let Some(slot) = slot_of(command, args) {
        core.traffic.add(slot, Taken { cpu_ns: nanos, input_bytes: 0, output_bytes: reply_bytes as u64 });
    }
}

#[cold]
fn book_long(core: &Core, command: &Command, args: &[&[u8]], nanos: u64) {
    if let Some(slot) = slot_of(command, args) {
        core.traffic.add(slot, Taken { cpu_ns: nanos, ..Taken::default() });
    }
}

/// The slot of a request: that of its first key.
fn slot_of(command: &Command, args: &[&[u8]]) -> Option<Slot> {
    let first = match command.plain_range(args.len()) {
        Some(range) => range.first,
        None => command.keys(args, Include::Routed).first()?.index as usize,
    };
    args.get(first).map(|key| Slot::of(key))
}

/// Bytes of a request as a client sends it.
fn wire_bytes(args: &[&[u8]]) -> u64 {
    let line = |number: usize| 3 + number.checked_ilog10().unwrap_or(0) as usize + 1;
    let bytes = |arg: &&[u8]| line(arg.len()) + arg.len() + 2;
    (line(args.len()) + args.iter().map(bytes).sum::<usize>()) as u64
}

/// One request in so many is booked, on the mean.
const WEIGHT_MAX: u32 = 32;

/// So many requests of a session are booked as they are.
const EXACT_REQUESTS: u32 = 64;

/// What took so long was the work of its slot.
const LONG_NS_MIN: u64 = 20_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::table;
    use crate::command::testing::{ask, session};
    use crate::{Engine, ManualClock, PeerInfo, UnixMillis};
    use std::task::Waker;

    #[test]
    fn the_first_requests_are_booked_to_the_byte() {
        let db = Engine::in_memory();
        let mut s = session(&db);
        ask(&mut s, "SET {a}k abc");
        ask(&mut s, "GET {a}k");
        ask(&mut s, "PING");
        ask(&mut s, "GET b");
        let (a, b) = (db.slot_stats(Slot::of(b"a")), db.slot_stats(Slot::of(b"b")));
        let set = b"*3\r\n$3\r\nSET\r\n$4\r\n{a}k\r\n$3\r\nabc\r\n".len();
        let get = b"*2\r\n$3\r\nGET\r\n$4\r\n{a}k\r\n".len();
        assert_eq!((a.input_bytes, a.output_bytes), ((set + get) as u64, b"+OK\r\n$3\r\nabc\r\n".len() as u64));
        assert_eq!((b.input_bytes, b.output_bytes), (b"*2\r\n$3\r\nGET\r\n$1\r\nb\r\n".len() as u64, 5));
        assert!(a.cpu_ns > 0 && b.cpu_ns > 0);
    }

    #[test]
    fn the_bytes_of_a_request_are_those_that_a_client_sends() {
        let many: [&[u8]; 11] = [b"x"; 11];
        for args in [&[&b""[..]][..], &[b"PING"], &[b"SET", b"0123456789", &[b'x'; 100]], &many] {
            let mut sent = format!("*{}\r\n", args.len()).into_bytes();
            for arg in args {
                sent.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
                sent.extend_from_slice(arg);
                sent.extend_from_slice(b"\r\n");
            }
            assert_eq!(wire_bytes(args), sent.len() as u64);
        }
    }

    #[test]
    fn what_is_drawn_stands_for_all_whatever_their_pattern() {
        let db = Engine::in_memory();
        let mut s = db.session(Waker::noop().clone(), PeerInfo::default());
        // Two slots take turns, so that every other request is of one.
        let pipeline = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n".repeat(16);
        let rounds = 4000;
        for _ in 0..rounds {
            s.feed(&pipeline);
            s.poll_output(&mut Vec::new());
        }
        let sent = (rounds * pipeline.len() / 2) as f64;
        for key in [b"a", b"b"] {
            let share = db.slot_stats(Slot::of(key)).input_bytes as f64 / sent;
            assert!((0.93..1.07).contains(&share), "{share}");
        }
    }

    #[test]
    fn long_requests_are_booked_in_their_slot_and_queued_ones_too() {
        let db = Engine::builder().clock(ManualClock::at(UnixMillis(1_000_000))).in_memory();
        let mut sampler = Sampler::default();
        let get = table().lookup(&[b"GET"]).expect("it is a command");
        sampler.note_time_of(&db.core, get, &[b"GET", b"a"], LONG_NS_MIN);
        sampler.note_time_of(&db.core, get, &[b"GET", b"b"], LONG_NS_MIN - 1);
        let cpu = |key: &[u8]| db.slot_stats(Slot::of(key)).cpu_ns;
        assert_eq!((cpu(b"a"), cpu(b"b")), (LONG_NS_MIN, 0));
        let mut s = session(&db);
        for request in ["MULTI", "SET c 1", "EXEC"] {
            ask(&mut s, request);
        }
        assert_eq!(db.slot_stats(Slot::of(b"c")).output_bytes, b"+QUEUED\r\n+OK\r\n".len() as u64);
    }
}
