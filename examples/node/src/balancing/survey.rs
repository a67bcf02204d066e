//! Who is in a cluster, what each has, and what each slot bears: asked of all primaries, Keyslot's and others.
//!
//! A node tells the figures of its slots by CLUSTER SLOT-STATS. Of one that does not know it, or does not keep the figure, only the
//! keys are known, counted slot by slot.

use super::asked::{AskError, Asked, Credentials, Request, request};
use keyslot::engine::resp::Value;
use keyslot::engine::{SLOT_COUNT, Slot, SlotSet};
use keyslot::replication::cluster::NodeName;
use keyslot::replication::cluster::balance::{Measure, SlotLoad};

/// Why a cluster cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SurveyError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("{0}: not understood in the reply to CLUSTER NODES")]
    Line(String),
    #[error("{0} is no node of a cluster")]
    NoCluster(String),
    #[error("slots {0} are on their way; end that first (redis-cli --cluster fix)")]
    OnTheirWay(String),
    #[error("{0} of 16384 slots belong to no primary that works (redis-cli --cluster fix)")]
    Uncovered(usize),
    #[error("{0} and {1} do not agree on who has which slot; try again in a moment")]
    Disagreement(String, String),
}

/// A primary.
pub(crate) struct Primary {
    pub(crate) name: NodeName,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) slots: SlotSet,
    pub(crate) asked: Asked,
    /// Whether it is a node of Keyslot, to which slots go at once.
    pub(crate) is_keyslot: bool,
}

impl Primary {
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// A line of CLUSTER NODES, as far as it matters here.
struct Line {
    name: NodeName,
    host: String,
    port: u16,
    is_working_primary: bool,
    slots: SlotSet,
    /// Slots that the node which was asked sends or receives.
    open: SlotSet,
}

/// Finds the primaries of the cluster to which a node belongs, and sees to it that nothing is on its way and all agree.
pub(crate) fn primaries(host: &str, port: u16, credentials: Option<&Credentials>) -> Result<Vec<Primary>, SurveyError> {
    let mut first = Asked::connect(host, port, credentials)?;
    if !first.ask_text(&request("INFO cluster"))?.contains("cluster_enabled:1") {
        return Err(SurveyError::NoCluster(format!("{host}:{port}")));
    }
    let seen = lines(&first.ask_text(&request("CLUSTER NODES"))?, host)?;
    let mut found = Vec::new();
    for line in seen.into_iter().filter(|line| line.is_working_primary) {
        let mut asked = Asked::connect(&line.host, line.port, credentials)?;
        let is_keyslot = asked.ask_text(&request("INFO server"))?.contains("server_name:keyslot");
        let Line { name, host, port, slots, .. } = line;
        found.push(Primary { name, host, port, slots, asked, is_keyslot });
    }
    found.sort_by_key(|primary| primary.name);
    let covered = found.iter().fold(SlotSet::new(), |all, primary| all.union(&primary.slots)).len();
    if covered < SLOT_COUNT {
        return Err(SurveyError::Uncovered(SLOT_COUNT - covered));
    }
    let expected: Vec<(NodeName, SlotSet)> = found.iter().map(|of| (of.name, of.slots.clone())).collect();
    let mut open = SlotSet::new();
    for primary in &mut found {
        let seen = lines(&primary.asked.ask_text(&request("CLUSTER NODES"))?, &primary.host)?;
        open = seen.iter().fold(open, |open, line| open.union(&line.open));
        let agrees = |(name, slots): &(NodeName, SlotSet)| {
            let line = seen.iter().find(|line| line.name == *name);
            line.map_or(slots.is_empty(), |line| line.slots == *slots)
        };
        if !expected.iter().all(agrees) {
            return Err(SurveyError::Disagreement(format!("{host}:{port}"), primary.place()));
        }
    }
    match open.is_empty() {
        true => Ok(found),
        false => Err(SurveyError::OnTheirWay(open.to_string())),
    }
}

/// Reads a reply of CLUSTER NODES. A node that does not know its own address is where it was asked.
fn lines(text: &str, asked_at: &str) -> Result<Vec<Line>, SurveyError> {
    let wrong = |line: &str| SurveyError::Line(line.to_owned());
    let read = |line: &str| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [name, address, flags, _, _, _, _, link, slots @ ..] = words.as_slice() else { return None };
        let (address, _) = address.split_once('@')?;
        let (host, port) = address.rsplit_once(':')?;
        let has = |flag| flags.split(',').any(|word| word == flag);
        let (mut own, mut open) = (SlotSet::new(), SlotSet::new());
        for word in slots {
            match word.strip_prefix('[') {
                Some(arrow) => {
                    let number = arrow.split('-').next()?.parse().ok()?;
                    open.insert(Slot::new(number)?);
                }
                None => own = own.union(&word.parse().ok()?),
            }
        }
        let is_there = has("myself") || *link == "connected";
        Some(Line {
            name: NodeName::parse(name.as_bytes())?,
            host: if host.is_empty() { asked_at.to_owned() } else { host.to_owned() },
            port: port.parse().ok()?,
            is_working_primary: has("master") && is_there && !has("fail") && !has("noaddr"),
            slots: own,
            open,
        })
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| read(line).ok_or_else(|| wrong(line))).collect()
}

