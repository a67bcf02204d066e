use super::super::testing::{CAPTURED, captured_roster, no_chance, sorted};
use super::*;

const OLD: &str = include_str!("captured/nodes-7.0.15.conf");
const ME: &str = "021b26aa986a2392af4b81d6d7a385818ad410f7";

fn read(text: &str) -> Roster {
    parse(text, false, &mut no_chance).unwrap()
}

fn refusal(text: &str) -> String {
    parse(text, false, &mut || NodeName::from_chance([1, 2, 3])).unwrap_err().to_string()
}

#[test]
fn a_file_of_7_2_is_printed_as_it_was() {
    let printed = print(&captured_roster(), false);
    assert_eq!(sorted(&printed), sorted(CAPTURED));
    assert!(printed.ends_with("vars currentEpoch 6 lastVoteEpoch 0\n"), "{printed}");
}

#[test]
fn what_was_printed_is_read_back() {
    let roster = read(CAPTURED);
    assert_eq!(read(&print(&roster, false)), roster);
    let with_tls = parse(&print(&roster, true), true, &mut no_chance).unwrap();
    assert_eq!(with_tls, roster);
}

#[test]
fn who_votes_without_slots_is_kept() {
    let mut roster = read(CAPTURED);
    let names: Vec<NodeName> = roster.nodes().map(|node| node.name).take(2).collect();
    for name in &names {
        let node = roster.node_mut(name).unwrap();
        node.flags = node.flags.with(NodeFlags::VOTER);
    }
    let text = print(&roster, false);
    assert!(text.ends_with(&format!(" keyslot-voters {}+{}\n", names[0], names[1])), "{text}");
    assert_eq!(read(&text), roster);
    assert!(
        refusal(&text.replace("keyslot-voters ", "keyslot-voters x")).contains("a name of forty hexadecimal digits")
    );
}

#[test]
fn a_file_of_7_0_gets_shards() {
    let mut made = 0;
    let roster = parse(OLD, false, &mut || {
        made += 1;
        NodeName::from_chance([made, 2, 3])
    })
    .unwrap();
    assert_eq!((roster.len(), made, roster.assigned().len()), (6, 3, 16384));
    for replica in roster.nodes().filter(|node| node.is_replica()) {
        assert_eq!(replica.shard, roster.node(&replica.primary.unwrap()).unwrap().shard);
    }
}

#[test]
fn addresses_may_be_edited() {
    let moved = read(&CAPTURED.replace(" 127.0.0.1:", " fd00::1:"));
    assert!(moved.nodes().all(|node| node.address.ip == "fd00::1" && node.address.port > 21099));
    assert_eq!(read(&CAPTURED.replace(" 127.0.0.1:", " [fd00::1]:")), moved);
    let line = CAPTURED.lines().find(|line| line.contains("myself")).unwrap();
    let mine = read(&CAPTURED.replace(line, &line.replace("127.0.0.1", "10.1.2.3")));
    assert_eq!(mine.me().address.ip, "10.1.2.3");
    assert_eq!(read(&CAPTURED.replace(" 127.0.0.1:21100", " :21100")).me().address.ip, "");
    assert_eq!(read(&CAPTURED.replace('\n', "\r\n\r\n")), read(CAPTURED));
    assert_eq!(read(&CAPTURED.replace("@31100,", ",")).me().address.bus_port, 31100);
}

#[test]
fn ports_follow_the_kind_of_the_cluster() {
    let text = CAPTURED.replace("21100@31100,,tls-port=0", "21100@31100,,tls-port=7");
    let ports = |is_tls| {
        let roster = parse(&text, is_tls, &mut no_chance).unwrap();
        (roster.me().address.port, roster.me().address.plain_port)
    };
    assert_eq!((ports(false), ports(true)), ((21100, 7), (7, 21100)));
}

#[test]
fn nodes_in_handshake_are_not_kept() {
    let mut roster = captured_roster();
    let flags = NodeFlags::HANDSHAKE.with(NodeFlags::MEET);
    roster.insert(KnownNode::new(NodeName::from_chance([7, 8, 9]), NodeAddress::default(), flags));
    assert_eq!(sorted(&print(&roster, false)), sorted(CAPTURED));
}

#[test]
fn a_node_that_others_name_is_known_by_name() {
    let text =
        format!("{ME} :1@2 myself,slave {} 0 0 3 connected\nvars currentEpoch 1 lastVoteEpoch 1\n", "a".repeat(40));
    let roster = parse(&text, false, &mut || NodeName::from_chance([1, 2, 3])).unwrap();
    assert_eq!((roster.len(), roster.me().shard), (2, NodeName::from_chance([1, 2, 3])));
    assert!(print(&roster, false).contains(" noflags - 0 0 0 disconnected\n"));
}

#[test]
fn every_cut_of_a_file_is_noticed() {
    for end in 0..CAPTURED.len() {
        assert!(parse(&CAPTURED[..end], false, &mut no_chance).is_err(), "{end}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    let vars = "vars currentEpoch 6 lastVoteEpoch 0\n";
    let mine = |slots: &str| format!("{ME} 127.0.0.1:1@2 myself,master - 0 0 1 connected {slots}\n");
    let other = "b".repeat(40);
    let twice = format!("{}{other} 127.0.0.1:3@4 master - 0 0 2 connected 5-7\n{vars}", mine("0-5"));
    let text = refusal(&twice);
    assert!(text.starts_with("line 2: expected each slot at one node, found 5-7 at bbbb"), "{text}");
    assert!(text.contains(&format!("line 1 gives to {ME}; correct the line")), "{text}");
    for (text, reason) in [
        (
            "",
            "line 1: expected \"vars currentEpoch <n> lastVoteEpoch <n>\", found the end of the file; the file was not",
        ),
        ("port 7000\n", "line 1: expected a node's line of eight words or more, or \"vars\", found \"port 7000\"; "),
        (&mine("1"), "line 2: expected \"vars"),
        (vars, "expected a node that is myself"),
        ("vars currentEpoch\n", "a number after each name"),
        ("vars currentEpoch x lastVoteEpoch 0\n", "expected an epoch, found \"x\""),
        (&mine("16384"), "expected a slot or a range"),
        (&mine("7-5"), "expected a slot or a range"),
        (&mine("[7->-x]"), "[<slot>->-<name>]"),
        (&(mine("1") + &mine("2")), "line 2: expected one node that is myself"),
        (&mine("").replace("myself,master", "myself,boss"), "expected flags such as myself,master, found \"boss\""),
        (&mine("").replace(":1@2", ""), "expected <ip>:<port>@<bus port>"),
        (&mine("").replace(":1@", ":70000@"), "expected a port, found \"70000\""),
        (&mine("").replace("@2", "@2,,shard-id=x"), "expected a name of forty"),
        (&mine("").replace("@2", "@2,,what"), "expected <name>=<value>"),
        (&mine("3").replace("master", "slave"), "expected slots at a master only"),
    ] {
        assert!(refusal(text).contains(reason), "{reason} in {}", refusal(text));
    }
}
