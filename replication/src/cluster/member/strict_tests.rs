//! Promises and groups, one rule at a time: a shard of a primary and three replicas, beside two other shards.

use super::super::super::message::{Body, Extensions, NodeFlags, Pulse};
use super::super::super::roster::NodeAddress;
use super::super::super::strict::{AckGroup, AckGroups};
use super::super::super::{Roster, agreed_rosters, view};
use super::super::{Contents, Facts, MemberOptions, StrictFailover};
use super::*;
use keyslot_engine::Slot;

const NOW: UnixMillis = UnixMillis(1_000_000);

/// A node without keys.
struct Nothing;

impl Contents for Nothing {
    fn is_empty(&self) -> bool {
        true
    }

    fn has_keys(&self, _slot: Slot) -> bool {
        false
    }
}

fn options(count: u8) -> MemberOptions {
    let strict = Some(StrictFailover { count, is_whole: true });
    MemberOptions { node_timeout_ms: 1000, strict, writable_delay_ms: 0, ..MemberOptions::default() }
}

/// Node 0 leads 1, 2 and 3; 4 leads 5; 6 leads 7.
fn rosters() -> Vec<Roster> {
    let address = |n: u16| NodeAddress { ip: "10.0.0.1".into(), port: n + 1, bus_port: n + 100, ..Default::default() };
    let shards = [0..4, 4..6, 6..8].map(|nodes| nodes.map(address).collect());
    agreed_rosters(&shards, 7)
}

fn names() -> Vec<NodeName> {
    rosters().iter().map(|roster| roster.me().name).collect()
}

fn group(members: &[usize], count: u8) -> AckGroup {
    let names = names();
    AckGroup { epoch: 1, number: 0, count, members: members.iter().map(|at| names[*at]).collect() }
}

/// What a replica knows that has streamed up to here.
fn facts(offset: u64) -> Facts {
    Facts { offset, upstream: Upstream::Down { since: NOW }, is_still: false, history: 9 }
}

/// A node of the first shard, of which so many replicas have to have a write.
fn member(at: usize, count: u8, offset: u64) -> Member {
    let mut roster = rosters().swap_remove(at);
    roster.groups = AckGroups { settled: Some(group(&[1, 2, 3], count)), next: None };
    let mut member = Member::new(roster, options(count), 1, NOW);
    member.set_facts(facts(offset));
    while member.poll_output().is_some() {}
    member
}

fn fail_primary(member: &mut Member) {
    member.take_failure(names()[0], NOW);
}

/// Node `at` as it presents itself: a replica of 0 unless it is 0, at this offset.
fn header(at: usize, offset: u64, epoch: u64) -> Header {
    let names = names();
    let mut header = Member::new(rosters().swap_remove(at), options(1), 1, NOW).header();
    header.primary = (1..4).contains(&at).then_some(names[0]);
    (header.offset, header.current_epoch) = (offset, epoch);
    header
}

fn ask(epoch: u64) -> StrictWord {
    StrictWord { asks: epoch, history: 9, ..StrictWord::default() }
}

fn promise(epoch: u64) -> StrictWord {
    StrictWord { promises: epoch, floor: epoch, history: 9, ..StrictWord::default() }
}

/// Replicas say to their primary that they know its epoch, and its groups.
fn know(primary: &mut Member, replicas: &[usize]) {
    let me = primary.roster().me();
    let (leader, epoch, groups) = (me.name, me.config_epoch, primary.roster().groups.clone());
    for at in replicas {
        let header = Header { primary: Some(leader), config_epoch: epoch, ..header(*at, 0, epoch) };
        let word = StrictWord { groups: groups.clone(), ..ask(0) };
        primary.take_strict_word(names()[*at], &header, &word, NOW);
    }
}

fn outputs(member: &mut Member) -> Vec<MemberOutput> {
    std::iter::from_fn(|| member.poll_output()).collect()
}

