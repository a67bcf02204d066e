//! Users of the node: those of the settings file or of a file of their own, and ACL LOAD and SAVE.
//!
//! There is one place for users: lines of the settings file, which CONFIG REWRITE brings up to date, or `aclfile`.

use super::Node;
use crate::settings::{Directive, Loaded, os_message, read_limited, replace_file};
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::{Engine, LoadUsersError, SetUserError};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// The node does not start with these users.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsersError {
    #[error(
        "Configuring Redis with users defined in redis.conf and at the same setting an ACL file path is invalid. This setup is \
         very likely to lead to configuration errors and security holes, please define either an ACL file or declare users \
         directly in your redis.conf, but not both."
    )]
    TwoPlaces,
    #[error("Aborting Redis startup because of ACL errors: {0}")]
    File(FileError),
    #[error("{0}\nCritical error while loading ACLs. Exiting.")]
    Line(String),
}

/// A file of users was not taken over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("Error loading ACLs, opening file '{}': {}", .0.display(), os_message(.1))]
    Read(PathBuf, io::Error),
    #[error(transparent)]
    Text(#[from] LoadUsersError),
}

/// Gives an engine the password and the users that the settings name, before it serves anybody.
pub(crate) fn load_at_start(engine: &Engine, loaded: &Loaded) -> Result<(), UsersError> {
    let password = loaded.values.text("requirepass");
    if !password.is_empty() {
        engine.set_password(Some(password));
    }
    let lines = loaded.directives.iter().filter_map(|directive| match directive {
        Directive::User(words) => words.split_first(),
        _ => None,
    });
    match loaded.values.path("aclfile") {
        None => lines.into_iter().try_for_each(|(name, rules)| load_line(engine, name, rules)),
        Some(_) if lines.count() > 0 => Err(UsersError::TwoPlaces),
        Some(path) => load_file(engine, &path, None).map_err(UsersError::File),
    }
}

/// What a line says of the default user is all that counts for it.
fn load_line(engine: &Engine, name: &[u8], rules: &[Vec<u8>]) -> Result<(), UsersError> {
    let reset: &[Vec<u8>] = &[b"reset".to_vec()];
    let rules = [if name == b"default" { reset } else { &[] }, rules].concat();
    engine.acl_setuser_rules(name, &rules).map_err(|error| {
        UsersError::Line(match error {
            SetUserError::Rule { word, reason } => format!(
                "Error loading ACL rule '{}' for the user named '{}': {reason}",
                String::from_utf8_lossy(&word),
                String::from_utf8_lossy(name)
            ),
            SetUserError::Name => "Spaces not allowed in ACL usernames".to_owned(),
            error => error.to_string(),
        })
    })?;
    if !rules.iter().any(|rule| rule.eq_ignore_ascii_case(b"on")) {
        tracing::info!(
            "The user '{}' is disabled (there is no 'on' modifier in the user description). Make sure this is not a \
             configuration error.",
            String::from_utf8_lossy(name)
        );
    }
    Ok(())
}

fn load_file(engine: &Engine, path: &Path, asker: Option<u64>) -> Result<(), FileError> {
    let text = File::open(path).and_then(read_limited).map_err(|error| FileError::Read(path.to_owned(), error))?;
    Ok(engine.acl_load(text, &path.display().to_string(), asker)?)
}

impl Node {
    /// ACL LOAD; false if no file is set.
    pub(super) fn load_users(&self, client_id: u64, reply: &mut ReplyWriter<'_>) -> bool {
        let Some(path) = self.settings.values().path("aclfile") else { return false };
        match load_file(&self.engine, &path, Some(client_id)) {
            Ok(()) => reply.ok(),
            Err(error) => {
                tracing::warn!("ACL LOAD: {error}");
                reply.error(&format!("ERR {error}"));
            }
        }
        true
    }

    /// ACL SAVE; false if no file is set.
    pub(super) fn save_users(&self, reply: &mut ReplyWriter<'_>) -> bool {
        let Some(path) = self.settings.values().path("aclfile") else { return false };
        let lines = self.engine.acl_list();
        let text: Vec<u8> = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect();
        match replace_file(&path, &text) {
            Ok(()) => {
                tracing::info!("ACL file saved: {}", path.display());
                reply.ok();
            }
            Err(error) => {
                tracing::warn!("ACL SAVE to {}: {}", path.display(), os_message(&error));
                reply.error(
                    "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
                );
            }
        }
        true
    }

    /// The lines of the settings file that tell of users: none where they have a file of their own.
    pub(super) fn user_lines(&self) -> Vec<Vec<u8>> {
        match self.settings.values().path("aclfile") {
            Some(_) => Vec::new(),
            None => self.engine.acl_list(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{DiskFiles, load};

    fn loaded(text: &str) -> (Engine, Result<(), String>) {
        let engine = Engine::in_memory();
        let loaded = load(text.as_bytes(), &DiskFiles);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let outcome = load_at_start(&engine, &loaded).map_err(|error| error.to_string());
        (engine, outcome)
    }

    fn shown(engine: &Engine) -> String {
        String::from_utf8(engine.acl_list().join(&b'\n')).unwrap()
    }

    #[test]
    fn lines_make_users_and_what_they_say_of_the_default_user_is_all_that_counts() {
        let (engine, outcome) = loaded("requirepass x\nuser bob on nopass ~a +get\nuser default on nopass ~* +@all");
        outcome.unwrap();
        assert_eq!(
            shown(&engine),
            "user bob on nopass sanitize-payload ~a resetchannels -@all +get\n\
             user default on nopass sanitize-payload ~* resetchannels +@all"
        );
        let (engine, _) = loaded("requirepass x");
        assert!(engine.wants_password());
    }

    #[test]
    fn a_node_does_not_start_with_users_that_are_wrong() {
        for (text, error) in [
            (
                "user foo +nope",
                "Error loading ACL rule '+nope' for the user named 'foo': Unknown command or category name in ACL\n\
                 Critical error while loading ACLs. Exiting.",
            ),
            ("user \"a b\"", "Spaces not allowed in ACL usernames\nCritical error while loading ACLs. Exiting."),
            (
                "aclfile /no/such/file",
                "Aborting Redis startup because of ACL errors: Error loading ACLs, opening file '/no/such/file': No such file \
                 or directory",
            ),
        ] {
            assert_eq!(loaded(text).1.unwrap_err(), error);
        }
        assert!(loaded("aclfile x\nuser bob on").1.unwrap_err().starts_with("Configuring Redis with users defined in"));
    }

    #[test]
    fn a_file_takes_the_place_of_all_users() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users.acl");
        std::fs::write(&path, "user ada on nopass +@all ~*\n").unwrap();
        let (engine, outcome) = loaded(&format!("requirepass x\naclfile {}", path.display()));
        outcome.unwrap();
        assert!(shown(&engine).starts_with("user ada on nopass ") && !engine.wants_password());
        std::fs::write(&path, "user ada on nopass +@all ~*\nuser ada off\n").unwrap();
        let error = load_file(&engine, &path, None).unwrap_err().to_string();
        assert!(
            error.starts_with("WARNING: Duplicate user 'ada' found on line 2. WARNING: ACL errors detected"),
            "{error}"
        );
    }
}
