//! Which arguments of a request are secrets: they are never kept or shown, only `(redacted)` in their place.

/// What stands in the place of a secret.
pub(crate) const REDACTED: &[u8] = b"(redacted)";

/// Tells for each argument of a request whether it is a secret.
pub(crate) fn secrets<'a>(args: &'a [&'a [u8]]) -> impl Fn(usize) -> bool + 'a {
    let kind = kind(args);
    move |at| match kind {
        Kind::Open => false,
        Kind::From(first) => at >= first,
        Kind::AfterAuth => {
            let follows = |back: usize| {
                let named = at.checked_sub(back).and_then(|at| args.get(at));
                named.is_some_and(|word| word.eq_ignore_ascii_case(b"auth"))
            };
            at >= 3 && (follows(1) || follows(2)) && args.len() > at + usize::from(follows(1))
        }
        Kind::Settings => at >= 3 && at % 2 == 1 && is_secret_setting(args[at - 1]),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// No argument is a secret.
    Open,
    /// All are, from this one on.
    From(usize),
    /// The two after the word AUTH.
    AfterAuth,
    /// The values of some settings, which stand behind their names.
    Settings,
}

fn kind(args: &[&[u8]]) -> Kind {
    let is = |at: usize, word: &[u8]| args.get(at).is_some_and(|arg: &&[u8]| arg.eq_ignore_ascii_case(word));
    match () {
        () if is(0, b"auth") && args.len() <= 3 => Kind::From(1),
        () if is(0, b"hello") => Kind::AfterAuth,
        () if is(0, b"config") && is(1, b"set") => Kind::Settings,
        () if is(0, b"acl") && USER_COMMANDS.iter().any(|name| is(1, name)) => Kind::From(2),
        () => Kind::Open,
    }
}

/// What ACL is told that names a user, who is nobody else's business.
const USER_COMMANDS: [&[u8]; 3] = [b"setuser", b"deluser", b"getuser"];

fn is_secret_setting(name: &[u8]) -> bool {
    SECRET_SETTINGS.iter().any(|secret| secret.as_bytes().eq_ignore_ascii_case(name))
}

const SECRET_SETTINGS: [&str; 5] =
    ["requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_secrets_and_what_surrounds_them_is_not() {
        for (request, shown) in [
            ("AUTH pw", "AUTH *"),
            ("auth me pw", "auth * *"),
            ("AUTH a b c", "AUTH a b c"),
            ("HELLO 3 AUTH me pw SETNAME n", "HELLO 3 AUTH * * SETNAME n"),
            ("HELLO 3 SETNAME n auth me pw", "HELLO 3 SETNAME n auth * *"),
            ("HELLO 3 AUTH me", "HELLO 3 AUTH me"),
            (
                "CONFIG SET requirepass pw maxclients 5 MasterAuth x",
                "CONFIG SET requirepass * maxclients 5 MasterAuth *",
            ),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("ACL SETUSER me >pw on", "ACL SETUSER * * *"),
            ("ACL DELUSER me you", "ACL DELUSER * *"),
            ("acl getuser me", "acl getuser *"),
            ("ACL DRYRUN me get k", "ACL DRYRUN me get k"),
            ("SET auth pw", "SET auth pw"),
        ] {
            let args: Vec<&[u8]> = request.split(' ').map(str::as_bytes).collect();
            let is_secret = secrets(&args);
            let words: Vec<&str> =
                request.split(' ').enumerate().map(|(at, word)| if is_secret(at) { "*" } else { word }).collect();
            assert_eq!(words.join(" "), shown);
        }
    }
}
