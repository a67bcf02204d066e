//! The node as a member of its cluster: its file, its bus, and the engine and the links that follow what the cluster decides.
//!
//! ```text
//! CLUSTER on any worker thread --.
//! bytes and time on the           > Cluster::drive: the member decides, under one lock; what it says is done before the lock is left
//! control thread (bus) ----------'      Save: the file     Serve: the gate     Follow, Lead: replication     the rest: orders to the bus
//! ```
//!
//! - While the file cannot be written nothing is sent: what others hear of this node is in it. Epochs and votes are on the disk by then,
//!   slots that change hands within a second.
//! - The lock is taken before those of replication, and never with a slot held.

mod balancer;
mod bus;
mod commands;
mod proxy;
mod roster_file;
mod transfer;

use crate::settings::Values;
pub(super) use balancer::balance_by_itself;
pub(super) use bus::{listen, run};
pub(super) use commands::control;
use keyslot::engine::{Ack, Channel, Engine, Published, SlotSet, UnixMillis};
use keyslot::replication::cluster::member::{BusLink, Member, MemberOptions, MemberOutput, Reach, StrictFailover};
use keyslot::replication::cluster::message::Publication;
use keyslot::replication::cluster::view::{PreferredEndpoint, Viewer};
use keyslot::replication::cluster::{Gates, NodeAddress, NodeName};
use keyslot::replication::link::{Quorum, ReplicaProfile};
use keyslot::replication::node::Transfers;
use keyslot::replication::node::admit_to_shard;
use parking_lot::Mutex;
use proxy::Proxy;
use roster_file::RosterFile;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Notify;
pub(super) use transfer::receive;
use transfer::{Carrier, Sources};

/// The cluster as this node knows it.
pub(crate) struct Cluster {
    state: Mutex<State>,
    /// The file that keeps it (`cluster-config-file`).
    path: PathBuf,
    /// Something is to be done by the bus: an order, a publication, an earlier timeout.
    wake: Notify,
    /// What clients published, for other nodes.
    published: Mutex<Vec<(Publication, Reach)>>,
    /// What clients ask of other nodes through this one.
    pub(super) proxy: Proxy,
    /// Nodes that send slots here.
    pub(super) sources: Sources,
}

struct State {
    member: Member,
    transfers: Transfers,
    /// Who moves the bytes of a transfer.
    carried: HashMap<NodeName, Arc<Carrier>>,
    gates: Gates,
    view: Viewer,
    /// Why the file was not written, if it was not: then nothing is sent.
    unkept: Option<String>,
    /// Who moves the bytes of a connection.
    carriers: HashMap<BusLink, Arc<Notify>>,
    orders: Vec<Order>,
    held_until: Option<UnixMillis>,
    file: RosterFile,
}

/// What the bus is to do, on the control thread.
enum Order {
    Connect(BusLink, NodeAddress),
    Close(BusLink),
    Role(Role),
    DropKeys(Box<SlotSet>),
    Seek,
    /// Send slots to a node.
    Send(NodeName, NodeAddress),
    /// Ask a node what became of that.
    Ask(NodeName, NodeAddress),
}

/// Whom the node follows from here on.
enum Role {
    Follow(NodeAddress),
    Lead,
    /// Still that one, but without a link to it.
    Detach,
    /// And these replicas confirm what is written.
    Confirm(Option<Vec<Quorum>>),
}

impl Cluster {
    /// Takes up the cluster that the file describes, or a new one.
    pub(super) fn open(engine: &Engine, values: &Values) -> io::Result<Self> {
        let path = values.path("cluster-config-file").unwrap_or_else(|| "nodes.conf".into());
        let (file, known) = RosterFile::open(&path)?;
        let (roster, is_new) = match known {
            Some(roster) => (roster, false),
            None => (Member::fresh_roster(chance()), true),
        };
        let mut options = options(values);
        if is_new {
            // Nobody can have taken the place of a node that nobody knew.
            options.writable_delay_ms = 0;
        }
        let member = Member::new(roster, options, chance(), engine.now());
        let gates = Gates::new(engine);
        let transfers = Transfers::new(engine.clone(), &member, chance(), engine.now());
        let state = State {
            member,
            transfers,
            carried: HashMap::new(),
            gates,
            view: viewer(values),
            unkept: None,
            carriers: HashMap::new(),
            orders: Vec::new(),
            held_until: None,
            file,
        };
        let cluster = Self {
            state: Mutex::new(state),
            path,
            wake: Notify::new(),
            published: Mutex::default(),
            proxy: Proxy::default(),
            sources: Sources::default(),
        };
        let mut state = cluster.state.lock();
        let mut roles = Vec::new();
        cluster.obey(engine, &mut state, &mut |role| roles.push(Order::Role(role)));
        // Once the data is there.
        state.orders.splice(0..0, roles);
        if let Some(reason) = state.unkept.take() {
            return Err(io::Error::other(reason));
        }
        drop(state);
        Ok(cluster)
    }

