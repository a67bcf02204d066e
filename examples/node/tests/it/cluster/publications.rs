//! Publications cross the cluster, and those of a slot stay with the nodes that serve it.

use super::Nodes;
use crate::node::{Client, request};
use crate::replication::wait_until;

/// A connection that has subscribed to one channel, and what it heard there.
struct Listener {
    client: Client,
    /// What stands before each text.
    frame: String,
    heard: Vec<String>,
}

impl Listener {
    fn new(nodes: &Nodes, node: usize, words: [&str; 2], frame: &str) -> Self {
        let mut client = Client::reach(nodes.0[node].port).unwrap();
        assert_eq!(client.ask(&words), format!("{} {} :1", words[0].to_lowercase(), words[1]));
        Self { client, frame: format!("{frame} {} ", words[1]), heard: Vec::new() }
    }

    /// Reads all that the node has for it by now.
    fn listen(&mut self) {
        self.client.write(&request(&["PING"]));
        loop {
            let reply = self.client.reply();
            if reply == "pong " {
                return;
            }
            let text =
                reply.strip_prefix(&self.frame).unwrap_or_else(|| panic!("{reply:?} is not for {:?}", self.frame));
            self.heard.push(text.to_owned());
        }
    }
}

/// Publishes at a node until all have heard of it, for what crosses the bus may get lost there. Returns what it published, each
/// of which reached `count` clients of that node.
fn publish(
    nodes: &mut Nodes,
    node: usize,
    [verb, channel]: [&str; 2],
    count: &str,
    listeners: &mut [Listener],
) -> Vec<String> {
    let mut published = Vec::new();
    wait_until("hearing", || {
        published.push(format!("{}:{}", nodes.0[node].port, published.len()));
        let last = published.last().unwrap();
        assert_eq!(nodes.0[node].ask(&[verb, channel, last]), count);
        listeners.iter_mut().for_each(Listener::listen);
        let has_heard = |listener: &Listener| published.iter().any(|text| listener.heard.contains(text));
        (!listeners.iter().all(has_heard)).then(|| format!("{} publications", published.len()))
    });
    published
}

/// Nothing arrives twice, or in another order than that in which it was published.
fn assert_order(listener: &Listener, published: &[String]) {
    let heard = listener.heard.iter().filter(|text| published.contains(text));
    let places: Vec<usize> = heard.map(|text| published.iter().position(|it| it == text).unwrap()).collect();
    assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
}

#[test]
fn publications_cross_the_cluster() {
    let mut nodes = Nodes::form();
    let subscribe = ["SUBSCRIBE", "news"];
    let mut listeners = [0, 5].map(|node| Listener::new(&nodes, node, subscribe, "message"));
    for (publisher, count) in [(4, ":0"), (5, ":1")] {
        let published = publish(&mut nodes, publisher, ["PUBLISH", "news"], count, &mut listeners);
        listeners.iter().for_each(|listener| assert_order(listener, &published));
    }
}

#[test]
fn publications_of_a_slot_stay_with_its_nodes() {
    let mut nodes = Nodes::form();
    let primary = nodes.primary_of("shard-news");
    let (replica, stranger) = (nodes.replica_of(primary), (primary + 1) % 3);
    for words in [&["SSUBSCRIBE", "shard-news"][..], &["SPUBLISH", "shard-news", "nobody"]] {
        let reply = nodes.0[stranger].ask(words);
        assert!(reply.starts_with("-MOVED ") && reply.ends_with(&nodes.address(primary)), "{reply}");
    }
    // Of the same name, but of no slot.
    let mut other = Listener::new(&nodes, stranger, ["SUBSCRIBE", "shard-news"], "message");
    let shard = [primary, replica];
    let subscribe = ["SSUBSCRIBE", "shard-news"];
    let mut listeners = shard.map(|node| Listener::new(&nodes, node, subscribe, "smessage"));
    for (at, publisher) in shard.into_iter().enumerate() {
        let published = publish(&mut nodes, publisher, ["SPUBLISH", "shard-news"], ":1", &mut listeners);
        listeners.iter().for_each(|listener| assert_order(listener, &published));
        // A client of the publishing node hears each.
        let heard = published.iter().filter(|text| listeners[at].heard.contains(text)).count();
        assert_eq!(heard, published.len());
    }
    other.listen();
    assert!(other.heard.is_empty(), "{:?}", other.heard);
}
