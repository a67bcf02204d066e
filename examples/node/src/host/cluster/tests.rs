//! CLUSTER as a client meets it.

use super::*;
use keyslot::engine::resp::RespVersion;

struct Bench {
    engine: Engine,
    values: Values,
    cluster: Cluster,
    folder: tempfile::TempDir,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let mut values = Values::standard();
    values.set_text("cluster-config-file", folder.path().join("nodes.conf").to_str().unwrap().as_bytes());
    let engine = Engine::in_memory();
    let cluster = Cluster::open(&engine, &values).unwrap();
    Bench { engine, values, cluster, folder }
}

impl Bench {
    fn ask(&self, text: &str) -> String {
        let words: Vec<&[u8]> = text.split(' ').map(str::as_bytes).collect();
        let mut out = Vec::new();
        let mut reply = ReplyWriter::new(&mut out, RespVersion::V2);
        assert!(self.cluster.control(&self.engine, &self.values, &words, &mut reply), "{text}");
        String::from_utf8(out).unwrap()
    }

    fn call(&self, words: &[&str]) -> String {
        format!("{:?}", self.engine.call(words))
    }
}

#[test]
fn slots_open_and_close_for_clients() {
    let bench = bench();
    assert!(bench.call(&["SET", "a", "1"]).contains("CLUSTERDOWN Hash slot not served"));
    assert_eq!(bench.ask("addslotsrange 0 16382"), "+OK\r\n");
    assert!(bench.call(&["SET", "a", "1"]).contains("CLUSTERDOWN The cluster is down"));
    assert_eq!(bench.ask("addslots 16383"), "+OK\r\n");
    assert_eq!(bench.call(&["SET", "a", "1"]), "Ok");
    assert!(bench.ask("info").contains("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"));
    assert_eq!(bench.ask("flushslots"), "-ERR DB must be empty to perform CLUSTER FLUSHSLOTS.\r\n");
    assert!(bench.ask("reset").contains("can't be called with master nodes containing keys"));
}

#[test]
fn wrong_slots_are_refused_as_in_redis() {
    let bench = bench();
    assert_eq!(bench.ask("addslots 1 2 3"), "+OK\r\n");
    for (request, error) in [
        ("addslots 3", "ERR Slot 3 is already busy"),
        ("addslots 4 4", "ERR Slot 4 specified multiple times"),
        ("addslots 16384", "ERR Invalid or out of range slot"),
        ("addslots -1", "ERR Invalid or out of range slot"),
        ("addslotsrange 10 5", "ERR start slot number 10 is greater than end slot number 5"),
        ("addslotsrange 10 20 15 17", "ERR Slot 15 specified multiple times"),
        ("addslotsrange 10 20 21", "ERR wrong number of arguments for 'cluster|addslotsrange' command"),
        ("delslots 100", "ERR Slot 100 is already unassigned"),
        ("replicas foo", "ERR Unknown node foo"),
        ("set-config-epoch x", "ERR value is not an integer or out of range"),
        ("reset foo", "ERR syntax error"),
    ] {
        assert_eq!(bench.ask(request), format!("-{error}\r\n"));
    }
}

#[test]
fn a_node_keeps_its_name_and_slots_over_a_restart() {
    let bench = bench();
    bench.ask("addslotsrange 5 9");
    assert_eq!(bench.ask("bumpepoch"), "+BUMPED 1\r\n");
    assert_eq!(bench.ask("bumpepoch"), "+STILL 1\r\n");
    let again = Cluster::open(&Engine::in_memory(), &bench.values).unwrap();
    let text = |cluster: &Cluster| cluster.state.lock().to_nodes_conf(&terms(&bench.values));
    assert_eq!(text(&again), text(&bench.cluster));
    assert!(text(&again).contains(" connected 5-9\n"));
    assert!(bench.folder.path().join("nodes.conf").exists());
}

#[test]
fn a_hard_reset_gives_a_new_name() {
    let bench = bench();
    let id = bench.ask("myid");
    bench.ask("addslots 1");
    assert_eq!(bench.ask("reset"), "+OK\r\n");
    assert_eq!(bench.ask("myid"), id);
    assert_eq!(bench.ask("reset hard"), "+OK\r\n");
    assert_ne!(bench.ask("myid"), id);
}

#[test]
fn nodes_and_slots_tell_the_announced_addresses() {
    let mut bench = bench();
    bench.values.set_text("cluster-announce-ip", b"10.1.2.3");
    bench.values.set_text("cluster-announce-hostname", b"h.example");
    bench.ask("addslotsrange 0 16383");
    let id = bench.cluster.state.lock().id().to_owned();
    let line = format!("{id} 10.1.2.3:6379@16379,h.example myself,master - 0 0 0 connected 0-16383\n");
    assert_eq!(bench.ask("nodes"), format!("${}\r\n{line}\r\n", line.len()));
    assert_eq!(
        bench.ask("slots"),
        format!(
            "*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$8\r\n10.1.2.3\r\n:6379\r\n$40\r\n{id}\r\n*2\r\n$8\r\nhostname\r\n$9\r\nh.example\r\n"
        )
    );
    assert!(bench.ask("shards").ends_with("$6\r\nhealth\r\n$6\r\nonline\r\n"));
}
