//! The file and the engine as a cluster of one has them.

use super::*;
use keyslot::engine::{Slot, SlotSet};
use keyslot::replication::cluster::member::Contents;
use keyslot::replication::cluster::view;
use std::path::Path;

struct Empty;

impl Contents for Empty {
    fn is_empty(&self) -> bool {
        true
    }

    fn has_keys(&self, _: Slot) -> bool {
        false
    }
}

fn values(folder: &Path) -> Values {
    let mut values = Values::standard();
    values.set_text("cluster-config-file", folder.join("nodes.conf").to_str().unwrap().as_bytes());
    values
}

fn add(cluster: &Cluster, engine: &Engine, slots: &str) {
    let slots: SlotSet = slots.parse().unwrap();
    let done = cluster.drive(engine, |_| {}, &mut |_| {}, |state, now| state.member.add_slots(&slots, now));
    done.unwrap().unwrap();
}

fn text(cluster: &Cluster) -> String {
    view::print(cluster.state.lock().member.roster(), false)
}

#[test]
fn slots_open_and_close_for_clients() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::in_memory();
    let cluster = Cluster::open(&engine, &values(folder.path())).unwrap();
    let set = || format!("{:?}", engine.call(&["SET", "a", "1"]));
    assert!(set().contains("CLUSTERDOWN"), "{}", set());
    add(&cluster, &engine, "0-16382");
    assert!(set().contains("CLUSTERDOWN The cluster is down"), "{}", set());
    add(&cluster, &engine, "16383");
    assert_eq!(set(), "Ok");
    cluster.drive(&engine, |_| {}, &mut |_| {}, |state, now| state.member.flush_slots(&Empty, now)).unwrap().unwrap();
    assert!(set().contains("CLUSTERDOWN"), "{}", set());
}

#[test]
fn a_node_keeps_its_name_and_slots_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::in_memory();
    let cluster = Cluster::open(&engine, &values(folder.path())).unwrap();
    add(&cluster, &engine, "5-9");
    let again = Cluster::open(&Engine::in_memory(), &values(folder.path())).unwrap();
    assert_eq!(text(&again), text(&cluster));
    assert!(text(&again).contains(" connected 5-9\n"));
    assert_eq!(std::fs::read_to_string(folder.path().join("nodes.conf")).unwrap(), text(&again));
}

#[test]
fn a_node_whose_file_cannot_be_written_says_so_and_goes_on_once_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::in_memory();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    let cluster = Cluster::open(&engine, &values(&inside)).unwrap();
    std::fs::remove_dir_all(&inside).unwrap();
    let slots: SlotSet = "1".parse().unwrap();
    let refused = cluster.drive(&engine, |_| {}, &mut |_| {}, |state, now| state.member.add_slots(&slots, now));
    assert!(refused.unwrap_err().starts_with("ERR error saving the cluster node config"));
    std::fs::create_dir(&inside).unwrap();
    cluster.drive(&engine, |_| {}, &mut |_| {}, |_, _| ()).unwrap();
    assert!(std::fs::read_to_string(inside.join("nodes.conf")).unwrap().contains(" connected 1\n"));
}

#[test]
fn a_broken_file_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("nodes.conf"), "nonsense\n").unwrap();
    let error = Cluster::open(&Engine::in_memory(), &values(folder.path())).err().unwrap().to_string();
    assert!(error.contains("nodes.conf") && error.contains("correct the file"), "{error}");
}
