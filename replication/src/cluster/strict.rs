//! Strict failover: what so many replicas confirmed is lost by no failover.
//!
//! # The promise
//!
//! With `cluster-strict-failover yes` and `write-ack replicas n` on all nodes of a shard no reply is given that an election takes back:
//! whatever nodes die, lose their memory, are paused or cut off from each other, at once or one after the other. Replies to reads keep
//! to that, too. What failures can take is the shard's service: where too few replicas are left that are sure to have everything, nobody
//! is elected. Where R is more than n the failure of one node, of whatever kind, takes it for no longer than an election; with n = R for
//! as long as the failure lasts.
//!
//! Not in it:
//! - What an operator does by CLUSTER FAILOVER TAKEOVER, CLUSTER RESET or FORGET, by slots that are assigned anew, by a nodes.conf that
//!   is put back from a copy, or by starting nodes without strict failover.
//! - Writes that were not acknowledged: their clients do not know what became of them.
//! - A power cut of a whole shard loses what its primary did not fsync. With `appendfsync always` a reply waits for that, too, and
//!   nothing is lost; else the shard serves nothing until an operator says so.
//!
//! How far it is tried: about 15 000 seeds of simulated clusters under random faults (9500 of them of single failures), most before the
//! last of these rules were made. None lost a reply. One cluster did not come to rest after its faults had ended, with a clock that had
//! been ahead: what bounds an election there is open.
//!
//! CLUSTER MIGRATESLOTS is refused under strict failover, as it takes an epoch that nobody promised: slots go key by key.
//!
//! # How
//!
//! Of the R replicas of a shard n have to have a write before it is acknowledged (`write-ack replicas n`). Who takes the primary's place
//! has to know of R - n + 1 of them, itself included, that they have nothing that it lacks: one of those has every acknowledged write.
//! That they had nothing more is not enough, as they might get something meanwhile. So they promise to acknowledge the old primary
//! nothing more:
//!
//! ```text
//!   candidate                    others of its shard                              primaries
//!       |  PING: asks for epoch e, |                                                  |
//!       |  at offset o             |                                                  |
//!       |------------------------->|  no more than o of one history, no promise of    |
//!       |                          |  e or later: the promise goes to the disk, the   |
//!       |     PONG: promises e     |  link to the old primary is cut                  |
//!       |<-------------------------|                                                  |
//!       | with R - n + 1: promises itself e, asks for votes in e, as ever             |
//!       |---------------------------------------------------------------------------->|
//!       |                                                                   votes     |
//!       |<----------------------------------------------------------------------------|
//!       | leads in e ------------->|  follows: e is what it promised                  |
//! ```
//!
//! - A promise is of an epoch. Who gave it acknowledges nothing to a primary of an earlier one, not after a restart either
//!   ([`Pledge::floor`]), and promises nothing for an earlier or the same one.
//! - Who has more than the candidate does not promise; it stands itself. So who has the most is preferred, and who may lack something
//!   that was acknowledged is not elected: rather nobody is. With n = 1 an election needs all replicas, with n = R only one.
//! - Replicas that were started anew promise nothing before they have the data of their primary again, and count for nobody.
//! - A candidate that has less by the time of the promises than when it asked, as its data was replaced, does not stand.
//! - Who confirms to a primary has its epoch on the disk: it follows none of an earlier one, whose claims may come late. The primary
//!   counts nobody else, and every replica once, however many connections it has.
//! - The primary is not asked. Cut off, it acknowledges nothing that it could lose: those who promised do not confirm it, and the others
//!   are fewer than n.
//! - Who comes to lead has the old primary for a replica in its own place. R is as it was.
//!
//! *A primary whose replicas promised themselves to a candidate that does not come to lead* needs an epoch that is as new. It asks for it
//! as a candidate does, by R - n + 1 promises, n at least, so that no other can come to lead or to acknowledge anything in an epoch
//! between. The same where two primaries have one epoch, and for CLUSTER BUMPEPOCH and CLUSTER SETSLOT .. NODE of a slot that was
//! imported: no primary takes a newer epoch by itself. Until it has it, it hears no claim of another for such a slot.
//!
//! *A primary that starts without what it acknowledged* (its log is not fsynced before every reply, and was not ended in good order)
//! serves nobody and no replica, and says so: a replica takes its place as if it were down.
//!
//! *Who the R are* is an [`AckGroup`]: names and n, agreed on in steps, on the disks of all ([`AckGroups`]). A replica that is new
//! joins it once it has what is there; one that is down stays in it, until CLUSTER FORGET says that it never comes back. Where there is no
//! group yet nothing is acknowledged, and who belongs to none is not elected.
//!
//! What an operator does: CLUSTER FAILOVER, with FORCE too, keeps all promises, and comes to nothing where there are too few.
//! CLUSTER FAILOVER TAKEOVER asks nobody, and may lose what was acknowledged; so may CLUSTER RESET, and slots that are assigned anew.
//! A primary that is bereft, and whose replicas are too, is started without strict failover.
//!
//! All nodes of a shard take part or none: a replica that does not is not served, so that it has nothing to be elected with. Nodes of
//! other shards, of Redis too, vote as ever. What is said about this stands in an extension of PING and PONG that is sent within the shard
//! only, and that Redis reads over.
//!
//! What is kept, as words in the `vars` line of nodes.conf, where others read over them:
//!
//! ```text
//! keyslot-pledge 7:5:<name>                    promised epoch 7 to this node, and epoch 5 to who was not the primary
//! keyslot-group 5:0:2:<name>+<name>+<name>     since epoch 5, number 0: 2 of these
//! keyslot-next-group ..                        what takes its place
//! ```