    /// Has the member do something, and does what follows of it. An error: the file could not be written.
    fn drive<R>(
        &self,
        engine: &Engine,
        facts: impl FnOnce(&mut Member),
        act: &mut dyn FnMut(Role),
        work: impl FnOnce(&mut State, UnixMillis) -> R,
    ) -> Result<R, String> {
        let now = engine.now();
        let mut state = self.state.lock();
        // Looked at with the lock held: older ones would say what is not so any more.
        facts(&mut state.member);
        let before = state.next_timeout();
        let done = work(&mut state, now);
        self.obey(engine, &mut state, act);
        self.obey_transfers(&mut state);
        if !state.orders.is_empty() || state.next_timeout() < before {
            self.wake.notify_one();
        }
        match &state.unkept {
            Some(reason) => Err(reason.clone()),
            None => Ok(done),
        }
    }

    fn obey(&self, engine: &Engine, state: &mut State, act: &mut dyn FnMut(Role)) {
        if state.unkept.is_some() {
            state.member.save();
        }
        while let Some(output) = state.member.poll_output() {
            match output {
                output @ (MemberOutput::Save | MemberOutput::Note) => {
                    let roster = state.member.roster();
                    let saved = match output {
                        MemberOutput::Note => state.file.note(roster, engine.now()),
                        _ => state.file.save(roster),
                    };
                    state.unkept = saved.err().map(|error| save_error(&error));
                    if let Some(reason) = &state.unkept {
                        tracing::error!(
                            "{}: {reason}; this node says nothing to others until it can be written",
                            self.path.display()
                        );
                    }
                }
                MemberOutput::Serve => state.gates.settle(engine, &state.member, state.view.preferred),
                MemberOutput::Connect { link, address } => state.orders.push(Order::Connect(link, address)),
                MemberOutput::Seek => state.orders.push(Order::Seek),
                MemberOutput::Close(link, why) => {
                    tracing::debug!("a connection of the bus ends: {why}");
                    state.orders.push(Order::Close(link));
                }
                MemberOutput::Follow(_, address) => act(Role::Follow(address)),
                MemberOutput::Lead => act(Role::Lead),
                MemberOutput::Detach => act(Role::Detach),
                MemberOutput::Confirm(quorums) => {
                    act(Role::Confirm(quorums.map(|quorums| quorums.into_iter().map(Quorum::from).collect())));
                }
                MemberOutput::HoldWrites(until) => {
                    engine.hold_writes();
                    state.held_until = Some(until);
                }
                MemberOutput::ReleaseWrites => state.release(engine),
                MemberOutput::DropKeys(slots) => state.orders.push(Order::DropKeys(slots)),
                MemberOutput::Deliver(publication, reach) => deliver(engine, &publication, reach),
                MemberOutput::Event(event) => tracing::info!("Cluster: {event}"),
            }
        }
        if state.held_until.is_some_and(|until| until <= engine.now()) {
            state.release(engine);
        }
        if state.unkept.is_none() {
            let carriers = &state.carriers;
            state
                .member
                .sending_links()
                .filter_map(|link| carriers.get(&link))
                .for_each(|carrier| carrier.notify_one());
        }
    }

    /// Sees to it that the file is on the disk, if that is due by then.
    pub(super) fn sync(&self, now: UnixMillis) {
        let mut state = self.state.lock();
        let State { file, member, .. } = &mut *state;
        if file.is_due(now)
            && let Err(error) = file.save(member.roster())
        {
            tracing::error!("{}: {error}", self.path.display());
            state.unkept = Some(save_error(&error));
        }
    }

