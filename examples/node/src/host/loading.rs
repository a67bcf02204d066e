//! Loading the data on a thread of its own, while clients are told that it is being loaded.

use super::Node;
use crate::data::DataError;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What becomes of loading; `None` once that is known.
pub(super) type Outcome = Option<oneshot::Receiver<Result<(), DataError>>>;

/// Begins to load what the settings ask for.
pub(super) fn start(node: &Arc<Node>) -> io::Result<Outcome> {
    let node = Arc::clone(node);
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new().name("load".into()).spawn(move || {
        // Nobody listens only if the process is ending.
        let _ = done.send(node.load());
    })?;
    Ok(Some(outcome))
}

/// Waits until loading has ended; for ever once that was told.
pub(super) async fn ended(outcome: &mut Outcome) -> Result<(), DataError> {
    let Some(receiver) = outcome else { return std::future::pending().await };
    let ended = receiver.await;
    *outcome = None;
    // The thread panicked, which was told where it did.
    ended.unwrap_or(Err(DataError::Interrupted))
}

impl Node {
    fn load(&self) -> Result<(), DataError> {
        self.data.load(&self.settings.values())?;
        self.resume_history();
        self.note_start();
        self.end_loading();
        Ok(())
    }

    /// Serves from here on, by what the settings ask for now.
    pub(super) fn end_loading(&self) {
        self.data.end_loading();
        let values = self.settings.values();
        self.set_compaction(&values);
        if let Err(error) = self.set_log(&values) {
            tracing::warn!("{error}");
        }
        self.set_durability(&values);
    }
}
