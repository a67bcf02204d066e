//! Users through sessions. Replies as redis-server gives them; texts of 7.2 where 7.0 has others.

use crate::{Engine, ManualClock, PeerInfo, Session, SessionState, UnixMillis};
use std::task::Waker;

fn session(db: &Engine) -> Session {
    db.session(Waker::noop().clone(), PeerInfo { addr: "10.0.0.1:5".into(), ..PeerInfo::default() })
}

fn take(session: &mut Session) -> String {
    let mut out = Vec::new();
    session.poll_output(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// What a client reads that sends these words.
fn ask(session: &mut Session, request: &str) -> String {
    session.feed(format!("{request}\r\n").as_bytes());
    take(session)
}

/// A session of a user with these rules, who is on and needs no password.
fn user(db: &Engine, name: &str, rules: &str) -> Session {
    set(db, name, &format!("on nopass {rules}"));
    let mut session = session(db);
    assert_eq!(ask(&mut session, &format!("AUTH {name} x")), "+OK\r\n");
    session
}

fn set(db: &Engine, name: &str, rules: &str) {
    let rules: Vec<&str> = rules.split(' ').collect();
    db.acl_setuser_rules(name, &rules).unwrap();
}

const KEY: &str = "-NOPERM No permissions to access a key\r\n";
const CHANNEL: &str = "-NOPERM No permissions to access a channel\r\n";

fn denied(user: &str, command: &str) -> String {
    format!("-NOPERM User {user} has no permissions to run the '{command}' command\r\n")
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

#[test]
fn replies_of_the_transcript() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    for (request, reply) in [
        ("ACL WHOAMI", bulk("default")),
        ("ACL USERS", format!("*1\r\n{}", bulk("default"))),
        ("ACL LIST", format!("*1\r\n{}", bulk("user default on nopass sanitize-payload ~* &* +@all"))),
        ("ACL GETUSER nope", "$-1\r\n".into()),
        ("ACL SETUSER \"a b\"", "-ERR Usernames can't contain spaces or null characters\r\n".into()),
        ("ACL SETUSER u (+get", "-ERR Unmatched parenthesis in acl selector starting at '(+get'.\r\n".into()),
        (
            "ACL SETUSER u +nope",
            "-ERR Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL\r\n".into(),
        ),
        ("ACL SETUSER u )", "-ERR Error in ACL SETUSER modifier ')': Syntax error\r\n".into()),
        ("ACL GETUSER u", "$-1\r\n".into()),
        ("ACL SETUSER u", "+OK\r\n".into()),
        ("ACL DELUSER u default", "-ERR The 'default' user cannot be removed\r\n".into()),
        ("ACL DELUSER u nope", ":1\r\n".into()),
        ("ACL CAT nope", "-ERR Unknown category 'nope'\r\n".into()),
        (
            "ACL CAT a b",
            "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.\r\n".into(),
        ),
        (
            "ACL GENPASS 0",
            "-ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to 4096\r\n"
                .into(),
        ),
        ("ACL GENPASS x", "-ERR value is not an integer or out of range\r\n".into()),
        ("ACL LOG x", "-ERR value is not an integer or out of range\r\n".into()),
        ("ACL LOG -1", "*0\r\n".into()),
        ("ACL LOG RESET", "+OK\r\n".into()),
        ("ACL DRYRUN nope", "-ERR wrong number of arguments for 'acl|dryrun' command\r\n".into()),
        ("ACL DRYRUN nope get k", "-ERR User 'nope' not found\r\n".into()),
        ("ACL DRYRUN default nope x", "-ERR Command 'nope' not found\r\n".into()),
        ("ACL DRYRUN default set x", "-ERR wrong number of arguments for 'set' command\r\n".into()),
        ("ACL DRYRUN default set x y", "+OK\r\n".into()),
        ("ACL help x", "-ERR wrong number of arguments for 'acl|help' command\r\n".into()),
    ] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
    for request in ["ACL SAVE", "ACL LOAD"] {
        assert!(
            ask(&mut s, request).starts_with("-ERR This Redis instance is not configured to use an ACL file. You may")
        );
    }
    assert!(ask(&mut s, "ACL CAT").starts_with("*21\r\n$8\r\nkeyspace\r\n"));
    assert!(ask(&mut s, "ACL CAT Scripting").contains("$13\r\nfunction|list\r\n"));
    assert!(!ask(&mut s, "ACL CAT keyspace").contains("$3\r\nset\r\n"));
}

#[test]
fn a_user_is_shown_with_all_its_rules() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    set(&db, "u", "on >abc %R~a ~b +@read -get &c (%W~d +set)");
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let selector = |commands: &str, keys: &str, channels: &str| {
        let pairs = [("commands", commands), ("keys", keys), ("channels", channels)];
        pairs.map(|(name, value)| format!("{}{}", bulk(name), bulk(value))).concat()
    };
    let body = |map: &str, set: &str, inner: &str| {
        format!(
            "{map}{}{set}{}{}{}*1\r\n{}{}{}*1\r\n{inner}{}",
            bulk("flags"),
            bulk("on"),
            bulk("sanitize-payload"),
            bulk("passwords"),
            bulk(hash),
            selector("-@all +@read -get", "%R~a ~b", "&c"),
            bulk("selectors"),
            selector("-@all +set", "%W~d", ""),
        )
    };
    assert_eq!(ask(&mut s, "ACL GETUSER u"), body("*12\r\n", "*2\r\n", "*6\r\n"));
    ask(&mut s, "HELLO 3");
    assert_eq!(ask(&mut s, "ACL GETUSER u"), body("%6\r\n", "~2\r\n", "%3\r\n"));
    assert_eq!(ask(&mut s, "ACL GETUSER nope"), "_\r\n");
    let line = format!(
        "user u on sanitize-payload #{hash} %R~a ~b resetchannels &c -@all +@read -get (%W~d resetchannels -@all +set)"
    );
    assert_eq!(String::from_utf8(db.acl_list().pop().unwrap()).unwrap(), line);
    db.acl_load(db.acl_list().join(&b'\n'), "f", None).unwrap();
    assert_eq!(String::from_utf8(db.acl_list().pop().unwrap()).unwrap(), line);
}

#[test]
fn commands_keys_and_channels_are_held_against_the_rules() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+get +set +publish +subscribe +mget +client|id +select|0 ~a* %R~r* &c*");
    for (request, reply) in [
        ("SET a1 x", "+OK\r\n".into()),
        ("GET a1", "$1\r\nx\r\n".into()),
        ("GET b", KEY.into()),
        ("GET r1", "$-1\r\n".into()),
        ("SET r1 x", KEY.into()),
        ("MGET a1 r1", "*2\r\n$1\r\nx\r\n$-1\r\n".into()),
        ("MGET a1 b r1", KEY.into()),
        ("DEL a1", denied("u", "del")),
        ("CLIENT ID", ":1\r\n".into()),
        ("CLIENT LIST", denied("u", "client|list")),
        ("SELECT 0", "+OK\r\n".into()),
        ("SELECT 1", denied("u", "select")),
        ("PUBLISH c1 x", ":0\r\n".into()),
        ("PUBLISH d x", CHANNEL.into()),
        ("SUBSCRIBE c1 d", CHANNEL.into()),
        ("NOPE x", "-ERR unknown command 'NOPE', with args beginning with: 'x' \r\n".into()),
        ("GET", "-ERR wrong number of arguments for 'get' command\r\n".into()),
        ("PING", denied("u", "ping")),
    ] {
        assert_eq!(ask(&mut s, request), reply, "{request}");
    }
}