#[test]
fn a_replica_promises_itself_to_who_has_as_much_and_to_nobody_else() {
    let names = names();
    type Change = fn(&mut Member, &mut Header, &mut StrictWord);
    let table: [(&str, bool, Change); 9] = [
        ("as much", true, |_, _, _| {}),
        ("more", true, |_, header, _| header.offset = 101),
        ("less", false, |_, header, _| header.offset = 99),
        ("another history", false, |_, _, word| word.history = 8),
        ("an epoch that the primary has", false, |_, _, word| word.asks = 1),
        ("an epoch that was promised", false, |member, _, _| {
            member.roster.pledge = Some(Pledge { epoch: 9, floor: 9, to: self::names()[3] });
        }),
        ("no data here", false, |member, _, _| {
            member.set_facts(Facts { upstream: Upstream::None, ..facts(0) });
        }),
        ("another primary", false, |_, header, _| header.primary = Some(self::names()[4])),
        ("it stands itself", false, |member, _, _| {
            let promises = BTreeSet::new();
            member.candidacy = Candidacy::Asking { epoch: 8, begun: NOW, is_manual: false, votes: promises };
        }),
    ];
    for (what, is_promised, change) in table {
        let mut member = member(1, 2, 100);
        fail_primary(&mut member);
        let (mut header, mut word) = (header(2, 100, 9), ask(9));
        change(&mut member, &mut header, &mut word);
        member.take_strict_word(names[2], &header, &word, NOW);
        let pledge = Pledge { epoch: 9, floor: 9, to: names[2] };
        assert_eq!(member.roster.pledge == Some(pledge), is_promised, "{what}");
        let said = outputs(&mut member);
        assert_eq!(said.contains(&MemberOutput::Detach), member.roster.pledge.is_some(), "{what}: {said:?}");
        let answer = member.strict_word(names[2]).unwrap();
        assert_eq!(answer.promises == 9, is_promised, "{what}");
    }
}

#[test]
fn nothing_is_promised_while_the_primary_is_there_but_by_force() {
    for is_forced in [false, true] {
        let mut member = member(1, 2, 100);
        let word = StrictWord { is_forced, ..ask(9) };
        member.take_strict_word(names()[2], &header(2, 100, 9), &word, NOW);
        assert_eq!(member.roster.pledge.is_some(), is_forced);
    }
}

#[test]
fn a_promise_is_on_the_disk_and_the_link_is_cut_before_it_is_told() {
    let names = names();
    let mut member = member(1, 2, 100);
    fail_primary(&mut member);
    outputs(&mut member);
    member.take_strict_word(names[2], &header(2, 100, 9), &ask(9), NOW);
    let said = outputs(&mut member);
    assert_eq!(said.first(), Some(&MemberOutput::Save));
    assert!(said.contains(&MemberOutput::Detach), "{said:?}");
    // It holds over a restart, by the file.
    let text = view::print(member.roster(), false);
    let roster = view::parse(&text, false, &mut || names[0]).unwrap();
    assert_eq!((roster.pledge, &roster.groups), (member.roster.pledge, &member.roster.groups));
    let mut again = Member::new(roster, options(2), 1, NOW);
    let said = outputs(&mut again);
    let followed = said.iter().position(|output| matches!(output, MemberOutput::Follow(..)));
    let detached = said.iter().position(|output| *output == MemberOutput::Detach);
    assert!(followed.is_some() && followed < detached, "{said:?}");
    // A later primary is followed.
    let claim = |epoch| {
        let mut header = header(2, 100, epoch);
        (header.primary, header.config_epoch, header.flags) = (None, epoch, NodeFlags::PRIMARY);
        header.slots = rosters()[0].me().slots.clone();
        header
    };
    again.roster.pledge = Some(Pledge { epoch: 9, floor: 9, to: names[3] });
    again.set_primary(names[2]);
    again.roster.node_mut(&names[2]).unwrap().config_epoch = 8;
    again.take_claim(names[2], &claim(8), NOW);
    assert_eq!(again.roster.me().primary, Some(names[2]));
    assert!(outputs(&mut again).ends_with(&[MemberOutput::Detach]), "it promised not to acknowledge epoch 8");
    again.roster.node_mut(&names[2]).unwrap().config_epoch = 9;
    assert!(matches!(outputs(&mut again)[..], [MemberOutput::Follow(..)]));
}

#[test]
fn votes_are_asked_for_with_enough_promises_and_not_before() {
    let names = names();
    for (count, needed) in [(3, 1), (2, 2), (1, 3)] {
        let mut member = member(1, count, 100);
        fail_primary(&mut member);
        member.canvass(false, NOW, NOW);
        for promised in 0..3 {
            let is_asking = matches!(member.candidacy, Candidacy::Asking { .. });
            assert_eq!(is_asking, promised + 1 >= needed, "{count}: {promised}");
            assert_eq!(member.roster.pledge.is_some(), is_asking, "it promises itself to itself");
            let epoch = member.roster.current_epoch;
            if promised < 2 {
                // A promise of another epoch is none.
                let from = 2 + promised;
                member.take_strict_word(names[from], &header(from, 90, epoch), &promise(epoch - 1), NOW);
                member.take_strict_word(names[from], &header(from, 90, epoch), &promise(epoch), NOW);
            }
        }
    }
}

