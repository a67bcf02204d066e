//! CONFIG REWRITE: the settings file brought up to date, with its comments, order and everything that is not a key.
//!
//! A key that has lines in the file gets its new lines in their place; lines it no longer needs become empty. A key
//! without lines is appended under one marker comment if its value is not the standard one. The `user` lines become those
//! of the users that there are. The file is replaced in one step: after a crash either the old text is there or the new one.

use super::document::{Line, lines};
use super::load::{os_message, read_limited};
use super::table::{ROWS, RowIndex, find};
use super::{Settings, Values};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Why the file was left as it was. The text follows `ERR ` on the wire.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RewriteError {
    #[error("The server is running without a config file")]
    NoFile,
    #[error("Rewriting config file: {}", os_message(.0))]
    Io(io::Error),
}

impl Settings {
    /// Writes the values of now, and the lines of `users`, into the settings file.
    pub(crate) fn rewrite(&self, users: &[Vec<u8>]) -> Result<(), RewriteError> {
        let _changing = self.changing.lock();
        let path = self.file().ok_or(RewriteError::NoFile)?;
        let old = match File::open(path) {
            Ok(file) => read_limited(file).map_err(RewriteError::Io)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(RewriteError::Io(error)),
        };
        replace_file(path, &rewritten(&old, &self.values(), users)).map_err(RewriteError::Io)
    }
}

/// The text of a settings file that says what `values` and `users` say, made from `old`.
fn rewritten(old: &[u8], values: &Values, users: &[Vec<u8>]) -> Vec<u8> {
    let standard = Values::standard();
    let mut wanted: HashMap<RowIndex, std::vec::IntoIter<Vec<u8>>> = HashMap::new();
    let mut users = users.iter().cloned();
    let mut text = Vec::with_capacity(old.len() + 1024);
    let mut has_marker = false;
    let mut after_removed = false;
    for line in lines(old).filter(|_| !old.is_empty()) {
        has_marker |= line == MARKER;
        let mut is_user = false;
        let index = match Line::read(line) {
            Line::Directive { name, .. } => {
                is_user = name == b"user";
                find(&name)
            }
            Line::Blank => None,
            Line::Broken(_) => {
                text.extend(b"# ??? ");
                None
            }
        };
        let new_line = match index {
            Some(index) => wanted.entry(index).or_insert_with(|| new_lines(index, values, &standard)).next(),
            None if is_user => users.next(),
            None => Some(line.to_vec()),
        };
        match new_line {
            Some(new_line) => {
                text.extend(new_line);
                text.push(b'\n');
                after_removed = false;
            }
            None if after_removed => {}
            None => {
                text.push(b'\n');
                after_removed = true;
            }
        }
    }
    let rest = (0..ROWS.len()).map(RowIndex).flat_map(|index| match wanted.remove(&index) {
        Some(rest) => rest,
        None if values.value(index) != standard.value(index) => new_lines(index, values, &standard),
        None => Vec::new().into_iter(),
    });
    append(&mut text, rest.chain(users), has_marker);
    text
}

/// Appends the lines that found no place in the file.
fn append(text: &mut Vec<u8>, lines: impl Iterator<Item = Vec<u8>>, mut has_marker: bool) {
    for line in lines {
        if !has_marker {
            text.extend(b"\n");
            text.extend(MARKER);
            text.push(b'\n');
            has_marker = true;
        }
        text.extend(line);
        text.push(b'\n');
    }
}

/// The key's lines with its name in front.
fn new_lines(index: RowIndex, values: &Values, standard: &Values) -> std::vec::IntoIter<Vec<u8>> {
    let row = index.row();
    let lines = row.kind.lines(values.value(index), standard.value(index));
    let named = lines.into_iter().map(|line| [row.name.as_bytes(), b" ", &line].concat());
    named.collect::<Vec<_>>().into_iter()
}

/// Puts `text` in the place of the file, with the file's permissions, in one step that survives a crash.
pub(crate) fn replace_file(path: &Path, text: &[u8]) -> io::Result<()> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions(),
        Err(_) => fs::Permissions::from_mode(0o644),
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let draft = draft_path(path);
    let written = write_draft(&draft, text, mode).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // The error to report is the first one; a draft that stays behind does no harm.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_draft(draft: &Path, text: &[u8], mode: fs::Permissions) -> io::Result<()> {
    let mut file = File::create(draft)?;
    file.set_permissions(mode)?;
    file.write_all(text)?;
    file.sync_all()
}

fn draft_path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

