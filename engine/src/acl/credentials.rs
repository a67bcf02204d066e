//! Who a connection is, and what it was found to be allowed.

use super::user::User;
use super::users::{Account, Users};
use std::sync::Arc;

/// What a connection shows at the door.
///
/// Invariant: `cleared` is 0, or the generation at which the user was found to be allowed everything and known.
#[derive(Debug)]
pub(crate) struct Credentials {
    /// `None`: the host itself, which may do everything.
    identity: Option<(Arc<Account>, Arc<User>)>,
    /// Whether it said who it is, or did not have to when it came.
    is_authenticated: bool,
    /// Whether it has to say who it is before anything else.
    is_stranger: bool,
    /// The generation at which `user` was what the account says.
    seen: u64,
    cleared: u64,
}

impl Credentials {
    /// Those of the host.
    pub(crate) fn of_host(users: &Users) -> Self {
        let generation = users.generation();
        Self { identity: None, is_authenticated: true, is_stranger: false, seen: generation, cleared: generation }
    }

    /// Those of a client that just came: it is the default user.
    pub(crate) fn of_newcomer(users: &Users) -> Self {
        let mut credentials = Self { is_authenticated: !users.want_authentication(), ..Self::of_host(users) };
        credentials.become_user(users, users.default_account());
        credentials
    }

    /// Is this user from here on, whoever it was.
    pub(crate) fn log_in(&mut self, users: &Users, account: &Arc<Account>) {
        self.is_authenticated = true;
        self.become_user(users, account);
    }

    fn become_user(&mut self, users: &Users, account: &Arc<Account>) {
        self.identity = Some((Arc::clone(account), account.user()));
        self.look_again(users);
    }

    /// Whether it may do everything. One comparison.
    #[inline]
    pub(crate) fn are_clear(&self, users: &Users) -> bool {
        self.cleared == users.generation()
    }

    /// Takes over what has changed since it was looked at.
    #[inline]
    pub(crate) fn refresh(&mut self, users: &Users) {
        if self.seen != users.generation() {
            self.look_again(users);
        }
    }

    #[cold]
    fn look_again(&mut self, users: &Users) {
        // Read before the user, which is as new as this then, or newer.
        self.seen = users.generation();
        if let Some((account, _)) = &self.identity
            && account.is_gone()
        {
            // Its client is about to be closed; until then it is nobody.
            self.identity = Some((Arc::clone(users.default_account()), users.default_account().user()));
            self.is_authenticated = false;
        }
        let Some((account, user)) = &mut self.identity else {
            self.cleared = self.seen;
            return;
        };
        *user = account.user();
        self.is_stranger = !self.is_authenticated && users.want_authentication();
        self.cleared = if user.is_unlimited() && !self.is_stranger { self.seen } else { 0 };
    }

    /// Whether it has to authenticate first.
    #[inline]
    pub(crate) fn is_stranger(&self) -> bool {
        self.is_stranger
    }

    /// The newest change that it takes into account.
    #[inline]
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    /// What it may do; `None`: everything, as the host.
    #[inline]
    pub(crate) fn user(&self) -> Option<&User> {
        self.identity.as_ref().map(|(_, user)| &**user)
    }

    /// Who it is; `None`: the host.
    pub(crate) fn account(&self) -> Option<&Arc<Account>> {
        self.identity.as_ref().map(|(account, _)| account)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::ChannelDefault;
    use super::super::testing::Names;
    use super::super::users::DEFAULT_USER;
    use super::*;

    fn set(users: &Users, name: &[u8], words: &str) -> Arc<Account> {
        let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
        users.set(name, &words, ChannelDefault::Nothing).unwrap().account
    }

    #[test]
    fn a_change_is_seen_at_the_next_look() {
        let users = Users::new(&Names);
        let mut credentials = Credentials::of_newcomer(&users);
        assert!(credentials.are_clear(&users) && !credentials.is_stranger());
        let ada = set(&users, b"ada", "on nopass ~* &* +@all");
        assert!(!credentials.are_clear(&users));
        credentials.log_in(&users, &ada);
        assert!(credentials.are_clear(&users));
        set(&users, b"ada", "-get");
        credentials.refresh(&users);
        assert!(!credentials.are_clear(&users) && !credentials.user().unwrap().is_unlimited());
        set(&users, b"ada", "+get");
        credentials.refresh(&users);
        assert!(credentials.are_clear(&users));
    }

    #[test]
    fn who_is_known_stays_known_and_strangers_do_not_when_a_password_comes() {
        let users = Users::new(&Names);
        let mut early = Credentials::of_newcomer(&users);
        set(&users, DEFAULT_USER, ">pw");
        let mut late = Credentials::of_newcomer(&users);
        early.refresh(&users);
        assert!(early.are_clear(&users) && late.is_stranger() && !late.are_clear(&users));
        set(&users, DEFAULT_USER, "nopass");
        late.refresh(&users);
        assert!(!late.is_stranger() && late.are_clear(&users));
    }

    #[test]
    fn clients_of_a_deleted_user_are_nobody() {
        let users = Users::new(&Names);
        set(&users, DEFAULT_USER, ">pw");
        let mut credentials = Credentials::of_newcomer(&users);
        credentials.log_in(&users, &set(&users, b"ada", "on nopass ~* &* +@all"));
        users.remove(b"ada");
        set(&users, b"ada", "on nopass ~* &* +@all");
        credentials.refresh(&users);
        assert!(credentials.is_stranger() && !credentials.are_clear(&users));
    }

    #[test]
    fn the_host_may_do_everything_whatever_changes() {
        let users = Users::new(&Names);
        let mut credentials = Credentials::of_host(&users);
        set(&users, DEFAULT_USER, "-@all off");
        credentials.refresh(&users);
        assert!(credentials.are_clear(&users) && credentials.user().is_none());
    }
}
