//! A list that is being put together from its head to its tail before it has an entry.

use super::{End, Limits, List, compact};
use crate::table::Block;
use crate::text::StrRef;
use crate::time::UnixMillis;
use crate::value::{Object, ValueType};
use std::sync::Arc;

/// A list in the making. It takes the form that pushing its elements one by one would have given it.
pub(crate) struct NewList {
    /// The elements while they are few.
    small: Vec<u8>,
    large: Option<List>,
    limits: Limits,
}

impl NewList {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { small: compact::EMPTY.to_vec(), large: None, limits }
    }

    /// Adds an element at the tail.
    pub(crate) fn push(&mut self, element: StrRef<'_>) {
        let limits = self.limits;
        if self.large.is_none() && compact::fits(&self.small, &[element], limits) {
            return compact::push(&mut self.small, End::Right, element);
        }
        let list = self.large.get_or_insert_with(|| compact::to_list(&self.small));
        if !list.is_quick() {
            list.prepare(element.byte_len(), 1, limits);
        }
        list.push(End::Right, element, limits);
    }

    /// The list as an entry.
    pub(crate) fn into_entry(self, key: &[u8], expiry: Option<UnixMillis>) -> Block<Object> {
        match self.large {
            None => Block::compact(key, ValueType::List, 0, &self.small, expiry),
            Some(list) => Block::object(key, Object::List(Arc::new(list)), ValueType::List, expiry),
        }
    }
}
