//! Where members are looked for that are not where they were: at the addresses of a seed name (`cluster-seed-name`).
//!
//! ```text
//! a member is not reached -> Seek -> the host resolves the name -> seed(address): PING -> PONG: a name that is known?  it is there now
//!                                                                                        another                   nobody is taken in
//! ```
//!
//! The node that is asked learns from the same PING where this one is. A node that knows nobody asks nobody: it is not drawn into a
//! cluster, which an operator or `redis-cli` does.

use super::super::message::NodeFlags;
use super::super::roster::NodeAddress;
use super::Member;
use super::output::MemberOutput;
use keyslot_engine::UnixMillis;

impl Member {
    /// Looks for members that are not reached: now and then if some are, often if none is.
    pub(super) fn tend_seeds(&mut self, now: UnixMillis) {
        if !self.options.has_seed {
            return;
        }
        let me = self.roster.me().name;
        let (mut known, mut reached) = (0, 0);
        for node in self.roster.nodes().filter(|node| node.name != me && !node.is_in_handshake()) {
            known += 1;
            reached += usize::from(node.is_linked);
        }
        let pause_ms = if reached == 0 { SEEK_MS } else { SEEK_SOME_MS };
        if known == reached {
            self.next_seek = now.saturating_add(SEEK_MS);
        } else if self.next_seek <= now {
            self.next_seek = now.saturating_add(pause_ms);
            self.outputs.push_back(MemberOutput::Seek);
        }
    }

    /// Somebody may be at this address, to which the seed name led. Nothing happens where a member is reached there already.
    pub fn seed(&mut self, ip: &str, bus_port: u16, now: UnixMillis) {
        let is_reached = |is_linked: bool, address: &NodeAddress| is_linked && address.ip == ip;
        let me = self.roster.me();
        let is_known = self.roster.nodes().any(|node| {
            node.address.bus_port == bus_port && is_reached(node.is_linked || node.name == me.name, &node.address)
        });
        if is_known || ip.is_empty() || bus_port == 0 {
            return;
        }
        let address = NodeAddress { ip: ip.to_owned(), bus_port, ..NodeAddress::default() };
        if let Some(name) = self.begin_handshake(address, NodeFlags::HANDSHAKE, now) {
            if let Some(peer) = self.peers.get_mut(&name) {
                peer.is_sought = true;
            }
            self.tend_links(now);
        }
    }
}

/// How often it is looked for members where none is reached.
const SEEK_MS: i64 = 1000;

/// How often it is looked for those that are missing.
const SEEK_SOME_MS: i64 = 5000;

#[cfg(test)]
mod tests {
    use super::super::output::BusLink;
    use super::super::{Facts, MemberOptions};
    use super::*;
    use std::collections::VecDeque;

    /// Members and the wires between them; a member's bus port is its number, on hosts that change.
    struct Net {
        members: Vec<Member>,
        hosts: Vec<String>,
        wires: Vec<(usize, BusLink, usize, BusLink)>,
        sought: usize,
        now: i64,
    }

    impl Net {
        fn new(count: usize) -> Self {
            let member = |number: usize| {
                let announced = NodeAddress { port: 1, bus_port: 7000 + number as u16, ..NodeAddress::default() };
                let options = MemberOptions { announced, has_seed: true, node_timeout_ms: 1000, ..Default::default() };
                Member::new(Member::fresh_roster(number as u64), options, 1000 + number as u64, UnixMillis(0))
            };
            let hosts = (0..count).map(|number| format!("10.0.0.{number}")).collect();
            Self { members: (0..count).map(member).collect(), hosts, wires: Vec::new(), sought: 0, now: 0 }
        }

        /// All start again, on other hosts.
        fn restart(&mut self) {
            self.wires.clear();
            for (number, member) in self.members.iter_mut().enumerate() {
                self.hosts[number] = format!("10.9.9.{number}");
                let (roster, options) = (member.roster().clone(), member.options().clone());
                *member = Member::new(roster, options, 3000 + number as u64, UnixMillis(self.now));
            }
        }

        fn run(&mut self, ms: i64) {
            let end = self.now + ms;
            while self.now < end {
                self.now += 10;
                for number in 0..self.members.len() {
                    self.members[number].set_facts(Facts::default());
                    self.members[number].handle_timeout(UnixMillis(self.now));
                    self.obey(number);
                }
                self.carry();
            }
        }

