//! House rules.
#[test]
fn builds() {}
