//! Which replicas count where a write waits for them.
//!
//! As a rule all do. Under strict failover each of several quorums has to be full: then no replica counts for more than what all of
//! them have, and each counts once, however many of its connections are there. An old one may be half dead beside the new one, and
//! networks bring one twice.

use keyslot_engine::Offset;
use std::collections::BTreeSet;

/// Replicas, by the names of their nodes, of whom so many have to have a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quorum {
    /// Whose words count.
    pub members: BTreeSet<String>,
    /// How many.
    pub count: usize,
}

/// Up to where each replica counts that says of itself that it is there: `replicas` are names and offsets, one for each connection.
/// O(replicas * quorums).
pub(super) fn confirmed<'a>(
    replicas: impl Iterator<Item = (Option<&'a str>, Offset)>,
    quorums: Option<&[Quorum]>,
) -> Vec<Offset> {
    let Some(quorums) = quorums else { return replicas.map(|(_, acked)| acked).collect() };
    let mut named: Vec<(&str, Offset)> = replicas.filter_map(|(name, acked)| Some((name?, acked))).collect();
    named.sort_unstable_by(|a, b| b.cmp(a));
    named.dedup_by_key(|(name, _)| *name);
    let full = |quorum: &Quorum| {
        let mut offsets: Vec<Offset> =
            named.iter().filter(|(name, _)| quorum.members.contains(*name)).map(|(_, acked)| *acked).collect();
        offsets.sort_unstable_by(|a, b| b.cmp(a));
        quorum.count.checked_sub(1).and_then(|at| offsets.get(at).copied()).unwrap_or(Offset(0))
    };
    let limit = quorums.iter().map(full).min().unwrap_or(Offset(0));
    let counts = |name: &str| quorums.iter().any(|quorum| quorum.members.contains(name));
    named.into_iter().filter(|(name, _)| counts(name)).map(|(_, acked)| acked.min(limit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quorum(members: &str, count: usize) -> Quorum {
        Quorum { members: members.chars().map(String::from).collect(), count }
    }

    fn count(quorums: Option<&[Quorum]>) -> Vec<u64> {
        let replicas = [(Some("a"), 10), (Some("b"), 20), (Some("c"), 30), (None, 40)];
        let replicas = replicas.into_iter().map(|(name, at)| (name, Offset(at)));
        let mut offsets: Vec<u64> = confirmed(replicas, quorums).into_iter().map(|offset| offset.0).collect();
        offsets.sort_unstable();
        offsets
    }

    #[test]
    fn nobody_counts_for_more_than_every_quorum_has() {
        assert_eq!(count(None), [10, 20, 30, 40], "as a rule all count");
        assert_eq!(count(Some(&[quorum("abc", 1)])), [10, 20, 30]);
        assert_eq!(count(Some(&[quorum("abc", 2)])), [10, 20, 20]);
        assert_eq!(count(Some(&[quorum("abc", 3)])), [10, 10, 10]);
        assert_eq!(count(Some(&[quorum("ac", 1), quorum("ab", 1)])), [10, 20, 20]);
        assert_eq!(count(Some(&[quorum("ad", 1)])), [10], "who is away does not count, nor does who is not asked");
        assert_eq!(count(Some(&[quorum("ad", 2)])), [0]);
        assert_eq!(count(Some(&[quorum("", 1)])), [] as [u64; 0]);
        assert_eq!(count(Some(&[])), [] as [u64; 0]);
    }

    #[test]
    fn a_replica_with_two_connections_counts_once() {
        let replicas = [("a", 10), ("b", 20), ("a", 30)].map(|(name, at)| (Some(name), Offset(at)));
        let of_two = |members| confirmed(replicas.into_iter(), Some(&[quorum(members, 2)]));
        assert_eq!(of_two("ab"), [Offset(20), Offset(20)], "for the most that it said");
        assert_eq!(of_two("ac"), [Offset(0)], "alone it is not two");
    }
}
