//! What BY and GET look up: `weight_*`, `object_*->field`, `#`.
//!
//! ```text
//! prefix * postfix [-> field]        the key is prefix, member, postfix; of a hash the field
//! #                                  the member itself
//! anything without a *               nothing
//! ```
//!
//! Like Redis's, the marks are looked for up to the first zero byte.

use crate::error::CommandError;
use crate::turn::{GROUP_KEYS, Key, Turn};
use crate::value::StrRef;
use crate::value::hash::HashView;

/// A pattern, read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pattern<'a> {
    /// The member itself.
    Member,
    /// Nothing at all.
    Nothing,
    /// A key, and of a hash a field.
    Key { prefix: &'a [u8], postfix: &'a [u8], field: Option<&'a [u8]> },
}

impl<'a> Pattern<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Self {
        let marks = text.split(|byte| *byte == 0).next().unwrap_or_default();
        if marks == b"#" && text.len() == 1 {
            return Self::Member;
        }
        let Some(star) = marks.iter().position(|byte| *byte == b'*') else { return Self::Nothing };
        let (prefix, rest) = (&text[..star], &text[star + 1..]);
        let arrow = marks[star + 1..].windows(2).position(|pair| pair == b"->");
        match arrow.filter(|arrow| star + 1 + arrow + 2 < marks.len()) {
            Some(arrow) => Self::Key { prefix, postfix: &rest[..arrow], field: Some(&rest[arrow + 2..]) },
            None => Self::Key { prefix, postfix: rest, field: None },
        }
    }

    /// Shows `f` what the pattern means for a member. `buffer` is for the key. O(1), O(n) where a hash is compact.
    pub(super) fn look_up<R>(
        self,
        turn: &mut Turn<'_>,
        member: StrRef<'_>,
        buffer: &mut Vec<u8>,
        f: impl FnOnce(Option<StrRef<'_>>) -> R,
    ) -> Result<R, CommandError> {
        let Self::Key { field, .. } = self else { return Ok(f((self == Self::Member).then_some(member))) };
        self.write_key(member, buffer);
        let key = turn.key(buffer)?;
        Ok(read(turn, &key, field, f))
    }

    /// Shows `f` what the pattern means for each member in turn. As [`look_up`](Self::look_up), and the waits for memory
    /// overlap.
    pub(super) fn look_up_all(
        self,
        turn: &mut Turn<'_>,
        members: &[StrRef<'_>],
        mut f: impl FnMut(Option<StrRef<'_>>),
    ) -> Result<(), CommandError> {
        let mut buffers: [Vec<u8>; GROUP_KEYS] = Default::default();
        let Self::Key { field, .. } = self else {
            members.iter().for_each(|member| f((self == Self::Member).then_some(*member)));
            return Ok(());
        };
        for group in members.chunks(GROUP_KEYS) {
            for (member, buffer) in group.iter().zip(&mut buffers) {
                self.write_key(*member, buffer);
            }
            for key in &turn.prepare(buffers[..group.len()].iter().map(Vec::as_slice))? {
                read(turn, key, field, &mut f);
            }
        }
        Ok(())
    }

    fn write_key(self, member: StrRef<'_>, buffer: &mut Vec<u8>) {
        buffer.clear();
        if let Self::Key { prefix, postfix, .. } = self {
            buffer.extend_from_slice(prefix);
            member.with_bytes(|member| buffer.extend_from_slice(member));
            buffer.extend_from_slice(postfix);
        }
    }
}

/// Shows `f` a string, or a field of a hash.
fn read<R>(turn: &mut Turn<'_>, key: &Key<'_>, field: Option<&[u8]>, f: impl FnOnce(Option<StrRef<'_>>) -> R) -> R {
    let now = turn.sight();
    let Some(entry) = turn.read(key) else { return f(None) };
    f(match field {
        None => entry.as_string(),
        Some(field) => {
            let hash = entry.as_hash().map(|hash| HashView::new(hash, || now));
            hash.and_then(|hash| hash.get(field)).map(|field| field.value)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_redis_reads_them() {
        let key = |prefix, postfix, field| Pattern::Key { prefix, postfix, field };
        for (text, expected) in [
            (&b"#"[..], Pattern::Member),
            (b"nosort", Pattern::Nothing),
            (b"", Pattern::Nothing),
            (b"a->b", Pattern::Nothing),
            (b"a\0*", Pattern::Nothing),
            (b"w_*", key(b"w_", b"", None)),
            (b"*", key(b"", b"", None)),
            (b"a*b*c", key(b"a", b"b*c", None)),
            (b"h*->f", key(b"h", b"", Some(b"f"))),
            (b"h*x->f->g", key(b"h", b"x", Some(b"f->g"))),
            (b"h*->", key(b"h", b"->", None)),
            (b"h->f*", key(b"h->f", b"", None)),
            (b"h*->f\0g", key(b"h", b"", Some(b"f\0g"))),
        ] {
            assert_eq!(Pattern::parse(text), expected, "{}", text.escape_ascii());
        }
    }
}
