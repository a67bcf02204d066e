//! What happens to nodes and to what connects them.

use super::super::machine::Disk;
use super::super::network::Way;
use super::contract::Left;
use super::{Simulation, address_of};
use crate::cluster::member::Member;
use crate::cluster::{NodeAddress, NodeName, Roster, view};
use keyslot_engine::UnixMillis;
use keyslot_persistence::Durability;
use keyslot_persistence::MemoryStorage;
use keyslot_persistence::storage::{Access, Fault, Loss, Storage};
use std::io;
use std::path::Path;

impl Simulation {
    /// Ends a node at once, as a power cut does: of its log, if it has one, what was not durable is lost. Its nodes.conf stays.
    pub fn kill(&mut self, node: usize) {
        self.kill_losing(node, Loss::All);
    }

    /// Ends a node at once; its log loses what `loss` says. [`Loss::Nothing`] is a process that dies on a machine that does not.
    pub fn kill_losing(&mut self, node: usize, loss: Loss) {
        if !self.is_on(node) {
            return;
        }
        self.tell_fault(None, format_args!("{node} is killed, {loss:?}"));
        let left = self.left_by(node, loss);
        let run = self.nodes[node].machine.run;
        self.nodes[node].machine.kill(loss);
        self.nodes[node].left = left;
        let wires: Vec<u64> = self.network.wires_of(node).collect();
        for number in wires {
            let Some(wire) = self.network.wire(number) else { continue };
            for way in [Way::Up, Way::Down] {
                let end = wire.end(way);
                if end.node == node && end.run == run {
                    end.is_open = false;
                }
            }
            self.network.reset(number, self.now.0, &mut self.chance);
        }
        self.nodes[node].due_ms = None;
    }

    /// The power of a node fails while it next writes its nodes.conf: the file is the old one or the new one then, and nobody hears
    /// from the node what was to be written first. Its log loses a part of what was not durable.
    pub fn kill_at_save(&mut self, node: usize) {
        self.nodes[node].dies_saving = self.is_on(node);
    }

    /// Cuts the nodes.conf of a node that is off, at a byte of chance: as it is, the node does not start.
    /// [`mend_disk`](Self::mend_disk) brings the whole file back.
    pub fn tear_nodes_conf(&mut self, node: usize) {
        if !self.is_on(node) {
            let text = view::print(&self.nodes[node].kept, false);
            let cut = self.chance.below(text.len() as u64) as usize;
            self.tell_fault(None, format_args!("the nodes.conf of {node} is cut at byte {cut} of {}", text.len()));
            self.nodes[node].torn = Some(text[..cut].to_owned());
        }
    }

    /// Gives a node its whole nodes.conf back, and does not [kill it](Self::kill_at_save) at its next save.
    pub fn mend_disk(&mut self, node: usize) {
        (self.nodes[node].torn, self.nodes[node].dies_saving) = (None, false);
    }

    /// Empties the disk of a node that is off, but for its nodes.conf: it starts without data.
    pub fn wipe(&mut self, node: usize) {
        if !self.is_on(node) {
            self.tell_fault(None, format_args!("{node} loses its data"));
            let seed = self.chance.next();
            self.nodes[node].machine.wipe(seed);
            self.nodes[node].left = Left::Nothing;
        }
    }

