//! A whole value as effects, whatever its type.

use crate::command::hash::{record_hash, record_hash_part};
use crate::command::list::record_list;
use crate::command::set::{record_set, record_set_part};
use crate::command::sorted_set;
use crate::command::stream::record_stream;
use crate::effect::Recorder;
use crate::keyspace::EntryRef;
use crate::time::UnixMillis;

/// Records that `key` holds what `entry` holds, with its expiry: the effect of commands that bring a whole value from
/// elsewhere.
pub(crate) fn record_value(to: &mut impl Recorder, key: &[u8], entry: &EntryRef) {
    let Some(value) = entry.as_string() else { return record_collection(to, key, entry) };
    value.with_bytes(|value| match entry.expiry() {
        None => to.record(&[b"SET", key, value]),
        Some(UnixMillis(ms)) => {
            to.record(&[b"SET", key, value, b"PXAT", itoa::Buffer::new().format(ms).as_bytes()]);
        }
    });
}

/// Records a part of what makes a value where nothing is, the `n`-th: hashes and sets have parts of about a thousand elements, other
/// values are one. False once all is recorded.
pub(crate) fn record_part(to: &mut impl Recorder, key: &[u8], entry: &EntryRef, n: usize) -> bool {
    let goes_on = match (entry.as_hash(), entry.as_set()) {
        (Some(hash), _) => record_hash_part(to, key, hash, n),
        (_, Some(set)) => record_set_part(to, key, set, n),
        (None, None) => {
            record_value(to, key, entry);
            return false;
        }
    };
    if !goes_on {
        record_expiry(to, key, entry);
    }
    goes_on
}

fn record_expiry(to: &mut impl Recorder, key: &[u8], entry: &EntryRef) {
    if let Some(UnixMillis(ms)) = entry.expiry() {
        to.record(&[b"PEXPIREAT", key, itoa::Buffer::new().format(ms).as_bytes()]);
    }
}

fn record_collection(to: &mut impl Recorder, key: &[u8], entry: &EntryRef) {
    if let Some(hash) = entry.as_hash() {
        record_hash(to, key, hash);
    }
    if let Some(list) = entry.as_list() {
        record_list(to, key, list);
    }
    if let Some(set) = entry.as_set() {
        record_set(to, key, set);
    }
    if let Some(stream) = entry.as_stream() {
        record_stream(to, key, stream);
    }
    if let Ok(set) = sorted_set::read(entry) {
        sorted_set::record_members(to, key, set);
    }
    record_expiry(to, key, entry);
}