/// What the slots of a primary bear, counted since they began to be counted, and which figures it tells.
pub(crate) struct Reading {
    pub(crate) slots: Vec<(Slot, SlotLoad)>,
    pub(crate) knows: Vec<Measure>,
}

/// Reads what a primary's slots bear.
pub(crate) fn read(primary: &mut Primary) -> Result<Reading, AskError> {
    match primary.asked.ask(&request("CLUSTER SLOT-STATS SLOTSRANGE 0 16383")) {
        Ok(reply) => Ok(of_stats(&reply, &primary.slots)),
        Err(AskError::Refused { .. }) => counted(primary),
        Err(error) => Err(error),
    }
}

fn of_stats(reply: &Value, own: &SlotSet) -> Reading {
    let mut reading =
        Reading { slots: Vec::new(), knows: vec![Measure::Slots, Measure::Keys, Measure::Bytes, Measure::Operations] };
    for pair in reply.as_slice().unwrap_or_default() {
        let Some([slot, figures]) = pair.as_slice() else { continue };
        let slot = slot.as_i64().and_then(|number| u16::try_from(number).ok()).and_then(Slot::new);
        let Some(slot) = slot.filter(|slot| own.contains(*slot)) else { continue };
        let flat = figures.as_slice().unwrap_or_default();
        let figure = |name: &str| {
            let found = flat.chunks_exact(2).find(|pair| pair[0].as_bytes() == Some(name.as_bytes()));
            found.and_then(|pair| pair[1].as_i64()).map(|number| number.unsigned_abs())
        };
        let (bytes, reads, writes) = (figure("memory-bytes"), figure("reads"), figure("writes"));
        if bytes.is_none() {
            reading.knows.retain(|measure| *measure != Measure::Bytes);
        }
        if reads.is_none() || writes.is_none() {
            reading.knows.retain(|measure| *measure != Measure::Operations);
        }
        let load = SlotLoad {
            keys: figure("key-count").unwrap_or(0),
            bytes: bytes.unwrap_or(0),
            operations: reads.unwrap_or(0) + writes.unwrap_or(0),
        };
        reading.slots.push((slot, load));
    }
    reading
}

fn counted(primary: &mut Primary) -> Result<Reading, AskError> {
    let slots: Vec<Slot> = primary.slots.iter().collect();
    let requests: Vec<Request> = slots.iter().map(|slot| request(&format!("CLUSTER COUNTKEYSINSLOT {slot}"))).collect();
    let replies = primary.asked.ask_all(&requests)?;
    let load = |reply: &Value| SlotLoad { keys: reply.as_i64().unwrap_or(0).unsigned_abs(), ..SlotLoad::default() };
    Ok(Reading {
        slots: slots.into_iter().zip(replies.iter().map(load)).collect(),
        knows: vec![Measure::Slots, Measure::Keys],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_nodes_are_read() {
        let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
        let text = format!(
            "{a} :7000@17000 myself,master - 0 0 1 connected 0-9 11 [12->-{b}] [13-<-{b}]\n\
             {b} ::1:7001@17001,host master,fail - 0 0 2 connected 20\n\
             {c} 10.0.0.1:7002@17002 slave {a} 0 0 1 connected\n"
        );
        let lines = lines(&text, "here").unwrap();
        let places: Vec<(String, bool)> =
            lines.iter().map(|line| (format!("{}:{}", line.host, line.port), line.is_working_primary)).collect();
        assert_eq!(places, [("here:7000".into(), true), ("::1:7001".into(), false), ("10.0.0.1:7002".into(), false)]);
        assert_eq!((lines[0].slots.to_string(), lines[0].open.to_string()), ("0-9 11".into(), "12-13".into()));
        for wrong in ["x", &text.replace("0-9", "9-x"), &text.replace("@17000", "")] {
            assert!(matches!(super::lines(wrong, ""), Err(SurveyError::Line(_))), "{wrong}");
        }
    }

    #[test]
    fn figures_that_a_node_does_not_tell_are_not_known() {
        let pair = |name: &str, number| [Value::bulk(name), Value::Integer(number)];
        let all = [pair("key-count", 3), pair("memory-bytes", 99), pair("reads", 5), pair("writes", 2)].concat();
        let reply = |figures: &[Value]| {
            Value::Array(vec![Value::Array(vec![Value::Integer(7), Value::Array(figures.to_vec())])])
        };
        let own: SlotSet = "0-10".parse().unwrap();
        let reading = of_stats(&reply(&all), &own);
        assert_eq!(reading.slots, [(Slot::new(7).unwrap(), SlotLoad { keys: 3, bytes: 99, operations: 7 })]);
        assert_eq!(reading.knows.len(), 4);
        let reading = of_stats(&reply(&all[..2]), &own);
        assert_eq!(reading.knows, [Measure::Slots, Measure::Keys]);
        assert!(of_stats(&reply(&all), &"8-10".parse().unwrap()).slots.is_empty(), "another's slot");
    }
}
