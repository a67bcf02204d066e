//! Subscriptions to patterns: in the order in which the patterns came, each with its subscribers.

use super::directory::Subscribers;
use crate::client::Client;
use crate::text::{Case, glob_matches};
use bytes::Bytes;
use std::sync::Arc;

/// All patterns that anybody listens to.
#[derive(Default)]
pub(super) struct Patterns {
    all: Vec<(Bytes, Subscribers)>,
}

impl Patterns {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// O(patterns), as is everything else about patterns.
    pub(super) fn add(&mut self, pattern: &Bytes, client: &Arc<Client>) {
        let at = self.all.iter().position(|(known, _)| known == pattern).unwrap_or_else(|| {
            self.all.push((pattern.clone(), Subscribers::default()));
            self.all.len() - 1
        });
        self.all[at].1.insert(client.id, Arc::clone(client));
    }

    pub(super) fn remove(&mut self, pattern: &[u8], client: &Client) {
        let Some(at) = self.all.iter().position(|(known, _)| *known == *pattern) else { return };
        let subscribers = &mut self.all[at].1;
        subscribers.remove(&client.id);
        if subscribers.is_empty() {
            self.all.remove(at);
        }
    }

    /// Patterns that match a channel, with their subscribers.
    pub(super) fn matching(
        &self,
        channel: &[u8],
    ) -> impl Iterator<Item = (&Bytes, std::collections::hash_map::Values<'_, u64, Arc<Client>>)> {
        self.all
            .iter()
            .filter(move |(pattern, _)| glob_matches(pattern, channel, Case::Exact))
            .map(|(pattern, subscribers)| (pattern, subscribers.values()))
    }
}