#[test]
fn a_pattern_is_subscribed_to_only_as_a_rule_spells_it() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+psubscribe +ssubscribe &bar:*");
    assert!(ask(&mut s, "PSUBSCRIBE bar:*").starts_with("*3\r\n$10\r\npsubscribe\r\n"));
    assert_eq!(ask(&mut s, "PSUBSCRIBE bar:baz"), CHANNEL);
    assert_eq!(ask(&mut s, "SSUBSCRIBE foo"), CHANNEL);
}

#[test]
fn reading_and_writing_are_told_apart_by_what_commands_do() {
    let db = Engine::in_memory();
    set(&db, "u", "+@all %R~read* %W~write* ~rw*");
    let mut s = session(&db);
    for (request, key) in [
        ("GET read", ""),
        ("SET write x", ""),
        ("SET write x GET", "write"),
        ("SET read x", "read"),
        ("BITFIELD read GET u4 0", ""),
        ("BITFIELD read SET u4 0 1", "read"),
        ("BITFIELD write SET u4 0 1", "write"),
        ("EXISTS write read", ""),
        ("EXISTS other", "other"),
        ("COPY read write", ""),
        ("COPY write read", "write"),
        ("MIGRATE h 1 rw 0 5", ""),
        ("MIGRATE h 1 read 0 5", "read"),
        ("MIGRATE h 1 \"\" 0 5 KEYS rw write", "write"),
        ("SORT read STORE write", ""),
        ("SORT read STORE read", "read"),
        ("GEORADIUS read 1 1 1 m STOREDIST write", ""),
        ("GEORADIUS read1 1 1 1 m STORE read2", "read2"),
        ("SINTERCARD 2 read write", "write"),
        ("OBJECT ENCODING read", ""),
    ] {
        let reply = match key {
            "" => "+OK\r\n".to_owned(),
            key => bulk(&format!("User u has no permissions to access the '{key}' key")),
        };
        assert_eq!(ask(&mut s, &format!("ACL DRYRUN u {request}")), reply, "{request}");
    }
}

