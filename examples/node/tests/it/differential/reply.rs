//! Replies as trees, and in what ways two of them may be the same.

/// A reply, read from its bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Reply {
    kind: u8,
    /// What a scalar says; of an aggregate, nothing, or that it is null.
    pub(super) text: Vec<u8>,
    pub(super) items: Vec<Reply>,
}

/// How two replies to one request compare.
#[derive(Clone, Copy)]
pub(super) enum Agreement {
    /// To the byte.
    Exact,
    /// The elements come in any order.
    Unordered,
    /// The elements come in pairs, in any order.
    UnorderedPairs,
    /// Chance decides: only the kinds and the number of elements agree.
    Shape,
    /// Numbers may differ.
    WithoutDigits,
    /// Numbers are the same whatever their spelling: 7.0 prints doubles with 17 digits.
    Doubles,
    /// Moments that may be apart by the time that passes between the servers.
    Near(i64),
    /// By rules of its own.
    By(fn(&[Vec<u8>], Reply, Reply) -> bool),
}

impl Agreement {
    pub(super) fn holds(self, words: &[Vec<u8>], ours: &Reply, theirs: &Reply) -> bool {
        if ours == theirs {
            return true;
        }
        match self {
            Self::By(rule) => rule(words, ours.clone(), theirs.clone()),
            _ if ours.is_error() || theirs.is_error() => false,
            Self::Exact => false,
            Self::Unordered => ours.clone().unordered() == theirs.clone().unordered(),
            Self::UnorderedPairs => ours.clone().unordered_pairs() == theirs.clone().unordered_pairs(),
            Self::Shape => ours.kind == theirs.kind && ours.items.len() == theirs.items.len(),
            Self::WithoutDigits => ours.matches(theirs, &|ours, theirs| without_digits(ours) == without_digits(theirs)),
            Self::Doubles => ours.matches(theirs, &are_equal_doubles),
            Self::Near(slack) => ours.matches(theirs, &|ours, theirs| are_near(ours, theirs, slack)),
        }
    }
}

impl Reply {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let (reply, rest) = Self::read(bytes);
        debug_assert!(rest.is_empty());
        reply
    }

    fn read(bytes: &[u8]) -> (Self, &[u8]) {
        let nothing = Self { kind: b'?', text: Vec::new(), items: Vec::new() };
        let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else { return (nothing, b"") };
        let (kind, line, mut rest) = (bytes[0], &bytes[1..end], &bytes[end + 2..]);
        let count = std::str::from_utf8(line).ok().and_then(|line| line.parse::<usize>().ok());
        match (kind, count) {
            (b'$' | b'=' | b'!', Some(len)) if rest.len() >= len + 2 => {
                (Self { kind, text: rest[..len].to_vec(), items: Vec::new() }, &rest[len + 2..])
            }
            (b'*' | b'~' | b'%' | b'>', Some(count)) => {
                let count = if kind == b'%' { count * 2 } else { count };
                let mut items = Vec::new();
                for _ in 0..count {
                    let (item, after) = Self::read(rest);
                    items.push(item);
                    rest = after;
                }
                (Self { kind, text: Vec::new(), items }, rest)
            }
            _ => (Self { kind, text: line.to_vec(), items: Vec::new() }, rest),
        }
    }

    pub(super) fn is_status(&self, text: &str) -> bool {
        self.kind == b'+' && self.text == text.as_bytes()
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self.kind, b'-' | b'!')
    }

    pub(super) fn is_aggregate(&self) -> bool {
        matches!(self.kind, b'*' | b'~' | b'%' | b'>') && self.text.is_empty()
    }

    pub(super) fn unordered(mut self) -> Self {
        match self.kind {
            b'%' => self.unordered_pairs(),
            _ => {
                self.items.sort();
                self
            }
        }
    }

    pub(super) fn unordered_pairs(mut self) -> Self {
        let mut pairs: Vec<Vec<Self>> = self.items.chunks(2).map(<[Self]>::to_vec).collect();
        pairs.sort();
        self.items = pairs.concat();
        self
    }

    /// Without the pairs whose first is one of `names`, at any depth: fields that only one version has.
    pub(super) fn without_fields(mut self, names: &[&str]) -> Self {
        let is_named = |item: &Self| names.iter().any(|name| item.text == name.as_bytes());
        let mut kept = Vec::new();
        let mut items = self.items.into_iter();
        while let Some(item) = items.next() {
            match is_named(&item) {
                true => drop(items.next()),
                false => kept.push(item.without_fields(names)),
            }
        }
        self.items = kept;
        self
    }

    /// Without what looks like a moment or an age: the third of an entry that is pending.
    pub(super) fn without_times(mut self) -> Self {
        let is_pending = matches!(self.items.len(), 3 | 4) && self.items.iter().all(|item| item.items.is_empty());
        if is_pending && self.items[self.items.len() - 2].kind == b':' {
            let at = self.items.len() - 2;
            self.items[at].text.clear();
        }
        self.items = self.items.into_iter().map(Self::without_times).collect();
        self
    }

    /// Whether both have the same form, and texts that `same` takes for the same.
    pub(super) fn matches(&self, other: &Self, same: &dyn Fn(&[u8], &[u8]) -> bool) -> bool {
        self.kind == other.kind
            && self.items.len() == other.items.len()
            && (self.text == other.text || same(&self.text, &other.text))
            && self.items.iter().zip(&other.items).all(|(ours, theirs)| ours.matches(theirs, same))
    }
}

pub(super) fn without_digits(text: &[u8]) -> Vec<u8> {
    crate::wire::without_digits(text)
}

pub(super) fn are_equal_doubles(ours: &[u8], theirs: &[u8]) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<f64>().ok();
    number(ours).zip(number(theirs)).is_some_and(|(ours, theirs)| ours == theirs)
}

fn are_near(ours: &[u8], theirs: &[u8], slack: i64) -> bool {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<i64>().ok();
    number(ours).zip(number(theirs)).is_some_and(|(ours, theirs)| ours > 0 && (ours - theirs).abs() <= slack)
}
