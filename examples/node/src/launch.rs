//! From the command line to a running host: settings, folder, log, process id file.

use crate::command_line::Sources;
use crate::data::Data;
use crate::host::process::{self, PidFile};
use crate::host::{Host, StartError, UsersError};
use crate::settings::{self, Directive, DiskFiles, Loaded, Settings};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{fs, io};

/// `--check-config`: says what every key does here.
pub(crate) fn check_config(sources: &Sources) -> ExitCode {
    let loaded = match read(sources) {
        Ok(text) => settings::load(&text.whole, &DiskFiles),
        Err(error) => return crate::fail(error),
    };
    match settings::check_report(&loaded) {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(report) => {
            print!("{report}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until told to stop.
pub(crate) fn serve(sources: &Sources) -> ExitCode {
    let is_in_background = process::is_in_background();
    let (text, loaded) = match read(sources) {
        Ok(text) => (text.stdin, settings::load(&text.whole, &DiskFiles)),
        Err(error) => return crate::fail(error),
    };
    if let Some(problem) = loaded.problems.first() {
        return crate::fail(problem);
    }
    if loaded.values.switch("daemonize") && !is_in_background {
        return match process::start_in_background(std::env::args_os().skip(1), &text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => crate::fail(format!("daemonize: the background process could not be started: {error}")),
        };
    }
    match run(sources, loaded) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Why a node did not come up.
#[derive(Debug, thiserror::Error)]
enum LaunchError {
    #[error("Can't open the log file: {}", settings::os_message(.0))]
    Log(io::Error),
    #[error("Can't chdir to '{}': {}", .path.display(), settings::os_message(.error))]
    Folder { path: PathBuf, error: io::Error },
    #[error("requirepass-file {}: {}", .path.display(), settings::os_message(.error))]
    Password { path: PathBuf, error: io::Error },
    #[error("the cluster's file: {0}")]
    Cluster(io::Error),
    #[error(transparent)]
    Users(#[from] UsersError),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs the node and says whether it ended well.
fn run(sources: &Sources, mut loaded: Loaded) -> Result<bool, LaunchError> {
    // Found before the folder changes, because it may be relative to the old one.
    let file = sources.file.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    enter_folder(&mut loaded).map_err(shown)?;
    let log = crate::log::start(&loaded.values).map_err(|error| shown(LaunchError::Log(error)))?;
    greet(&loaded);
    read_password(&mut loaded)?;
    reserve_descriptors(&loaded);
    let _pid_file = loaded.values.path("pidfile").and_then(|path| {
        let created = PidFile::create(&path);
        created
            .inspect_err(|error| {
                tracing::warn!("Failed to write PID file {}: {}", path.display(), settings::os_message(error));
            })
            .ok()
    });
    tracing::info!("Server initialized");
    let data = Data::new(&loaded.values);
    crate::host::load_at_start(&data.engine, &loaded)?;
    let host = Host::new(data, Settings::new(loaded.values, file), log).map_err(LaunchError::Cluster)?;
    Ok(host.run()?)
}

/// Shows an error that comes before the log can.
fn shown(error: LaunchError) -> LaunchError {
    eprintln!("{error}");
    error
}

/// The first lines of the log.
fn greet(loaded: &Loaded) {
    let values = &loaded.values;
    tracing::info!("keyslot-node {} is starting, PID: {}", env!("CARGO_PKG_VERSION"), std::process::id());
    let mode = if values.switch("cluster-enabled") { "cluster" } else { "standalone" };
    tracing::info!("Running mode={mode}, port={}.", values.number("port"));
    let ignored = settings::without_effect(loaded);
    if !ignored.is_empty() {
        tracing::warn!("Accepted, but without effect in this node: {}", ignored.join(", "));
    }
    for directive in &loaded.directives {
        match directive {
            Directive::User(_) => {}
            Directive::LoadModule(words) => {
                tracing::warn!("loadmodule {}: modules are not offered", String::from_utf8_lossy(&words[0]));
            }
            Directive::RenameCommand { from, .. } => {
                tracing::warn!("rename-command {}: accepted without effect", String::from_utf8_lossy(from));
            }
        }
    }
}

/// Goes to `dir` and makes the setting say where that is.
fn enter_folder(loaded: &mut Loaded) -> Result<(), LaunchError> {
    let path = loaded.values.path("dir").unwrap_or_else(|| ".".into());
    let entered = std::env::set_current_dir(&path).and_then(|()| std::env::current_dir());
    let folder = entered.map_err(|error| LaunchError::Folder { path, error })?;
    loaded.values.set_text("dir", folder.into_os_string().as_bytes());
    Ok(())
}

fn read_password(loaded: &mut Loaded) -> Result<(), LaunchError> {
    let Some(path) = loaded.values.path("requirepass-file") else { return Ok(()) };
    let text = fs::File::open(&path).and_then(settings::read_limited);
    let text = text.map_err(|error| LaunchError::Password { path, error })?;
    let line = text.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    loaded.values.set_text("requirepass", line);
    Ok(())
}

/// Raises the limit of open files; lowers `maxclients` to what is possible.
fn reserve_descriptors(loaded: &Loaded) {
    let wanted = loaded.values.number("maxclients");
    let possible = process::reserve_descriptors(wanted);
    if possible < wanted {
        tracing::warn!(
            "You requested maxclients of {wanted}, but open files suffice for {possible}: raise 'ulimit -n' to have more"
        );
    }
}

/// The settings file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("Fatal error, can't open config file '{place}': {}", settings::os_message(.error))]
struct UnreadableFile {
    place: String,
    error: io::Error,
}

/// What the sources say.
struct Text {
    /// File, standard input and options, in this order.
    whole: Vec<u8>,
    /// The part of standard input.
    stdin: Vec<u8>,
}

fn read(sources: &Sources) -> Result<Text, UnreadableFile> {
    let mut text = Text { whole: Vec::new(), stdin: Vec::new() };
    if let Some(path) = &sources.file {
        let read = fs::File::open(path).and_then(settings::read_limited);
        text.whole = read.map_err(|error| UnreadableFile { place: path.display().to_string(), error })?;
    }
    if sources.reads_stdin {
        let read = settings::read_limited(io::stdin().lock());
        text.stdin = read.map_err(|error| UnreadableFile { place: "standard input".into(), error })?;
        if text.whole.last().is_some_and(|byte| *byte != b'\n') {
            text.whole.push(b'\n');
        }
        text.whole.extend(&text.stdin);
    }
    text.whole.push(b'\n');
    text.whole.extend(&sources.options);
    Ok(text)
}
