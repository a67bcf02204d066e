//! A set that is being put together before it has an entry.

use super::{PACKED, Presence, SetLimits, SetRef, Width, canonical, insert_compact, member_block, remove_compact};
use crate::table::{Block, KeyHasher};
use crate::time::UnixMillis;
use crate::value::{MemberTable, Object, StrRef, ValueType};
use std::sync::Arc;

/// A set in the making. It takes the same forms that a set in an entry would have taken.
pub(crate) struct NewSet {
    state: State,
    limits: SetLimits,
    hasher: KeyHasher,
}

enum State {
    Compact { form: u8, bytes: Vec<u8> },
    Table(MemberTable),
}

impl NewSet {
    /// An empty set whose first member will be `first` of about `expected`.
    pub(crate) fn new(first: StrRef<'_>, expected: usize, limits: SetLimits, hasher: &KeyHasher) -> Self {
        let state = match first {
            StrRef::Int(n) if expected <= limits.integers => {
                State::Compact { form: Width::of(n) as u8, bytes: Vec::new() }
            }
            _ if expected <= limits.packed => State::Compact { form: PACKED, bytes: Vec::new() },
            _ => State::Table(MemberTable::new(hasher.clone())),
        };
        Self { state, limits, hasher: hasher.clone() }
    }

    /// An empty set for results of set algebra.
    pub(crate) fn of_results(limits: SetLimits, hasher: &KeyHasher) -> Self {
        let hasher = hasher.clone();
        Self { state: State::Compact { form: Width::Two as u8, bytes: Vec::new() }, limits, hasher }
    }

    /// Begins with the members of a set where that is a table and the result will be one whatever comes: then the table is
    /// shared, and what is changed is copied. Says whether it did.
    pub(crate) fn begin_with(&mut self, set: SetRef<'_>) -> bool {
        match set {
            SetRef::Table(table) if table.len() > self.limits.integers.max(self.limits.packed) => {
                self.state = State::Table(table.clone());
                true
            }
            _ => false,
        }
    }

    pub(crate) fn as_set(&self) -> SetRef<'_> {
        match &self.state {
            State::Compact { form, bytes } => SetRef::compact(*form, bytes),
            State::Table(table) => SetRef::Table(table),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.as_set().is_empty()
    }

    /// Adds a member; says whether it is new.
    pub(crate) fn add(&mut self, member: StrRef<'_>) -> bool {
        if let State::Table(table) = &mut self.state {
            return member.with_bytes(|member| {
                let hash = table.hash(member);
                let is_new = table.find_hashed(hash, member).is_none();
                if is_new {
                    table.insert_hashed(hash, member_block(member));
                }
                is_new
            });
        }
        let (set, member) = (self.as_set(), canonical(member));
        let Presence::Missing { len } = set.presence(member) else { return false };
        match set.form_with(member, len, self.limits) {
            Some(to) => {
                if let State::Compact { form, bytes } = &mut self.state {
                    insert_compact(bytes, *form, to, member);
                    *form = to;
                }
            }
            None => {
                let mut table = set.to_table(&self.hasher);
                member.with_bytes(|member| table.insert(member_block(member)));
                self.state = State::Table(table);
            }
        }
        true
    }

    /// Takes a member out; says whether it was there.
    pub(crate) fn remove(&mut self, member: StrRef<'_>) -> bool {
        match &mut self.state {
            State::Compact { form, bytes } => remove_compact(bytes, *form, canonical(member)),
            State::Table(table) => match member.with_bytes(|member| table.find(member)) {
                Some(spot) => {
                    table.remove(spot);
                    true
                }
                None => false,
            },
        }
    }

    /// The set as an entry.
    pub(crate) fn into_entry(self, key: &[u8], expiry: Option<UnixMillis>) -> Block<Object> {
        match self.state {
            State::Compact { form, bytes } => Block::compact(key, ValueType::Set, form, &bytes, expiry),
            State::Table(table) => Block::object(key, Object::Set(Arc::new(table)), ValueType::Set, expiry),
        }
    }
}