#[test]
fn who_knows_a_newer_group_tells_who_stands() {
    let names = names();
    let mut member = member(1, 2, 100);
    fail_primary(&mut member);
    member.canvass(false, NOW, NOW);
    let epoch = member.roster.current_epoch;
    let next = Some(AckGroup { number: 1, ..group(&[1, 2, 3, 7], 1) });
    let groups = AckGroups { next, ..member.roster.groups.clone() };
    let word = StrictWord { groups: groups.clone(), ..promise(epoch) };
    member.take_strict_word(names[2], &header(2, 90, epoch), &word, NOW);
    assert_eq!(member.roster.groups, groups);
    assert!(
        matches!(member.candidacy, Candidacy::Canvassing { .. }),
        "two of three, and of the next group four of four"
    );
    // Who does not belong to it cannot tell who has what.
    member.roster.groups.settled = Some(group(&[2, 3], 2));
    assert!(member.may_stand(false, NOW).is_err());
    member.roster.groups = AckGroups::default();
    assert!(member.may_stand(false, NOW).is_err());
}

#[test]
fn who_takes_over_has_its_primary_in_its_place() {
    let names = names();
    let mut member = member(1, 2, 100);
    fail_primary(&mut member);
    member.take_over(9, NOW);
    let groups = member.roster().groups.clone();
    assert_eq!(groups.settled.unwrap().members, [names[0], names[2], names[3]].into());
    let quorum = |members: &[usize]| {
        let members = members.iter().map(|at| names[*at]).collect();
        MemberOutput::Confirm(Some(vec![AckQuorum { members, count: 2 }]))
    };
    let said = outputs(&mut member);
    assert!(said.contains(&quorum(&[])), "nobody knows its epoch yet: {said:?}");
    know(&mut member, &[0, 2, 3]);
    let said = outputs(&mut member);
    assert!(said.contains(&quorum(&[0, 2, 3])), "{said:?}");
}

#[test]
fn who_does_not_know_the_epoch_of_its_primary_confirms_nothing() {
    let names = names();
    let mut member = member(0, 2, 100);
    for (said, counts) in [(1, true), (0, false)] {
        let header = Header { config_epoch: said, ..header(1, 100, 1) };
        member.strict.kept.clear();
        member.take_strict_word(names[1], &header, &ask(0), NOW);
        assert_eq!(member.ack_quorums()[0].members.contains(&names[1]), counts, "{said}");
    }
    // With another epoch it begins anew.
    know(&mut member, &[1, 2, 3]);
    member.renew(7, NOW);
    let asked = member.roster.current_epoch;
    for at in [1, 2] {
        member.take_strict_word(names[at], &header(at, 100, asked), &StrictWord { floor: 0, ..promise(asked) }, NOW);
    }
    assert_eq!((member.roster.me().config_epoch, member.ack_quorums()[0].members.len()), (asked, 0));
    know(&mut member, &[1, 2]);
    assert_eq!(member.ack_quorums()[0].members, [names[1], names[2]].into());
}

#[test]
fn who_has_less_by_now_than_when_it_asked_does_not_stand() {
    let names = names();
    type Change = fn(&mut Member);
    let table: [(&str, bool, Change); 5] = [
        ("as much", true, |_| {}),
        ("more", true, |member| member.set_facts(facts(110))),
        ("less", false, |member| member.set_facts(facts(90))),
        ("another history", false, |member| member.set_facts(Facts { history: 8, ..facts(100) })),
        ("nothing", false, |member| member.set_facts(Facts { upstream: Upstream::None, ..facts(100) })),
    ];
    for (what, stands, change) in table {
        let mut member = member(1, 2, 100);
        fail_primary(&mut member);
        member.canvass(false, NOW, NOW);
        change(&mut member);
        let epoch = member.roster.current_epoch;
        member.take_strict_word(names[2], &header(2, 90, epoch), &promise(epoch), NOW);
        assert_eq!(matches!(member.candidacy, Candidacy::Asking { .. }), stands, "{what}");
    }
}

