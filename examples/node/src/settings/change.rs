//! CONFIG SET: several keys at once, all of them or none.

use super::Settings;
use super::kind::{Value, ValueError};
use super::table::{Change, RowIndex, find};
use super::values::Values;

/// Why CONFIG SET changed nothing. The text follows `ERR ` on the wire.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum ChangeError {
    #[error("syntax error")]
    UnpairedName,
    #[error("Unknown option or number of arguments for CONFIG SET - '{0}'")]
    UnknownName(String),
    #[error("CONFIG SET failed (possibly related to argument '{name}') - {reason}")]
    Refused { name: &'static str, reason: Refusal },
}

/// What is wrong with one key's change.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("can't set immutable config")]
    AtStartOnly,
    #[error("can't set protected config")]
    Protected,
    #[error("duplicate parameter")]
    Duplicate,
    #[error("{0}")]
    Value(ValueError),
    /// The node could not act on the value; in its own words.
    #[error("{0}")]
    Apply(String),
}

impl Settings {
    /// Sets pairs of names and values. `may_set_protected` is what `enable-protected-configs` means for the asker.
    ///
    /// `apply` is told every key whose value changes, with all the new values, before anybody else sees them. If it
    /// refuses one, the keys before it are applied again with their old values and nothing has changed.
    pub(crate) fn set(
        &self,
        words: &[&[u8]],
        may_set_protected: bool,
        mut apply: impl FnMut(RowIndex, &Values) -> Result<(), String>,
    ) -> Result<(), ChangeError> {
        let (pairs, []) = words.as_chunks::<2>() else { return Err(ChangeError::UnpairedName) };
        let _changing = self.changing.lock();
        let old = self.values();
        let mut new = old.clone();
        let rows = rows_of(pairs, may_set_protected)?;
        for (&(index, name), [_, word]) in rows.iter().zip(pairs) {
            let value = read(index, word, &old);
            let value = value.map_err(|error| ChangeError::Refused { name, reason: Refusal::Value(error) })?;
            new.replace(index, value);
        }
        let changed: Vec<_> = rows.into_iter().filter(|(index, _)| old.value(*index) != new.value(*index)).collect();
        for (at, &(index, name)) in changed.iter().enumerate() {
            let Err(reason) = apply(index, &new) else { continue };
            for (applied, _) in &changed[..at] {
                if let Err(error) = apply(*applied, &old) {
                    tracing::error!("{} could not be set back: {error}", applied.row().name);
                }
            }
            return Err(ChangeError::Refused { name, reason: Refusal::Apply(reason) });
        }
        *self.values.write() = new;
        Ok(())
    }
}

