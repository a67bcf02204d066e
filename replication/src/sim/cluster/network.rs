//! The network of a simulated cluster: connections that keep their order, are late, are cut, and do not get through partitions.

use super::super::network::{End, Parcel, Way};
use crate::chance::Chance;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How the network behaves. All by chance, from the seed. Begin with one of the constants and change what is to be another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// What is sent takes so long, at least.
    pub latency_ms_min: i64,
    /// And at most.
    pub latency_ms_max: i64,
    /// One parcel in so many is lost once and comes a while later, as TCP has it; 0 for none.
    pub stall_once_in: u64,
    /// One parcel in so many is the last of its connection; 0 for none.
    pub cut_once_in: u64,
    /// One connection in so many is slower than the others, so that what is sent over a later one is there before; 0 for none.
    pub slow_once_in: u64,
    /// One connection in so many comes a second time, a while later, with all that was sent over the first; 0 for none.
    pub double_once_in: u64,
}

impl NetworkOptions {
    /// All is well.
    pub const CALM: Self = Self {
        latency_ms_min: 0,
        latency_ms_max: 1,
        stall_once_in: 0,
        cut_once_in: 0,
        slow_once_in: 0,
        double_once_in: 0,
    };

    /// What a network does at its worst, but for partitions.
    pub const ROUGH: Self = Self {
        latency_ms_min: 0,
        latency_ms_max: 20,
        stall_once_in: 100,
        cut_once_in: 400,
        slow_once_in: 8,
        double_once_in: 16,
    };
}

#[derive(Debug, Default)]
struct Pipe {
    parcels: VecDeque<(i64, Parcel)>,
    last_at_ms: i64,
    /// When the first of them is looked at: what the queue has of this pipe.
    due: Option<(i64, u64)>,
}

#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: End,
    pub(super) server: End,
    /// Whether it is of the bus; else a link of replication.
    pub(super) is_bus: bool,
    up: Pipe,
    down: Pipe,
    /// So much longer everything takes on it.
    slower_ms: i64,
    /// Another that carries a copy of what goes up on this one.
    ghost: Option<u64>,
}

impl Wire {
    pub(super) fn end(&mut self, way: Way) -> &mut End {
        if way == Way::Up { &mut self.client } else { &mut self.server }
    }

    fn pipe(&mut self, way: Way) -> &mut Pipe {
        if way == Way::Up { &mut self.up } else { &mut self.down }
    }

    fn route(&self, way: Way) -> (usize, usize) {
        if way == Way::Up { (self.client.node, self.server.node) } else { (self.server.node, self.client.node) }
    }
}

#[derive(Debug)]
pub(super) struct Network {
    pub(super) options: NetworkOptions,
    wires: BTreeMap<u64, Wire>,
    of_node: Vec<BTreeSet<u64>>,
    /// Pipes, by when their first parcels are looked at.
    queue: BTreeSet<(i64, u64, u64, Way)>,
    next_wire: u64,
    next_order: u64,
    /// What does not get from the first of them to the second.
    blocked: BTreeSet<(usize, usize)>,
}

impl Network {
    pub(super) fn new(options: NetworkOptions) -> Self {
        Self {
            options,
            wires: BTreeMap::new(),
            of_node: Vec::new(),
            queue: BTreeSet::new(),
            next_wire: 0,
            next_order: 0,
            blocked: BTreeSet::new(),
        }
    }

    pub(super) fn add_node(&mut self) {
        self.of_node.push(BTreeSet::new());
    }

    pub(super) fn block(&mut self, from: usize, to: usize) {
        self.blocked.insert((from, to));
    }

    pub(super) fn heal(&mut self) {
        self.blocked.clear();
    }

    pub(super) fn connect(
        &mut self,
        client: End,
        server: usize,
        is_bus: bool,
        now_ms: i64,
        chance: &mut Chance,
    ) -> u64 {
        let options = self.options;
        let number = self.insert(client, server, is_bus);
        if options.slow_once_in > 0 && chance.once_in(options.slow_once_in) {
            self.delay(number, chance.below(SLOWER_MS_MAX) as i64);
        }
        self.send(number, Way::Up, Parcel::Open, now_ms, chance);
        if options.double_once_in > 0 && chance.once_in(options.double_once_in) {
            let silent = End { id: None, is_open: false, ..client };
            let ghost = self.insert(silent, server, is_bus);
            self.delay(ghost, chance.below(GHOST_MS_MAX) as i64);
            self.send(ghost, Way::Up, Parcel::Open, now_ms, chance);
            if let Some(wire) = self.wires.get_mut(&number) {
                wire.ghost = Some(ghost);
            }
        }
        number
    }

    fn insert(&mut self, client: End, server: usize, is_bus: bool) -> u64 {
        let number = self.next_wire;
        self.next_wire += 1;
        let server = End { node: server, run: 0, id: None, is_open: false };
        let (up, down) = (Pipe::default(), Pipe::default());
        self.wires.insert(number, Wire { client, server, is_bus, up, down, slower_ms: 0, ghost: None });
        self.of_node[client.node].insert(number);
        self.of_node[server.node].insert(number);
        number
    }

    fn delay(&mut self, number: u64, ms: i64) {
        if let Some(wire) = self.wires.get_mut(&number) {
            wire.slower_ms = ms;
        }
    }

    /// How long something takes that goes over no connection of these.
    pub(super) fn latency_ms(&self, chance: &mut Chance) -> i64 {
        let options = self.options;
        let spread = (options.latency_ms_max - options.latency_ms_min).max(0) as u64 + 1;
        let mut late_ms = options.latency_ms_min + chance.below(spread) as i64;
        if options.stall_once_in > 0 && chance.once_in(options.stall_once_in) {
            late_ms += 200 + chance.below(800) as i64;
        }
        late_ms
    }