#[test]
fn votes_that_come_after_the_time_of_a_manual_failover_are_of_no_use() {
    let names = names();
    for (late_ms, leads) in [(10, true), (60_000, false)] {
        let mut member = member(1, 3, 100);
        member.fail_over_by_force(NOW).unwrap();
        let epoch = member.roster.current_epoch;
        assert!(matches!(member.candidacy, Candidacy::Asking { .. }));
        for voter in [4, 6] {
            member.take_vote(names[voter], &header(voter, 0, epoch), UnixMillis(NOW.0 + late_ms));
        }
        assert_eq!(member.roster.me().is_primary(), leads, "{late_ms}");
    }
}

#[test]
fn an_epoch_that_an_operator_wants_is_promised_first() {
    let names = names();
    let mut member = member(0, 2, 100);
    member.roster.current_epoch = 9;
    assert!(!member.bump_epoch(NOW));
    let asked = member.strict_word(names[1]).unwrap().asks;
    assert!(asked > 9 && member.roster.me().config_epoch == 1);
    // So is that which a slot is taken with: no claim of another is heard for it until then.
    let slot = rosters()[4].me().slots.iter().next().unwrap();
    member.set_importing(slot, names[4]).unwrap();
    member.set_owner(slot, names[0], &Nothing, NOW).unwrap();
    assert!(member.roster.me().slots.contains(slot) && member.roster.importing.contains_key(&slot));
    let mut claim = header(4, 0, asked);
    claim.config_epoch = 9;
    member.take_claim(names[4], &claim, NOW);
    assert!(member.roster.me().slots.contains(slot));
    let asked = member.strict_word(names[1]).unwrap().asks;
    for at in [1, 2] {
        member.take_strict_word(names[at], &header(at, 100, asked), &StrictWord { floor: 0, ..promise(asked) }, NOW);
    }
    assert_eq!(member.roster.me().config_epoch, asked);
    assert!(member.roster.me().slots.contains(slot) && member.roster.importing.is_empty());
    // Where nothing was agreed on nobody has to be asked.
    member.roster.groups = AckGroups::default();
    member.roster.current_epoch += 1;
    assert!(member.bump_epoch(NOW));
}

#[test]
fn a_primary_that_leads_anew_has_the_newest_groups() {
    let names = names();
    let mut member = member(0, 2, 100);
    member.roster.groups.next = Some(AckGroup { number: 1, ..group(&[1, 2], 2) });
    let before = member.roster.groups.clone();
    // Who led in epoch 7 meanwhile had groups of its own, and one that knows those knows nothing of these.
    let theirs = before.succeeded(7, names[3], names[0]);
    member.renew(7, NOW);
    let asked = member.roster.current_epoch;
    for at in [1, 2] {
        let word = StrictWord { floor: 7, groups: theirs.clone(), ..promise(asked) };
        member.take_strict_word(names[at], &header(at, 100, asked), &word, NOW);
    }
    assert!(member.roster.groups.age() > theirs.age());
    assert_eq!(member.roster.groups.settled.as_ref().unwrap().members, before.settled.unwrap().members);
    for at in [1, 2] {
        let header = Header { config_epoch: asked, ..header(at, 100, asked) };
        member.take_strict_word(names[at], &header, &StrictWord { groups: theirs.clone(), ..ask(0) }, NOW);
    }
    member.tend_strict(NOW);
    assert!(member.roster.groups.next.is_some(), "nobody knows it");
    know(&mut member, &[1, 2]);
    member.tend_strict(NOW);
    assert_eq!(member.roster.groups.settled.as_ref().unwrap().members, [names[1], names[2]].into());
}

#[test]
fn who_asks_for_a_later_epoch_is_promised_that_at_once_and_another_is_not() {
    let names = names();
    for (from, is_promised) in [(2, true), (3, false)] {
        let mut replica = member(1, 2, 100);
        fail_primary(&mut replica);
        replica.take_strict_word(names[2], &header(2, 100, 7), &ask(7), NOW);
        replica.take_strict_word(names[from], &header(from, 100, 8), &ask(8), NOW);
        assert_eq!(replica.roster.pledge.map(|pledge| pledge.epoch), Some(if is_promised { 8 } else { 7 }));
    }
    // A primary asks anew when its time is over, before all have answered.
    let mut replica = member(1, 2, 100);
    for epoch in [7, 8] {
        replica.take_strict_word(names[0], &header(0, 100, epoch), &ask(epoch), NOW);
        assert_eq!(replica.roster.pledge, Some(Pledge { epoch, floor: 0, to: names[0] }));
    }
}

#[test]
fn who_is_reset_has_promised_nothing_and_belongs_to_nobody() {
    let mut member = member(1, 2, 100);
    member.roster.pledge = Some(Pledge { epoch: 9, floor: 9, to: names()[2] });
    member.reset(false, &Nothing, NOW).unwrap();
    assert_eq!((member.roster.pledge, &member.roster.groups), (None, &AckGroups::default()));
}

