//! CLUSTER without a host.

use super::*;
use keyslot_engine::Engine;
use keyslot_engine::resp::{ReplyWriter, RespVersion};

struct Bench {
    engine: Engine,
    terms: Terms,
    cluster: LoneCluster,
    names: u8,
}

impl Bench {
    fn new() -> Self {
        let engine = Engine::in_memory();
        let addresses = Addresses { port: 7000, bus_port: 17000, ..Addresses::default() };
        let terms = Terms { addresses, requires_full_coverage: true, ..Terms::default() };
        let mut names = 0;
        let mut cluster = LoneCluster::new(&mut || name(&mut names));
        cluster.attach(&engine, &terms);
        Self { engine, terms, cluster, names }
    }

    fn control(&mut self, text: &str) -> (Control, String) {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, RespVersion::V2);
        let names = &mut self.names;
        let control = self.cluster.control(&self.engine, &self.terms, &mut || name(names), &words, &mut reply);
        (control, String::from_utf8(out).unwrap())
    }

    fn ask(&mut self, text: &str) -> String {
        self.control(text).1
    }

    fn call(&self, words: &[&str]) -> String {
        format!("{:?}", self.engine.call(words))
    }
}

/// Forty digits, other ones each time.
fn name(count: &mut u8) -> String {
    *count += 1;
    format!("{count:040x}")
}

#[test]
fn slots_open_and_close_for_clients() {
    let mut bench = Bench::new();
    assert!(bench.call(&["SET", "a", "1"]).contains("CLUSTERDOWN Hash slot not served"));
    assert_eq!(bench.ask("addslotsrange 0 16382"), "+OK\r\n");
    assert!(bench.call(&["SET", "a", "1"]).contains("CLUSTERDOWN The cluster is down"));
    assert_eq!(bench.ask("addslots 16383"), "+OK\r\n");
    assert_eq!(bench.call(&["SET", "a", "1"]), "Ok");
    assert!(bench.ask("info").starts_with("$312\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"));
    assert_eq!(bench.ask("flushslots"), "-ERR DB must be empty to perform CLUSTER FLUSHSLOTS.\r\n");
    assert_eq!(bench.ask("delslots 5"), "+OK\r\n");
    assert!(bench.call(&["GET", "a"]).contains("CLUSTERDOWN The cluster is down"));
    bench.terms.requires_full_coverage = false;
    bench.cluster.settle(&bench.engine, &bench.terms);
    assert!(bench.call(&["GET", "a"]).contains('1'));
}

#[test]
fn only_what_changed_is_to_be_saved() {
    let mut bench = Bench::new();
    for (request, control) in [
        ("myid", Control::Answered),
        ("nodes", Control::Answered),
        ("addslots 1", Control::Changed),
        ("addslots 1", Control::Answered),
        ("replicas 0000000000000000000000000000000000000001", Control::Answered),
        ("bumpepoch", Control::Changed),
        ("meet 10.0.0.1 7000", Control::NotOffered),
    ] {
        assert_eq!(bench.control(request).0, control, "{request}");
    }
}

#[test]
fn words_are_refused_as_in_redis() {
    let mut bench = Bench::new();
    let count = "ERR unknown subcommand or wrong number of arguments for";
    for (request, error) in [
        ("addslots 007", "ERR Invalid or out of range slot"),
        ("addslots +8", "ERR Invalid or out of range slot"),
        ("addslots 4 4", "ERR Slot 4 specified multiple times"),
        ("delslots 7", "ERR Slot 7 is already unassigned"),
        ("failover", "ERR You should send CLUSTER FAILOVER to a replica"),
        ("failover x", "ERR syntax error"),
        ("reset x", "ERR syntax error"),
        ("reset x y", &format!("{count} 'RESET'. Try CLUSTER HELP.")),
        ("set-config-epoch -1", "ERR Invalid config epoch specified: -1"),
    ] {
        assert_eq!(bench.ask(request), format!("-{error}\r\n"), "{request}");
    }
}

#[test]
fn a_hard_reset_gives_a_new_name_and_the_file_keeps_it() {
    let mut bench = Bench::new();
    bench.ask("addslotsrange 5 9");
    bench.ask("bumpepoch");
    let before = bench.cluster.id().to_owned();
    let text = bench.cluster.to_nodes_conf(&bench.terms);
    let again = LoneCluster::from_nodes_conf(&text, &mut String::new).unwrap();
    assert_eq!(again.to_nodes_conf(&bench.terms), text);
    assert!(text.contains(" myself,master - 0 0 1 connected 5-9\nvars currentEpoch 1 "), "{text}");
    bench.ask("reset");
    assert_eq!(bench.cluster.id(), before);
    bench.ask("reset hard");
    assert_ne!(bench.cluster.id(), before);
}

#[test]
fn clients_are_told_the_endpoint_that_is_preferred() {
    let mut bench = Bench::new();
    bench.ask("addslots 1");
    bench.terms.addresses.ip = "10.1.2.3".into();
    for (preferred, endpoint) in [
        (PreferredEndpoint::Ip, "$8\r\n10.1.2.3\r\n"),
        (PreferredEndpoint::Hostname, "$1\r\n?\r\n"),
        (PreferredEndpoint::Unknown, "$-1\r\n"),
    ] {
        bench.terms.preferred = preferred;
        assert!(bench.ask("slots").starts_with(&format!("*1\r\n*3\r\n:1\r\n:1\r\n*4\r\n{endpoint}:7000\r\n")));
    }
}
