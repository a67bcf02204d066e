//! The lock that keeps two programs from using one directory.

use crate::error::OpenError;
use crate::storage::{FileError, LockError, Storage, StorageLock};
use std::path::Path;

/// Makes the directory if it is not there, and locks it.
pub(crate) fn lock(storage: &dyn Storage, path: &Path) -> Result<Box<dyn StorageLock>, OpenError> {
    storage.create_dir(path).map_err(|e| FileError::new("create directory", path, e))?;
    match storage.lock(&path.join(LOCK_NAME)) {
        Ok(lock) => Ok(lock),
        Err(LockError::Held { pid }) => Err(OpenError::Locked { path: path.to_owned(), pid }),
        Err(LockError::Io(error)) => Err(FileError::new("lock", &path.join(LOCK_NAME), error).into()),
    }
}

const LOCK_NAME: &str = "keyslot.lock";
