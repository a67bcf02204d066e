//! All users by name, and how they change.
//!
//! Thread safety: the map's lock is held while a user is changed, so changes come one after another. An account's own lock is
//! held for the exchange of one pointer.

use super::catalog::Catalog;
use super::dialect::{ChannelDefault, Dialect};
use super::error::{LoadUsersError, RuleError, SetUserError};
use super::log::{DenialLog, Reason};
use super::text::has_blanks;
use super::user::User;
use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, RwLock};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Who clients are that did not say who they are.
pub(crate) const DEFAULT_USER: &[u8] = b"default";

/// A name, and the user that it stands for now.
#[derive(Debug)]
pub(crate) struct Account {
    name: Box<[u8]>,
    user: RwLock<Arc<User>>,
    /// Nobody finds it any more; its clients are to close.
    is_gone: AtomicBool,
}

impl Account {
    fn new(name: &[u8], user: User) -> Arc<Self> {
        Arc::new(Self { name: name.into(), user: RwLock::new(Arc::new(user)), is_gone: AtomicBool::new(false) })
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(crate) fn user(&self) -> Arc<User> {
        Arc::clone(&self.user.read())
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    fn replace(&self, user: User) -> Arc<User> {
        std::mem::replace(&mut *self.user.write(), Arc::new(user))
    }
}

/// A user that was changed.
pub(crate) struct Changed {
    pub(crate) account: Arc<Account>,
    /// What it was, if it was there.
    pub(crate) before: Option<Arc<User>>,
}

/// Accounts that a loaded text replaced or left out: all but the default user's.
pub(crate) type Loaded = Vec<Arc<Account>>;

/// All users of an engine.
pub(crate) struct Users {
    /// Raised by every change. Requests read it and nothing writes beside it.
    generation: CachePadded<AtomicU64>,
    accounts: RwLock<BTreeMap<Box<[u8]>, Arc<Account>>>,
    default: Arc<Account>,
    catalog: &'static dyn Catalog,
    pub(crate) log: Mutex<DenialLog>,
    /// How often something was denied, by [`Reason`].
    denials: [AtomicU64; 4],
}

impl Users {
    /// The default user alone, who may do everything.
    pub(crate) fn new(catalog: &'static dyn Catalog) -> Self {
        let dialect = Dialect { catalog, channels: ChannelDefault::Nothing };
        let default = Account::new(DEFAULT_USER, User::unlimited(&dialect));
        Self {
            generation: CachePadded::new(AtomicU64::new(1)),
            accounts: RwLock::new(BTreeMap::from([(DEFAULT_USER.into(), Arc::clone(&default))])),
            default,
            catalog,
            log: Mutex::default(),
            denials: Default::default(),
        }
    }

    /// The number of the newest change; never 0.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn rise(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn default_account(&self) -> &Arc<Account> {
        &self.default
    }

    /// The account of a name.
    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.accounts.read().get(name).cloned()
    }