#[test]
fn selectors_do_not_add_up_and_the_one_that_went_furthest_tells_why() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "(%R~read* +@all) (%W~write* +@all)");
    assert_eq!(ask(&mut s, "COPY read write"), KEY);
    assert_eq!(ask(&mut s, "LPUSH write x"), ":1\r\n");
    let mut s = user(&db, "v", "+mget ~key (+mget ~key ~otherkey)");
    ask(&mut s, "MGET otherkey someotherkey");
    ask(&mut s, "GET key");
    let mut admin = session(&db);
    let log = ask(&mut admin, "ACL LOG");
    assert!(
        log.contains(&bulk("someotherkey")) && !log.contains(&bulk("otherkey")) && log.contains(&bulk("get")),
        "{log}"
    );
}

#[test]
fn a_transaction_is_checked_when_it_is_queued_and_when_it_runs() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+@all ~a* &c");
    let mut admin = session(&db);
    ask(&mut s, "MULTI");
    assert_eq!(ask(&mut s, "GET b"), KEY);
    assert_eq!(ask(&mut s, "EXEC"), "-EXECABORT Transaction discarded because of previous errors.\r\n");
    for (request, rules, reason) in [
        ("INCR a", "-incr", "no permission to execute the command or subcommand"),
        ("SET a x", "resetkeys", "no permission to touch the specified keys"),
        (
            "PUBLISH c x",
            "resetchannels",
            "no permission to access one of the channels used as arguments to the command",
        ),
    ] {
        set(&db, "u", "+@all ~a* resetchannels &c");
        ask(&mut s, "MULTI");
        assert_eq!(ask(&mut s, request), "+QUEUED\r\n");
        ask(&mut s, "PING");
        set(&db, "u", rules);
        let error = format!(
            "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command is \
             no longer allowed for the following reason: {reason}\r\n"
        );
        assert_eq!(ask(&mut s, "EXEC"), format!("*2\r\n{error}+PONG\r\n"));
        let log = ask(&mut admin, "ACL LOG 1");
        assert!(log.contains(&bulk("multi")) && log.contains(" cmd=exec user=u "), "{log}");
    }
    set(&db, "u", "-exec");
    ask(&mut s, "MULTI");
    assert_eq!(
        ask(&mut s, "EXEC"),
        "-EXECABORT Transaction discarded because of: NOPERM User u has no permissions to run the 'exec' command\r\n"
    );
}

