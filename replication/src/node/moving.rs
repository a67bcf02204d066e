//! Transfers of slots at a node: their connections, and what is decided about them, carried out.

use super::output::{CloseReason, ConnectionId, Output};
use super::target::Target;
use super::transfers::{ALIVE_MS, TransferOutput, Transfers};
use super::{Connection, Node};
use crate::cluster::member::Member;
use crate::cluster::view::{ClusterCommand, TransferRequest};
use crate::cluster::{NodeAddress, NodeName};
use crate::migration::{Export, Import};
use keyslot_engine::effect::encode_effect;
use keyslot_engine::{Offset, UnixMillis};
use keyslot_persistence::{Fsync, Journal};
use std::sync::Arc;

/// A connection that serves a transfer.
pub(super) struct TransferLink {
    name: NodeName,
    side: Side,
    /// What is to be sent.
    out: Vec<u8>,
    /// When this node said last that it is there.
    said: UnixMillis,
}

enum Side {
    /// Not there yet, or the answer to what was asked is not: the lines that came, and how many are awaited.
    Asking {
        asks: Asks,
        line: Vec<u8>,
        awaited: usize,
    },
    Exporting(Box<Export>),
    Importing(Box<Import>),
    /// It is to be closed behind what is to be sent.
    Ending,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asks {
    Establish,
    State,
}

impl Node {
    /// The transfers of slots, at a member of a cluster.
    pub fn transfers(&self) -> Option<&Transfers> {
        self.membership.as_ref().map(|membership| &membership.transfers)
    }

    /// Has transfers do something, and carries out what follows of it; `None` at a node that is no member.
    pub fn with_transfers<R>(
        &mut self,
        now: UnixMillis,
        work: impl FnOnce(&mut Transfers, &mut Member) -> R,
    ) -> Option<R> {
        let membership = self.membership.as_mut()?;
        let done = work(&mut membership.transfers, &mut membership.member);
        self.settle_member(now);
        self.settle_transfers(now);
        Some(done)
    }

    /// Another node asks something over a connection on which a replica was expected.
    pub(super) fn serve_node(&mut self, connection: ConnectionId, words: &[Vec<u8>], rest: &[u8], now: UnixMillis) {
        let words: Vec<&[u8]> = words.iter().skip(1).map(Vec::as_slice).collect();
        let said = match ClusterCommand::parse(&words) {
            Ok(ClusterCommand::SyncSlots(request)) => self.answer_transfer(connection, request, rest, now),
            Ok(_) => b"-ERR it is not for nodes to ask\r\n".to_vec(),
            Err(text) => format!("-{text}\r\n").into_bytes(),
        };
        if let Some(Connection::Expected(_, out)) = self.connections.get_mut(&connection) {
            out.extend_from_slice(&said);
        }
    }

    /// Answers what another node asks about a transfer over a connection that it made. `out` gets the answer.
    pub fn answer_transfer(
        &mut self,
        connection: ConnectionId,
        request: TransferRequest,
        rest: &[u8],
        now: UnixMillis,
    ) -> Vec<u8> {
        match request {
            TransferRequest::State { name, slots } => {
                let said = self.with_transfers(now, |transfers, member| transfers.answer(member, &name, &slots));
                format!("+{}\r\n", said.unwrap_or("NONE")).into_bytes()
            }
            TransferRequest::Establish { name, source, slots } => {
                let accepted = self
                    .with_transfers(now, |transfers, member| transfers.accept(member, (name, source), &slots, now))
                    .unwrap_or_else(|| Err("ERR This instance has cluster support disabled".to_owned()));
                if let Err(error) = accepted {
                    return format!("-{error}\r\n").into_bytes();
                }
                let import = Box::new(Import::new(self.engine.clone(), slots));
                let out = b"+OK\r\n".to_vec();
                let link = TransferLink { name, side: Side::Importing(import), out, said: now };
                self.connections.insert(connection, Connection::Transfer(Box::new(link)));
                self.handle_transfer(connection, rest, now);
                Vec::new()
            }
        }
    }

    /// A connection to the other side is there.
    pub(super) fn open_transfer(&mut self, connection: ConnectionId, now: UnixMillis) {
        let Some(Connection::Transfer(link)) = self.connections.get_mut(&connection) else { return };
        link.said = now;
        let Some(membership) = &self.membership else { return };
        let Side::Asking { asks, awaited, .. } = &mut link.side else { return };
        if let Some((user, password)) = &self.options.replica.credentials {
            let words: Vec<&[u8]> = [Some(&b"AUTH"[..]), user.as_deref().map(str::as_bytes), Some(password.as_bytes())]
                .into_iter()
                .flatten()
                .collect();
            encode_effect(&mut link.out, &words);
            *awaited += 1;
        }
        let words = match asks {
            Asks::Establish => membership.transfers.establish(&link.name),
            Asks::State => membership.transfers.question(&link.name),
        };
        let words: Vec<&[u8]> = words.iter().map(String::as_bytes).collect();
        match words.is_empty() {
            // It ended meanwhile.
            true => self.close(connection, CloseReason::Transfer("it has ended".into())),
            false => encode_effect(&mut link.out, &words),
        }
    }

