//! `LATENCY GRAPH event`: the spikes of an event, drawn with letters.
//!
//! Reply: verbatim text. A column for each spike, oldest first, four lines high; under it how long ago it was, from top
//! to bottom.

use crate::client::Connection;
use crate::command::CommandResult;
use crate::core::Core;
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use std::borrow::Cow;
use std::fmt::Write;

pub(super) fn graph(core: &Core, _: &mut Connection, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let name = String::from_utf8_lossy(args[2]);
    let events = core.stats.latency.lock();
    let Some(event) = events.get(&*name).filter(|event| !event.samples.is_empty()) else {
        return Err(CommandError::Text(Cow::Owned(format!("ERR No samples available for event '{name}'"))));
    };
    let shown: Vec<(i64, u64)> =
        event.samples.iter().skip(event.samples.len().saturating_sub(COLUMNS_MAX)).copied().collect();
    let high = shown.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let low = shown.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.worst_ms);
    text.push_str(&"-".repeat(COLUMNS_MAX));
    text.push('\n');
    draw(&shown, high, core.now().seconds(), &mut text);
    reply.verbatim("txt", text.as_bytes());
    Ok(())
}

fn draw(samples: &[(i64, u64)], high: u64, now_seconds: i64, text: &mut String) {
    for level in (0..LEVELS).rev() {
        let columns = samples.iter().map(|(_, ms)| match ms * LEVELS / high.max(1) {
            reached if reached > level => '#',
            reached if reached == level => '_',
            _ => ' ',
        });
        let line: String = columns.collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push('\n');
    let ages: Vec<Vec<char>> = samples.iter().map(|(second, _)| age(now_seconds - second).chars().collect()).collect();
    for row in 0..ages.iter().map(Vec::len).max().unwrap_or(0) {
        let line: String = ages.iter().map(|age| age.get(row).copied().unwrap_or(' ')).collect();
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// Seconds in the largest unit that fits.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86_400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// Most spikes drawn, and the width of the rule above them.
const COLUMNS_MAX: usize = 80;

/// Lines that a full column takes.
const LEVELS: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_spike_fills_its_column() {
        let mut text = String::new();
        draw(&[(0, 100), (3540, 25), (3600, 60)], 100, 3600, &mut text);
        assert_eq!(text, "#\n# _\n#_#\n###\n\n110\nhms\n");
    }
}
