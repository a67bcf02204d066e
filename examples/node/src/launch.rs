//! From the command line to a running host: settings, folder, log, process id file.

use crate::command_line::Sources;
use crate::settings::{self, DiskFiles, Loaded};
use std::process::ExitCode;
use std::{fs, io};

/// `--check-config`: says what every key does here.
pub(crate) fn check_config(sources: &Sources) -> ExitCode {
    let loaded = match load(sources) {
        Ok(loaded) => loaded,
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
    let loaded = match load(sources) {
        Ok(loaded) => loaded,
        Err(error) => return crate::fail(error),
    };
    if let Some(problem) = loaded.problems.first() {
        return crate::fail(problem);
    }
    if let Err(error) = crate::log::start(&loaded.values) {
        return crate::fail(format!("Can't open the log file: {error}"));
    }
    tracing::info!("Server initialized");
    ExitCode::SUCCESS
}

/// The settings file could not be read.
#[derive(Debug, thiserror::Error)]
#[error("Fatal error, can't open config file '{place}': {}", settings::os_message(.error))]
struct UnreadableFile {
    place: String,
    error: io::Error,
}

/// Reads file, standard input and options as one text, in this order.
fn load(sources: &Sources) -> Result<Loaded, UnreadableFile> {
    let mut text = Vec::new();
    if let Some(path) = &sources.file {
        let read = fs::File::open(path).and_then(settings::read_limited);
        text = read.map_err(|error| UnreadableFile { place: path.display().to_string(), error })?;
    }
    if sources.reads_stdin {
        if text.last().is_some_and(|byte| *byte != b'\n') {
            text.push(b'\n');
        }
        let read = settings::read_limited(io::stdin().lock());
        text.extend(read.map_err(|error| UnreadableFile { place: "standard input".into(), error })?);
    }
    text.push(b'\n');
    text.extend(&sources.options);
    Ok(settings::load(&text, &DiskFiles))
}