    /// All accounts, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.accounts.read().values().cloned().collect()
    }

    /// Whether clients have to say who they are.
    pub(crate) fn want_authentication(&self) -> bool {
        let default = self.default.user();
        !(default.is_on && default.takes_any_password)
    }

    /// The account that a name and a password open.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<Account>> {
        self.find(name).filter(|account| account.user().opens_with(password))
    }

    /// Makes a user, or changes it: all words count, or none.
    pub(crate) fn set(&self, name: &[u8], words: &[&[u8]], channels: ChannelDefault) -> Result<Changed, SetUserError> {
        if has_blanks(name) {
            return Err(SetUserError::Name);
        }
        let dialect = Dialect { catalog: self.catalog, channels };
        let mut accounts = self.accounts.write();
        let changed = match accounts.get(name) {
            Some(account) => {
                let user = account.user().with(words, &dialect)?;
                Changed { account: Arc::clone(account), before: Some(account.replace(user)) }
            }
            None => {
                let account = Account::new(name, User::new(&dialect).with(words, &dialect)?);
                accounts.insert(name.into(), Arc::clone(&account));
                Changed { account, before: None }
            }
        };
        self.rise();
        Ok(changed)
    }

    /// Takes a user away; the default one stays.
    pub(crate) fn remove(&self, name: &[u8]) -> Option<Arc<Account>> {
        if name == DEFAULT_USER {
            return None;
        }
        let account = self.accounts.write().remove(name)?;
        account.is_gone.store(true, Ordering::Release);
        self.rise();
        Some(account)
    }

    /// Puts the users of a text in the place of those that there are: a line each, `user name rules...`. The default user becomes
    /// what the text says, or may do everything. A text that is wrong anywhere changes nothing. `file` names it in errors.
    pub(crate) fn load(&self, text: &[u8], file: &str, channels: ChannelDefault) -> Result<Loaded, LoadUsersError> {
        let dialect = Dialect { catalog: self.catalog, channels };
        let mut read = read_text(text, file, &dialect)?;
        let default = read.remove(DEFAULT_USER).unwrap_or_else(|| User::unlimited(&dialect));
        let mut accounts = self.accounts.write();
        let mut old = std::mem::take(&mut *accounts);
        old.remove(DEFAULT_USER);
        self.default.replace(default);
        *accounts = read.into_iter().map(|(name, user)| (name.clone(), Account::new(&name, user))).collect();
        accounts.insert(DEFAULT_USER.into(), Arc::clone(&self.default));
        let old: Loaded = old.into_values().collect();
        old.iter().for_each(|account| account.is_gone.store(true, Ordering::Release));
        self.rise();
        Ok(old)
    }

    /// All users, a line each, as [`load`](Self::load) reads them.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        let line = |account: &Arc<Account>| [b"user ", account.name(), b" ", &account.user().rules()].concat();
        self.all().iter().map(line).collect()
    }

    /// Counts something that was denied.
    pub(crate) fn count_denial(&self, reason: Reason) {
        self.denials[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often something was denied for this reason.
    pub(crate) fn denials(&self, reason: Reason) -> u64 {
        self.denials[reason as usize].load(Ordering::Relaxed)
    }
}

/// Reads the users of a text.
fn read_text(text: &[u8], file: &str, dialect: &Dialect<'_>) -> Result<BTreeMap<Box<[u8]>, User>, LoadUsersError> {
    let mut users: BTreeMap<Box<[u8]>, User> = BTreeMap::new();
    let mut errors = String::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate().map(|(at, line)| (at + 1, line.trim_ascii())) {
        if line.is_empty() || errors.len() > ERRORS_BYTES_MAX {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let (name, words) = match words[..] {
            [b"user", name, ref words @ ..] => (name, words),
            _ => {
                let _ = write!(errors, "{file}:{number} should start with user keyword followed by the username. ");
                continue;
            }
        };
        let shown = String::from_utf8_lossy(name);
        if has_blanks(name) {
            let _ = write!(errors, "'{file}:{number}: username '{shown}' contains invalid characters. ");
            continue;
        }
        if users.contains_key(name) {
            let _ = write!(errors, "WARNING: Duplicate user '{shown}' found on line {number}. ");
            continue;
        }
        match User::new(dialect).with(words, dialect) {
            Ok(user) => drop(users.insert(name.into(), user)),
            Err(error) => write_error(&mut errors, file, number, &error),
        }
    }
    if errors.is_empty() { Ok(users) } else { Err(LoadUsersError(errors)) }
}

fn write_error(errors: &mut String, file: &str, number: usize, error: &SetUserError) {
    let _ = match error {
        SetUserError::Rule { word, reason: RuleError::UnknownName } => {
            let word = String::from_utf8_lossy(word);
            write!(errors, "{file}:{number}: Error in applying operation '{word}': {}. ", RuleError::UnknownName)
        }
        SetUserError::Rule { reason, .. } => write!(errors, "{file}:{number}: {reason}. "),
        SetUserError::OpenSelector(_) => {
            write!(errors, "{file}:{number}: Unmatched parenthesis in selector definition.")
        }
        SetUserError::Name => write!(errors, "{file}:{number}: {error}. "),
    };
}

/// What is wrong in a text is told up to this length, about.
const ERRORS_BYTES_MAX: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::super::testing::Names;
    use super::*;

    fn users() -> Users {
        Users::new(&Names)
    }

    fn shown(users: &Users) -> String {
        String::from_utf8(users.lines().join(&b'\n')).unwrap()
    }

    #[test]
    fn users_come_change_and_go_each_with_a_new_generation() {
        let users = users();
        let first = users.generation();
        let made = users.set(b"ada", &[b"on", b">pw"], ChannelDefault::Nothing).unwrap();
        assert!(made.before.is_none() && users.generation() > first);
        assert!(users.authenticate(b"ada", b"pw").is_some() && users.authenticate(b"ada", b"x").is_none());
        assert!(users.authenticate(b"bob", b"pw").is_none());
        let before = users.generation();
        assert!(users.set(b"ada", &[b"off", b"nonsense"], ChannelDefault::Nothing).is_err());
        assert!(users.generation() == before && users.find(b"ada").unwrap().user().is_on);
        assert!(users.set(b"a b", &[], ChannelDefault::Nothing).is_err());
        let gone = users.remove(b"ada").unwrap();
        assert!(gone.is_gone() && users.generation() > before && users.find(b"ada").is_none());
        assert!(users.remove(b"default").is_none() && users.find(b"default").is_some());
    }

    #[test]
    fn the_default_user_decides_whether_strangers_get_in() {
        let users = users();
        assert!(!users.want_authentication());
        for (words, wants) in [(&[&b">x"[..]][..], true), (&[b"nopass"], false), (&[b"off"], true), (&[b"on"], false)] {
            users.set(DEFAULT_USER, words, ChannelDefault::Nothing).unwrap();
            assert_eq!(users.want_authentication(), wants);
        }
    }

    #[test]
    fn a_text_replaces_all_users_and_what_is_written_reads_back() {
        let users = users();
        users.set(b"old", &[], ChannelDefault::Nothing).unwrap();
        let text =
            b"user ada on nopass ~a* +get (+set  %W~w)\r\n\n  user bob off\t\nuser default on nopass ~* &* +@all";
        let old = users.load(text, "f", ChannelDefault::Nothing).unwrap();
        assert!(old.len() == 1 && old[0].is_gone() && users.find(b"old").is_none());
        let lines = shown(&users);
        assert_eq!(
            lines,
            "user ada on nopass sanitize-payload ~a* resetchannels -@all +get (%W~w resetchannels -@all +set)\n\
             user bob off sanitize-payload resetchannels -@all\n\
             user default on nopass sanitize-payload ~* &* +@all"
        );
        users.load(lines.as_bytes(), "f", ChannelDefault::Nothing).unwrap();
        assert_eq!(shown(&users), lines);
    }

    #[test]
    fn a_text_that_is_wrong_says_where_and_changes_nothing() {
        let users = users();
        let before = (shown(&users), users.generation());
        let text = b"user ada on\n# comment\nfoo bar\nuser\nuser bob on +nope\nuser ada off\nuser eve (+get foo)\nuser dan (+get";
        let error = users.load(text, "t.acl", ChannelDefault::Nothing).unwrap_err().to_string();
        assert_eq!(
            error,
            "t.acl:2 should start with user keyword followed by the username. \
             t.acl:3 should start with user keyword followed by the username. \
             t.acl:4 should start with user keyword followed by the username. \
             t.acl:5: Error in applying operation '+nope': Unknown command or category name in ACL. \
             WARNING: Duplicate user 'ada' found on line 6. t.acl:7: Syntax error. \
             t.acl:8: Unmatched parenthesis in selector definition.\
             WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        );
        assert_eq!((shown(&users), users.generation()), before);
        let long = "x\n".repeat(100_000);
        let error = users.load(long.as_bytes(), "f", ChannelDefault::Nothing).unwrap_err().to_string();
        assert!(error.len() < 2 * ERRORS_BYTES_MAX);
    }
}
