#![doc = include_str!("compatibility.md")]

#[cfg(test)]
#[path = "compatibility_tests.rs"]
mod tests;