#[test]
fn a_blocked_request_is_checked_again_when_it_is_served() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+@all ~*");
    let mut admin = session(&db);
    assert_eq!(ask(&mut s, "BLPOP list 0"), "");
    set(&db, "u", "resetkeys");
    assert_eq!(ask(&mut admin, "LPUSH list x"), ":1\r\n");
    assert_eq!(take(&mut s), KEY);
    assert_eq!(ask(&mut admin, "LLEN list"), ":1\r\n");
    let stats = ask(&mut admin, "INFO commandstats");
    assert!(
        stats.contains("cmdstat_blpop:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"),
        "{stats}"
    );
    set(&db, "u", "allkeys");
    assert_eq!(ask(&mut s, "BLPOP other 0"), "");
    set(&db, "u", "resetkeys");
    set(&db, "u", "allkeys");
    ask(&mut admin, "LPUSH other x");
    assert_eq!(take(&mut s), "*2\r\n$5\r\nother\r\n$1\r\nx\r\n");
}

#[test]
fn sort_looks_up_other_keys_only_for_those_who_may_read_all() {
    let db = Engine::in_memory();
    let mut admin = session(&db);
    ask(&mut admin, "RPUSH list 1");
    let mut s = user(&db, "u", "+multi +exec (+sort ~list)");
    let error = |option: &str| format!("-ERR {option} option of SORT denied due to insufficient ACL permissions.\r\n");
    for rules in ["on", "(+sort ~list %W~*)", "(+get ~*)"] {
        set(&db, "u", rules);
        assert_eq!(ask(&mut s, "SORT list BY v*"), error("BY"));
        assert_eq!(ask(&mut s, "SORT list GET v*"), error("GET"));
        assert_eq!(ask(&mut s, "SORT list BY nosort"), "*1\r\n$1\r\n1\r\n");
    }
    ask(&mut s, "MULTI");
    assert_eq!(ask(&mut s, "SORT list BY v*"), "+QUEUED\r\n");
    assert_eq!(ask(&mut s, "EXEC"), format!("*1\r\n{}", error("BY")));
    set(&db, "u", "(+sort ~list %R~*)");
    assert_eq!(ask(&mut s, "SORT list BY v*"), "*1\r\n$1\r\n1\r\n");
    assert_eq!(ask(&mut admin, "SORT list BY v*"), "*1\r\n$1\r\n1\r\n");
}

#[test]
fn listeners_are_closed_when_their_user_loses_what_they_listen_to() {
    let db = Engine::in_memory();
    let closes = |listen: &str, before: &str, after: &str| {
        let mut s = user(&db, "u", &format!("+@all resetchannels {before}"));
        ask(&mut s, listen);
        set(&db, "u", after);
        s.poll_output(&mut Vec::new()) == SessionState::Closing
    };
    assert!(closes("SUBSCRIBE foo:1", "&foo:1", "resetchannels"));
    assert!(closes("SSUBSCRIBE foo:1", "&foo:1", "resetchannels"));
    assert!(closes("PSUBSCRIBE bar:*", "&bar:*", "resetchannels &bar:a"));
    assert!(closes("PSUBSCRIBE foo", "&*", "resetchannels"));
    assert!(!closes("SUBSCRIBE foo:1", "&foo:*", "resetchannels &foo:1"));
    assert!(!closes("SUBSCRIBE foo:1", "&foo:1 &bar", "resetchannels &foo:1 &bar &baz"));
    assert!(!closes("SUBSCRIBE foo:1", "&foo:1", "allchannels"));
    assert!(!closes("GET k", "&foo:1", "resetchannels"));
}

