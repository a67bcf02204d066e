//! CLUSTER LINKS: the connections of the bus to and from nodes that are known.

use crate::cluster::name::NodeName;
use keyslot_engine::UnixMillis;
use keyslot_engine::resp::ReplyWriter;

/// A connection of the bus.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// Who opened it.
    pub direction: LinkDirection,
    /// The other node.
    pub node: NodeName,
    /// Since when it is there.
    pub created: UnixMillis,
    /// Whether it is read from.
    pub is_read: bool,
    /// Whether something waits to be sent.
    pub is_written: bool,
    /// Bytes of memory held for what waits to be sent.
    pub send_buffer_allocated: u64,
    /// Bytes of it that are used.
    pub send_buffer_used: u64,
}

/// Who opened a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkDirection {
    /// This node.
    To,
    /// The other one.
    From,
}

/// CLUSTER LINKS, in the order given.
pub fn links(links: &[Link], reply: &mut ReplyWriter<'_>) {
    reply.array(links.len());
    for link in links {
        let direction = match link.direction {
            LinkDirection::To => "to",
            LinkDirection::From => "from",
        };
        let events = match (link.is_read, link.is_written) {
            (true, true) => "rw",
            (true, false) => "r",
            (false, true) => "w",
            (false, false) => "",
        };
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        reply.map(6);
        reply.bulk(b"direction");
        reply.bulk(direction.as_bytes());
        reply.bulk(b"node");
        reply.bulk(link.node.as_bytes());
        reply.bulk(b"create-time");
        reply.integer(link.created.0);
        reply.bulk(b"events");
        reply.bulk(events.as_bytes());
        reply.bulk(b"send-buffer-allocated");
        reply.integer(number(link.send_buffer_allocated));
        reply.bulk(b"send-buffer-used");
        reply.integer(number(link.send_buffer_used));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::reply_of;
    use super::*;
    use keyslot_engine::resp::RespVersion;

    #[test]
    fn a_link_is_a_map_of_six() {
        let link = Link {
            direction: LinkDirection::To,
            node: NodeName::from_chance([1, 2, 3]),
            created: UnixMillis(1795801492540),
            is_read: true,
            is_written: false,
            send_buffer_allocated: 48,
            send_buffer_used: 48,
        };
        let from = Link { direction: LinkDirection::From, is_written: true, ..link.clone() };
        for (version, map) in [(RespVersion::V2, "*12"), (RespVersion::V3, "%6")] {
            let shown = reply_of(version, |reply| links(&[link.clone(), from.clone()], reply));
            let of = |direction: &str, events: &str| {
                format!(
                    "{map}\r\n$9\r\ndirection\r\n{direction}\r\n$4\r\nnode\r\n$40\r\n{}\r\n$11\r\ncreate-time\r\n\
                     :1795801492540\r\n$6\r\nevents\r\n{events}\r\n$21\r\nsend-buffer-allocated\r\n:48\r\n\
                     $16\r\nsend-buffer-used\r\n:48\r\n",
                    link.node
                )
            };
            assert_eq!(shown, format!("*2\r\n{}{}", of("$2\r\nto", "$1\r\nr"), of("$4\r\nfrom", "$2\r\nrw")));
        }
    }
}