    /// Whether a replica may follow this node, as far as the cluster is concerned; an error is what to answer.
    pub(super) fn admits(&self, profile: &ReplicaProfile) -> Result<(), &'static str> {
        admit_to_shard(&self.state.lock().member, profile)
    }

    /// What this node is called in the cluster.
    pub(super) fn name(&self) -> Option<String> {
        Some(self.state.lock().member.roster().me().name.to_string())
    }

    /// Makes the member, the engine and the file follow a change of the settings.
    pub(super) fn settle(&self, engine: &Engine, values: &Values) -> Result<(), String> {
        let mut state = self.state.lock();
        state.view = viewer(values);
        let delay_ms = state.member.options().writable_delay_ms;
        let options = MemberOptions { writable_delay_ms: delay_ms, ..options(values) };
        state.member.set_options(options, engine.now());
        let State { gates, member, view, .. } = &mut *state;
        gates.settle(engine, member, view.preferred);
        let mut roles = Vec::new();
        self.obey(engine, &mut state, &mut |role| roles.push(Order::Role(role)));
        if !roles.is_empty() {
            state.orders.append(&mut roles);
            self.wake.notify_one();
        }
        state.unkept.clone().map_or(Ok(()), Err)
    }

    /// Takes what a client published, for other nodes. Slots may be held.
    pub(super) fn take_published(&self, message: Published<'_>) {
        let reach = match message.channel {
            Channel::Plain => Reach::Cluster,
            Channel::Sharded => Reach::Shard,
        };
        let publication = Publication { channel: message.name.to_vec(), message: message.message.to_vec() };
        self.published.lock().push((publication, reach));
        self.wake.notify_one();
    }
}

impl State {
    /// When something is due next.
    fn next_timeout(&self) -> UnixMillis {
        let member = self.member.next_timeout();
        self.transfers.next_timeout().map_or(member, |at| at.min(member))
    }

    fn release(&mut self, engine: &Engine) {
        if self.held_until.take().is_some() {
            engine.release_writes();
        }
    }
}

fn deliver(engine: &Engine, publication: &Publication, reach: Reach) {
    let channel = match reach {
        Reach::Cluster => Channel::Plain,
        Reach::Shard => Channel::Sharded,
    };
    engine.deliver(Published { channel, name: &publication.channel, message: &publication.message });
}

fn save_error(error: &io::Error) -> String {
    format!("ERR error saving the cluster node config: {error}")
}

fn chance() -> u64 {
    u64::from_str_radix(&super::info::random_id()[..16], 16).unwrap_or(0)
}

/// How the node behaves as a member, by the settings.
fn options(values: &Values) -> MemberOptions {
    let text = |name| String::from_utf8_lossy(values.text(name)).into_owned();
    let or = |first: u64, second: u64| if first == 0 { second } else { first };
    let as_port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let ms = |name| i64::try_from(values.number(name)).unwrap_or(i64::MAX);
    MemberOptions {
        announced: NodeAddress {
            ip: text("cluster-announce-ip"),
            port: as_port(or(values.number("cluster-announce-port"), values.number("port"))),
            plain_port: 0,
            bus_port: as_port(or(values.number("cluster-announce-bus-port"), bus_port(values).into())),
            hostname: text("cluster-announce-hostname"),
            human_name: text("cluster-announce-human-nodename"),
        },
        node_timeout_ms: ms("cluster-node-timeout"),
        migration_barrier: values.number("cluster-migration-barrier") as usize,
        allows_replica_migration: values.switch("cluster-allow-replica-migration"),
        requires_full_coverage: values.switch("cluster-require-full-coverage"),
        replica_validity_factor: ms("cluster-replica-validity-factor"),
        replication_ping_ms: ms("repl-ping-replica-period").saturating_mul(1000),
        never_fails_over: values.switch("cluster-replica-no-failover"),
        votes_always: values.switch("cluster-voter"),
        has_seed: !values.words("cluster-seed-name").is_empty(),
        detects_refusals: values.switch("cluster-fast-detection"),
        outbox_size_bytes_max: usize::try_from(values.number("cluster-link-sendbuf-limit")).unwrap_or(usize::MAX),
        strict: values.switch("cluster-strict-failover").then(|| StrictFailover {
            count: match values.write_ack() {
                Some(Ack::Replicas(count)) => count.max(1),
                _ => 1,
            },
            // That is known once the data is loaded.
            is_whole: false,
        }),
        ..MemberOptions::default()
    }
}

/// The port on which this node listens for others.
fn bus_port(values: &Values) -> u16 {
    let port = match values.number("cluster-port") {
        0 => values.number("port") + BUS_PORT_DISTANCE,
        port => port,
    };
    u16::try_from(port).unwrap_or(u16::MAX)
}

fn viewer(values: &Values) -> Viewer {
    Viewer {
        preferred: match values.choice("cluster-preferred-endpoint-type") {
            "hostname" => PreferredEndpoint::Hostname,
            "ip" => PreferredEndpoint::Ip,
            _ => PreferredEndpoint::Unknown,
        },
        ..Viewer::default()
    }
}

/// How far the bus port is from the port of the clients, unless a setting says otherwise.
const BUS_PORT_DISTANCE: u64 = 10_000;

#[cfg(test)]
mod tests;
