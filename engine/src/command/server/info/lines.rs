//! The lines of one section while they come together: fields by name, each once.

use std::fmt::Display;

/// Lines of a section, in the order in which they were given.
#[derive(Default, Debug)]
pub(super) struct Lines(Vec<(String, String)>);

impl Lines {
    /// Gives a field a value, in the place of the one that it had.
    pub(super) fn set(&mut self, field: &str, value: impl Display) {
        let value = value.to_string();
        match self.0.iter_mut().find(|(name, _)| name == field) {
            Some((_, old)) => *old = value,
            None => self.0.push((field.to_owned(), value)),
        }
    }

    /// Adds a field that cannot be there yet.
    pub(super) fn add(&mut self, field: String, value: String) {
        self.0.push((field, value));
    }

    /// The value of a field as a number, 0 if there is none.
    pub(super) fn number(&self, field: &str) -> u64 {
        let found = self.0.iter().find(|(name, _)| name == field);
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
    }

    /// Takes over the lines of a host, `field:value` each. A new field stands behind the line before it there.
    pub(super) fn merge(&mut self, text: &str) {
        let mut next = self.0.len();
        for (field, value) in text.lines().filter_map(|line| line.split_once(':')) {
            match self.0.iter().position(|(name, _)| name == field) {
                Some(at) => {
                    value.clone_into(&mut self.0[at].1);
                    next = at + 1;
                }
                None => {
                    self.0.insert(next, (field.to_owned(), value.to_owned()));
                    next += 1;
                }
            }
        }
    }

    /// Prints the lines: those that `order` names in its order, each other one after the line that it was given after.
    pub(super) fn print(self, order: &str, out: &mut String) {
        let mut last = 0;
        let mut ranked: Vec<(usize, (String, String))> = Vec::with_capacity(self.0.len());
        for (field, value) in self.0 {
            last = order.split_ascii_whitespace().position(|name| name == field).unwrap_or(last);
            ranked.push((last, (field, value)));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        for (_, (field, value)) in ranked {
            out.push_str(&field);
            out.push(':');
            out.push_str(&value);
            out.push_str("\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_replaces_values_and_its_own_fields_stay_where_it_put_them() {
        let mut lines = Lines::default();
        lines.set("role", "master");
        lines.set("connected_slaves", 0);
        lines.set("master_repl_offset", 7);
        lines.merge("connected_slaves:1\r\nslave0:ip=::1,port=7\r\nmaster_replid:abc\r\nbroken\r\n");
        let mut out = String::new();
        lines.print("role connected_slaves master_replid master_repl_offset", &mut out);
        let expected = "role:master\r\nconnected_slaves:1\r\nslave0:ip=::1,port=7\r\nmaster_replid:abc\r\n\
                        master_repl_offset:7\r\n";
        assert_eq!(out, expected);
    }
}