#[test]
fn clients_of_a_user_that_is_deleted_are_closed() {
    let db = Engine::in_memory();
    let mut other = user(&db, "u", "+@all ~*");
    let mut s = user(&db, "u", "+@all ~*");
    let mut bystander = session(&db);
    s.feed(b"ACL DELUSER u\r\nPING\r\n");
    let mut out = Vec::new();
    assert_eq!(s.poll_output(&mut out), SessionState::Closing);
    assert_eq!(out, b":1\r\n");
    assert_eq!(other.poll_output(&mut Vec::new()), SessionState::Closing);
    assert_eq!(ask(&mut bystander, "PING"), "+PONG\r\n");
}

#[test]
fn a_text_of_users_closes_the_clients_of_all_but_the_default_user() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+@all ~*");
    let mut bystander = session(&db);
    let text = db.acl_list().join(&b'\n');
    assert!(db.acl_load(b"user u on\nnonsense", "f", None).is_err());
    assert_eq!(ask(&mut s, "PING"), "+PONG\r\n");
    db.acl_load(&text, "f", None).unwrap();
    assert_eq!(s.poll_output(&mut Vec::new()), SessionState::Closing);
    assert_eq!(ask(&mut bystander, "ACL USERS"), "*2\r\n$7\r\ndefault\r\n$1\r\nu\r\n");
}

#[test]
fn the_log_counts_what_is_alike_and_tells_when() {
    let clock = ManualClock::at(UnixMillis(1_000_000));
    let db = Engine::builder().clock(clock.clone()).in_memory();
    let mut s = session(&db);
    ask(&mut s, "ACL SETUSER u >x");
    ask(&mut s, "AUTH u wrong");
    clock.advance(std::time::Duration::from_millis(1500));
    ask(&mut s, "HELLO 3 AUTH u wrong");
    ask(&mut s, "AUTH u wrong");
    clock.advance(std::time::Duration::from_millis(250));
    let head = |reason: &str, object: &str, user: &str, age: &str, count: i64| {
        let fields = [("reason", reason), ("context", "toplevel"), ("object", object), ("username", user)];
        let fields = fields.map(|(name, value)| format!("{}{}", bulk(name), bulk(value))).concat();
        format!(
            "*20\r\n{}:{count}\r\n{fields}{}{}{}",
            bulk("count"),
            bulk("age-seconds"),
            bulk(age),
            bulk("client-info")
        )
    };
    let log = ask(&mut s, "ACL LOG");
    assert!(log.starts_with(&format!("*2\r\n{}", head("auth", "AUTH", "u", "0.25", 2))), "{log}");
    let tail = |id: i64, created: i64, last: i64| {
        let fields = [("entry-id", id), ("timestamp-created", created), ("timestamp-last-updated", last)];
        fields.map(|(name, value)| format!("{}:{value}\r\n", bulk(name))).concat()
    };
    assert!(log.contains(&(tail(0, 1_000_000, 1_001_500) + &head("auth", "HELLO", "u", "0.25", 1))), "{log}");
    assert!(log.ends_with(&tail(1, 1_001_500, 1_001_500)), "{log}");
    assert!(log.contains("id=1 addr=10.0.0.1:5 ") && log.contains(" cmd=auth user=default "), "{log}");
    assert_eq!(ask(&mut s, "ACL LOG 1").matches(&bulk("entry-id")).count(), 1);
    let info = ask(&mut s, "INFO stats");
    assert!(info.contains("acl_access_denied_auth:3\r\nacl_access_denied_cmd:0\r\n"), "{info}");
    db.options().acl_log_count_max.store(1, std::sync::atomic::Ordering::Relaxed);
    ask(&mut s, "AUTH nobody x");
    assert_eq!(ask(&mut s, "ACL LOG").matches(&bulk("entry-id")).count(), 1);
}

