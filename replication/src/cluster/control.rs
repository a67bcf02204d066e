//! CLUSTER at a member: commands that show something write it from the roster, the others are done by the member or refused.

use super::member::{ClusterRefusal, Contents, Member};
use super::view::{self, ClusterCommand, FailoverMode, ResetMode, SetSlot, Viewer};
use keyslot_engine::resp::ReplyWriter;
use keyslot_engine::slot::SlotSet;
use keyslot_engine::{Engine, Slot, UnixMillis};

/// What a command that changes something answers.
pub enum Answer {
    /// OK.
    Ok,
    /// This number.
    Number(usize),
    /// This text.
    Text(String),
}

impl Answer {
    /// Writes it.
    pub fn write(self, reply: &mut ReplyWriter<'_>) {
        match self {
            Self::Ok => reply.ok(),
            Self::Number(number) => reply.integer(number as i64),
            Self::Text(text) => reply.simple(&text),
        }
    }
}

impl Contents for Engine {
    fn is_empty(&self) -> bool {
        self.db_size() == 0
    }

    fn has_keys(&self, slot: Slot) -> bool {
        Engine::has_keys(self, &SlotSet::from_iter([slot]))
    }
}

/// Writes the reply of a command that only shows something; false for one that does not.
pub fn show(member: &Member, viewer: &Viewer, command: &ClusterCommand, reply: &mut ReplyWriter<'_>) -> bool {
    let roster = member.roster();
    match command {
        ClusterCommand::Info => {
            view::info(roster, member.is_up(), member.counts(), reply);
        }
        ClusterCommand::Nodes => view::nodes(roster, viewer, reply),
        ClusterCommand::Slots => view::slots(roster, viewer, reply),
        ClusterCommand::Shards => view::shards(roster, viewer, reply),
        ClusterCommand::Links => {
            view::links(&member.shown_links(), reply);
        }
        ClusterCommand::MyId => reply.bulk(roster.me().name.as_bytes()),
        ClusterCommand::MyShardId => reply.bulk(roster.me().shard.as_bytes()),
        ClusterCommand::Replicas(name) => match roster.node(name) {
            None => reply.error(&ClusterRefusal::UnknownNode(*name).to_string()),
            Some(node) if node.is_replica() => reply.error("ERR The specified node is not a master"),
            Some(_) => view::replicas(roster, *name, viewer, reply),
        },
        _ => return false,
    }
    true
}

/// Does a command that changes something. One that only [shows](show) something is not to be given.
pub fn change(
    member: &mut Member,
    command: &ClusterCommand,
    data: &dyn Contents,
    now: UnixMillis,
) -> Result<Answer, ClusterRefusal> {
    let done = match command {
        ClusterCommand::Meet { ip, port, bus_port } => member.meet(&ip.to_string(), *port, *bus_port, now),
        ClusterCommand::Forget(name) => member.forget(*name, now),
        ClusterCommand::Replicate(name) => member.replicate(*name, data, now),
        ClusterCommand::AddSlots(slots) => member.add_slots(slots, now),
        ClusterCommand::DelSlots(slots) => member.delete_slots(slots, now),
        ClusterCommand::FlushSlots => member.flush_slots(data, now),
        ClusterCommand::SetSlot(slot, SetSlot::Migrating(to)) => member.set_migrating(*slot, *to),
        ClusterCommand::SetSlot(slot, SetSlot::Importing(from)) => member.set_importing(*slot, *from),
        ClusterCommand::SetSlot(slot, SetSlot::Stable) => member.set_stable(*slot),
        ClusterCommand::SetSlot(slot, SetSlot::Node(owner)) => member.set_owner(*slot, *owner, data, now),
        ClusterCommand::SetConfigEpoch(epoch) => member.set_config_epoch(*epoch),
        ClusterCommand::Failover(FailoverMode::Normal) => member.fail_over(now),
        ClusterCommand::Failover(FailoverMode::Force) => member.fail_over_by_force(now),
        ClusterCommand::Failover(FailoverMode::TakeOver) => member.fail_over_by_takeover(now),
        ClusterCommand::Reset(mode) => member.reset(*mode == ResetMode::Hard, data, now),
        ClusterCommand::SaveConfig => {
            member.save();
            Ok(())
        }
        ClusterCommand::BumpEpoch => {
            let word = if member.bump_epoch(now) { "BUMPED" } else { "STILL" };
            return Ok(Answer::Text(format!("{word} {}", member.roster().me().config_epoch)));
        }
        ClusterCommand::CountFailureReports(name) => return member.failure_reports(*name, now).map(Answer::Number),
        ClusterCommand::Info
        | ClusterCommand::Nodes
        | ClusterCommand::Slots
        | ClusterCommand::Shards
        | ClusterCommand::Links
        | ClusterCommand::MyId
        | ClusterCommand::MyShardId
        | ClusterCommand::Replicas(_)
        | ClusterCommand::MigrateSlots(_)
        | ClusterCommand::GetSlotMigrations
        | ClusterCommand::CancelSlotMigrations
        | ClusterCommand::SyncSlots(_) => unreachable!("it is done elsewhere"),
    };
    done.map(|()| Answer::Ok)
}
