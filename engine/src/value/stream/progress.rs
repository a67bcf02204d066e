//! How far a group has read, counted in entries from the first one that the stream ever had.
//!
//! The count of an id is known only at the ends of a stream, or while nothing is missing between; elsewhere it is unknown.

use super::Stream;
use super::group::Group;
use super::id::StreamId;

impl Stream {
    /// Whether an entry was deleted at `start` or after it that could still lie among those that are there.
    pub(crate) fn has_gap_from(&self, start: StreamId) -> bool {
        self.len > 0
            && self.max_deleted_id != StreamId::MIN
            && self.first_id <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// How many entries were ever added up to `id`, if that can be told.
    pub(crate) fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || self.len == 0 && id < self.last_id {
            return Some(self.entries_added);
        }
        let is_whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        if id > self.last_id || !is_whole || id > self.first_id {
            return None;
        }
        let before = self.entries_added.wrapping_sub(self.len);
        Some(if id == self.first_id { before.wrapping_add(1) } else { before })
    }

    /// How many entries a group has still to read, if that can be told.
    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        let read = match group.entries_read {
            _ if self.entries_added == 0 => return Some(0),
            Some(read) if !self.has_gap_from(group.last_id) => read,
            _ => self.entries_up_to(group.last_id)?,
        };
        Some(self.entries_added.wrapping_sub(read) as i64)
    }

    /// The count of a group that reads `id` next.
    pub(crate) fn entries_read_at(&self, read: Option<u64>, id: StreamId) -> Option<u64> {
        match read {
            Some(read) if !self.has_gap_from(id) => Some(read.wrapping_add(1)),
            read if self.entries_added == 0 => read,
            _ => self.entries_up_to(id),
        }
    }
}
