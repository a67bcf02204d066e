//! Keys that come from other nodes in pieces: `RESTORE-BEGIN key [REPLACE]`, `RESTORE-END key`.

use crate::host::Node;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{Arrival, Asker, InPlace};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::task::{Poll, Waker};

/// Keys in the making, by the clients that write them; each writes one at a time.
#[derive(Default)]
pub(in crate::host) struct Arrivals(Mutex<HashMap<u64, Arrival>>);

impl Arrivals {
    /// A client is gone, and with it what it did not end.
    pub(in crate::host) fn forget(&self, client_id: u64) {
        let left = self.0.lock().remove(&client_id);
        drop(left);
    }
}

impl Node {
    pub(in crate::host) fn restore_begin(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let in_place = match &args[2..] {
            [] => InPlace::Kept,
            [word] if word.eq_ignore_ascii_case(b"replace") => InPlace::Replaced,
            _ => return reply.error("ERR syntax error"),
        };
        if asker.in_exec {
            return reply.error("ERR Command not allowed inside a transaction");
        }
        self.arrivals.forget(asker.client_id);
        match self.engine.poll_arrive(asker.client_id, asker.db, args[1], in_place, Waker::noop()) {
            Poll::Ready(Ok(arrival)) => {
                self.arrivals.0.lock().insert(asker.client_id, arrival);
                reply.ok();
            }
            Poll::Ready(Err(error)) => reply.error(&error.to_string()),
            Poll::Pending => reply.error("TRYAGAIN The key is on its way already"),
        }
    }

    pub(in crate::host) fn restore_end(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let arrival = self.arrivals.0.lock().remove(&asker.client_id);
        match arrival {
            Some(arrival) if arrival.key() == args[1] => {
                arrival.keep();
                reply.ok();
            }
            _ => reply.error("ERR no such key comes from this client"),
        }
    }
}
