//! Slots on their way to another node at once, as far as a node has to remember it over a restart.
//!
//! ```text
//! source    Leaving(epoch)     the target may have claimed the slots in that epoch: nobody is served before that is known
//!           Left               they are the other's, and keys of them are here still
//! target    Arriving           what is here of the slots is not whole
//! replicas  Claiming(epoch)    all is there, and their primary is about to claim the slots in that epoch
//! ```
//!
//! Replicas of the target are told in its stream, and remember the same.
//!
//! In the `vars` line of nodes.conf, where others read over it:
//!
//! ```text
//! keyslot-transfer <name>:<other node>:leaving:<epoch>:<slots>       slots as in 0-99,200
//! keyslot-transfer <name>:<other node>:arriving:0:<slots>
//! ```

use super::name::NodeName;
use keyslot_engine::slot::SlotSet;
use std::fmt;

/// One transfer, at one of its two nodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transfer {
    /// Its name, at both.
    pub name: NodeName,
    /// The other node.
    pub peer: NodeName,
    /// How far it is here.
    pub stage: TransferStage,
    /// The slots.
    pub slots: SlotSet,
}

/// How far a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferStage {
    /// The slots are this node's, and the other may claim them in this epoch.
    Leaving(u64),
    /// The slots are the other's now, and keys that were here are to be deleted.
    Left,
    /// The slots are the other's, and some of their keys are here.
    Arriving,
    /// All their keys are here, and the primary is about to claim them in this epoch.
    Claiming(u64),
}

impl TransferStage {
    const fn word(self) -> (&'static str, u64) {
        match self {
            Self::Leaving(epoch) => ("leaving", epoch),
            Self::Left => ("left", 0),
            Self::Arriving => ("arriving", 0),
            Self::Claiming(epoch) => ("claiming", epoch),
        }
    }
}

impl Transfer {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ':');
        let mut next = || parts.next();
        let name = NodeName::parse(next()?.as_bytes())?;
        let peer = NodeName::parse(next()?.as_bytes())?;
        let (word, epoch) = (next()?, next()?.parse().ok()?);
        let stage = match word {
            "leaving" => TransferStage::Leaving(epoch),
            "left" => TransferStage::Left,
            "arriving" => TransferStage::Arriving,
            "claiming" => TransferStage::Claiming(epoch),
            _ => return None,
        };
        let mut slots = SlotSet::new();
        for range in next()?.split(',') {
            slots = slots.union(&range.parse().ok()?);
        }
        Some(Self { name, peer, stage, slots })
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, epoch) = self.stage.word();
        write!(f, "{}:{}:{word}:{epoch}:", self.name, self.peer)?;
        for (at, range) in self.slots.ranges().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}-{}", range.start(), range.end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_comes_back_from_its_text() {
        let name = |n: u64| NodeName::from_chance([n, n, n]);
        let slots: SlotSet = "5-9".parse::<SlotSet>().unwrap().union(&"16383".parse().unwrap());
        for stage in
            [TransferStage::Leaving(u64::MAX), TransferStage::Left, TransferStage::Arriving, TransferStage::Claiming(1)]
        {
            let transfer = Transfer { name: name(1), peer: name(2), stage, slots: slots.clone() };
            let text = transfer.to_string();
            assert!(text.ends_with(":5-9,16383-16383") && !text.contains(' '), "{text}");
            assert_eq!(Transfer::parse(&text), Some(transfer));
        }
        for bad in ["", "x", "a:b:leaving:1:0-5", "x:leaving:1:5-1"] {
            assert_eq!(Transfer::parse(bad), None);
        }
    }
}
