//! `PFSELFTEST`: checks the arithmetic of HyperLogLogs on this machine.
//!
//! Reply: OK, or an error that says what is wrong.

use crate::command::row::flag::ADMIN;
use crate::command::row::{Group, Row};
use crate::command::{CommandResult, Run};
use crate::error::CommandError;
use crate::resp::ReplyWriter;
use crate::turn::Turn;
use crate::value::hyperloglog::{Sighting, empty, estimate, form, make_dense, raise};

pub(super) const PFSELFTEST: Row = Row::new("pfselftest", 1, Run::Visit(pf_self_test))
    .flags(ADMIN)
    .summary("An internal command for testing HyperLogLog values.")
    .docs(Group::Hyperloglog, "2.8.9", "N/A")
    .system();

fn pf_self_test(_: &mut Turn<'_>, _: &[&[u8]], reply: &mut ReplyWriter<'_>) -> CommandResult {
    let (mut bytes, mut dense) = (empty(), empty());
    make_dense(&mut dense)?;
    for element in 1..=ELEMENTS {
        let sighting = Sighting::of(&element.to_le_bytes());
        raise(&mut bytes, sighting, SPARSE_BYTES_MAX)?;
        raise(&mut dense, sighting, SPARSE_BYTES_MAX)?;
        if element.is_power_of_two() || element == ELEMENTS {
            check(&bytes, &dense, element)?;
        }
    }
    reply.ok();
    Ok(())
}

fn check(bytes: &[u8], dense: &[u8], elements: u64) -> CommandResult {
    let count = |bytes: &[u8]| form(bytes).map_or(Ok(0), |form| estimate(bytes, form));
    let (found, other) = (count(bytes)?, count(dense)?);
    if found != other {
        return Err(CommandError::text("ERR TESTFAILED dense/sparse disagree"));
    }
    if found.abs_diff(elements) > (elements * 5).div_ceil(100) {
        return Err(CommandError::text("ERR TESTFAILED Too big error"));
    }
    Ok(())
}

const ELEMENTS: u64 = 100_000;
const SPARSE_BYTES_MAX: usize = 3000;

#[cfg(test)]
mod tests {
    use crate::command::testing::Bench;
    use crate::resp::Value;

    #[test]
    fn the_arithmetic_is_right() {
        assert_eq!(Bench::new().run("PFSELFTEST"), Value::Ok);
    }
}
