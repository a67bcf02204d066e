//! Messages in Redis's form: `4711:M 20 Nov 2026 19:50:00.000 * Ready to accept connections`.
//!
//! The library and the host speak through `tracing`; this file alone decides how a message looks and where it goes. A
//! log file is opened for every message, so that it can be moved away at any time.

use crate::settings::Values;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes which messages are logged while the node runs.
#[derive(Clone)]
pub(crate) struct LogControl {
    filter: reload::Handle<LevelFilter, Registry>,
}

impl LogControl {
    /// Logs messages of this `loglevel` and above from now on.
    pub(crate) fn set_level(&self, loglevel: &str) {
        // It fails only when the subscriber is gone, and then there is nothing to change.
        let _ = self.filter.reload(level_filter(loglevel));
    }
}

/// Starts logging as the settings say. The log file must be writable.
pub(crate) fn start(values: &Values) -> io::Result<LogControl> {
    let target = Target(values.path("logfile"));
    if let Some(path) = &target.0 {
        OpenOptions::new().append(true).create(true).open(path)?;
    }
    let (filter, handle) = reload::Layer::new(level_filter(values.choice("loglevel")));
    let lines = fmt::layer().event_format(RedisFormat { pid: std::process::id() }).with_writer(target);
    let subscriber = Registry::default().with(filter).with(lines);
    // A second start, as in tests that run in one process, keeps the first subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(LogControl { filter: handle })
}

fn level_filter(loglevel: &str) -> LevelFilter {
    match loglevel {
        "debug" => LevelFilter::TRACE,
        "verbose" => LevelFilter::DEBUG,
        "warning" => LevelFilter::WARN,
        "nothing" => LevelFilter::OFF,
        _ => LevelFilter::INFO,
    }
}

/// Where messages go: a file, or standard output.
struct Target(Option<PathBuf>);

impl<'a> MakeWriter<'a> for Target {
    type Writer = Box<dyn Write + 'a>;

    fn make_writer(&'a self) -> Self::Writer {
        let Some(path) = &self.0 else { return Box::new(io::stdout()) };
        match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Box::new(file),
            Err(_) => Box::new(io::sink()),
        }
    }
}

struct RedisFormat {
    pid: u32,
}

impl<S, N> FormatEvent<S, N> for RedisFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let mark = match *event.metadata().level() {
            Level::ERROR | Level::WARN => '#',
            Level::INFO => '*',
            Level::DEBUG => '-',
            Level::TRACE => '.',
        };
        let now = jiff::Zoned::now();
        write!(writer, "{}:M {} {mark} ", self.pid, now.strftime("%d %b %Y %H:%M:%S%.3f"))?;
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_message_looks_like_redis_s() {
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = fmt::layer().event_format(RedisFormat { pid: 47 }).with_writer(move || writer.clone());
        tracing::subscriber::with_default(Registry::default().with(lines), || {
            tracing::info!("Ready to accept connections");
            tracing::warn!(port = 5, "careful");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("47:M ") && lines[0].ends_with(" * Ready to accept connections"), "{text}");
        assert_eq!(lines[0].len(), "47:M 20 Nov 2026 19:50:00.000 * Ready to accept connections".len());
        assert!(lines[1].contains(" # careful") && lines[1].ends_with("port=5"), "{text}");
    }

    #[test]
    fn log_levels_cover_those_below() {
        assert!(level_filter("verbose") > level_filter("notice"));
        assert_eq!(level_filter("nothing"), LevelFilter::OFF);
    }
}
