//! What moves a simulated cluster: time, the parcels that arrive, and what nodes have their hosts do.

use super::super::network::{End, Parcel, Way};
use super::{SimulatedNode, Simulation};
use crate::cluster::NodeAddress;
use crate::cluster::member::{MemberEvent, Reach};
use crate::cluster::message::Publication;
use crate::link::ReplicaEvent;
use crate::node::{ConnectionId, Direction, Output, TransferEvent, TransferState};
use keyslot_engine::{Channel, Published, Slot, UnixMillis};

impl Simulation {
    /// One moment. False once `end_ms` is reached.
    pub(super) fn step(&mut self, end_ms: i64) -> bool {
        let timers = self.nodes.iter().filter_map(|it| it.due_ms);
        let arrivals = [self.network.next_arrival_ms(), self.clients.next_due_ms()].into_iter().flatten();
        let next_ms = timers.chain(arrivals).min().unwrap_or(end_ms).max(self.now.0);
        if next_ms > end_ms {
            self.now = UnixMillis(end_ms);
            return false;
        }
        self.now = UnixMillis(next_ms);
        loop {
            let (nodes, now) = (&self.nodes, self.now);
            let arrived = self.network.arrive(now.0, |node| nodes[node].paused_until > now);
            let Some((number, way, parcel)) = arrived else { break };
            self.deliver(number, way, parcel);
        }
        self.tend_clients();
        for node in 0..self.nodes.len() {
            if self.nodes[node].due_ms.is_some_and(|at_ms| at_ms <= self.now.0) {
                let now = self.tell_time(node);
                let ticks = self.now >= self.nodes[node].next_tick;
                if ticks {
                    self.nodes[node].next_tick = UnixMillis(self.now.0 + TICK_INTERVAL_MS);
                }
                self.nodes[node].machine.step(now);
                if let Some(process) = &mut self.nodes[node].machine.process {
                    process.node.handle_timeout(now);
                    if ticks {
                        process.engine.tick(now, TICK_BUDGET);
                    }
                }
                self.tend(node);
            }
        }
        self.tend_waiting();
        self.draw_roles();
        // What is due again in the same moment waits for the next.
        self.now = UnixMillis(self.now.0 + 1);
        self.check_owners();
        true
    }

    fn deliver(&mut self, number: u64, way: Way, parcel: Parcel) {
        let Some(wire) = self.network.wire(number) else { return };
        let (end, client) = (*wire.end(way.back()), wire.client.node);
        if parcel == Parcel::Open && way == Way::Up {
            return self.admit(number, end.node, client);
        }
        let is_end = parcel == Parcel::Close;
        // Who was asked for a connection and never granted one: nobody listens there.
        let is_refusal = is_end && way == Way::Down && wire.server.id.is_none() && wire.is_bus;
        if is_end {
            wire.end(way.back()).is_open = false;
        }
        let now = self.tell_time(end.node);
        let machine = &mut self.nodes[end.node].machine;
        let process = machine.process.as_mut().filter(|_| machine.run == end.run && end.is_open);
        if let (Some(process), Some(id)) = (process, end.id) {
            match parcel {
                Parcel::Open => match self.named.remove(&(end.node, id)) {
                    Some(ip) => process.node.bus_opened_at(id, &ip, now),
                    None => process.node.link_opened(id, now),
                },
                Parcel::Bytes(bytes) => process.node.handle_link(id, &bytes, now),
                Parcel::Close if is_refusal => process.node.bus_refused(id, now),
                Parcel::Close => process.node.link_closed(id, now),
            }
            if is_end {
                self.nodes[end.node].forget_wire(id);
            }
            self.tend(end.node);
        }
        self.network.sweep(number);
    }

    /// A connection comes to a node: to its bus, or from a replica.
    fn admit(&mut self, number: u64, node: usize, client: usize) {
        let now = self.tell_time(node);
        let (from, at) = (self.nodes[client].address.ip.clone(), self.nodes[node].address.ip.clone());
        let run = self.nodes[node].machine.run;
        let is_bus = self.network.wire(number).is_some_and(|wire| wire.is_bus);
        let id = self.nodes[node].machine.process.as_mut().and_then(|process| match is_bus {
            true => process.node.accept_bus(&from, &at, now),
            false => Some(process.node.accept()),
        });
        let Some(wire) = self.network.wire(number) else { return };
        let answer = match id {
            Some(id) => {
                self.nodes[node].note_wire(id, (number, Way::Down), is_bus);
                wire.server = End { node, run, id: Some(id), is_open: true };
                Parcel::Open
            }
            None => Parcel::Close,
        };
        self.network.send(number, Way::Down, answer, self.now.0, &mut self.chance);
        self.tend(node);
    }

