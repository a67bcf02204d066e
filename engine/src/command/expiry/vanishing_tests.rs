//! How keys vanish.