const MARKER: &[u8] = b"# Generated by CONFIG REWRITE";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::{DiskFiles, load};

    const FILE: &str = "\
# first comment
PORT 7000

save 900 1
save 300 10
hz 10
hz 20
requirepass \"a b\"
rename-command FLUSHDB \"\"
client-output-buffer-limit normal 1mb 2mb 3
slave-read-only no
user bob on nopass
tcp-keepalive 300
# last comment";

    fn settings(file: Option<PathBuf>) -> Settings {
        Settings::new(load(FILE.as_bytes(), &DiskFiles).values, file)
    }

    fn set(settings: &Settings, words: &[&str]) {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        settings.set(&words, false, |_, _| Ok(())).unwrap();
    }

    fn users() -> Vec<Vec<u8>> {
        vec![b"user bob on nopass".to_vec()]
    }

    fn text(settings: &Settings) -> String {
        String::from_utf8(rewritten(FILE.as_bytes(), &settings.values(), &users())).unwrap()
    }

    #[test]
    fn comments_order_and_other_directives_stay() {
        let expected = "\
# first comment
port 7000

save 900 1
save 300 10
hz 20

requirepass \"a b\"
rename-command FLUSHDB \"\"
client-output-buffer-limit normal 1mb 2mb 3
replica-read-only no
user bob on nopass
tcp-keepalive 300
# last comment
";
        assert_eq!(text(&settings(None)), expected);
    }

    #[test]
    fn user_lines_become_those_of_the_users() {
        let rewritten = |old: &str, users: &[&str]| {
            let users: Vec<Vec<u8>> = users.iter().map(|user| format!("user {user}").into()).collect();
            String::from_utf8(rewritten(old.as_bytes(), &Values::standard(), &users)).unwrap()
        };
        let old = "user b on\nhz 10\nUSER c on\nuser d on";
        assert_eq!(rewritten(old, &["a x", "b y"]), "user a x\nhz 10\nuser b y\n\n");
        assert_eq!(
            rewritten("user b on\nhz 10", &["a", "b"]),
            "user a\nhz 10\n\n# Generated by CONFIG REWRITE\nuser b\n"
        );
        assert_eq!(rewritten("user b on\nhz 10", &[]), "\nhz 10\n");
    }

    #[test]
    fn changes_take_the_place_of_old_lines_and_new_keys_are_appended() {
        let settings = settings(None);
        set(&settings, &["save", "", "timeout", "100", "maxmemory", "64mb"]);
        set(&settings, &["client-output-buffer-limit", "normal 5mb 6mb 7 replica 1 2 3"]);
        let text = text(&settings);
        assert!(text.contains("\nsave \"\"\n\nhz 20\n"), "{text}");
        assert!(text.contains("\nclient-output-buffer-limit normal 5mb 6mb 7\nreplica-read-only"), "{text}");
        let (_, appended) = text.split_once("# last comment\n\n# Generated by CONFIG REWRITE\n").unwrap();
        assert_eq!(appended, "timeout 100\nclient-output-buffer-limit replica 1 2 3\nmaxmemory 64mb\n");
    }

    #[test]
    fn what_was_written_loads_as_the_same_values_and_is_stable() {
        let settings = settings(None);
        set(&settings, &["notify-keyspace-events", "KEA", "bind", "127.0.0.1 -::1", "maxmemory-clients", "5%"]);
        set(&settings, &["shutdown-on-sigint", "nosave now", "masterauth", "x\n\"y\\"]);
        let once = text(&settings);
        let loaded = load(once.as_bytes(), &DiskFiles);
        assert!(loaded.problems.is_empty());
        for index in (0..ROWS.len()).map(RowIndex) {
            assert_eq!(loaded.values.value(index), settings.values().value(index), "{}", index.row().name);
        }
        assert_eq!(String::from_utf8(rewritten(once.as_bytes(), &loaded.values, &users())).unwrap(), once);
    }

    #[test]
    fn the_file_is_replaced_with_its_permissions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        fs::write(&path, FILE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let settings = settings(Some(path.clone()));
        set(&settings, &["hz", "33"]);
        settings.rewrite(&users()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("\nhz 33\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_node_without_a_file_says_so() {
        let error = settings(None).rewrite(&[]).unwrap_err();
        assert_eq!(error.to_string(), "The server is running without a config file");
        let error = settings(Some("/no/such/folder/redis.conf".into())).rewrite(&[]).unwrap_err();
        assert_eq!(error.to_string(), "Rewriting config file: No such file or directory");
    }
}