use super::name::NodeName;
use std::collections::BTreeSet;
use std::fmt;

/// Replicas of a shard, and how many of them have to have a write before it is acknowledged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AckGroup {
    /// The epoch of the primary that made it.
    pub epoch: u64,
    /// Which one it is in that epoch.
    pub number: u64,
    /// How many.
    pub count: u8,
    /// Of whom.
    pub members: BTreeSet<NodeName>,
}

impl AckGroup {
    /// Later ones are greater.
    pub fn id(&self) -> (u64, u64) {
        (self.epoch, self.number)
    }

    /// So many of them are sure to hold one that has what was acknowledged.
    pub fn electing(&self) -> usize {
        self.members.len().saturating_sub(self.count.into()) + 1
    }

    /// Without so many of them nobody can have enough for an election.
    pub fn blocking(&self) -> usize {
        (self.members.len() + 1).saturating_sub(self.electing())
    }

    /// Whether these are enough for an election.
    pub fn elects(&self, promised: &BTreeSet<NodeName>, electing: usize) -> bool {
        self.members.intersection(promised).count() >= electing
    }

    /// Reads the word of nodes.conf.
    pub fn parse(word: &str) -> Option<Self> {
        let mut parts = word.splitn(4, ':');
        let epoch = parts.next()?.parse().ok()?;
        let number = parts.next()?.parse().ok()?;
        let count = parts.next()?.parse().ok()?;
        let names = parts.next()?;
        let names = names.split('+').filter(|name| !name.is_empty());
        let members: Option<BTreeSet<_>> = names.map(|name| NodeName::parse(name.as_bytes())).collect();
        Some(Self { epoch, number, count, members: members.filter(|it| it.len() <= MEMBERS_MAX)? })
    }
}

impl fmt::Display for AckGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:", self.epoch, self.number, self.count)?;
        for (at, name) in self.members.iter().enumerate() {
            write!(f, "{}{name}", if at == 0 { "" } else { "+" })?;
        }
        Ok(())
    }
}

/// The group that counts, and the one that is to take its place: until it has, both count.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AckGroups {
    /// The one that counts; `None` before there ever was one.
    pub settled: Option<AckGroup>,
    /// The one that comes.
    pub next: Option<AckGroup>,
}

impl AckGroups {
    /// Those that count.
    pub fn all(&self) -> impl Iterator<Item = &AckGroup> {
        self.settled.iter().chain(&self.next)
    }

    /// What is known later in a shard is greater.
    pub fn age(&self) -> [Option<(u64, u64)>; 2] {
        [self.settled.as_ref().map(AckGroup::id), self.next.as_ref().map(AckGroup::id)]
    }

    /// Whether this node belongs to all that count, and there is one.
    pub fn hold(&self, name: &NodeName) -> bool {
        self.all().next().is_some() && self.all().all(|group| group.members.contains(name))
    }

