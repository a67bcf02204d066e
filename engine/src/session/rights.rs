//! What the client's user may do: asked of each request before it runs, and again of what EXEC runs.
//!
//! Who may do everything is found out once and costs a comparison from then on (see [`acl`](crate::acl)).

use super::execute::Execution;
use crate::acl::{Context, Reason};
use crate::command::acl::incident::{Denial, note};
use crate::command::permission::{Refused, check, looks_up, may_look_up};
use crate::command::row::flag;
use crate::command::table::Command;
use crate::error::{CommandError, Denied};

impl Execution<'_> {
    /// Whether the client is known, and its user may ask for this.
    #[inline]
    pub(super) fn admit_user(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        match self.connection.credentials.are_clear(&self.core.users) {
            true => Ok(()),
            false => self.admit_limited_user(command, args),
        }
    }

    #[inline(never)]
    fn admit_limited_user(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        let credentials = &mut self.connection.credentials;
        credentials.refresh(&self.core.users);
        if credentials.is_stranger() {
            return if command.flags.has(flag::NO_AUTH) { Ok(()) } else { Err(CommandError::NoAuth) };
        }
        match credentials.user() {
            Some(user) if !user.is_unlimited() => match check(user, command, args) {
                Ok(()) => Ok(()),
                Err(refused) => self.refuse_user(command, args, refused),
            },
            _ => Ok(()),
        }
    }

    /// Logs what was denied, and says how it is answered.
    #[cold]
    fn refuse_user(&mut self, command: &Command, args: &[&[u8]], refused: Refused) -> Result<(), CommandError> {
        if self.connection.transaction.is_some() && command.flags.has(flag::NO_MULTI) {
            // It is refused for being there at all.
            return Ok(());
        }
        self.note_denial(command, args, refused);
        Err(CommandError::Denied(match refused.reason {
            Reason::Key => Denied::Key,
            Reason::Channel => Denied::Channel,
            Reason::Command | Reason::Auth => {
                let user = self.connection.credentials.account().map(|account| account.name().to_vec());
                Denied::Command { user: user.unwrap_or_default(), command: command.row.name }
            }
        }))
    }

    fn note_denial(&self, command: &Command, args: &[&[u8]], refused: Refused) {
        let object = match refused.reason {
            Reason::Command => command.row.name.as_bytes(),
            _ => args[refused.at],
        };
        let context = match self.connection.transaction.is_some() || self.connection.executes {
            true => Context::Multi,
            false => Context::TopLevel,
        };
        note(self.core, self.connection, Denial { reason: refused.reason, context, object, user: None });
    }

    /// Whether the user may still ask for what was queued.
    #[inline]
    pub(super) fn admit_queued_user(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        match self.connection.credentials.are_clear(&self.core.users) {
            true => Ok(()),
            false => self.admit_queued_limited_user(command, args),
        }
    }

    #[cold]
    fn admit_queued_limited_user(&mut self, command: &Command, args: &[&[u8]]) -> Result<(), CommandError> {
        self.connection.credentials.refresh(&self.core.users);
        let Some(user) = self.connection.credentials.user().filter(|user| !user.is_unlimited()) else { return Ok(()) };
        let Err(refused) = check(user, command, args) else { return Ok(()) };
        // The client is shown with the command that it sent.
        let running = self.connection.client.last_row.swap(exec_row(), std::sync::atomic::Ordering::Relaxed);
        self.note_denial(command, args, refused);
        self.connection.client.last_row.store(running, std::sync::atomic::Ordering::Relaxed);
        Err(CommandError::Denied(Denied::Since(match refused.reason {
            Reason::Key => "no permission to touch the specified keys",
            Reason::Channel => "no permission to access one of the channels used as arguments to the command",
            Reason::Command | Reason::Auth => "no permission to execute the command or subcommand",
        })))
    }

    /// Whether the request may have keys read that it does not name.
    pub(super) fn may_look_up(&self, command: &Command, args: &[&[u8]]) -> bool {
        let credentials = &self.connection.credentials;
        !looks_up(command)
            || credentials.are_clear(&self.core.users)
            || credentials.user().is_none_or(|user| user.is_unlimited() || may_look_up(user, command, args))
    }
}

/// The number of EXEC.
fn exec_row() -> u32 {
    crate::command::table::table().find(b"exec").map_or(u32::MAX, |command| command.id.into())
}