    /// Whether the connection that something goes over ends with it.
    pub(super) fn cuts(&self, chance: &mut Chance) -> bool {
        self.options.cut_once_in > 0 && chance.once_in(self.options.cut_once_in)
    }

    pub(super) fn wire(&mut self, number: u64) -> Option<&mut Wire> {
        self.wires.get_mut(&number)
    }

    pub(super) fn wires_of(&self, node: usize) -> impl Iterator<Item = u64> {
        self.of_node[node].iter().copied()
    }

    pub(super) fn send(&mut self, number: u64, way: Way, parcel: Parcel, now_ms: i64, chance: &mut Chance) {
        let late_ms = self.latency_ms(chance);
        let Some(wire) = self.wires.get_mut(&number) else { return };
        let ghost = wire.ghost.filter(|_| way == Way::Up);
        let copy = ghost.map(|ghost| (ghost, parcel.clone()));
        let late_ms = late_ms + wire.slower_ms;
        let pipe = wire.pipe(way);
        let at_ms = pipe.last_at_ms.max(now_ms + late_ms);
        pipe.last_at_ms = at_ms;
        pipe.parcels.push_back((at_ms, parcel));
        if pipe.due.is_none() {
            self.schedule(number, way, at_ms);
        }
        if let Some((ghost, parcel)) = copy {
            self.send(ghost, way, parcel, now_ms, chance);
        }
        if self.cuts(chance) {
            self.cut(number, now_ms, chance);
        }
    }

    fn schedule(&mut self, number: u64, way: Way, at_ms: i64) {
        let order = self.next_order;
        self.next_order += 1;
        let Some(wire) = self.wires.get_mut(&number) else { return };
        let due = wire.pipe(way).due.replace((at_ms, order));
        if let Some((at_ms, order)) = due {
            self.queue.remove(&(at_ms, order, number, way));
        }
        self.queue.insert((at_ms, order, number, way));
    }

    pub(super) fn next_arrival_ms(&self) -> Option<i64> {
        self.queue.first().map(|(at_ms, ..)| *at_ms)
    }

    /// Takes what arrives next, if it does by now. `is_deaf`: who takes nothing now.
    pub(super) fn arrive(&mut self, now_ms: i64, is_deaf: impl Fn(usize) -> bool) -> Option<(u64, Way, Parcel)> {
        loop {
            let key @ (at_ms, _, number, way) = *self.queue.first()?;
            if at_ms > now_ms {
                return None;
            }
            self.queue.remove(&key);
            let Some(wire) = self.wires.get_mut(&number) else { continue };
            let (from, to) = wire.route(way);
            wire.pipe(way).due = None;
            if self.blocked.contains(&(from, to)) || is_deaf(to) {
                self.schedule(number, way, now_ms + HELD_MS);
                continue;
            }
            let Some((_, parcel)) = wire.pipe(way).parcels.pop_front() else { continue };
            if let Some((next_ms, _)) = wire.pipe(way).parcels.front() {
                let next_ms = (*next_ms).max(now_ms);
                self.schedule(number, way, next_ms);
            }
            return Some((number, way, parcel));
        }
    }

    /// Cuts a connection: what is under way is lost, and each end learns of it in its own time.
    pub(super) fn cut(&mut self, number: u64, now_ms: i64, chance: &mut Chance) {
        for way in [Way::Up, Way::Down] {
            let late_ms = if chance.once_in(3) { chance.below(2000) } else { chance.below(5) } as i64;
            self.end(number, way, now_ms + late_ms);
        }
    }

    /// Ends a connection, as the system of a process that dies does.
    pub(super) fn reset(&mut self, number: u64, now_ms: i64, chance: &mut Chance) {
        for way in [Way::Up, Way::Down] {
            self.end(number, way, now_ms + chance.below(3) as i64);
        }
    }

    fn end(&mut self, number: u64, way: Way, at_ms: i64) {
        let Some(wire) = self.wires.get_mut(&number) else { return };
        let pipe = wire.pipe(way);
        pipe.parcels.clear();
        pipe.parcels.push_back((at_ms, Parcel::Close));
        pipe.last_at_ms = at_ms;
        let ghost = wire.ghost.take();
        self.schedule(number, way, at_ms);
        // What went over the ghost still comes, and then its end.
        if let Some(wire) = ghost.and_then(|ghost| self.wires.get_mut(&ghost)) {
            let at_ms = wire.up.last_at_ms.max(at_ms);
            wire.up.parcels.push_back((at_ms, Parcel::Close));
            wire.up.last_at_ms = at_ms;
            if wire.up.due.is_none()
                && let Some(ghost) = ghost
            {
                self.schedule(ghost, Way::Up, at_ms);
            }
        }
    }

    /// Forgets a wire whose ends are closed.
    pub(super) fn sweep(&mut self, number: u64) {
        let Some(wire) = self.wires.get_mut(&number) else { return };
        if wire.client.is_open || wire.server.is_open || !wire.up.parcels.is_empty() || !wire.down.parcels.is_empty() {
            return;
        }
        if let Some(wire) = self.wires.remove(&number) {
            self.of_node[wire.client.node].remove(&number);
            self.of_node[wire.server.node].remove(&number);
        }
    }
}

/// What does not get through is tried again so often.
const HELD_MS: i64 = 50;
/// A connection that is slower is so by less than this.
const SLOWER_MS_MAX: u64 = 40;
/// What comes a second time is later by less than this.
const GHOST_MS_MAX: u64 = 400;
