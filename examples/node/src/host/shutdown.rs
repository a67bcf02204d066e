//! Stopping: signals, SHUTDOWN, and the last writes.

use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// How SHUTDOWN asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct ShutdownMode {
    pub(super) no_save: bool,
    pub(super) save: bool,
    pub(super) now: bool,
    pub(super) force: bool,
    pub(super) abort: bool,
}

impl ShutdownMode {
    /// Reads the words after SHUTDOWN. `None` if they contradict each other or are not known.
    pub(super) fn read(words: &[&[u8]]) -> Option<Self> {
        let mut mode = Self::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"nosave" => mode.no_save = true,
                b"save" => mode.save = true,
                b"now" => mode.now = true,
                b"force" => mode.force = true,
                b"abort" => mode.abort = true,
                _ => return None,
            }
        }
        let is_alone = words.len() == 1;
        (!(mode.save && mode.no_save) && (!mode.abort || is_alone)).then_some(mode)
    }
}

/// The signals that stop a node.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one and says its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Runs the last writes. A second signal ends the process at once: whoever insists has a reason.
pub(super) async fn finish(
    mut signals: Signals,
    last_writes: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> bool {
    let (done, outcome) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("last-writes".into()).spawn(move || {
        // Nobody listens only if the process is ending already.
        let _ = done.send(last_writes());
    });
    if let Err(error) = spawned {
        tracing::error!("The last writes could not be started: {error}");
        return false;
    }
    tokio::select! {
        outcome = outcome => match outcome {
            Ok(Ok(())) => {
                tracing::warn!("Redis is now ready to exit, bye bye...");
                true
            }
            Ok(Err(error)) => {
                tracing::error!("Errors trying to shut down the server: {error}");
                false
            }
            Err(_) => false,
        },
        _ = signals.next() => {
            tracing::warn!("You insist... exiting now.");
            std::process::exit(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_words_combine_as_in_redis() {
        let read = |words: &[&str]| ShutdownMode::read(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>());
        assert_eq!(read(&[]), Some(ShutdownMode::default()));
        assert!(read(&["NOSAVE", "now", "FORCE"]).is_some_and(|mode| mode.no_save && mode.now && mode.force));
        assert!(read(&["abort"]).is_some_and(|mode| mode.abort));
        for wrong in [&["save", "nosave"][..], &["abort", "now"], &["later"]] {
            assert_eq!(read(wrong), None);
        }
    }
}
