//! The flags of a bench: `--name value`, each known to the bench.
#![allow(dead_code, reason = "each bench has its own copy and needs a part")]

use std::str::FromStr;

/// Gives every flag with its value to `take`, which returns `None` for what it does not know or understand. An error tells
/// which that was.
pub(crate) fn read(
    mut args: impl Iterator<Item = String>,
    mut take: impl FnMut(&str, &str) -> Option<()>,
) -> Result<(), String> {
    // Cargo adds this one by itself.
    while let Some(flag) = args.by_ref().find(|flag| flag != "--bench") {
        let text = args.next().ok_or(format!("{flag} needs a value"))?;
        take(&flag, &text).ok_or(format!("{flag} {text} is not understood"))?;
    }
    Ok(())
}

/// Stores what `text` says.
pub(crate) fn set<T: FromStr>(place: &mut T, text: &str) -> Option<()> {
    put(place, text.parse().ok())
}

/// Stores a value, if there is one.
pub(crate) fn put<T>(place: &mut T, value: Option<T>) -> Option<()> {
    *place = value?;
    Some(())
}

/// The parts between commas, each read by `one`; empty ones are passed over.
pub(crate) fn list<T>(text: &str, one: impl FnMut(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').filter(|part| !part.is_empty()).map(one).collect()
}

/// `1500000`, `1.5m` or `100k`.
pub(crate) fn count(text: &str) -> Option<u32> {
    let (number, unit) = match text.strip_suffix(['m', 'k']) {
        Some(number) => (number, if text.ends_with('m') { 1_000_000.0 } else { 1_000.0 }),
        None => (text, 1.0),
    };
    let count = number.parse::<f64>().ok()? * unit;
    (count >= 1.0 && count <= f64::from(u32::MAX)).then_some(count as u32)
}
