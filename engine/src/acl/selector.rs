//! A selector: commands with the keys and the channels that they may name. A request needs one selector that opens all of it.

use super::channels::{ChannelName, ChannelRules};
use super::commands::CommandRules;
use super::dialect::{ChannelDefault, Dialect};
use super::error::RuleError;
use super::keys::{Access, KeyRules};

/// What is opened together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Selector {
    commands: CommandRules,
    keys: KeyRules,
    channels: ChannelRules,
}

impl Selector {
    /// One that opens nothing, but for channels where that is the default.
    pub(super) fn new(dialect: &Dialect<'_>) -> Self {
        let mut selector = Self {
            commands: CommandRules::new(dialect.catalog.count()),
            keys: KeyRules::default(),
            channels: ChannelRules::default(),
        };
        if dialect.channels == ChannelDefault::All {
            selector.channels.allow_all();
        }
        selector
    }

    /// Takes one word that concerns commands, keys or channels.
    pub(super) fn apply(&mut self, word: &[u8], dialect: &Dialect<'_>) -> Result<(), RuleError> {
        match word.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => self.keys.allow_all(),
            b"resetkeys" => self.keys.reset(),
            b"allchannels" | b"&*" => self.channels.allow_all(),
            b"resetchannels" => self.channels.reset(),
            b"allcommands" | b"+@all" => self.commands.begin_anew(true),
            b"nocommands" | b"-@all" => self.commands.begin_anew(false),
            [b'~' | b'%', ..] => self.keys.add(word)?,
            [b'&', ..] => self.channels.add(word)?,
            [b'+' | b'-', ..] => self.commands.apply(word, dialect.catalog)?,
            _ => return Err(RuleError::Syntax),
        }
        Ok(())
    }

    /// Whether it opens everything.
    pub(super) fn is_unlimited(&self, command_count: usize) -> bool {
        self.keys.is_all() && self.channels.is_all() && self.commands.is_all(command_count)
    }

    /// Whether it opens a command, by its number and its first argument.
    #[inline]
    pub(crate) fn allows_command(&self, id: u16, first: Option<&[u8]>) -> bool {
        self.commands.holds(id) || first.is_some_and(|first| self.commands.holds_with(id, first))
    }

    /// Whether no key is closed.
    #[inline]
    pub(crate) fn allows_all_keys(&self) -> bool {
        self.keys.is_all()
    }

    /// Whether it opens a key for what is done with it.
    #[inline]
    pub(crate) fn allows_key(&self, key: &[u8], wanted: Access) -> bool {
        self.keys.allow(key, wanted)
    }

    /// Whether it opens keys that a request does not name.
    pub(crate) fn allows_unnamed_keys(&self, wanted: Access) -> bool {
        self.keys.allow_unnamed(wanted)
    }

    /// Whether no channel is closed.
    pub(crate) fn allows_all_channels(&self) -> bool {
        self.channels.is_all()
    }

    /// Whether it opens a channel.
    pub(crate) fn allows_channel(&self, channel: ChannelName<'_>) -> bool {
        self.channels.allow(channel)
    }

    /// The patterns of its channels.
    pub(super) fn channel_texts(&self) -> impl Iterator<Item = &[u8]> {
        self.channels.texts()
    }

    /// Its rules about commands, as ACL GETUSER shows them.
    pub(crate) fn commands_shown(&self) -> Vec<u8> {
        self.commands.words().join(&b' ')
    }

    /// Its rules about keys.
    pub(crate) fn keys_shown(&self) -> Vec<u8> {
        self.keys.words().join(&b' ')
    }

    /// Its rules about channels.
    pub(crate) fn channels_shown(&self) -> Vec<u8> {
        self.channels.shown().join(&b' ')
    }

    /// The words that make a fresh one this: keys, channels, commands.
    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        [self.keys.words(), self.channels.words(), self.commands.words()].concat()
    }
}
