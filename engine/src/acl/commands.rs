//! Which commands a selector opens: a bit for each, first arguments of some, and the words that made them so.
//!
//! The words are kept as they came, without those that a later one makes pointless: commands that a newer version brings follow
//! from the categories and from whether it began with `+@all`.

use super::catalog::Catalog;
use super::error::RuleError;
use super::text::has_blanks;
use std::collections::BTreeMap;

/// The commands of a selector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct CommandRules {
    /// A bit for each number.
    bits: Box<[u64]>,
    /// Whether it began with `+@all`: whatever is not named is open.
    begins_with_all: bool,
    /// First arguments, in lower case, with which closed commands are open.
    first_words: BTreeMap<u16, Vec<Vec<u8>>>,
    words: Vec<Word>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Word {
    allows: bool,
    /// In lower case: `get`, `client|list`, `@read`, `select|0`.
    text: Vec<u8>,
}

impl CommandRules {
    pub(super) fn new(count: usize) -> Self {
        let bits = vec![0; count.div_ceil(64)].into_boxed_slice();
        Self { bits, begins_with_all: false, first_words: BTreeMap::new(), words: Vec::new() }
    }

    /// `+@all` and `-@all`: what was said before counts no more.
    pub(super) fn begin_anew(&mut self, with_all: bool) {
        self.bits.fill(if with_all { u64::MAX } else { 0 });
        self.begins_with_all = with_all;
        self.first_words.clear();
        self.words.clear();
    }

    /// Whether every command is open.
    pub(super) fn is_all(&self, count: usize) -> bool {
        (0..count as u16).all(|id| self.holds(id))
    }

    /// Whether a command is open. Two loads and a shift.
    #[inline]
    pub(super) fn holds(&self, id: u16) -> bool {
        self.bits.get(usize::from(id / 64)).is_some_and(|bits| bits >> (id % 64) & 1 == 1)
    }

    /// Whether a command that is closed is open with this first argument.
    #[cold]
    pub(super) fn holds_with(&self, id: u16, first: &[u8]) -> bool {
        let words = self.first_words.get(&id);
        words.is_some_and(|words| words.iter().any(|word| word.eq_ignore_ascii_case(first)))
    }

    /// Takes `+name`, `-name`, `+@category`, `-@category` or `+name|first argument`.
    pub(super) fn apply(&mut self, word: &[u8], catalog: &dyn Catalog) -> Result<(), RuleError> {
        let (allows, text) = (word[0] == b'+', &word[1..]);
        if let [b'@', name @ ..] = text {
            let category = catalog.category(name).ok_or(RuleError::UnknownName)?;
            for id in (0..catalog.count() as u16).filter(|id| catalog.categories(*id) & category != 0) {
                self.set(id, allows, catalog);
            }
            self.note(text, allows);
            return Ok(());
        }
        match text.iter().rposition(|byte| *byte == b'|').filter(|_| allows) {
            None => {
                let id = catalog.find(text).ok_or(RuleError::UnknownName)?;
                self.set(id, allows, catalog);
                self.note(catalog.name(id).as_bytes(), allows);
            }
            Some(bar) => self.allow_part(text, bar, catalog)?,
        }
        Ok(())
    }

    /// Opens a sub-command, or a command with a first argument.
    fn allow_part(&mut self, text: &[u8], bar: usize, catalog: &dyn Catalog) -> Result<(), RuleError> {
        let (name, part) = (&text[..bar], &text[bar + 1..]);
        let id = catalog.find(name).ok_or(RuleError::UnknownName)?;
        if name.contains(&b'|') {
            return Err(RuleError::FirstArgumentOfSubcommand);
        }
        // A blank would make two rules of it where rules are written down.
        if part.is_empty() || has_blanks(part) {
            return Err(RuleError::Syntax);
        }
        if catalog.subcommands(id).is_empty() {
            let words = self.first_words.entry(id).or_default();
            let part = part.to_ascii_lowercase();
            if !words.contains(&part) {
                words.push(part);
            }
        } else {
            let sub = catalog.find(text).ok_or(RuleError::UnknownName)?;
            self.set(sub, true, catalog);
        }
        self.note(text, true);
        Ok(())
    }