    /// Starts a node that is off, with the cluster that it knew and the log that it has. It stays off if its nodes.conf is torn.
    pub fn start(&mut self, node: usize) {
        if self.is_on(node) {
            return;
        }
        let now = self.tell_time(node);
        let seed = self.chance.next();
        let Some(roster) = self.read_nodes_conf(node, seed) else { return };
        let it = &mut self.nodes[node];
        for port in [it.address.port, it.address.bus_port] {
            self.places.insert((it.address.ip.clone(), port), node);
        }
        let mut options = self.member_options.clone();
        options.announced = NodeAddress { ip: it.address.ip.clone(), ..it.address.clone() };
        if let Some(strict) = &mut options.strict {
            let is_kept =
                it.machine.options.disk == Disk::Log(Durability::Always) && matches!(it.left, Left::Log { .. });
            strict.is_whole = it.machine.run == 0 || is_kept;
        }
        options.writable_delay_ms = if it.machine.run == 0 { 0 } else { options.writable_delay_ms };
        it.paused_until = now;
        it.dies_saving = false;
        it.wires.clear();
        it.links.clear();
        if let Err(error) = it.machine.start(&it.address.ip, &it.clock, seed) {
            return self.fail(format!("{node} does not start: {error}"));
        }
        let name = roster.me().name;
        let member = Member::new(roster, options, seed, now);
        #[cfg(test)]
        let member = member.with_flaw(self.flaw);
        if let Some(process) = &mut it.machine.process {
            process.engine.options().set_ack(self.ack);
            process.node.join(member, now);
            if let Some(on_start) = &self.on_start {
                on_start(node, &process.engine);
            }
        }
        self.tell_fault(None, format_args!("{node} starts as {name}"));
        self.begin_reign(node);
        self.tend(node);
    }

    /// What the nodes.conf of a node says; `None` if the node does not start with it.
    fn read_nodes_conf(&mut self, node: usize, seed: u64) -> Option<Roster> {
        let it = &self.nodes[node];
        // Whoever was never on has no file yet.
        if it.machine.run == 0 {
            return Some(it.kept.clone());
        }
        let text = it.torn.clone().unwrap_or_else(|| view::print(&it.kept, false));
        let read = view::parse(&text, false, &mut || NodeName::from_chance([seed, !seed, node as u64]));
        match (read, &it.torn) {
            (Ok(roster), None) => Some(roster),
            (Err(error), Some(_)) => {
                self.tell_fault(None, format_args!("{node} does not start: {error}"));
                None
            }
            (Ok(_), Some(torn)) => {
                let torn = torn.len();
                self.fail(format!("{node} starts with the first {torn} bytes of its nodes.conf"));
                None
            }
            (Err(error), None) => {
                self.fail(format!("{node} does not read its own nodes.conf: {error}"));
                None
            }
        }
    }

    /// Keeps what a node has to keep before anybody hears of it.
    pub(super) fn keep(&mut self, node: usize, roster: Roster) {
        #[cfg(test)]
        if self.flaw == Some(crate::cluster::member::Flaw::LostEpoch) {
            let kept = &mut self.nodes[node].kept;
            let (epoch, vote) = (kept.current_epoch, kept.last_vote_epoch);
            *kept = roster;
            (kept.current_epoch, kept.last_vote_epoch) = (epoch, vote);
            return;
        }
        #[cfg(test)]
        if self.flaw == Some(crate::cluster::member::Flaw::ForgetsPledge) {
            self.nodes[node].kept = roster;
            self.nodes[node].kept.pledge = None;
            return;
        }
        if !std::mem::take(&mut self.nodes[node].dies_saving) {
            self.nodes[node].kept = roster;
            return;
        }
        let [old, new] = [&self.nodes[node].kept, &roster].map(|roster| view::print(roster, false));
        let [seed, call] = [self.chance.next(), self.chance.below(SAVE_CALLS)];
        let found = power_fails_at(&old, &new, seed, call);
        self.tell_fault(None, format_args!("the power of {node} fails while it writes its nodes.conf"));
        if found == new {
            self.nodes[node].kept = roster;
        } else if found != old {
            self.fail(format!("{node} is left with a nodes.conf that is neither the old nor the new one: {found:?}"));
        }
        self.kill_losing(node, Loss::Random);
    }

    /// Gives a node that is off another address.
    pub fn move_node(&mut self, node: usize, generation: usize) {
        if !self.is_on(node) {
            let hostname = self.nodes[node].address.hostname.clone();
            let address = NodeAddress { hostname, ..address_of(node, generation) };
            let left = &self.nodes[node].address;
            for port in [left.port, left.bus_port] {
                self.places.remove(&(left.ip.clone(), port));
            }
            self.nodes[node].address = address;
        }
    }