#[test]
fn who_a_client_is_shows_in_the_list_and_is_a_reason_to_kill_it() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+@all");
    let mut admin = session(&db);
    assert!(ask(&mut s, "CLIENT INFO").contains(" user=u "));
    assert_eq!(ask(&mut admin, "CLIENT KILL USER nope"), "-ERR No such user 'nope'\r\n");
    assert_eq!(ask(&mut admin, "CLIENT KILL USER u"), ":1\r\n");
    assert_eq!(s.poll_output(&mut Vec::new()), SessionState::Closing);
    assert_eq!(ask(&mut admin, "CLIENT KILL USER default"), ":0\r\n");
}

#[test]
fn hello_works_for_others_where_the_default_user_may_do_nothing() {
    let db = Engine::in_memory();
    set(&db, "secure", ">pw on +@all");
    set(&db, "default", "-@all");
    let mut s = session(&db);
    assert_eq!(ask(&mut s, "PING"), denied("default", "ping"));
    assert!(ask(&mut s, "HELLO 2 AUTH secure bad AUTH secure pw").starts_with("*14\r\n"));
    assert_eq!(ask(&mut s, "ACL WHOAMI"), bulk("secure"));
    assert_eq!(ask(&mut s, "RESET"), "+RESET\r\n");
    assert_eq!(ask(&mut s, "ACL WHOAMI"), denied("default", "acl|whoami"));
}

#[test]
fn new_clients_are_strangers_where_the_default_user_is_off() {
    let db = Engine::in_memory();
    let mut early = session(&db);
    set(&db, "default", "off");
    let mut late = session(&db);
    assert_eq!(ask(&mut early, "PING"), "+PONG\r\n");
    assert_eq!(ask(&mut late, "PING"), "-NOAUTH Authentication required.\r\n");
    set(&db, "default", "on");
    assert_eq!(ask(&mut late, "PING"), "+PONG\r\n");
}

#[test]
fn channels_of_new_users_follow_the_option() {
    let db = Engine::in_memory();
    db.options().acl_all_channels.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut s = session(&db);
    ask(&mut s, "ACL SETUSER u");
    assert!(ask(&mut s, "ACL LIST").contains("user u off sanitize-payload &* -@all\r\n"));
    assert!(ask(&mut s, "ACL SETUSER v &x").contains("Try 'resetchannels' to start with an empty list of channels"));
}

#[test]
fn generated_passwords_have_the_length_that_was_asked_for_and_differ() {
    let db = Engine::in_memory();
    let mut s = session(&db);
    let one = ask(&mut s, "ACL GENPASS");
    assert!(one.starts_with("$64\r\n") && one != ask(&mut s, "ACL GENPASS"));
    assert!(ask(&mut s, "ACL GENPASS 5").starts_with("$2\r\n"));
    assert!(ask(&mut s, "ACL GENPASS 4096").starts_with("$1024\r\n"));
    let seeded = || ask(&mut session(&Engine::builder().seed(7).in_memory()), "ACL GENPASS");
    assert_eq!(seeded(), seeded());
}

#[test]
fn embedders_and_inner_sessions_are_no_users() {
    let db = Engine::in_memory();
    set(&db, "default", "-@all off >x");
    assert_eq!(db.call(&["SET", "k", "v"]), crate::resp::Value::Ok);
    assert_eq!(db.call(&["ACL", "WHOAMI"]), crate::resp::Value::Nil);
    let mut inner = db.inner_session(Waker::noop().clone());
    assert_eq!(ask(&mut inner, "GET k"), "$1\r\nv\r\n");
    set(&db, "default", "off");
    assert_eq!(ask(&mut inner, "GET k"), "$1\r\nv\r\n");
}

#[test]
fn pipelined_reads_of_one_slot_are_checked_each() {
    let db = Engine::in_memory();
    let mut s = user(&db, "u", "+get ~{t}a*");
    s.feed(b"GET {t}a\r\nGET {t}b\r\nGET {t}a\r\nGET {t}b\r\n");
    assert_eq!(take(&mut s), format!("$-1\r\n{KEY}$-1\r\n{KEY}"));
}