    /// Takes what came over a connection of a transfer.
    pub(super) fn handle_transfer(&mut self, connection: ConnectionId, bytes: &[u8], now: UnixMillis) {
        let Some(Connection::Transfer(link)) = self.connections.get_mut(&connection) else { return };
        let name = link.name;
        match &mut link.side {
            Side::Asking { line, .. } => {
                line.extend_from_slice(bytes);
                self.take_answers(connection, now);
            }
            Side::Exporting(export) => {
                let outcome = export.handle_input(bytes);
                let lag = export.lag();
                self.with_transfers(now, |transfers, member| {
                    transfers.heard(&name, now);
                    match outcome {
                        Ok(Some(event)) => transfers.export_said(member, &name, event, now),
                        Ok(None) => transfers.exported(member, &name, lag, now),
                        Err(error) => transfers.disconnected(member, &name, &error.to_string(), now),
                    }
                });
            }
            Side::Importing(import) => {
                let outcome = import.handle_input(bytes, &mut link.out);
                let is_sound = import.is_sound();
                self.with_transfers(now, |transfers, member| {
                    transfers.heard(&name, now);
                    match outcome {
                        Ok(Some(event)) => transfers.import_said(member, &name, event, is_sound, now),
                        Ok(None) => {}
                        Err(error) => transfers.disconnected(member, &name, &error.to_string(), now),
                    }
                });
                self.tend_transfers(now);
            }
            Side::Ending => {}
        }
    }

    /// Takes the lines that answer what was asked.
    fn take_answers(&mut self, connection: ConnectionId, now: UnixMillis) {
        let Some(Connection::Transfer(link)) = self.connections.get_mut(&connection) else { return };
        let (name, Side::Asking { asks, line, awaited }) = (link.name, &mut link.side) else { return };
        let asks = *asks;
        let mut answer = None;
        while let Some(end) = line.windows(2).position(|pair| pair == b"\r\n") {
            let text = String::from_utf8_lossy(&line[..end]).into_owned();
            line.drain(..end + 2);
            *awaited -= 1;
            if *awaited == 0 || text.starts_with('-') {
                answer = Some(text);
                break;
            }
        }
        if line.len() > LINE_SIZE_MAX {
            answer = Some("-ERR it does not speak this protocol".to_owned());
        }
        let Some(answer) = answer else { return };
        let goes_on = self.with_transfers(now, |transfers, member| match asks {
            Asks::Establish => transfers.established(member, &name, &answer, now),
            Asks::State => {
                transfers.told(member, &name, &answer, now);
                false
            }
        });
        let slots = self.transfers().and_then(|transfers| transfers.slots(&name)).cloned();
        match (goes_on, slots) {
            (Some(true), Some(slots)) => {
                let export = Export::new(self.engine.clone(), Arc::clone(self.standing.journal()), slots);
                if let Some(Connection::Transfer(link)) = self.connections.get_mut(&connection) {
                    link.side = Side::Exporting(Box::new(export));
                }
            }
            _ if self.connections.contains_key(&connection) => {
                self.close(connection, CloseReason::Transfer("it was answered".into()));
            }
            _ => {}
        }
    }

    /// Appends what is to be sent over a connection of a transfer.
    pub(super) fn poll_transfer(&mut self, connection: ConnectionId, out: &mut Vec<u8>, budget: usize) {
        let Some(Connection::Transfer(link)) = self.connections.get_mut(&connection) else { return };
        out.append(&mut link.out);
        let name = link.name;
        match &mut link.side {
            Side::Exporting(export) => {
                if let Err(error) = export.poll_output(out, budget) {
                    let now = self.engine.now();
                    self.with_transfers(now, |transfers, member| {
                        transfers.disconnected(member, &name, &error.to_string(), now);
                    });
                    self.close_transfer(connection, &error.to_string());
                }
            }
            Side::Ending if out.is_empty() => self.close_transfer(connection, "it has ended"),
            _ => {}
        }
    }

    /// Says in the stream what a replica that has come has to know.
    pub(super) fn say_transfers(&self) {
        if let Some(membership) = &self.membership {
            membership.transfers.say_all(&membership.member);
        }
    }

    fn close_transfer(&mut self, connection: ConnectionId, why: &str) {
        if matches!(self.connections.get(&connection), Some(Connection::Transfer(_))) {
            self.close(connection, CloseReason::Transfer(why.to_owned()));
        }
    }

