//! What is wrong with rules. The texts are Redis's.

use std::fmt;

/// Why a word is no rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleError {
    /// It names a command or a category that does not exist.
    #[error("Unknown command or category name in ACL")]
    UnknownName,
    /// It is no rule at all.
    #[error("Syntax error")]
    Syntax,
    /// `<password` or `!hash` of a password that the user does not have.
    #[error("The password you are trying to remove from the user does not exist")]
    NoSuchPassword,
    /// `#hash` or `!hash` that is not 64 digits.
    #[error("The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters")]
    NotAHash,
    /// A key pattern behind `allkeys`.
    #[error(
        "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any effect. Try 'resetkeys' \
         to start with an empty list of patterns"
    )]
    AfterAllKeys,
    /// A channel pattern behind `allchannels`.
    #[error(
        "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any effect. Try \
         'resetchannels' to start with an empty list of channels"
    )]
    AfterAllChannels,
    /// The first argument of a sub-command.
    #[error("Allowing first-arg of a subcommand is not supported")]
    FirstArgumentOfSubcommand,
}

/// Why a user stays what it was.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SetUserError {
    /// The name holds blanks or zero bytes.
    Name,
    /// A selector that begins with this word is not closed.
    OpenSelector(Vec<u8>),
    /// A word is no rule.
    Rule {
        /// The word.
        word: Vec<u8>,
        /// What is wrong with it.
        reason: RuleError,
    },
}

impl SetUserError {
    /// The text as clients get it, behind its code.
    pub(crate) fn text(&self) -> Vec<u8> {
        match self {
            Self::Name => b"Usernames can't contain spaces or null characters".to_vec(),
            Self::OpenSelector(start) => {
                [b"Unmatched parenthesis in acl selector starting at '", c_string(start), b"'."].concat()
            }
            Self::Rule { word, reason } => {
                let reason = reason.to_string();
                [b"Error in ACL SETUSER modifier '", c_string(word), b"': ", reason.as_bytes()].concat()
            }
        }
    }
}

impl fmt::Display for SetUserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

impl std::error::Error for SetUserError {}

/// What is wrong with a text of users: every line that is wrong, in one line. Nothing was changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}WARNING: ACL errors detected, no change to the previously active ACL rules was performed")]
pub struct LoadUsersError(pub(super) String);

/// Texts of Redis end at the first zero byte.
fn c_string(word: &[u8]) -> &[u8] {
    word.split(|byte| *byte == 0).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_of_redis() {
        let rule = |word: &[u8], reason| SetUserError::Rule { word: word.to_vec(), reason }.to_string();
        assert_eq!(
            rule(b"+x\0y", RuleError::UnknownName),
            "Error in ACL SETUSER modifier '+x': Unknown command or category name in ACL"
        );
        assert_eq!(rule(b")", RuleError::Syntax), "Error in ACL SETUSER modifier ')': Syntax error");
        assert_eq!(SetUserError::Name.to_string(), "Usernames can't contain spaces or null characters");
        assert_eq!(
            SetUserError::OpenSelector(b"(+get".to_vec()).to_string(),
            "Unmatched parenthesis in acl selector starting at '(+get'."
        );
        assert!(
            RuleError::AfterAllKeys.to_string().ends_with("Try 'resetkeys' to start with an empty list of patterns")
        );
        assert!(
            RuleError::AfterAllChannels
                .to_string()
                .ends_with("'resetchannels' to start with an empty list of channels")
        );
    }
}
