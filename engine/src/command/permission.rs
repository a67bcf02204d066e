//! Whether a user may ask for something: its rules against the command, the keys and the channels of a request.
//!
//! A request needs one selector that opens all that it names. If none does, the one that went furthest tells why: a command
//! that is closed says less than a key, and a key less than a channel; of two keys, the one further behind counts.

use super::keys::{Include, KeyPlan, KeyRefs};
use super::row::{Extractor, flag};
use super::table::{ChannelArgs, Command, access};
use crate::acl::{Access, ChannelName, Reason, Selector, User};
use std::cell::OnceCell;

/// What a request was denied for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    /// The argument that is closed; the command's name if it is the command.
    pub(crate) at: usize,
}

/// Whether one of the user's selectors opens the request. O(patterns x keys), without allocation for plain keys.
#[inline]
pub(crate) fn check(user: &User, command: &Command, args: &[&[u8]]) -> Result<(), Refused> {
    if let ([selector], KeyPlan::One(at), ChannelArgs::None) = (user.selectors(), command.plan, command.channels)
        && let Some(key) = args.get(usize::from(at))
        && selector.allows_command(command.id, None)
        && selector.allows_key(key, command.access)
    {
        return Ok(());
    }
    check_all(user, command, args)
}

#[inline(never)]
fn check_all(user: &User, command: &Command, args: &[&[u8]]) -> Result<(), Refused> {
    let keys = OnceCell::new();
    let mut furthest = Refused { reason: Reason::Command, at: 0 };
    for selector in user.selectors() {
        match check_selector(selector, command, args, &keys) {
            Ok(()) => return Ok(()),
            Err(refused) if (rank(refused.reason), refused.at) > (rank(furthest.reason), furthest.at) => {
                furthest = refused;
            }
            Err(_) => {}
        }
    }
    Err(furthest)
}

fn check_selector(
    selector: &Selector,
    command: &Command,
    args: &[&[u8]],
    keys: &OnceCell<KeyRefs>,
) -> Result<(), Refused> {
    // Who they are, all may say.
    if !command.flags.has(flag::NO_AUTH) && !selector.allows_command(command.id, args.get(1).copied()) {
        return Err(Refused { reason: Reason::Command, at: 0 });
    }
    if !selector.allows_all_keys() && command.plan != KeyPlan::None {
        for key in keys.get_or_init(|| command.keys(args, Include::Keys)) {
            let at = key.index as usize;
            if !selector.allows_key(args[at], access(key.flags)) {
                return Err(Refused { reason: Reason::Key, at });
            }
        }
    }
    if !selector.allows_all_channels() {
        let last = match command.channels {
            ChannelArgs::None => 0,
            ChannelArgs::First => 1,
            ChannelArgs::All | ChannelArgs::Patterns => args.len().saturating_sub(1),
        };
        for (at, name) in args.iter().enumerate().skip(1).take(last) {
            let channel = match command.channels {
                ChannelArgs::Patterns => ChannelName::Pattern(name),
                _ => ChannelName::Plain(name),
            };
            if !selector.allows_channel(channel) {
                return Err(Refused { reason: Reason::Channel, at });
            }
        }
    }
    Ok(())
}

/// Whether the user may have keys read that the request does not name, as BY and GET of SORT do: by a selector that opens the
/// request, and every key for reading.
#[cold]
pub(crate) fn may_look_up(user: &User, command: &Command, args: &[&[u8]]) -> bool {
    let keys = OnceCell::new();
    user.selectors().iter().any(|selector| {
        selector.allows_unnamed_keys(Access::READ) && check_selector(selector, command, args, &keys).is_ok()
    })
}

/// Whether a command may read keys that it does not name.
pub(crate) fn looks_up(command: &Command) -> bool {
    matches!(command.plan, KeyPlan::Extractor(Extractor::Sort | Extractor::SortRo))
}

fn rank(reason: Reason) -> u8 {
    match reason {
        Reason::Command => 0,
        Reason::Key => 1,
        Reason::Auth => 2,
        Reason::Channel => 3,
    }
}