    /// A connection of a transfer has ended.
    pub(super) fn end_transfer(&mut self, link: TransferLink, now: UnixMillis) {
        let name = link.name;
        match link.side {
            // Another one will be made.
            Side::Asking { asks: Asks::State, .. } | Side::Ending => {}
            Side::Asking { .. } | Side::Exporting(_) | Side::Importing(_) => {
                self.with_transfers(now, |transfers, member| {
                    transfers.disconnected(member, &name, "the other side closed it", now);
                });
            }
        }
    }

    /// Does what is due.
    pub(super) fn tend_transfers(&mut self, now: UnixMillis) {
        let Some(membership) = &self.membership else { return };
        let awaited = membership.transfers.awaited();
        let primary = self.standing.primary();
        let is_reached = awaited.is_none_or(|offset| primary.count_reached(offset) >= primary.replicas().count());
        if !is_reached {
            primary.ask_acks();
        }
        let journal = Arc::clone(self.standing.journal());
        let kept = |offset| is_kept(&journal, offset);
        self.with_transfers(now, |transfers, member| transfers.handle_timeout(member, |_| is_reached, kept, now));
        let mut lags = Vec::new();
        for connection in self.connections.values_mut() {
            let Connection::Transfer(link) = connection else { continue };
            let is_due = now.0 - link.said.0 >= ALIVE_MS;
            match &mut link.side {
                Side::Exporting(export) => {
                    lags.push((link.name, export.lag()));
                    if is_due {
                        export.say_alive(&mut link.out);
                    }
                }
                Side::Importing(import) if is_due => import.say_alive(&mut link.out),
                _ => {}
            }
            if is_due {
                link.said = now;
            }
        }
        for (name, lag) in lags {
            self.with_transfers(now, |transfers, member| transfers.exported(member, &name, lag, now));
        }
    }

    /// Carries out what was decided.
    fn settle_transfers(&mut self, now: UnixMillis) {
        while let Some(output) = self.membership.as_mut().and_then(|it| it.transfers.poll_output()) {
            match output {
                TransferOutput::Connect { name, address } => self.ask(name, Asks::Establish, &address, now),
                TransferOutput::Ask { name, address } => self.ask(name, Asks::State, &address, now),
                TransferOutput::Close(name) => {
                    if let Some((_, link)) = self.transfer_link(&name) {
                        link.side = Side::Ending;
                    }
                }
                TransferOutput::End { name, epoch } => {
                    if let Some((_, TransferLink { side: Side::Exporting(export), .. })) = self.transfer_link(&name) {
                        export.end(epoch);
                    }
                }
                TransferOutput::Claimed { name, epoch } => {
                    if let Some((_, link)) = self.transfer_link(&name)
                        && let Side::Importing(import) = &mut link.side
                    {
                        import.say_claimed(epoch, &mut link.out);
                        link.side = Side::Ending;
                    }
                }
                TransferOutput::Refuse { name, why } => {
                    if let Some((_, link)) = self.transfer_link(&name) {
                        match &mut link.side {
                            Side::Exporting(export) => export.say_given_up(&why, &mut link.out),
                            Side::Importing(import) => import.refuse(&why, &mut link.out),
                            _ => {}
                        }
                    }
                }
                TransferOutput::Event(event) => self.outputs.push_back(Output::Transfer(event)),
            }
        }
    }

    fn transfer_link(&mut self, name: &NodeName) -> Option<(ConnectionId, &mut TransferLink)> {
        self.connections.iter_mut().find_map(|(id, connection)| match connection {
            Connection::Transfer(link) if link.name == *name && !matches!(link.side, Side::Ending) => {
                Some((*id, &mut **link))
            }
            _ => None,
        })
    }

    fn ask(&mut self, name: NodeName, asks: Asks, address: &NodeAddress, now: UnixMillis) {
        let connection = self.take_connection_id();
        let side = Side::Asking { asks, line: Vec::new(), awaited: 1 };
        let link = TransferLink { name, side, out: Vec::new(), said: now };
        self.connections.insert(connection, Connection::Transfer(Box::new(link)));
        let target = Target { host: address.ip.clone(), port: address.port };
        self.outputs.push_back(Output::Connect { connection, target });
    }

    pub(super) fn next_transfer_timeout(&self) -> Option<UnixMillis> {
        self.membership.as_ref()?.transfers.next_timeout()
    }
}

/// Whether a log, if there is one, has the journal up to an offset, as far as it promises that.
pub fn is_kept(journal: &Journal, offset: Offset) -> bool {
    let Some(durable) = journal.durable_log() else { return true };
    durable >= offset || journal.fsync() == Fsync::Never && journal.written() >= offset
}

const LINE_SIZE_MAX: usize = 1024;