    /// Does what a node wants, and takes what its connections have to send.
    pub(super) fn tend(&mut self, node: usize) {
        self.obey(node);
        let Some(process) = &self.nodes[node].machine.process else { return };
        let sending: Vec<ConnectionId> = process.node.sending_bus().collect();
        let links: Vec<ConnectionId> = self.nodes[node].links.iter().copied().collect();
        for id in sending.into_iter().chain(links) {
            let Some((number, way)) = self.nodes[node].wires.get(&id).copied() else { continue };
            if !self.network.wire(number).is_some_and(|wire| wire.end(way).is_open) {
                continue;
            }
            let mut bytes = Vec::new();
            if let Some(process) = &mut self.nodes[node].machine.process {
                process.node.poll_link(id, &mut bytes, self.piece_bytes);
            }
            if !bytes.is_empty() {
                self.network.send(number, way, Parcel::Bytes(bytes), self.now.0, &mut self.chance);
            }
        }
        self.obey(node);
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    pub(super) fn obey(&mut self, node: usize) {
        while let Some(output) =
            self.nodes[node].machine.process.as_mut().and_then(|process| process.node.poll_output())
        {
            match output {
                Output::Connect { connection, target } => {
                    self.connect(node, connection, (target.host, target.port), false);
                }
                Output::ConnectBus { connection, address } => self.connect_bus(node, connection, &address),
                Output::Close { connection, .. } => self.close(node, connection),
                Output::KeepRoster => {
                    if let Some(roster) = self.roster(node).cloned() {
                        self.keep(node, roster);
                    }
                }
                Output::Link(event) => self.hear_link(node, &event),
                Output::Member(event) => self.hear(node, &event),
                Output::DropKeys(slots) => self.drop_keys(node, &slots),
                Output::Transfer(event) => self.hear_transfer(node, &event),
                Output::Publication(publication, reach) => self.deliver_publication(node, &publication, reach),
                // Nodes have fixed addresses here.
                Output::Seek | Output::Served { .. } | Output::Failover(_) | Output::Waited { .. } => {}
            }
        }
    }

    fn deliver_publication(&self, node: usize, publication: &Publication, reach: Reach) {
        let channel = match reach {
            Reach::Cluster => Channel::Plain,
            Reach::Shard => Channel::Sharded,
        };
        if let Some(process) = &self.nodes[node].machine.process {
            let (name, message) = (&publication.channel, &publication.message);
            process.engine.deliver(Published { channel, name, message });
        }
    }

    /// The log of a node is left while its data is replaced, and begins again with what came.
    fn hear_link(&mut self, node: usize, event: &ReplicaEvent) {
        match event {
            ReplicaEvent::Replacing(_) => {
                let now = self.tell_time(node);
                self.nodes[node].machine.leave_log();
                if let Some(process) = &mut self.nodes[node].machine.process {
                    process.node.proceed(now);
                }
            }
            ReplicaEvent::Replaced(_) => {
                if let Err(error) = self.nodes[node].machine.begin_log() {
                    self.fail(format!("{node} cannot begin its log: {error}"));
                }
                // A log that ends or begins has a level of its own.
                if let Some(process) = &self.nodes[node].machine.process {
                    process.engine.options().set_ack(self.ack);
                }
                self.check_data(node);
            }
            ReplicaEvent::Continued(_) | ReplicaEvent::Note(_) => {}
        }
    }

    /// Where a node's address leads to nobody who is on, its host name may.
    fn connect_bus(&mut self, node: usize, connection: ConnectionId, address: &NodeAddress) {
        let is_on = |place: &usize| self.is_on(*place);
        let known = self.places.get(&(address.ip.clone(), address.bus_port)).filter(|place| is_on(place));
        let named =
            self.nodes.iter().find(|it| !address.hostname.is_empty() && it.address.hostname == address.hostname);
        let place = match (known, named) {
            (None, Some(named)) => {
                self.named.insert((node, connection), named.address.ip.clone());
                (named.address.ip.clone(), named.address.bus_port)
            }
            _ => (address.ip.clone(), address.bus_port),
        };
        self.connect(node, connection, place, true);
    }

    fn connect(&mut self, node: usize, connection: ConnectionId, place: (String, u16), is_bus: bool) {
        let run = self.nodes[node].machine.run;
        let client = End { node, run, id: Some(connection), is_open: true };
        // Where nobody is, nobody answers: as at a node that is off.
        let server = self.places.get(&place).copied();
        let number = self.network.connect(client, server.unwrap_or(node), is_bus, self.now.0, &mut self.chance);
        self.nodes[node].note_wire(connection, (number, Way::Up), is_bus);
        if server.is_none() {
            self.network.reset(number, self.now.0, &mut self.chance);
        }
    }

    fn close(&mut self, node: usize, connection: ConnectionId) {
        let Some((number, way)) = self.nodes[node].forget_wire(connection) else { return };
        let Some(wire) = self.network.wire(number) else { return };
        wire.end(way).is_open = false;
        self.network.send(number, way, Parcel::Close, self.now.0, &mut self.chance);
        self.network.sweep(number);
    }

    fn drop_keys(&mut self, node: usize, slots: &keyslot_engine::slot::SlotSet) {
        let before = self.place(node);
        if let Some(process) = &self.nodes[node].machine.process {
            process.engine.drop_slots(slots, usize::MAX);
        }
        let after = self.place(node);
        if let (true, Some(place)) = (before != after, after) {
            self.ledger.drop_keys(place, |key| slots.contains(Slot::of(key.as_bytes())));
        }
    }

    /// Slots that arrive bring what their source had when it was paused.
    fn hear_transfer(&mut self, node: usize, event: &TransferEvent) {
        self.note(format_args!("{node}: {event}"));
        let Some(place) = self.place(node) else { return };
        match event {
            TransferEvent::Arrives(report) => self.ledger.begin_move(place, report.name, report.slots.clone()),
            TransferEvent::Paused(report) => self.ledger.note_source(report.name, place),
            TransferEvent::Ended(report) if report.direction == Direction::Import => {
                let is_here = report.state == TransferState::Success;
                self.ledger.end_move(place, report.name, &report.slots, is_here);
                self.check_data(node);
            }
            TransferEvent::Ended(_) => {}
        }
    }

    fn hear(&mut self, node: usize, event: &MemberEvent) {
        match event {
            MemberEvent::Elected(_) | MemberEvent::ElectionBegun(_) | MemberEvent::EpochCollision(_) => {
                self.tell_fault(Some(node), format_args!("{node}: {event}"));
            }
            _ => self.note(format_args!("{node}: {event}")),
        }
        let slots = self.roster(node).map(|roster| roster.me().slots.clone()).unwrap_or_default();
        if let Some(what) = self.checks.hear(node, event, &slots) {
            self.fail(what);
        }
        if matches!(event, MemberEvent::Elected(_)) {
            #[cfg(test)]
            if let Some(process) = &self.nodes[node].machine.process {
                super::tests::spoil_elected(self.plant, &process.engine);
            }
            // What had come to it is not lost.
            self.check_data(node);
        }
    }
}

impl SimulatedNode {
    fn note_wire(&mut self, connection: ConnectionId, wire: (u64, Way), is_bus: bool) {
        self.wires.insert(connection, wire);
        if !is_bus {
            self.links.insert(connection);
        }
    }

    fn forget_wire(&mut self, connection: ConnectionId) -> Option<(u64, Way)> {
        self.links.remove(&connection);
        self.wires.remove(&connection)
    }

    pub(super) fn next_timeout_ms(&self) -> Option<i64> {
        let due_ms = self.machine.process.as_ref()?.next_timeout_ms()? - self.skew_ms;
        Some(due_ms.max(self.paused_until.0))
    }
}

/// So often engines expire keys by themselves, as a node does.
const TICK_INTERVAL_MS: i64 = 100;
/// Entries that a tick of an engine may look at.
const TICK_BUDGET: usize = 100;