    /// The same, of a primary that leads in this epoch from here on.
    pub fn renewed(&self, epoch: u64) -> Self {
        let renew = |group: &AckGroup, number| AckGroup { epoch, number, ..group.clone() };
        Self {
            settled: self.settled.as_ref().map(|group| renew(group, 0)),
            next: self.next.as_ref().map(|group| renew(group, 1)),
        }
    }

    /// What they are for who takes the primary's place in this epoch: the primary is a replica in its stead.
    pub fn succeeded(&self, epoch: u64, by: NodeName, primary: NodeName) -> Self {
        let mut groups = self.renewed(epoch);
        for group in groups.settled.iter_mut().chain(&mut groups.next) {
            group.members.remove(&by);
            group.members.insert(primary);
        }
        groups
    }
}

/// What a replica has promised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pledge {
    /// The epoch: it promises itself in later ones only.
    pub epoch: u64,
    /// It acknowledges nothing to a primary of an epoch before this one: the last that it promised to another than its primary.
    pub floor: u64,
    /// Who stands in it.
    pub to: NodeName,
}

impl Pledge {
    /// Reads the word of nodes.conf.
    pub fn parse(word: &str) -> Option<Self> {
        let mut parts = word.splitn(3, ':');
        let (epoch, floor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { epoch, floor, to: NodeName::parse(parts.next()?.as_bytes())? })
    }
}

impl fmt::Display for Pledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.epoch, self.floor, self.to)
    }
}

/// What the nodes of a shard say to each other in a [pulse](super::message::Pulse).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StrictWord {
    /// A primary that started without what it acknowledged: one of its replicas is to take its place.
    pub is_bereft: bool,
    /// What is asked is asked although the primary is not down.
    pub is_forced: bool,
    /// Promise me this epoch; 0: nothing is asked.
    pub asks: u64,
    /// I have promised you this epoch; 0: none.
    pub promises: u64,
    /// I acknowledge no primary of an epoch before this one.
    pub floor: u64,
    /// Another number for another history of the data: offsets of one history are comparable.
    pub history: u64,
    /// The groups as I know them.
    pub groups: AckGroups,
}

/// No shard has more replicas.
pub const MEMBERS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: u64) -> NodeName {
        NodeName::from_chance([n, n << 7, 9])
    }

    fn group(replicas: u64, count: u8) -> AckGroup {
        AckGroup { epoch: 5, number: 1, count, members: (0..replicas).map(name).collect() }
    }

    #[test]
    fn who_elects_and_who_acknowledges_always_share_a_replica() {
        for replicas in 1..8 {
            for count in 1..=replicas {
                let group = group(replicas, count as u8);
                assert!(group.electing() + count as usize > replicas as usize, "{replicas} {count}");
                assert!(group.electing() + group.blocking() > replicas as usize);
                // What was acknowledged before a takeover is held by one more who is left.
                assert!(group.electing() + (count as usize - 1) > replicas as usize - 1);
            }
        }
        assert_eq!((group(1, 2).electing(), group(1, 2).blocking()), (1, 1));
        assert_eq!((group(0, 1).electing(), group(0, 1).blocking()), (1, 0));
    }

    #[test]
    fn words_are_read_back_and_nothing_else_is() {
        for group in [group(0, 1), group(1, 1), group(3, 2)] {
            assert_eq!(AckGroup::parse(&group.to_string()), Some(group));
        }
        let pledge = Pledge { epoch: 7, floor: 5, to: name(1) };
        assert_eq!(Pledge::parse(&pledge.to_string()), Some(pledge));
        for wrong in ["", "5", "5:0:2", "5:0:2:abc", "x:0:2:", "5:0:300:", "5:0:-1:"] {
            assert_eq!(AckGroup::parse(wrong), None, "{wrong}");
            assert_eq!(Pledge::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_primary_takes_the_place_of_who_takes_its_own() {
        let groups = AckGroups { settled: Some(group(2, 1)), next: Some(group(3, 1)) };
        let after = groups.succeeded(9, name(1), name(7));
        assert_eq!(after.settled.as_ref().unwrap().members, [name(0), name(7)].into());
        assert_eq!(after.next.as_ref().unwrap().members, [name(0), name(2), name(7)].into());
        assert_eq!(after.age(), [Some((9, 0)), Some((9, 1))]);
        assert!(after.age() > groups.age() && groups.age() > AckGroups::default().age());
        assert!(groups.hold(&name(1)) && !groups.hold(&name(2)) && !AckGroups::default().hold(&name(1)));
    }
}
