//! Histories that clients record, and whether a key was one register all the time.
//!
//! An operation takes place at one moment between its request and its reply. One without a reply took place at some moment behind
//! its request, or never. A history is good if there is an order of such moments in which every reply is right: then the key is
//! *linearizable*.
//!
//! ```
//! use keyslot_replication::sim::history::{Ask, Operation, is_linearizable};
//!
//! let set = Operation { ask: Ask::Set(7), from: 0, reply: Some((10, None)) };
//! let get = |from, said| Operation { ask: Ask::Get, from, reply: Some((from + 1, said)) };
//! assert!(is_linearizable(&[set, get(2, None), get(4, Some(7))], None));
//! assert!(!is_linearizable(&[set, get(2, Some(7)), get(4, None)], None));
//! ```

use std::collections::BTreeSet;

/// What a client asked of a register. Numbers stand for values; `None` is a key that is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// SET: replies nothing.
    Set(u64),
    /// GET: replies what is there.
    Get,
    /// SET with GET: replies what was there.
    GetSet(u64),
    /// INCR: replies the new number; a key that is not there counts as 0.
    Increment,
}

/// An operation on one key, as its client saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Operation {
    /// What was asked.
    pub ask: Ask,
    /// When it was asked, on any clock that goes forward.
    pub from: u64,
    /// When the reply came, and what it said; `None`: nobody knows what became of it.
    pub reply: Option<(u64, Option<u64>)>,
}

impl Ask {
    /// Whether it changes the register.
    pub fn is_write(self) -> bool {
        self != Self::Get
    }

    /// The register behind it, and what it replies.
    pub fn run(self, register: Option<u64>) -> (Option<u64>, Option<u64>) {
        match self {
            Self::Set(new) => (Some(new), None),
            Self::Get => (register, register),
            Self::GetSet(new) => (Some(new), register),
            Self::Increment => {
                let new = Some(register.unwrap_or(0).wrapping_add(1));
                (new, new)
            }
        }
    }
}

impl Operation {
    fn until(&self) -> u64 {
        self.reply.map_or(u64::MAX, |(until, _)| until)
    }
}

/// Whether there is an order of moments in which every reply is right, of a register that held `initial` before. Any order of the
/// slice. All orders are tried, each state once, the likely ones first: close to linear where few operations overlap and replies are
/// seldom lost, exponential in how many do at worst.
pub fn is_linearizable(history: &[Operation], initial: Option<u64>) -> bool {
    let increments = history.iter().filter(|op| op.ask == Ask::Increment).count() as u64;
    let said: BTreeSet<u64> = history.iter().filter_map(|op| op.reply?.1).collect();
    let was_seen = |value: u64| said.range(value..=value.saturating_add(increments)).next().is_some();
    let matters = |op: &&Operation| match op.ask {
        _ if op.reply.is_some() => true,
        Ask::Get => false,
        // What nobody saw need not have been.
        Ask::Set(value) | Ask::GetSet(value) => was_seen(value),
        Ask::Increment => true,
    };
    let mut ops: Vec<Operation> = history.iter().filter(matters).copied().collect();
    ops.sort_by_key(|op| op.from);
    // What took place: all before `first`, and some behind it.
    let mut todo = vec![(0_usize, Vec::<usize>::new(), initial)];
    let mut tried = BTreeSet::new();
    while let Some((first, done, register)) = todo.pop() {
        if ops[first..].iter().enumerate().all(|(at, op)| op.reply.is_none() || done.contains(&(first + at))) {
            return true;
        }
        let is_open = |at: &usize| !done.contains(at);
        let mut next = open_at(&ops, first, is_open);
        // The last that is put in is tried first.
        next.sort_by_key(|at| std::cmp::Reverse(ops[*at].until()));
        for at in next {
            let (behind, says) = ops[at].ask.run(register);
            if ops[at].reply.is_some_and(|(_, heard)| heard != says) {
                continue;
            }
            let (mut first, mut done) = (first, done.clone());
            done.push(at);
            done.sort_unstable();
            while done.first() == Some(&first) {
                done.remove(0);
                first += 1;
            }
            if tried.insert((first, done.clone(), behind)) {
                todo.push((first, done, behind));
            }
        }
    }
    false
}

/// Which may be the next: those that were asked for before the first reply of those that are open.
fn open_at(ops: &[Operation], first: usize, is_open: impl Fn(&usize) -> bool) -> Vec<usize> {
    let mut soonest = u64::MAX;
    let mut next = Vec::new();
    for (at, op) in ops.iter().enumerate().skip(first) {
        // They are in the order of their beginnings: who begins behind a reply, and all behind it, are later.
        if op.from > soonest {
            break;
        }
        if is_open(&at) {
            soonest = soonest.min(op.until());
            next.push(at);
        }
    }
    next.retain(|at| ops[*at].from <= soonest);
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(ask: Ask, from: u64, until: u64, said: Option<u64>) -> Operation {
        Operation { ask, from, reply: Some((until, said)) }
    }

    fn lost(ask: Ask, from: u64) -> Operation {
        Operation { ask, from, reply: None }
    }

    #[test]
    fn what_is_right_in_some_order_is_good() {
        let good = [
            op(Ask::Set(700), 0, 10, None),
            op(Ask::Get, 2, 4, Some(700)),
            op(Ask::Get, 3, 5, Some(700)),
            op(Ask::Increment, 11, 12, Some(701)),
        ];
        assert!(is_linearizable(&good, None));
        assert!(is_linearizable(&[op(Ask::Get, 0, 1, Some(5))], Some(5)), "it was there before");
        let late = [lost(Ask::Set(700), 0), op(Ask::Get, 5, 6, None), op(Ask::Get, 7, 8, Some(700))];
        assert!(is_linearizable(&late, None), "it came late");
        let never = [lost(Ask::Set(700), 0), op(Ask::GetSet(900), 5, 6, None), op(Ask::Get, 7, 8, Some(900))];
        assert!(is_linearizable(&never, None), "or never");
    }

    #[test]
    fn what_is_right_in_no_order_is_not() {
        assert!(!is_linearizable(&[op(Ask::Get, 0, 1, Some(5))], None), "nobody wrote that");
        let gone = [op(Ask::Set(700), 0, 1, None), op(Ask::Get, 2, 3, None)];
        assert!(!is_linearizable(&gone, None), "a write that was told is lost");
        let back = [op(Ask::Set(700), 0, 10, None), op(Ask::Get, 1, 2, Some(700)), op(Ask::Get, 3, 4, None)];
        assert!(!is_linearizable(&back, None), "what was seen is gone");
        let twice = [op(Ask::Increment, 0, 9, Some(1)), op(Ask::Increment, 1, 8, Some(1))];
        assert!(!is_linearizable(&twice, None), "two take one number");
        let early = [op(Ask::Set(700), 0, 1, None), lost(Ask::Set(800), 3), op(Ask::Get, 2, 2, Some(800))];
        assert!(!is_linearizable(&early, None), "too early");
    }
}
