//! Checking the bytes of a manifest, without a directory: for tools and for fuzzing.

use crate::log::manifest::{Manifest, ManifestFault, ManifestFile};

/// What a manifest lists, by name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestCheck {
    /// The base.
    pub base: Option<String>,
    /// The incremental files, oldest first.
    pub incremental: Vec<String>,
    /// Files that no reader needs.
    pub history: Vec<String>,
}

/// Reads a manifest, of ours or of `redis-server`. Any bytes will do. O(bytes); memory is bounded by a small multiple of the
/// input.
///
/// ```
/// use keyslot_persistence::recovery::check_manifest;
/// let check = check_manifest(b"file appendonly.aof.1.incr.aof seq 1 type i\n")?;
/// assert_eq!(check.incremental, ["appendonly.aof.1.incr.aof"]);
/// assert!(check_manifest(b"file ../x seq 1 type i\n").is_err());
/// # Ok::<(), keyslot_persistence::recovery::ManifestFault>(())
/// ```
pub fn check_manifest(bytes: &[u8]) -> Result<ManifestCheck, ManifestFault> {
    let Manifest { base, incremental, history, .. } = Manifest::decode(bytes)?;
    let names = |files: Vec<ManifestFile>| files.into_iter().map(|file| file.name).collect();
    Ok(ManifestCheck { base: base.map(|file| file.name), incremental: names(incremental), history: names(history) })
}
