//! One user: whether it may log in, with which passwords, and what it may do then.

use super::channels::ChannelName;
use super::dialect::Dialect;
use super::error::{RuleError, SetUserError};
use super::password::PasswordHash;
use super::selector::Selector;
use super::text::guarded;
use crate::text::split_args;
use std::borrow::Cow;

/// A user, as its rules made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct User {
    /// Whether anybody may log in.
    pub(crate) is_on: bool,
    /// Whether any password will do.
    pub(crate) takes_any_password: bool,
    /// Whether payloads of RESTORE are to be looked into. They always are; it is kept and shown.
    pub(crate) sanitizes: bool,
    passwords: Vec<PasswordHash>,
    /// The first is the user's own; never empty.
    selectors: Vec<Selector>,
    /// Whether one selector opens everything.
    is_unlimited: bool,
}

impl User {
    /// One as `ACL SETUSER name` makes it: off, and it may do nothing.
    pub(crate) fn new(dialect: &Dialect<'_>) -> Self {
        Self {
            is_on: false,
            takes_any_password: false,
            sanitizes: true,
            passwords: Vec::new(),
            selectors: vec![Selector::new(dialect)],
            is_unlimited: false,
        }
    }

    /// One who may do everything, without a password.
    pub(crate) fn unlimited(dialect: &Dialect<'_>) -> Self {
        let mut user = Self::new(dialect);
        for word in [&b"on"[..], b"nopass", b"~*", b"&*", b"+@all"] {
            user.apply(word, dialect).expect("these words are rules");
        }
        user.settle(dialect);
        user
    }

    /// The user that words make of this one.
    pub(crate) fn with(&self, words: &[&[u8]], dialect: &Dialect<'_>) -> Result<Self, SetUserError> {
        let mut user = self.clone();
        for word in merged(words)? {
            user.apply(&word, dialect).map_err(|reason| SetUserError::Rule { word: word.to_vec(), reason })?;
        }
        user.settle(dialect);
        Ok(user)
    }

    /// Takes one word, selectors being one.
    pub(super) fn apply(&mut self, word: &[u8], dialect: &Dialect<'_>) -> Result<(), RuleError> {
        match word {
            [] => return Ok(()),
            [b'>', password @ ..] => self.add_password(PasswordHash::of(password)),
            [b'#', digits @ ..] => self.add_password(PasswordHash::parse(digits).ok_or(RuleError::NotAHash)?),
            [b'<', password @ ..] => self.remove_password(PasswordHash::of(password))?,
            [b'!', digits @ ..] => self.remove_password(PasswordHash::parse(digits).ok_or(RuleError::NotAHash)?)?,
            [b'(', inside @ .., b')'] => self.selectors.push(read_selector(inside, dialect)?),
            _ => match word.to_ascii_lowercase().as_slice() {
                b"on" => self.is_on = true,
                b"off" => self.is_on = false,
                b"nopass" => (self.takes_any_password, self.passwords) = (true, Vec::new()),
                b"resetpass" => (self.takes_any_password, self.passwords) = (false, Vec::new()),
                b"sanitize-payload" => self.sanitizes = true,
                b"skip-sanitize-payload" => self.sanitizes = false,
                b"clearselectors" => self.selectors.truncate(1),
                b"reset" => *self = Self::new(dialect),
                _ => self.selectors[0].apply(word, dialect)?,
            },
        }
        Ok(())
    }

    /// Finds out what is asked of every request.
    pub(super) fn settle(&mut self, dialect: &Dialect<'_>) {
        let count = dialect.catalog.count();
        self.is_unlimited = self.selectors.iter().any(|selector| selector.is_unlimited(count));
    }

    fn add_password(&mut self, hash: PasswordHash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.takes_any_password = false;
    }

    fn remove_password(&mut self, hash: PasswordHash) -> Result<(), RuleError> {
        let at = self.passwords.iter().position(|known| *known == hash).ok_or(RuleError::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// Whether it opens with a password. One SHA-256, however many passwords it has.
    pub(crate) fn opens_with(&self, password: &[u8]) -> bool {
        if !self.is_on || self.takes_any_password {
            return self.is_on;
        }
        let hash = PasswordHash::of(password);
        self.passwords.iter().fold(false, |matches, known| known.matches(&hash) | matches)
    }

    /// Whether it may do everything.
    #[inline]
    pub(crate) fn is_unlimited(&self) -> bool {
        self.is_unlimited
    }

    /// What it may do: the user's own selector, then the others.
    #[inline]
    pub(crate) fn selectors(&self) -> &[Selector] {
        &self.selectors
    }

    /// Its switches, in the order in which they are shown.
    pub(crate) fn switches(&self) -> Vec<&'static str> {
        let mut switches = vec![if self.is_on { "on" } else { "off" }];
        if self.takes_any_password {
            switches.push("nopass");
        }
        switches.push(if self.sanitizes { "sanitize-payload" } else { "skip-sanitize-payload" });
        switches
    }

    /// Its passwords, as hexadecimal digits of their hashes.
    pub(crate) fn passwords(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(PasswordHash::to_string)
    }

    /// Whether it may listen to what it could listen to as `before`: every channel's rule is still there.
    pub(crate) fn keeps_channels_of(&self, before: &Self) -> bool {
        let texts = |user: &'_ Self| -> Vec<Vec<u8>> {
            user.selectors.iter().flat_map(Selector::channel_texts).map(<[u8]>::to_vec).collect()
        };
        let is_all = |user: &Self| user.selectors.iter().any(Selector::allows_all_channels);
        is_all(self)
            || !is_all(before) && {
                let kept = texts(self);
                texts(before).iter().all(|text| kept.contains(text))
            }
    }

