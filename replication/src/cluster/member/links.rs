//! Connections of the bus.
//!
//! ```text
//! made by this node     Connecting -> Open     to one node, by name: what it is asked, and its answers
//! made by others                      Open     what they ask, and the answers of this node
//! ```

use super::super::message::{Body, BusDecoder, Frame, Message, encode, encode_light};
use super::super::name::NodeName;
use super::super::view::{Link as ShownLink, LinkDirection};
use super::Member;
use super::output::{BusLink, MemberOutput};
use keyslot_engine::UnixMillis;

/// A connection.
pub(super) struct Link {
    pub(super) side: Side,
    pub(super) decoder: BusDecoder,
    pub(super) outbox: Vec<u8>,
    pub(super) since: UnixMillis,
    pub(super) is_open: bool,
    /// Where the node was reached, if not where it was looked for.
    pub(super) reached_at: Option<String>,
}

/// Who made a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Side {
    /// This node, to that one.
    Outbound(NodeName),
    /// Another node.
    Inbound {
        /// Where it comes from.
        from: String,
        /// Where it reached this node.
        at: String,
        /// Who it says it is.
        name: Option<NodeName>,
    },
}

impl Member {
    /// Somebody made a connection to this node's bus: from this address, to that one.
    pub fn accept(&mut self, from: String, at: String, now: UnixMillis) -> BusLink {
        self.insert_link(Side::Inbound { from, at, name: None }, true, now)
    }

    fn insert_link(&mut self, side: Side, is_open: bool, now: UnixMillis) -> BusLink {
        let link = BusLink(self.next_link);
        self.next_link += 1;
        self.links.insert(
            link,
            Link { side, decoder: BusDecoder::default(), outbox: Vec::new(), since: now, is_open, reached_at: None },
        );
        link
    }

    /// A connection that was asked for is there.
    pub fn link_opened(&mut self, link: BusLink, now: UnixMillis) {
        let Some(opened) = self.links.get_mut(&link) else { return };
        opened.is_open = true;
        let Side::Outbound(name) = opened.side.clone() else { return };
        self.greet(name, now);
    }

    /// A connection that was asked for is there, at another address than that which was given: the host name led there. Once the node
    /// says its name, that is where it is.
    pub fn link_opened_at(&mut self, link: BusLink, ip: &str, now: UnixMillis) {
        if let Some(opened) = self.links.get_mut(&link) {
            opened.reached_at = Some(ip.to_owned());
        }
        self.link_opened(link, now);
    }

    /// A connection has ended, or did not come about.
    pub fn link_closed(&mut self, link: BusLink, now: UnixMillis) {
        self.forget_link(link, now);
    }

    /// A connection that was asked for is refused: nobody listens there.
    pub fn link_refused(&mut self, link: BusLink, now: UnixMillis) {
        let side = self.links.get(&link).map(|link| link.side.clone());
        self.forget_link(link, now);
        if let Some(Side::Outbound(name)) = side.filter(|_| self.options.detects_refusals) {
            self.suspect_dead(name, now);
        }
    }

    /// Ends a connection.
    pub(super) fn close(&mut self, link: BusLink, why: &str, now: UnixMillis) {
        self.forget_link(link, now);
        self.outputs.push_back(MemberOutput::Close(link, why.to_owned()));
    }

    fn forget_link(&mut self, link: BusLink, now: UnixMillis) {
        self.sending.remove(&link);
        let Some(Link { side: Side::Outbound(name), .. }) = self.links.remove(&link) else { return };
        if let Some(peer) = self.peers.get_mut(&name) {
            (peer.link, peer.takes_light) = (None, false);
        }
        if let Some(node) = self.roster.node_mut(&name) {
            node.is_linked = false;
            // What is not reached does not answer: its time runs from here.
            node.ping_sent.get_or_insert(now);
            if self.options.detects_refusals {
                self.next_tick = self.next_tick.min(now.saturating_add(RECONNECT_MS));
            }
        }
    }