#[test]
fn a_group_changes_in_steps_and_both_count_meanwhile() {
    let names = names();
    let quorum = |members: &[usize], count| AckQuorum { members: members.iter().map(|at| names[*at]).collect(), count };
    let mut member = member(0, 2, 100);
    let counted = |member: &mut Member| {
        outputs(member);
        member.strict.said.clone().unwrap()
    };
    know(&mut member, &[1, 2, 3]);
    member.tend_strict(NOW);
    assert_eq!(counted(&mut member), [quorum(&[1, 2, 3], 2)]);
    // The third one is forgotten. What is there by now has to be at two of two.
    member.remove_node(&names[3], NOW);
    member.set_followers([(names[1], 100), (names[2], 90)]);
    member.tend_strict(NOW);
    assert_eq!(counted(&mut member), [quorum(&[1, 2, 3], 2), quorum(&[1, 2], 2)]);
    assert_eq!(member.roster.groups.next, None);
    member.set_facts(facts(200));
    member.set_followers([(names[1], 100), (names[2], 100)]);
    member.tend_strict(NOW);
    assert_eq!(member.roster.groups.next.as_ref().map(|next| next.members.len()), Some(2));
    assert_eq!(counted(&mut member), [quorum(&[1, 2, 3], 2), quorum(&[1, 2], 2)]);
    // Who is forgotten counts as one that knows; one more of the old group has to.
    member.tend_strict(NOW);
    assert!(member.roster.groups.next.is_some());
    let groups = member.roster.groups.clone();
    let away = StrictWord { groups: groups.clone(), ..promise(5) };
    member.take_strict_word(names[1], &header(1, 100, 1), &StrictWord { promises: 0, ..away }, NOW);
    member.tend_strict(NOW);
    assert!(member.roster.groups.next.is_some(), "who promised itself to another does not count");
    member.take_strict_word(names[1], &header(1, 100, 1), &StrictWord { groups, ..ask(0) }, NOW);
    member.tend_strict(NOW);
    assert_eq!(counted(&mut member), [quorum(&[1, 2], 2)]);
    assert_eq!(member.roster.groups.next, None);
}

#[test]
fn nothing_is_acknowledged_before_all_of_the_first_group_know_it() {
    let names = names();
    let mut member = Member::new(rosters().swap_remove(0), options(1), 1, NOW);
    let nobody = MemberOutput::Confirm(Some(vec![AckQuorum { members: BTreeSet::new(), count: 1 }]));
    assert!(outputs(&mut member).contains(&nobody));
    know(&mut member, &[1, 2, 3]);
    member.set_followers([(names[1], 0), (names[2], 0)]);
    member.tend_strict(NOW);
    assert_eq!(member.roster.groups, AckGroups::default(), "one that is there does not follow yet");
    member.set_followers([(names[1], 0), (names[2], 0), (names[3], 0)]);
    member.tend_strict(NOW);
    let groups = member.roster.groups.clone();
    assert!(groups.settled.is_none() && groups.next.is_some());
    for (at, name) in names.iter().enumerate().take(4).skip(1) {
        member.tend_strict(NOW);
        assert!(member.roster.groups.settled.is_none(), "{at}");
        let word = StrictWord { groups: groups.clone(), ..ask(0) };
        member.take_strict_word(*name, &header(at, 0, 1), &word, NOW);
    }
    member.tend_strict(NOW);
    assert_eq!(member.roster.groups.settled, groups.next);
}