    /// Whether one of its selectors opens a channel, whatever the command.
    pub(crate) fn hears(&self, channel: ChannelName<'_>) -> bool {
        self.selectors.iter().any(|selector| selector.allows_channel(channel))
    }

    /// The words that make a fresh user this one, parted by blanks: what ACL LIST shows.
    pub(crate) fn rules(&self) -> Vec<u8> {
        let mut words: Vec<Vec<u8>> = self.switches().iter().map(|word| word.as_bytes().to_vec()).collect();
        words.extend(self.passwords().map(|hash| format!("#{hash}").into_bytes()));
        words.extend(self.selectors[0].words());
        for selector in &self.selectors[1..] {
            let inside: Vec<Vec<u8>> = selector.words().iter().map(|word| guarded(word)).collect();
            words.push([b"(", &inside.join(&b' ')[..], b")"].concat());
        }
        words.join(&b' ')
    }
}

/// Reads what stands between the brackets of a selector.
fn read_selector(inside: &[u8], dialect: &Dialect<'_>) -> Result<Selector, RuleError> {
    let mut selector = Selector::new(dialect);
    for word in split_args(inside).map_err(|_| RuleError::Syntax)? {
        selector.apply(&word, dialect)?;
    }
    Ok(selector)
}

/// Joins the words from one that begins with a bracket to one that ends with it.
fn merged<'a>(words: &[&'a [u8]]) -> Result<Vec<Cow<'a, [u8]>>, SetUserError> {
    let mut merged: Vec<Cow<'a, [u8]>> = Vec::with_capacity(words.len());
    // The word that began it, and what it is so far.
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        match &mut open {
            None if word.starts_with(b"(") && !word.ends_with(b")") => open = Some((*word, word.to_vec())),
            None => merged.push(Cow::Borrowed(word)),
            Some((_, selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
                if word.ends_with(b")") {
                    merged.extend(open.take().map(|(_, selector)| Cow::Owned(selector)));
                }
            }
        }
    }
    match open {
        None => Ok(merged),
        Some((start, _)) => Err(SetUserError::OpenSelector(start.to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::ChannelDefault;
    use super::super::testing::Names;
    use super::*;
    use proptest::prelude::*;

    const DIALECT: Dialect<'static> = Dialect { catalog: &Names, channels: ChannelDefault::Nothing };

    fn made(rules: &str) -> Result<User, SetUserError> {
        let words: Vec<&[u8]> = rules.split(' ').map(str::as_bytes).collect();
        User::new(&DIALECT).with(&words, &DIALECT)
    }

    fn shown(rules: &str) -> String {
        String::from_utf8(made(rules).unwrap().rules()).unwrap()
    }

    #[test]
    fn rules_are_shown_in_their_canonical_form() {
        for (rules, canonical) in [
            ("", "off sanitize-payload resetchannels -@all"),
            ("on nopass ~* &* +@all", "on nopass sanitize-payload ~* &* +@all"),
            ("ON ALLKEYS AllChannels allcommands", "on sanitize-payload ~* &* +@all"),
            ("on nopass &foo +@all", "on nopass sanitize-payload resetchannels &foo +@all"),
            (
                "%R~a +get (%W~b +set) ( ~c &x )",
                "off sanitize-payload %R~a resetchannels -@all +get \
                (%W~b resetchannels -@all +set) (~c resetchannels &x -@all)",
            ),
            ("()", "off sanitize-payload resetchannels -@all (resetchannels -@all)"),
            ("skip-sanitize-payload (+get) clearselectors", "off skip-sanitize-payload resetchannels -@all"),
            ("on nopass +get ~a &b (+set) reset", "off sanitize-payload resetchannels -@all"),
        ] {
            assert_eq!(shown(rules), canonical, "{rules}");
        }
    }

    #[test]
    fn passwords_come_and_go() {
        let user = made("on >a >b >a").unwrap();
        assert!(
            user.opens_with(b"a") && user.opens_with(b"b") && !user.opens_with(b"c") && user.passwords().len() == 2
        );
        assert!(!made("on >a <a").unwrap().opens_with(b"a"));
        assert!(made("on >a nopass").unwrap().opens_with(b"whatever"));
        assert!(!made("on nopass >a").unwrap().opens_with(b"whatever"));
        assert!(!made("on nopass resetpass").unwrap().opens_with(b"") && !made("nopass").unwrap().opens_with(b""));
        let hash = PasswordHash::of(b"a");
        assert!(made(&format!("on #{hash}")).unwrap().opens_with(b"a"));
        assert!(!made(&format!("on >a !{hash}")).unwrap().opens_with(b"a"));
    }

    #[test]
    fn words_that_are_no_rules_are_named() {
        for (rules, word, reason) in [
            ("on foo", "foo", RuleError::Syntax),
            ("<x", "<x", RuleError::NoSuchPassword),
            ("#12", "#12", RuleError::NotAHash),
            ("!12", "!12", RuleError::NotAHash),
            (")", ")", RuleError::Syntax),
            ("(+get foo)", "(+get foo)", RuleError::Syntax),
            ("(on)", "(on)", RuleError::Syntax),
            ("(&* &x)", "(&* &x)", RuleError::AfterAllChannels),
            ("(+get (+set (+hget ) )", "(+get (+set (+hget )", RuleError::Syntax),
            ("(~\"a)", "(~\"a)", RuleError::Syntax),
        ] {
            let error = SetUserError::Rule { word: word.as_bytes().to_vec(), reason };
            assert_eq!(made(rules).unwrap_err(), error, "{rules}");
        }
        let open = SetUserError::OpenSelector(b"(+get".to_vec());
        assert_eq!(made("(+get (+set x").unwrap_err(), open);
    }

    #[test]
    fn who_may_do_everything_is_found_out() {
        for (rules, is_unlimited) in [
            ("~* &* +@all", true),
            ("~* &* +@all -get", false),
            ("~* &* +@all -get +get", true),
            ("~* +@all", false),
            ("%RW~* &* +@all", false),
            ("(~* &* +@all)", true),
            ("~* (&* +@all)", false),
        ] {
            assert_eq!(made(rules).unwrap().is_unlimited(), is_unlimited, "{rules}");
        }
    }

    #[test]
    fn channels_are_kept_if_every_rule_is() {
        let keeps = |after: &str, before: &str| made(after).unwrap().keeps_channels_of(&made(before).unwrap());
        assert!(keeps("&a &b &c", "&a &b") && keeps("&*", "&a") && keeps("&a (&b)", "&b") && keeps("", ""));
        assert!(!keeps("&a", "&a &b") && !keeps("&a", "&*") && !keeps("", "&a"));
    }

    /// Any word that is a rule, of any selector.
    fn rule() -> impl Strategy<Value = String> {
        let text = "[a-c*?\\[\\]()\"'\\\\]{0,5}";
        prop_oneof![
            text.prop_map(|text| format!("~{text}")),
            text.prop_map(|text| format!("%R~{text}")),
            text.prop_map(|text| format!("%w~{text}")),
            text.prop_map(|text| format!("&{text}")),
            Just("resetkeys".to_owned()),
            Just("resetchannels".to_owned()),
            Just("+@all".to_owned()),
            Just("-@all".to_owned()),
            "[+-](get|set|hget|client|config|client\\|list|@hash|@slow)",
            "\\+select\\|[0-9a-b]{1,2}",
        ]
    }

    fn word() -> impl Strategy<Value = String> {
        let guard = |words: Vec<String>| {
            let words: Vec<String> =
                words.iter().map(|word| String::from_utf8(guarded(word.as_bytes())).unwrap()).collect();
            format!("({})", words.join(" "))
        };
        prop_oneof![
            6 => rule(),
            1 => Just("on".to_owned()),
            1 => Just("nopass".to_owned()),
            1 => Just("skip-sanitize-payload".to_owned()),
            1 => ">[a-c]{0,3}",
            1 => Just("~*".to_owned()),
            2 => prop::collection::vec(rule(), 0..4).prop_map(guard),
        ]
    }

    proptest! {
        #[test]
        fn a_user_s_rules_make_the_same_user(words in prop::collection::vec(word(), 0..12)) {
            let mut user = User::new(&DIALECT);
            for word in &words {
                // What is refused changes nothing.
                if let Ok(changed) = user.with(&[word.as_bytes()], &DIALECT) {
                    user = changed;
                }
            }
            let rules = user.rules();
            let again: Vec<&[u8]> = rules.split(|byte| *byte == b' ').collect();
            let again = User::new(&DIALECT).with(&again, &DIALECT).unwrap();
            prop_assert_eq!(&again.rules(), &rules);
            prop_assert_eq!(again, user);
        }

        #[test]
        fn any_words_are_taken_or_refused(words: Vec<Vec<u8>>) {
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let _ = User::new(&DIALECT).with(&words, &DIALECT);
        }
    }
}