    /// Opens or closes a command with its sub-commands.
    fn set(&mut self, id: u16, allows: bool, catalog: &dyn Catalog) {
        self.first_words.remove(&id);
        for id in std::iter::once(id).chain(catalog.subcommands(id)) {
            let bit = 1 << (id % 64);
            match allows {
                true => self.bits[usize::from(id / 64)] |= bit,
                false => self.bits[usize::from(id / 64)] &= !bit,
            }
        }
    }

    /// Keeps a word, in the place of those that say nothing any more behind it.
    fn note(&mut self, text: &[u8], allows: bool) {
        let text = text.to_ascii_lowercase();
        let is_part = |of: &[u8]| of.strip_prefix(&text[..]).is_some_and(|rest| rest.is_empty() || rest[0] == b'|');
        self.words.retain(|word| !is_part(&word.text));
        self.words.push(Word { allows, text });
    }

    /// The words that give these rules to any selector.
    pub(super) fn words(&self) -> Vec<Vec<u8>> {
        let sign = |allows: bool| if allows { &b"+"[..] } else { b"-" };
        let first = [sign(self.begins_with_all), b"@all"].concat();
        let rest = self.words.iter().map(|word| [sign(word.allows), &word.text].concat());
        std::iter::once(first).chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Names;
    use super::*;

    fn rules(words: &str) -> CommandRules {
        let mut rules = CommandRules::new(Names.count());
        words.split_ascii_whitespace().for_each(|word| match word {
            "+@all" | "-@all" => rules.begin_anew(word == "+@all"),
            word => rules.apply(word.as_bytes(), &Names).unwrap(),
        });
        rules
    }

    fn shown(words: &str) -> String {
        String::from_utf8(rules(words).words().join(&b' ')).unwrap()
    }

    #[test]
    fn words_that_say_nothing_any_more_are_dropped() {
        for (words, kept) in [
            ("", "-@all"),
            ("+@all -@hash -@slow +hget", "+@all -@hash -@slow +hget"),
            ("+@all -@hash -@slow +hget -@hash", "+@all -@slow +hget -@hash"),
            ("-@all +@HASH +@hash +@HaSh", "-@all +@hash"),
            ("-@all +hget -hset +hset -hget", "-@all +hset -hget"),
            ("-@all +client|list +client|list +config|get +config -client", "-@all +config -client"),
            ("-@all +select|0 +select|0 +client|list +client", "-@all +select|0 +client"),
            ("-@all +config +config|get -config|set +config", "-@all +config"),
            ("+@all +client|id", "+@all +client|id"),
            ("+get +@all", "+@all"),
        ] {
            assert_eq!(shown(words), kept, "{words}");
        }
    }

    #[test]
    fn bits_follow_the_words() {
        let holds = |words: &str, name: &str| rules(words).holds(Names.find(name.as_bytes()).unwrap());
        assert!(holds("+client", "client|list") && !holds("+client -client|list", "client|list"));
        assert!(holds("+@all -client +client|id", "client|id") && !holds("+@all -client +client|id", "client"));
        assert!(holds("+@hash", "hget") && !holds("+@hash -hget", "hget") && holds("+@hash -hget", "hset"));
        assert!(rules("+@all -get +get").is_all(Names.count()) && !rules("+@all -get").is_all(Names.count()));
    }

    #[test]
    fn first_arguments_open_closed_commands() {
        let select = Names.find(b"select").unwrap();
        let some = rules("+select|0 +SELECT|Abc");
        assert!(!some.holds(select) && some.holds_with(select, b"0") && some.holds_with(select, b"aBC"));
        assert!(!some.holds_with(select, b"1"));
        assert!(!rules("+select|0 -select").holds_with(select, b"0"));
    }

    #[test]
    fn words_without_meaning_are_refused() {
        for (word, error) in [
            ("+nope", RuleError::UnknownName),
            ("+", RuleError::UnknownName),
            ("+@", RuleError::UnknownName),
            ("-@nope", RuleError::UnknownName),
            ("+client|nope", RuleError::UnknownName),
            ("-client|nope", RuleError::UnknownName),
            ("-select|0", RuleError::UnknownName),
            ("+get|a|b", RuleError::UnknownName),
            ("+client|list|x", RuleError::FirstArgumentOfSubcommand),
            ("+select|", RuleError::Syntax),
            ("+client|", RuleError::Syntax),
            ("+select|0 on", RuleError::Syntax),
        ] {
            assert_eq!(CommandRules::new(Names.count()).apply(word.as_bytes(), &Names), Err(error), "{word}");
        }
    }
}