/// The row of each pair, with the name that errors call it by.
fn rows_of(pairs: &[[&[u8]; 2]], may_set_protected: bool) -> Result<Vec<(RowIndex, &'static str)>, ChangeError> {
    let mut rows: Vec<(RowIndex, &'static str)> = Vec::new();
    let mut refused = None;
    for [written, _] in pairs {
        let Some(index) = find(written) else {
            return Err(ChangeError::UnknownName(String::from_utf8_lossy(written).into_owned()));
        };
        let row = index.row();
        let name = row.names().find(|name| name.as_bytes().eq_ignore_ascii_case(written)).unwrap_or(row.name);
        let reason = match row.change {
            Change::AtStart => Some(Refusal::AtStartOnly),
            Change::Protected if !may_set_protected => Some(Refusal::Protected),
            _ if rows.iter().any(|(other, _)| *other == index) => Some(Refusal::Duplicate),
            _ => None,
        };
        refused = refused.or(reason.map(|reason| ChangeError::Refused { name, reason }));
        rows.push((index, name));
    }
    refused.map_or(Ok(rows), Err)
}

/// Reads a whole new value. Only the buffer limits keep something of the old one: the classes that are not named.
fn read(index: RowIndex, word: &[u8], old: &Values) -> Result<Value, ValueError> {
    let row = index.row();
    let fresh = Value::Switch(false);
    let base = match old.value(index) {
        limits @ Value::BufferLimits(_) => limits,
        _ => &fresh,
    };
    let mut value = row.kind.read(row.name, &[word], base)?;
    if let ("hz", Value::Integer(hz)) = (row.name, &mut value) {
        *hz = (*hz).clamp(1, 500);
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(settings: &Settings, words: &[&str]) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        settings.set(&words, false, |_, _| Ok(())).map_err(|error| error.to_string())
    }

    fn shown(settings: &Settings, name: &str) -> String {
        String::from_utf8(settings.values().show(find(name.as_bytes()).unwrap())).unwrap()
    }

    fn standard() -> Settings {
        Settings::new(Values::standard(), None)
    }

    #[test]
    fn several_keys_change_together() {
        let settings = standard();
        set(&settings, &["HZ", "30", "timeout", "7", "save", "60 100 5 5"]).unwrap();
        assert_eq!([shown(&settings, "hz"), shown(&settings, "timeout")], ["30", "7"]);
        assert_eq!(shown(&settings, "save"), "60 100 5 5");
        set(&settings, &["save", ""]).unwrap();
        assert_eq!(shown(&settings, "save"), "");
    }

    #[test]
    fn nothing_changes_when_one_value_is_wrong() {
        let settings = standard();
        assert_eq!(
            set(&settings, &["hz", "30", "timeout", "zz"]).unwrap_err(),
            "CONFIG SET failed (possibly related to argument 'timeout') - argument couldn't be parsed into an integer"
        );
        assert_eq!(shown(&settings, "hz"), "10");
    }

    #[test]
    fn refusals_read_as_redis_s() {
        let settings = standard();
        for (words, error) in [
            (&["foo", "bar"][..], "Unknown option or number of arguments for CONFIG SET - 'foo'"),
            (&["port", "zz", "foo", "bar"], "Unknown option or number of arguments for CONFIG SET - 'foo'"),
            (&["hz", "1", "timeout"], "syntax error"),
            (&["hz", "1", "hz", "2"], "CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter"),
            (
                &["daemonize", "yes"],
                "CONFIG SET failed (possibly related to argument 'daemonize') - can't set immutable config",
            ),
            (&["dir", "/"], "CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"),
            (
                &["slave-read-only", "x"],
                "CONFIG SET failed (possibly related to argument 'slave-read-only') - argument must be 'yes' or 'no'",
            ),
            (
                &["replica-read-only", "no", "slave-read-only", "yes"],
                "CONFIG SET failed (possibly related to argument 'slave-read-only') - duplicate parameter",
            ),
        ] {
            assert_eq!(set(&settings, words).unwrap_err(), error);
        }
    }

    #[test]
    fn protected_keys_open_for_those_who_may() {
        let settings = standard();
        settings.set(&[b"dbfilename", b"x.rdb"], true, |_, _| Ok(())).unwrap();
        assert_eq!(shown(&settings, "dbfilename"), "x.rdb");
    }

    #[test]
    fn a_refusal_by_the_node_takes_the_keys_before_it_back() {
        let settings = standard();
        let mut told = Vec::new();
        let result = settings.set(&[b"timeout", b"5", b"maxclients", b"9", b"port", b"1"], false, |index, values| {
            told.push((index.row().name, values.number(index.row().name)));
            if index.row().name == "maxclients" { Err("too many".into()) } else { Ok(()) }
        });
        assert_eq!(
            result.unwrap_err().to_string(),
            "CONFIG SET failed (possibly related to argument 'maxclients') - too many"
        );
        assert_eq!(told, [("timeout", 5), ("maxclients", 9), ("timeout", 0)]);
        assert_eq!(shown(&settings, "timeout"), "0");
    }

    #[test]
    fn values_that_stay_the_same_are_not_applied() {
        let settings = standard();
        settings.set(&[b"timeout", b"0"], false, |_, _| panic!("nothing changed")).unwrap();
    }

    #[test]
    fn the_background_rate_is_held_in_its_range() {
        let settings = standard();
        for (asked, kept) in [("0", "1"), ("100000", "500")] {
            set(&settings, &["hz", asked]).unwrap();
            assert_eq!(shown(&settings, "hz"), kept);
        }
    }
}
