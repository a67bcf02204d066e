//! Many strings at once for embedders: the waits for memory of a group of keys overlap, which makes them several times
//! faster than the same keys one by one.
//!
//! Not atomic as a whole: each group of 16 keys is one turn over their slots. MGET and MSET are one turn.

use super::many::Pair;
use super::set::{NewExpiry, SetIf, store};
use crate::effect::Offset;
use crate::engine::Engine;
use crate::error::CommandError;
use crate::turn::{GROUP_KEYS, Turn};
use crate::value::StrRef;

impl Engine {
    /// Lends the strings at `keys` to `f`, in order, each with its number; `None` where there is no key, or another
    /// type. `f` runs while slots are locked: it must not use this engine. Each 16 keys are seen at one moment, all of
    /// them are not. Fails, without the rest of the keys, at a group of which a slot is served elsewhere. O(keys), no
    /// allocation for each key; several times faster than as many calls of [`Engine::get_with`].
    ///
    /// ```
    /// let db = keyslot_engine::Engine::in_memory();
    /// db.set_many(&[("a", "1"), ("b", "22")])?;
    /// let mut bytes = 0;
    /// db.get_many(&["a", "b", "c"], |_, value| bytes += value.map_or(0, <[u8]>::len))?;
    /// assert_eq!(bytes, 3);
    /// # Ok::<(), keyslot_engine::CommandError>(())
    /// ```
    pub fn get_many(
        &self,
        keys: &[impl AsRef<[u8]>],
        mut f: impl FnMut(usize, Option<&[u8]>),
    ) -> Result<(), CommandError> {
        let (mut number, mut newest, mut buffer) = (0, Offset(0), Vec::new());
        for group in keys.chunks(GROUP_KEYS) {
            let (mut turn, keys) = Turn::over_group(&self.core, buffer, group.iter().map(AsRef::as_ref))?;
            for key in &keys {
                match turn.read(key).as_ref().and_then(|entry| entry.as_string()) {
                    None => f(number, None),
                    Some(value) => value.with_bytes(|bytes| f(number, Some(bytes))),
                }
                number += 1;
            }
            let committed = turn.commit();
            (newest, buffer) = (newest.max(committed.offset), committed.buffer);
        }
        Ok(self.wait_for(self.core.options.ack(), newest)?)
    }
}

impl Engine {
    /// Stores each value at its key, whatever was there; expiries are cleared. Of a key that comes twice the last value
    /// stays. Each 16 pairs are one turn and one batch, all of them are not. Fails, with what came before stored, at a
    /// group of which a slot is served elsewhere. O(bytes); several times faster than as many calls of [`Engine::set`].
    pub fn set_many(&self, pairs: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Result<(), CommandError> {
        let (mut newest, mut buffer) = (Offset(0), Vec::new());
        for group in pairs.chunks(GROUP_KEYS) {
            self.wait_for_room()?;
            let (mut turn, keys) = Turn::over_group(&self.core, buffer, group.iter().map(Pair::key))?;
            for (key, pair) in keys.iter().zip(group) {
                store(&mut turn, key, StrRef::of(pair.value()), SetIf::Always, NewExpiry::Clear);
            }
            let committed = turn.commit();
            (newest, buffer) = (newest.max(committed.offset), committed.buffer);
        }
        Ok(self.wait_for(self.core.options.ack(), newest)?)
    }
}
