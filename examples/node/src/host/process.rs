//! What concerns the process as a whole: descriptors, its id file, going to the background, its supervisor.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::ffi::OsString;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

/// Raises the limit of open files so that `clients_max` clients fit. Returns how many do.
pub(crate) fn reserve_descriptors(clients_max: u64) -> u64 {
    let wanted = clients_max.saturating_add(DESCRIPTORS_RESERVED);
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return clients_max;
    }
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let raised = wanted.min(maximum);
    let got = match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum }) {
        Ok(()) => raised,
        Err(_) => current,
    };
    got.saturating_sub(DESCRIPTORS_RESERVED).min(clients_max)
}

/// The file that holds the process id; removed when dropped.
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = fs::remove_file(&self.0);
    }
}

/// Starts this program again with the same arguments, detached from the terminal, and returns once it runs.
///
/// A program with threads cannot fork itself safely, so the one in the background is a fresh process. It knows by
/// [`BACKGROUND_MARK`] that it is the one. `stdin` is what it reads instead of standard input.
pub(crate) fn start_in_background(arguments: impl Iterator<Item = OsString>, stdin: &[u8]) -> io::Result<()> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .env(BACKGROUND_MARK, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut pipe = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    io::Write::write_all(&mut pipe, stdin)
}

/// Whether this is the process that [`start_in_background`] started; if so, leaves the terminal's session.
pub(crate) fn is_in_background() -> bool {
    let is_marked = std::env::var_os(BACKGROUND_MARK).is_some();
    if is_marked {
        // It fails only for a process that leads a group already, which then has its own session.
        let _ = rustix::process::setsid();
    }
    is_marked
}

/// Tells systemd, if it asked for it, what the node is doing: `READY=1`, `STOPPING=1`.
pub(crate) fn tell_supervisor(supervised: &str, state: &str) {
    if !matches!(supervised, "systemd" | "auto") {
        return;
    }
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), path));
    if let Err(error) = sent {
        tracing::warn!("systemd could not be told {state}: {error}");
    }
}

const BACKGROUND_MARK: &str = "KEYSLOT_IN_BACKGROUND";

/// Files and sockets that are not clients.
const DESCRIPTORS_RESERVED: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_impossible_number_of_clients_is_cut_to_what_fits() {
        assert_eq!(reserve_descriptors(10), 10);
        assert!(reserve_descriptors(1 << 40) < 1 << 40);
    }

    #[test]
    fn the_id_file_lives_as_long_as_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.pid");
        let file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().trim(), std::process::id().to_string());
        drop(file);
        assert!(!path.exists());
    }
}
