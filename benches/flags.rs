//! The flags of a bench: `--name value`, each known to the bench.

use std::str::FromStr;

/// Gives every flag with its value to `take`, which returns `None` for what it does not know or understand. An error tells
/// which that was.
pub fn read(
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
pub fn set<T: FromStr>(place: &mut T, text: &str) -> Option<()> {
    *place = text.parse().ok()?;
    Some(())
}