    /// Connects to whom there is no connection, and leaves those that take nothing.
    pub(super) fn tend_links(&mut self, now: UnixMillis) {
        let limit = self.options.outbox_size_bytes_max;
        let full: Vec<BusLink> = self
            .links
            .iter()
            .filter(|(_, link)| limit > 0 && link.outbox.len() > limit)
            .map(|(number, _)| *number)
            .collect();
        for link in full {
            self.counts.links_over_limit += 1;
            self.close(link, "more waits to be sent than cluster-link-sendbuf-limit allows", now);
        }
        let lost: Vec<NodeName> =
            self.peers.iter().filter(|(_, peer)| peer.link.is_none()).map(|(name, _)| *name).collect();
        for name in lost {
            let Some(node) = self.roster.node_mut(&name) else { continue };
            if node.address.ip.is_empty() {
                continue;
            }
            // Who is never reached is silent from here on.
            node.ping_sent.get_or_insert(now);
            let address = node.address.clone();
            let link = self.insert_link(Side::Outbound(name), false, now);
            if let Some(peer) = self.peers.get_mut(&name) {
                peer.link = Some(link);
            }
            self.outputs.push_back(MemberOutput::Connect { link, address });
        }
    }

    /// Appends to `out` what is to be sent over a connection now.
    pub fn poll_link(&mut self, link: BusLink, out: &mut Vec<u8>) {
        if self.sending.remove(&link)
            && let Some(link) = self.links.get_mut(&link)
        {
            out.append(&mut link.outbox);
        }
    }

    /// Whether something is to be sent over a connection.
    pub fn wants_to_send(&self, link: BusLink) -> bool {
        self.sending.contains(&link)
    }

    /// Which connections have something to be sent over them.
    pub fn sending_links(&self) -> impl Iterator<Item = BusLink> {
        self.sending.iter().copied()
    }

    /// Takes what came over a connection.
    pub fn handle_link(&mut self, link: BusLink, bytes: &[u8], now: UnixMillis) {
        let Some(fed) = self.links.get_mut(&link) else { return };
        fed.decoder.feed(bytes);
        while let Some(fed) = self.links.get_mut(&link) {
            match fed.decoder.next() {
                Ok(Some(Frame::Message(message))) => self.take(link, &message, now),
                Ok(Some(Frame::Light(body))) => self.take_light(link, body),
                Ok(None) => return,
                Err(error) => return self.close(link, &error.to_string(), now),
            }
        }
    }

    /// Takes a publication of whoever made the connection.
    fn take_light(&mut self, link: BusLink, body: Body) {
        let is_known = match self.links.get(&link).map(|link| &link.side) {
            Some(Side::Inbound { name: Some(name), .. }) => self.peers.contains_key(name),
            _ => false,
        };
        if is_known {
            self.count_received(&body);
            self.take_publication(body);
        }
    }

    /// Sends over a connection.
    pub(super) fn send_over(&mut self, link: BusLink, message: &Message) {
        let number = link;
        let Some(link) = self.links.get_mut(&number) else { return };
        if link.is_open {
            let is_light =
                matches!(&link.side, Side::Outbound(name) if self.peers.get(name).is_some_and(|peer| peer.takes_light));
            if !(is_light && encode_light(&message.body, &mut link.outbox)) {
                encode(message, &mut link.outbox);
            }
            self.sending.insert(number);
            if let Some(count) = self.counts.sent.get_mut(usize::from(message.body.kind())) {
                *count += 1;
            }
        }
    }

    /// Sends to a node, if it is connected.
    pub(super) fn send_to(&mut self, name: &NodeName, message: &Message) {
        if let Some(link) = self.peers.get(name).and_then(|peer| peer.link) {
            self.send_over(link, message);
        }
    }

    /// Sends to all whose names are known.
    pub(super) fn broadcast(&mut self, message: &Message) {
        let names: Vec<NodeName> =
            self.roster.nodes().filter(|node| !node.is_in_handshake()).map(|node| node.name).collect();
        for name in names {
            self.send_to(&name, message);
        }
    }

    /// The connections with known nodes, in the order in which they were made.
    pub fn shown_links(&self) -> Vec<ShownLink> {
        let shown = |link: &Link| {
            let (node, direction) = match &link.side {
                Side::Outbound(name) => (*name, LinkDirection::To),
                Side::Inbound { name, .. } => ((*name)?, LinkDirection::From),
            };
            Some(ShownLink {
                direction,
                node,
                created: link.since,
                is_read: true,
                is_written: !link.outbox.is_empty(),
                send_buffer_allocated: link.outbox.capacity() as u64,
                send_buffer_used: link.outbox.len() as u64,
            })
        };
        self.links.values().filter(|link| link.is_open).filter_map(shown).collect()
    }
}

/// How soon a lost connection is made anew where refusals are of interest.
const RECONNECT_MS: i64 = 10;
