//! Transfers of slots: what they decide is done here, and each connection of one has a thread of its own.
//!
//! ```text
//! source                                              target
//! MIGRATESLOTS -> order -> thread: connects  ------>  a client's connection: SYNCSLOTS ESTABLISH
//!                          Export -> socket  ------>  thread: socket -> Import
//! ```
//!
//! What is decided goes to these threads by their [`Carrier`]s. The lock of the cluster is never held while bytes move.

use super::{Cluster, Order, State};
use crate::host::Node;
use keyslot::engine::effect::encode_effect;
use keyslot::engine::{Offset, SlotSet, UnixMillis};
use keyslot::replication::cluster::member::Member;
use keyslot::replication::cluster::view::TransferRequest;
use keyslot::replication::cluster::{NodeAddress, NodeName};
use keyslot::replication::migration::{Export, Import};
use keyslot::replication::node::{ALIVE_MS, TransferOutput, Transfers, is_kept};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::TcpStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// What a thread that carries a transfer is told.
#[derive(Default)]
pub(super) struct Carrier {
    told: Mutex<Vec<Told>>,
    wake: Notify,
}

enum Told {
    End(u64),
    Claimed(u64),
    GiveUp(String),
    Close,
}

impl Carrier {
    fn tell(&self, told: Told) {
        self.told.lock().push(told);
        self.wake.notify_one();
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut *self.told.lock())
    }
}

/// Clients that began a transfer, whose connections do not know yet.
#[derive(Default)]
pub(in crate::host) struct Sources {
    count: AtomicUsize,
    waiting: Mutex<HashMap<u64, (NodeName, SlotSet)>>,
}

impl Sources {
    /// Whether there is any.
    #[inline]
    pub(in crate::host) fn is_any(&self) -> bool {
        self.count.load(Relaxed) > 0
    }

    fn expect(&self, client: u64, name: NodeName, slots: SlotSet) {
        if self.waiting.lock().insert(client, (name, slots)).is_none() {
            self.count.fetch_add(1, Relaxed);
        }
    }

    /// The transfer that a client began, if it did.
    pub(in crate::host) fn take(&self, client: u64) -> Option<(NodeName, SlotSet)> {
        let found = self.waiting.lock().remove(&client)?;
        self.count.fetch_sub(1, Relaxed);
        Some(found)
    }
}

impl Cluster {
    /// Does what transfers decided. The member's part of it is done.
    pub(super) fn obey_transfers(&self, state: &mut State) {
        while let Some(output) = state.transfers.poll_output() {
            let carried = |state: &State, name: &NodeName, told: Told| {
                if let Some(carrier) = state.carried.get(name) {
                    carrier.tell(told);
                }
            };
            match output {
                TransferOutput::Connect { name, address } => state.orders.push(Order::Send(name, address)),
                TransferOutput::Ask { name, address } => state.orders.push(Order::Ask(name, address)),
                TransferOutput::Close(name) => carried(state, &name, Told::Close),
                TransferOutput::End { name, epoch } => carried(state, &name, Told::End(epoch)),
                TransferOutput::Claimed { name, epoch } => carried(state, &name, Told::Claimed(epoch)),
                TransferOutput::Refuse { name, why } => carried(state, &name, Told::GiveUp(why)),
                TransferOutput::Event(event) => tracing::info!("Cluster: {event}"),
            }
        }
    }
}

impl Node {
    /// Has transfers do something; `None` at a node that is no member, or whose file could not be written.
    pub(super) fn with_transfers<R>(
        &self,
        work: impl FnOnce(&mut Transfers, &mut Member, UnixMillis) -> R,
    ) -> Option<R> {
        let cluster = self.cluster.as_ref()?;
        cluster.drive_both(self, |state, now| work(&mut state.transfers, &mut state.member, now)).ok()
    }

    /// Does what is due.
    pub(super) fn tend_transfers(&self) {
        let Some(cluster) = &self.cluster else { return };
        let awaited = {
            let state = cluster.state.lock();
            if state.transfers.next_timeout().is_none() && state.member.transfers().next().is_none() {
                return;
            }
            state.transfers.awaited()
        };
        let is_reached = awaited.is_none_or(|offset| self.replicas_reached(offset));
        let log = self.data.log_journal();
        let kept = |offset: Offset| log.as_ref().is_none_or(|journal| is_kept(journal, offset));
        self.with_transfers(|transfers, member, now| transfers.handle_timeout(member, |_| is_reached, kept, now));
    }

    /// Says in the stream what a replica that has come has to know.
    pub(in crate::host) fn say_transfers(&self) {
        if let Some(cluster) = &self.cluster {
            let state = cluster.state.lock();
            state.transfers.say_all(&state.member);
        }
    }

