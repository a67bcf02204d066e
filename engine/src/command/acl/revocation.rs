//! Clients that have to go because of what happened to their users.

use crate::acl::{Account, ChannelName, User};
use crate::client::{Client, Connection, Kind};
use crate::core::Core;
use std::sync::Arc;

/// Closes the clients of a user that listen to what it may not hear any more. O(clients).
pub(super) fn close_listeners(core: &Core, mut asker: Option<&mut Connection>, account: &Arc<Account>, before: &User) {
    let user = account.user();
    if user.keeps_channels_of(before) {
        return;
    }
    for client in core.clients.all() {
        if client.is_user(account) && client.subscriptions.is_any() && !hears_all(&user, &client) {
            close(core, asker.as_deref_mut(), &client);
        }
    }
}

/// Closes all clients of a user. O(clients).
pub(super) fn close_all(core: &Core, mut asker: Option<&mut Connection>, account: &Arc<Account>) {
    for client in core.clients.all().iter().filter(|client| client.is_user(account)) {
        close(core, asker.as_deref_mut(), client);
    }
}

/// Whether a user may hear all that a client listens to.
fn hears_all(user: &User, client: &Client) -> bool {
    let hears = |kind, name: fn(&[u8]) -> ChannelName<'_>| {
        client.subscriptions.names(kind).iter().all(|channel| user.hears(name(channel)))
    };
    hears(Kind::Pattern, |text| ChannelName::Pattern(text))
        && hears(Kind::Channel, |name| ChannelName::Plain(name))
        && hears(Kind::Shard, |name| ChannelName::Plain(name))
}

/// Whoever asked for it gets the reply first, and is nobody in particular from here on.
fn close(core: &Core, asker: Option<&mut Connection>, client: &Client) {
    match asker.filter(|asker| asker.client.id == client.id) {
        Some(asker) => {
            asker.log_out(&core.users);
            asker.closing = true;
        }
        None => core.clients.kill(client),
    }
}
