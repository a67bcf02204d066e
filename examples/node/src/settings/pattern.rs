//! Glob patterns over key names and file names: `*`, `?`, `[a-c]`, `[^a-c]` and `\` before a literal.
//!
//! Letters match without regard to case. Time is O(pattern x text): a `*` is retried from its last place only.

/// Whether `text` as a whole fits `pattern`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if at < pattern.len() && pattern[at] == b'*' {
            at += 1;
            retry = Some((at, seen));
            continue;
        }
        match (one(&pattern[at..]), text.get(seen)) {
            (None, None) => return true,
            (Some(token), Some(&byte)) if token.accepts(byte) => {
                at += token.length;
                seen += 1;
                continue;
            }
            _ => {}
        }
        match retry {
            Some((after_star, from)) if from < text.len() => {
                at = after_star;
                seen = from + 1;
                retry = Some((after_star, seen));
            }
            _ => return false,
        }
    }
}

/// Whether `text` has a character that means more than itself in a pattern.
pub(crate) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// One place of a pattern, which takes exactly one byte of the text.
struct Token<'a> {
    kind: TokenKind<'a>,
    length: usize,
}

enum TokenKind<'a> {
    Any,
    Literal(u8),
    Class { body: &'a [u8], negated: bool },
}

fn one(pattern: &[u8]) -> Option<Token<'_>> {
    Some(match pattern {
        [] => return None,
        [b'?', ..] => Token { kind: TokenKind::Any, length: 1 },
        [b'\\', literal, ..] => Token { kind: TokenKind::Literal(*literal), length: 2 },
        [b'[', rest @ ..] => {
            let (negated, body) = match rest {
                [b'^', body @ ..] => (true, body),
                body => (false, body),
            };
            let end = class_end(body);
            let length = (1 + usize::from(negated) + end + 1).min(pattern.len());
            Token { kind: TokenKind::Class { body: &body[..end], negated }, length }
        }
        [literal, ..] => Token { kind: TokenKind::Literal(*literal), length: 1 },
    })
}

/// Index of the `]` that closes the class, or the length if nothing closes it.
fn class_end(body: &[u8]) -> usize {
    let mut at = 0;
    while at < body.len() && body[at] != b']' {
        at += if body[at] == b'\\' && at + 1 < body.len() { 2 } else { 1 };
    }
    at
}

impl Token<'_> {
    fn accepts(&self, byte: u8) -> bool {
        match self.kind {
            TokenKind::Any => true,
            TokenKind::Literal(literal) => literal.eq_ignore_ascii_case(&byte),
            TokenKind::Class { body, negated } => class_accepts(body, byte.to_ascii_lowercase()) != negated,
        }
    }
}

fn class_accepts(mut body: &[u8], byte: u8) -> bool {
    loop {
        body = match body {
            [] => return false,
            [b'\\', literal, rest @ ..] => {
                if literal.eq_ignore_ascii_case(&byte) {
                    return true;
                }
                rest
            }
            [from, b'-', to, rest @ ..] => {
                let (from, to) = (from.to_ascii_lowercase(), to.to_ascii_lowercase());
                if (from.min(to)..=from.max(to)).contains(&byte) {
                    return true;
                }
                rest
            }
            [literal, rest @ ..] => {
                if literal.eq_ignore_ascii_case(&byte) {
                    return true;
                }
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_question_marks_and_classes_match() {
        for (pattern, text) in [
            ("*", ""),
            ("*policy", "maxmemory-policy"),
            ("max*-*y", "maxmemory-policy"),
            ("h?", "hz"),
            ("[h]z", "HZ"),
            ("h[a-z]", "hz"),
            ("h[^a-y]", "hz"),
            ("\\*", "*"),
            ("a**b", "ab"),
            ("[\\]]", "]"),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn others_do_not_match() {
        for (pattern, text) in
            [("", "a"), ("?", ""), ("h", "hz"), ("h[^z]", "hz"), ("*a", "b"), ("[", "["), ("[a", "b"), ("a*b", "ac")]
        {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(200) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(2000).as_bytes()));
    }
}
