//! What a node keeps when it ends, in good order or not.

use crate::node::{Node, output};

#[test]
fn a_node_that_was_stopped_comes_back_with_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &["--appendonly", "yes"]);
    assert_eq!(node.client().ask(&["SET", "k", "v"]), "+OK");
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    let node = Node::start(folder.path(), &["--appendonly", "yes"]);
    assert_eq!(node.client().ask(&["GET", "k"]), "v");
    assert!(node.log().contains("stopped cleanly"), "{}", node.log());
}

#[test]
fn a_killed_node_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &["--appendonly", "yes", "--appendfsync", "always"]);
    let mut client = node.client();
    for number in 0..50 {
        assert_eq!(client.ask(&["SET", &format!("k{number}"), "v"]), "+OK");
    }
    node.signal("KILL");
    assert_eq!(node.wait(), None);
    let node = Node::start(folder.path(), &["--appendonly", "yes"]);
    assert_eq!(node.client().ask(&["DBSIZE"]), ":50");
}

#[test]
fn two_nodes_cannot_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(folder.path(), &["--appendonly", "yes"]);
    let path = folder.path().to_str().unwrap();
    let second = output(&["--port", "0", "--unixsocket", "other.sock", "--appendonly", "yes", "--dir", path]);
    assert_eq!(second.status.code(), Some(1));
    let log = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(log.contains("is in use by"), "{log}");
}

#[test]
fn repair_says_that_a_sound_log_needs_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &["--appendonly", "yes"]);
    node.client().ask(&["SET", "k", "v"]);
    node.signal("TERM");
    node.wait();
    let checked = output(&["repair", folder.path().to_str().unwrap(), "--dry-run"]);
    assert!(checked.status.success());
    assert!(String::from_utf8_lossy(&checked.stdout).contains("Nothing to repair."));
}
