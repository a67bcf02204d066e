//! Turns that are given up.
