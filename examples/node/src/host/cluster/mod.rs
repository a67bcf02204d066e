//! The node's cluster: its file, its addresses, and the engine that follows it.
//!
//! The file is saved after every change, before the change is answered.

use crate::settings::{Values, read_limited, replace_file};
use keyslot::engine::Engine;
use keyslot::engine::resp::ReplyWriter;
use keyslot::replication::cluster::{Addresses, Control, LoneCluster, PreferredEndpoint, Terms};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};

/// The cluster as this node knows it.
pub(crate) struct Cluster {
    state: Mutex<LoneCluster>,
    /// The file that keeps the state (`cluster-config-file`).
    path: PathBuf,
}

impl Cluster {
    /// Takes up the cluster that the file describes, or a new one.
    pub(super) fn open(engine: &Engine, values: &Values) -> io::Result<Self> {
        let path = values.path("cluster-config-file").unwrap_or_else(|| "nodes.conf".into());
        let mut state = match load(&path)? {
            Some(state) => state,
            None => LoneCluster::new(&mut super::info::random_id),
        };
        let terms = terms(values);
        save(&path, &state, &terms)?;
        state.attach(engine, &terms);
        Ok(Self { state: Mutex::new(state), path })
    }

    /// Does CLUSTER with these words after it. False if there is no such sub-command here.
    pub(super) fn control(
        &self,
        engine: &Engine,
        values: &Values,
        args: &[&[u8]],
        reply: &mut ReplyWriter<'_>,
    ) -> bool {
        let terms = terms(values);
        let mut state = self.state.lock();
        let was_up = state.is_up();
        let mut answer = Vec::new();
        let mut writer = ReplyWriter::new(&mut answer, reply.version());
        match state.control(engine, &terms, &mut super::info::random_id, args, &mut writer) {
            Control::NotOffered => return false,
            Control::Answered => {}
            Control::Changed => {
                if let Err(error) = save(&self.path, &state, &terms) {
                    reply.error(&save_error(&error));
                    return true;
                }
            }
        }
        log_turn(was_up, &state);
        reply.encoded(&answer);
        true
    }

    /// Makes the engine and the file follow a change of the settings.
    pub(super) fn settle(&self, engine: &Engine, values: &Values) -> Result<(), String> {
        let terms = terms(values);
        let mut state = self.state.lock();
        let was_up = state.is_up();
        state.settle(engine, &terms);
        log_turn(was_up, &state);
        save(&self.path, &state, &terms).map_err(|error| save_error(&error))
    }
}

fn log_turn(was_up: bool, state: &LoneCluster) {
    if was_up != state.is_up() {
        tracing::info!("Cluster state changed: {}", if state.is_up() { "ok" } else { "fail" });
    }
}

fn save_error(error: &io::Error) -> String {
    format!("ERR error saving the cluster node config: {error}")
}

/// What the settings say about the cluster.
fn terms(values: &Values) -> Terms {
    let text = |name| String::from_utf8_lossy(values.text(name)).into_owned();
    let or = |first: u64, second: u64| if first == 0 { second } else { first };
    let port = values.number("port");
    let bus_port = or(values.number("cluster-port"), port + BUS_PORT_DISTANCE);
    let as_port = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    Terms {
        addresses: Addresses {
            ip: text("cluster-announce-ip"),
            hostname: text("cluster-announce-hostname"),
            port: as_port(or(values.number("cluster-announce-port"), port)),
            bus_port: as_port(or(values.number("cluster-announce-bus-port"), bus_port)),
        },
        preferred: match values.choice("cluster-preferred-endpoint-type") {
            "hostname" => PreferredEndpoint::Hostname,
            "ip" => PreferredEndpoint::Ip,
            _ => PreferredEndpoint::Unknown,
        },
        requires_full_coverage: values.switch("cluster-require-full-coverage"),
    }
}

/// Reads the state; `None` if there is no file.
fn load(path: &Path) -> io::Result<Option<LoneCluster>> {
    let text = match std::fs::File::open(path).and_then(read_limited) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    LoneCluster::from_nodes_conf(&text, &mut super::info::random_id).map(Some).map_err(|reason| {
        let reason = format!("{}: {reason}; correct the file, or remove it to begin a new cluster", path.display());
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

/// Writes the state in one step.
fn save(path: &Path, state: &LoneCluster, terms: &Terms) -> io::Result<()> {
    replace_file(path, state.to_nodes_conf(terms).as_bytes())
}

/// How far the bus port is from the port of the clients, unless a setting says otherwise.
const BUS_PORT_DISTANCE: u64 = 10_000;

#[cfg(test)]
mod tests;
