//! The words of rules as text: where they end, and how they are kept whole.

/// Whether a text holds what parts words, or a zero byte: then it cannot stand in a rule or be a name.
pub(super) fn has_blanks(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b' ' | b'\t'..=b'\r' | 0))
}

/// A word within a selector: quoted if splitting would make something else of it, or take its end for the selector's.
pub(super) fn guarded(word: &[u8]) -> Vec<u8> {
    if !word.ends_with(b")") && !word.iter().any(|byte| matches!(byte, b'"' | b'\'')) {
        return word.to_vec();
    }
    let mut quoted = vec![b'"'];
    for byte in word {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted.push(b'"');
    quoted
}