    /// What another node asks about a transfer: the reply.
    pub(super) fn answer_transfer(&self, client: u64, request: &TransferRequest) -> String {
        match request {
            TransferRequest::State { name, slots } => {
                let said = self.with_transfers(|transfers, member, _| transfers.answer(member, name, slots));
                format!("+{}", said.unwrap_or("PENDING"))
            }
            TransferRequest::Establish { name, source, slots } => {
                let accepted = self
                    .with_transfers(|transfers, member, now| transfers.accept(member, (*name, *source), slots, now));
                match (accepted, &self.cluster) {
                    (Some(Ok(())), Some(cluster)) => {
                        cluster.sources.expect(client, *name, slots.clone());
                        "+OK".to_owned()
                    }
                    (Some(Err(error)), _) => format!("-{error}"),
                    _ => "-ERR nodes.conf cannot be written".to_owned(),
                }
            }
        }
    }

    fn carrier(&self, name: NodeName) -> Option<Arc<Carrier>> {
        let carrier = Arc::<Carrier>::default();
        self.cluster.as_ref()?.state.lock().carried.insert(name, Arc::clone(&carrier));
        Some(carrier)
    }

    fn forget_carried(&self, name: &NodeName, carrier: &Arc<Carrier>) {
        if let Some(cluster) = &self.cluster {
            let carried = &mut cluster.state.lock().carried;
            if carried.get(name).is_some_and(|it| Arc::ptr_eq(it, carrier)) {
                carried.remove(name);
            }
        }
    }

    fn end_transfer(&self, name: &NodeName, why: &str) {
        self.with_transfers(|transfers, member, now| transfers.disconnected(member, name, why, now));
    }
}

/// Runs a future on a thread of its own.
fn on_thread<F: Future<Output = ()>>(begin: impl FnOnce() -> F + Send + 'static) {
    let run = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(begin()),
        Err(error) => tracing::error!("The system refused what a transfer of slots needs: {error}"),
    };
    if let Err(error) = std::thread::Builder::new().name("slots".into()).spawn(run) {
        tracing::error!("The system refused a thread for a transfer of slots: {error}");
    }
}