    /// A node does nothing for so long, and then goes on as if nothing had been.
    pub fn pause(&mut self, node: usize, ms: i64) {
        self.tell_fault(None, format_args!("{node} is paused for {ms} ms"));
        self.nodes[node].paused_until = UnixMillis(self.now.0.saturating_add(ms));
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    /// A node that is paused goes on.
    pub fn resume(&mut self, node: usize) {
        if self.nodes[node].paused_until <= self.now {
            return;
        }
        self.tell_fault(None, format_args!("{node} goes on"));
        self.nodes[node].paused_until = self.now;
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    /// A node's clock is so far ahead of the others from here on, if it was less far: 30 years at most.
    pub fn skew_clock(&mut self, node: usize, ms: i64) {
        let ms = ms.clamp(0, SKEW_MS_MAX);
        self.tell_fault(None, format_args!("the clock of {node} is {ms} ms ahead"));
        self.nodes[node].skew_ms = self.nodes[node].skew_ms.max(ms);
        self.nodes[node].due_ms = self.nodes[node].next_timeout_ms();
    }

    /// Nothing gets from one node to another from here on.
    pub fn block(&mut self, from: usize, to: usize) {
        self.tell_fault(None, format_args!("nothing gets from {from} to {to}"));
        self.network.block(from, to);
    }

    /// Nothing gets between these nodes and all others.
    pub fn part(&mut self, nodes: &[usize]) {
        self.part_one_way(nodes);
        let others: Vec<usize> = (0..self.nodes.len()).filter(|node| !nodes.contains(node)).collect();
        self.part_one_way(&others);
    }

    /// Nothing gets from these nodes to the others; what others send gets to them.
    pub fn part_one_way(&mut self, nodes: &[usize]) {
        for from in nodes {
            for to in (0..self.nodes.len()).filter(|to| !nodes.contains(to)) {
                self.network.block(*from, to);
            }
        }
        self.tell_fault(None, format_args!("nothing gets from {nodes:?} to others"));
    }

    /// Everything gets everywhere.
    pub fn heal(&mut self) {
        self.tell_fault(None, format_args!("the network is whole"));
        self.network.heal();
    }
}

/// What a disk holds as nodes.conf after the power failed during this call of replacing it.
fn power_fails_at(old: &str, new: &str, seed: u64, call: u64) -> String {
    let disk = MemoryStorage::new(seed);
    let file = Path::new(NODES_CONF);
    disk.put(file, old.as_bytes());
    disk.plan(Fault::PowerFails(disk.calls() + call));
    // An error is the power that has failed.
    let _ = replace(&disk, file, new.as_bytes());
    disk.crash(Loss::Random);
    String::from_utf8_lossy(&disk.contents(file).unwrap_or_default()).into_owned()
}

/// As the reference node does it: under another name, to the disk, and then under its own.
fn replace(disk: &MemoryStorage, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = file.with_extension("temp");
    let mut written = disk.open(&temporary, Access::Create)?;
    written.write_at(&[bytes], 0)?;
    written.sync_data()?;
    disk.rename(&temporary, file)?;
    disk.sync_dir(file.parent().unwrap_or(file))
}

const SKEW_MS_MAX: i64 = 30 * 365 * 24 * 3_600_000;
const NODES_CONF: &str = "/data/nodes.conf";
/// How many calls of a disk replacing a file takes, and one that comes after.
const SAVE_CALLS: u64 = 6;

#[cfg(test)]
mod tests {
    use super::power_fails_at;
    use std::collections::BTreeSet;

    #[test]
    fn a_power_cut_leaves_the_old_or_the_new_file() {
        let old = "old\n".repeat(300);
        let new = "new\n".repeat(400);
        let found: BTreeSet<String> = (0..6)
            .flat_map(|call| (0..20).map(move |seed| (call, seed)))
            .map(|(call, seed)| power_fails_at(&old, &new, seed, call))
            .collect();
        assert_eq!(found, BTreeSet::from([old, new]));
    }
}