#[test]
fn a_primary_whose_replicas_promised_themselves_takes_a_newer_epoch_by_their_promises() {
    let names = names();
    let mut member = member(0, 2, 100);
    let away = StrictWord { promises: 0, ..promise(7) };
    member.take_strict_word(names[1], &header(1, 100, 7), &away, NOW);
    let asked = member.strict_word(names[1]).unwrap().asks;
    assert!(asked > 7 && member.roster.me().config_epoch == 1);
    let renewed = StrictWord { floor: 7, ..promise(asked) };
    member.take_strict_word(names[1], &header(1, 100, asked), &renewed, NOW);
    assert_eq!(member.roster.me().config_epoch, 1, "one of three");
    member.take_strict_word(names[2], &header(2, 100, asked), &renewed, NOW);
    assert_eq!(member.roster.me().config_epoch, asked);
    // A replica promises its primary, although that is not down, unless it has promised another of late.
    for (at, is_promised) in [(NOW.0 + 100, false), (NOW.0 + 5000, true)] {
        let mut replica = self::member(1, 2, 100);
        replica.roster.pledge = Some(Pledge { epoch: 7, floor: 7, to: names[2] });
        replica.strict.pledged_at = Some(NOW);
        replica.take_strict_word(names[0], &header(0, 100, asked), &ask(asked), UnixMillis(at));
        assert_eq!(replica.roster.pledge == Some(Pledge { epoch: asked, floor: 7, to: names[0] }), is_promised);
        // It acknowledges nothing before its primary has that epoch: others may not have promised it.
        assert!(outputs(&mut replica).contains(&MemberOutput::Detach));
        replica.roster.node_mut(&names[0]).unwrap().config_epoch = asked;
        assert!(matches!(outputs(&mut replica)[..], [MemberOutput::Follow(..)]));
    }
    // Who promised nobody else goes on to acknowledge meanwhile.
    let mut replica = self::member(1, 2, 100);
    replica.take_strict_word(names[0], &header(0, 100, asked), &ask(asked), NOW);
    assert_eq!(replica.roster.pledge.map(|pledge| pledge.floor), Some(0));
    assert!(!outputs(&mut replica).contains(&MemberOutput::Detach));
}

#[test]
fn a_primary_that_lost_what_it_acknowledged_serves_nobody_and_is_replaced() {
    let mut roster = rosters().swap_remove(0);
    roster.groups.settled = Some(group(&[1, 2, 3], 2));
    let lost = MemberOptions { strict: Some(StrictFailover { count: 2, is_whole: false }), ..options(2) };
    let mut member = Member::new(roster.clone(), lost.clone(), 1, NOW);
    assert!(member.is_bereft() && !member.is_up());
    assert!(member.strict_word(names()[1]).unwrap().is_bereft);
    // Where nothing was acknowledged nothing is lost, and who follows has nothing to say.
    roster.groups = AckGroups::default();
    assert!(!Member::new(roster, lost.clone(), 1, NOW).is_bereft());
    member.set_options(MemberOptions { strict: None, ..lost }, NOW);
    assert!(!member.is_bereft() && member.is_up(), "by an operator's word");
    // A replica stands although the primary is there.
    let mut replica = self::member(1, 3, 100);
    assert!(replica.may_stand(replica.has_bereft_primary(), NOW).is_err());
    let word = StrictWord { is_bereft: true, ..StrictWord::default() };
    replica.take_strict_word(names()[0], &header(0, 0, 1), &word, NOW);
    assert!(replica.may_stand(replica.has_bereft_primary(), NOW).is_ok());
}

#[test]
fn only_nodes_of_the_shard_are_told_and_only_under_strict_failover() {
    let names = names();
    let strict = member(1, 2, 100);
    let plain = Member::new(rosters().swap_remove(1), MemberOptions { strict: None, ..options(1) }, 1, NOW);
    for (at, name) in names.iter().enumerate().filter(|(at, _)| *at != 1) {
        assert_eq!(strict.strict_word(*name).is_some(), at < 4, "{at}");
        assert_eq!(plain.strict_word(*name), None);
    }
    let mut plain = plain;
    plain.take_strict_word(names[0], &header(0, 0, 1), &ask(9), NOW);
    assert_eq!((plain.roster.pledge, &plain.roster.groups), (None, &AckGroups::default()));
    assert!(!outputs(&mut plain).iter().any(|it| matches!(it, MemberOutput::Detach | MemberOutput::Confirm(_))));
}

#[test]
fn a_word_is_read_as_it_was_written() {
    use super::super::super::message::{Frame, Message, decode, encode};
    let groups = AckGroups { settled: Some(group(&[1, 2], 1)), next: Some(group(&[], 2)) };
    let word = StrictWord { is_bereft: true, is_forced: true, groups, ..promise(7) };
    for word in [word, ask(3)] {
        let extensions = Extensions { strict: Some(Box::new(word)), ..Extensions::default() };
        let message = Message { header: header(1, 5, 6), body: Body::Pong(Pulse { gossip: Vec::new(), extensions }) };
        let mut bytes = Vec::new();
        encode(&message, &mut bytes);
        let read = decode(&bytes).unwrap();
        assert_eq!(read, Frame::Message(Box::new(message.clone())));
        // What is damaged inside is read over.
        for at in 2264..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            assert!(decode(&damaged).is_ok(), "{at}");
        }
    }
}