        fn obey(&mut self, number: usize) {
            let now = UnixMillis(self.now);
            while let Some(output) = self.members[number].poll_output() {
                match output {
                    MemberOutput::Connect { link, address } => {
                        let there = (0..self.members.len())
                            .find(|other| self.hosts[*other] == address.ip && 7000 + *other as u16 == address.bus_port);
                        match there {
                            None => self.members[number].link_closed(link, now),
                            Some(other) => {
                                let (from, at) = (self.hosts[number].clone(), self.hosts[other].clone());
                                let accepted = self.members[other].accept(from, at, now);
                                self.wires.push((number, link, other, accepted));
                                self.members[number].link_opened(link, now);
                            }
                        }
                    }
                    MemberOutput::Close(link, _) => {
                        let is_end = |wire: &(usize, BusLink, usize, BusLink)| {
                            (wire.0, wire.1) == (number, link) || (wire.2, wire.3) == (number, link)
                        };
                        if let Some(at) = self.wires.iter().position(is_end) {
                            let (one, first, other, second) = self.wires.remove(at);
                            let (there, its) = if one == number { (other, second) } else { (one, first) };
                            self.members[there].link_closed(its, now);
                        }
                    }
                    MemberOutput::Seek => {
                        self.sought += 1;
                        for other in 0..self.members.len() {
                            let host = self.hosts[other].clone();
                            self.members[number].seed(&host, 7000 + other as u16, now);
                        }
                    }
                    _ => {}
                }
            }
        }

        fn carry(&mut self) {
            let mut todo: VecDeque<(usize, BusLink, usize, BusLink)> = self.wires.clone().into();
            while let Some((one, first, other, second)) = todo.pop_front() {
                for (from, out, to, into) in [(one, first, other, second), (other, second, one, first)] {
                    let mut bytes = Vec::new();
                    self.members[from].poll_link(out, &mut bytes);
                    if !bytes.is_empty() {
                        self.members[to].handle_link(into, &bytes, UnixMillis(self.now));
                        self.obey(to);
                        todo.push_back((one, first, other, second));
                    }
                }
            }
        }

        fn known(&self) -> Vec<(usize, usize)> {
            let count = |member: &Member| {
                let others = || member.roster().nodes().filter(|node| node.name != member.roster().me().name);
                (others().count(), others().filter(|node| node.is_linked).count())
            };
            self.members.iter().map(count).collect()
        }
    }

    #[test]
    fn members_that_all_moved_are_found_by_the_seed_name_and_known_by_their_names() {
        let mut net = Net::new(6);
        for number in 1..6 {
            let host = net.hosts[number].clone();
            net.members[0].meet(&host, 1, 7000 + number as u16, UnixMillis(0)).unwrap();
        }
        net.run(3000);
        assert_eq!(net.known(), [(5, 5); 6]);
        let (sought, names) = (net.sought, |net: &Net| -> Vec<_> {
            net.members.iter().map(|member| member.roster().me().name).collect()
        });
        let before = names(&net);
        net.run(10_000);
        assert_eq!(net.sought, sought, "nobody is missing");
        net.restart();
        net.run(4000);
        assert_eq!((net.known(), names(&net)), (vec![(5, 5); 6], before));
        let hosts: Vec<_> = net.members[0].roster().nodes().map(|node| node.address.ip.clone()).collect();
        assert!(hosts.iter().all(|host| host.starts_with("10.9.9.")), "{hosts:?}");
        assert!(net.members[0].roster().nodes().all(|node| node.address.port == 1));
    }

    #[test]
    fn nobody_is_taken_in_who_was_not_known_and_who_knows_nobody_does_not_ask() {
        let mut net = Net::new(4);
        net.members[0].meet("10.0.0.1", 1, 7001, UnixMillis(0)).unwrap();
        net.run(2000);
        assert_eq!(net.known(), [(1, 1), (1, 1), (0, 0), (0, 0)]);
        // One of two is gone; the seed name leads to strangers.
        net.hosts[1] = "10.0.0.99".into();
        net.wires.clear();
        let dead = net.members.remove(1);
        net.members.insert(1, Member::new(Member::fresh_roster(77), dead.options().clone(), 2000, UnixMillis(net.now)));
        net.members[0] = {
            let (roster, options) = (net.members[0].roster().clone(), net.members[0].options().clone());
            Member::new(roster, options, 4000, UnixMillis(net.now))
        };
        net.run(5000);
        assert!(net.sought > 3, "{}", net.sought);
        assert_eq!(net.known()[2..], [(0, 0), (0, 0)]);
        assert_eq!(net.members[0].roster().nodes().filter(|node| !node.is_in_handshake()).count(), 2);
    }
}
