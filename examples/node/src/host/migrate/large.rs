//! Values that are too large to go at once.
//!
//! ```text
//! RESTORE-BEGIN                         there    nobody finds the key from here on
//! commands, some at a time              there    with a time to live, for the case that nobody comes back
//! PERSIST or PEXPIREAT, RESTORE-END     there    who only reads the key here waits meanwhile
//! ```
//!
//! A server that does not know RESTORE-BEGIN gets the value whole.

use super::{Failure, Moving, error_of};
use crate::host::peer::{Requests, Wire};
use keyslot::engine::Departure;
use tokio::sync::mpsc;

/// What became of a key that was to go in pieces.
enum Begun {
    /// It may come.
    Welcome(Wire),
    /// It may not; this is the error.
    Refused(String),
    /// The other server takes no pieces.
    Plain,
}

impl Moving {
    /// Sends a key whose value is large, which set out alone; gives its error if it did not arrive.
    pub(super) async fn restore_large(
        &mut self,
        departure: &mut Departure,
        arrived: &[Vec<u8>],
    ) -> Result<Vec<Option<String>>, Failure> {
        let key = departure.keys().next().unwrap_or_default().to_vec();
        if departure.has_parts(0) && !self.is_plain {
            match self.begin(&key, self.replaces(&key, arrived)).await? {
                Begun::Welcome(wire) => return self.send_parts(wire, &key, departure).await.map(|()| vec![None]),
                Begun::Refused(error) => return Ok(vec![Some(error)]),
                Begun::Plain => self.is_plain = true,
            }
        }
        let value = departure.value(0);
        let payload = aside(move || value.map(|value| value.payload())).await?.unwrap_or_default();
        self.restore(departure, arrived, Some(&payload)).await
    }

    /// Says that a key comes in pieces.
    async fn begin(&mut self, key: &[u8], replaces: bool) -> Result<Begun, Failure> {
        self.take_kept();
        let was_kept = self.wire.is_some();
        match self.try_begin(key, replaces).await {
            Err(Failure::Lost) if was_kept => self.try_begin(key, replaces).await,
            begun => begun,
        }
    }

    async fn try_begin(&mut self, key: &[u8], replaces: bool) -> Result<Begun, Failure> {
        let (mut wire, mut requests, _) = self.open().await?;
        let words: [&[u8]; 3] = [b"RESTORE-BEGIN", key, b"REPLACE"];
        requests.push(if replaces { &words[..] } else { &words[..2] });
        let mut replies = Vec::new();
        wire.ask_into(&requests, &mut replies).await.map_err(Failure::of_wire)?;
        let answer = replies.pop().and_then(|reply| error_of(&reply));
        if let Some(refused) = replies.iter().find_map(|reply| error_of(reply)) {
            return Err(Failure::of_target(&refused));
        }
        match answer {
            None => Ok(Begun::Welcome(wire)),
            Some(error) => {
                self.wire = Some((wire, self.request.to));
                let is_plain = error.starts_with("ERR unknown command");
                Ok(if is_plain { Begun::Plain } else { Begun::Refused(error) })
            }
        }
    }

    /// Sends the value, and says that it is whole.
    async fn send_parts(&mut self, mut wire: Wire, key: &[u8], departure: &mut Departure) -> Result<(), Failure> {
        let (given, mut commands) = mpsc::channel::<Vec<u8>>(COMMANDS_AHEAD);
        let value = departure.value(0);
        // Not ahead of what is sent by much: of a value of gigabytes no second one is held.
        let written = aside(move || {
            if let Some(value) = value {
                value.each_command(|command| drop(given.blocking_send(command)));
            }
        });
        let sent = async {
            let sent = self.send_commands(&mut wire, key, &mut commands).await;
            // Its writer does not wait for anybody from here on.
            commands.close();
            sent
        };
        let (written, sent) = tokio::join!(written, sent);
        written.and(sent)?;
        departure.close();
        let mut requests = Requests::default();
        self.ask_for(&mut requests);
        match departure.expiry(0) {
            None => requests.push(&[b"PERSIST", key]),
            Some(expiry) => requests.push(&[b"PEXPIREAT", key, expiry.0.to_string().as_bytes()]),
        }
        requests.push(&[b"RESTORE-END", key]);
        self.demand(&mut wire, &requests).await?;
        self.wire = Some((wire, self.request.to));
        Ok(())
    }

    async fn send_commands(
        &self,
        wire: &mut Wire,
        key: &[u8],
        commands: &mut mpsc::Receiver<Vec<u8>>,
    ) -> Result<(), Failure> {
        let left_ms = (self.request.limit.as_millis() as u64).saturating_add(LEFT_BEHIND_MS).to_string();
        let mut next = commands.recv().await;
        while next.is_some() {
            let mut requests = Requests::default();
            while let Some(command) = next.take() {
                self.ask_for(&mut requests);
                requests.push_encoded(&command);
                next = if requests.size() < PIECE_BYTES { commands.recv().await } else { None };
            }
            self.ask_for(&mut requests);
            requests.push(&[b"PEXPIRE", key, left_ms.as_bytes()]);
            self.demand(wire, &requests).await?;
            next = commands.recv().await;
        }
        Ok(())
    }

    fn ask_for(&self, requests: &mut Requests) {
        if self.node.cluster.is_some() {
            requests.push(&[b"ASKING"]);
        }
    }

    /// Asks what must not fail: the connection ends then, and with it what has arrived.
    async fn demand(&self, wire: &mut Wire, requests: &Requests) -> Result<(), Failure> {
        let mut replies = Vec::new();
        wire.ask_into(requests, &mut replies).await.map_err(|_| Failure::Broken)?;
        match replies.iter().find_map(|reply| error_of(reply)) {
            None => Ok(()),
            Some(error) => Err(Failure::of_target(&error)),
        }
    }
}

/// Does what takes long on another thread.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Failure::Said("ERR the system refused what MIGRATE needs".into()))
}

/// So many bytes are sent before their replies are awaited: other clients of the thread that takes them there wait meanwhile.
const PIECE_BYTES: usize = 64 << 10;

/// Commands that are written before they are sent.
const COMMANDS_AHEAD: usize = 128;

/// How long a part of a value lives that nobody adds to, beyond the time that nobody says anything.
const LEFT_BEHIND_MS: u64 = 60_000;