/// Sends slots to another node.
pub(super) fn send(node: Arc<Node>, name: NodeName, address: NodeAddress) {
    on_thread(move || async move {
        let Some(carrier) = node.carrier(name) else { return };
        let why = match export(&node, &name, &address, &carrier).await {
            Ok(()) => "it has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        node.forget_carried(&name, &carrier);
        node.end_transfer(&name, &why);
    });
}

/// Asks another node what became of a transfer.
pub(super) fn ask(node: Arc<Node>, name: NodeName, address: NodeAddress) {
    on_thread(move || async move {
        let words = node.with_transfers(|transfers, _, _| transfers.question(&name)).unwrap_or_default();
        if let Ok((_, answer)) = request(&node, &address, &words).await {
            node.with_transfers(|transfers, member, now| transfers.told(member, &name, &answer, now));
        }
    });
}

/// Takes slots that come over a connection that a client made. `unsent` is what it is owed.
pub(in crate::host) fn receive(
    node: Arc<Node>,
    (name, slots): (NodeName, SlotSet),
    stream: StdStream,
    unsent: Vec<u8>,
) {
    on_thread(move || async move {
        let Some(carrier) = node.carrier(name) else { return };
        let why = match import(&node, &name, slots, stream, unsent, &carrier).await {
            Ok(()) => "it has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        node.forget_carried(&name, &carrier);
        node.end_transfer(&name, &why);
    });
}

/// Connects, gives the password, sends a request, and returns its reply, which is one line.
async fn request(node: &Node, address: &NodeAddress, words: &[String]) -> io::Result<(TcpStream, String)> {
    let limit = Duration::from_millis(node.settings.values().number("cluster-node-timeout").max(1000));
    let asked = async {
        let mut stream = TcpStream::connect((address.ip.as_str(), address.port)).await?;
        stream.set_nodelay(true)?;
        let (mut out, mut awaited) = (Vec::new(), 1);
        let values = node.settings.values();
        if !values.text("masterauth").is_empty() {
            let user = Some(values.text("masteruser")).filter(|user| !user.is_empty());
            let words: Vec<&[u8]> =
                [Some(&b"AUTH"[..]), user, Some(values.text("masterauth"))].into_iter().flatten().collect();
            encode_effect(&mut out, &words);
            awaited += 1;
        }
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        if words.is_empty() {
            return Err(io::Error::other("the transfer has ended"));
        }
        encode_effect(&mut out, &words);
        stream.write_all(&out).await?;
        let mut line = Vec::new();
        loop {
            // A byte at a time: what follows the line is not this function's.
            line.push(stream.read_u8().await?);
            if line.len() > LINE_BYTES_MAX {
                return Err(io::Error::other("it does not speak this protocol"));
            }
            let Some(text) = line.strip_suffix(b"\r\n") else { continue };
            awaited -= 1;
            if awaited == 0 || text.starts_with(b"-") {
                return Ok((stream, String::from_utf8_lossy(text).into_owned()));
            }
            line.clear();
        }
    };
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn export(node: &Node, name: &NodeName, address: &NodeAddress, carrier: &Carrier) -> io::Result<()> {
    let words = node.with_transfers(|transfers, _, _| transfers.establish(name)).unwrap_or_default();
    let (mut stream, answer) = request(node, address, &words).await?;
    let goes_on = node.with_transfers(|transfers, member, now| transfers.established(member, name, &answer, now));
    let slots = node.with_transfers(|transfers, _, _| transfers.slots(name).cloned()).flatten();
    let (Some(true), Some(slots)) = (goes_on, slots) else { return Ok(()) };
    let mut export = Export::new(node.engine.clone(), node.journal(), slots);
    let (mut reader, mut writer) = stream.split();
    let (mut input, mut out) = (vec![0; READ_BYTES].into_boxed_slice(), Vec::new());
    let (mut sent, mut closes) = (0, false);
    let mut alive = tokio::time::interval(Duration::from_millis(ALIVE_MS as u64));
    loop {
        for told in carrier.take() {
            match told {
                Told::End(epoch) => drop(export.end(epoch)),
                Told::GiveUp(why) => export.say_given_up(&why, &mut out),
                Told::Close => closes = true,
                Told::Claimed(_) => {}
            }
        }
        if sent == out.len() {
            (sent, closes) = (0, closes);
            out.clear();
            if closes {
                return Ok(());
            }
            export.poll_output(&mut out, OUTPUT_BYTES).map_err(io::Error::other)?;
            let lag = export.lag();
            if lag.is_some() {
                node.with_transfers(|transfers, member, now| transfers.exported(member, name, lag, now));
            }
        }
        let is_idle = sent == out.len();
        tokio::select! {
            biased;
            read = reader.read(&mut input) => {
                let count = read?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let event = export.handle_input(&input[..count]).map_err(io::Error::other)?;
                let lag = export.lag();
                node.with_transfers(|transfers, member, now| {
                    transfers.heard(name, now);
                    match event {
                        Some(event) => transfers.export_said(member, name, event, now),
                        None => transfers.exported(member, name, lag, now),
                    }
                });
            }
            written = writer.write(&out[sent..]), if !is_idle => sent += written?,
            () = carrier.wake.notified() => {}
            () = poll_fn(|context| export.poll_more(context.waker())), if is_idle => {}
            _ = alive.tick(), if is_idle => export.say_alive(&mut out),
        }
    }
}

async fn import(
    node: &Node,
    name: &NodeName,
    slots: SlotSet,
    stream: StdStream,
    unsent: Vec<u8>,
    carrier: &Carrier,
) -> io::Result<()> {
    let mut stream = TcpStream::from_std(stream)?;
    let mut import = Import::new(node.engine.clone(), slots);
    let (mut reader, mut writer) = stream.split();
    let (mut input, mut out) = (vec![0; READ_BYTES].into_boxed_slice(), unsent);
    let mut closes = false;
    let mut alive = tokio::time::interval(Duration::from_millis(ALIVE_MS as u64));
    loop {
        for told in carrier.take() {
            match told {
                Told::Claimed(epoch) => {
                    import.say_claimed(epoch, &mut out);
                    closes = true;
                }
                Told::GiveUp(why) => import.refuse(&why, &mut out),
                Told::Close => closes = true,
                Told::End(_) => {}
            }
        }
        if !out.is_empty() {
            // It is little: the source reads it all the time.
            writer.write_all(&out).await?;
            out.clear();
        }
        if closes {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = carrier.wake.notified() => {}
            read = reader.read(&mut input) => {
                let count = read?;
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                let event = import.handle_input(&input[..count], &mut out).map_err(io::Error::other)?;
                let is_sound = import.is_sound();
                let is_news = event.is_some();
                node.with_transfers(|transfers, member, now| {
                    transfers.heard(name, now);
                    if let Some(event) = event {
                        transfers.import_said(member, name, event, is_sound, now);
                    }
                });
                if is_news {
                    node.tend_transfers();
                }
            }
            _ = alive.tick() => import.say_alive(&mut out),
        }
    }
}

const READ_BYTES: usize = 256 << 10;
const OUTPUT_BYTES: usize = 256 << 10;
const LINE_BYTES_MAX: usize = 1024;
