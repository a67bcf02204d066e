//! FUNCTION through sessions.

use crate::command::testing::{Bench, session};
use crate::effect::BatchKind;
use crate::resp::Value;

const CODE: &str = "#!lua name=lib\nredis.register_function('f', function(keys) return 1 end)";

fn call(bench: &Bench, words: &[&str]) -> Value {
    bench.db.call(words)
}

fn error(bench: &Bench, words: &[&str]) -> String {
    let reply = call(bench, words);
    String::from_utf8_lossy(reply.as_error().expect("an error")).into_owned()
}

#[test]
fn libraries_come_and_go_and_replay() {
    let bench = Bench::new();
    assert_eq!(call(&bench, &["FUNCTION", "LOAD", CODE]), Value::bulk("lib"));
    assert_eq!(error(&bench, &["FUNCTION", "LOAD", CODE]), "ERR Library 'lib' already exists");
    assert_eq!(error(&bench, &["FUNCTION", "LOAD", "FOO", CODE]), "ERR Unknown option given: FOO");
    assert_eq!(call(&bench, &["FUNCTION", "LOAD", "replace", CODE]), Value::bulk("lib"));
    let listed = bench.run("FUNCTION LIST WITHCODE LIBRARYNAME L*");
    assert_eq!(format!("{listed:?}").matches("library_code").count(), 1);
    assert_eq!(bench.run("FUNCTION LIST LIBRARYNAME x"), Value::Array(Vec::new()));
    let batches = bench.batches();
    assert_eq!(batches.iter().map(|batch| batch.kind).collect::<Vec<_>>(), [BatchKind::Global, BatchKind::Global]);
    let copy = Bench::new();
    for batch in &batches {
        crate::command::testing::replay(&copy.db, batch);
    }
    assert_eq!(copy.run("FUNCTION LIST WITHCODE"), bench.run("FUNCTION LIST WITHCODE"));
    assert_eq!(bench.error("FUNCTION DELETE x"), "ERR Library not found");
    assert_eq!(bench.run("FUNCTION DELETE lib"), Value::Ok);
    assert_eq!(bench.run("FUNCTION FLUSH"), Value::Ok);
    assert_eq!(bench.effects(), ["FUNCTION DELETE lib"]);
    bench.assert_replays();
}

#[test]
fn a_dump_is_restored() {
    let bench = Bench::new();
    call(&bench, &["FUNCTION", "LOAD", CODE]);
    let dump = bench.run("FUNCTION DUMP");
    let dump = dump.as_bytes().expect("a string");
    let restore = |words: &[&[u8]]| bench.db.call(&[&[b"FUNCTION".as_slice(), b"RESTORE"], words].concat());
    assert_eq!(restore(&[dump]).as_error(), Some(&b"ERR Library lib already exists"[..]));
    assert_eq!(restore(&[dump, b"REPLACE"]), Value::Ok);
    assert_eq!(restore(&[dump, b"flush"]), Value::Ok);
    assert!(restore(&[b"abc"]).as_error().unwrap().starts_with(b"ERR DUMP payload version"));
    assert!(restore(&[dump, b"x"]).as_error().unwrap().starts_with(b"ERR Wrong restore policy"));
    let text = b"ERR unknown subcommand or wrong number of arguments for 'RESTORE'. Try FUNCTION HELP.";
    assert_eq!(restore(&[dump, b"x", b"y"]).as_error(), Some(&text[..]));
    bench.run("FUNCTION FLUSH ASYNC");
    assert_eq!(restore(&[dump]), Value::Ok);
    assert_eq!(bench.effects().len(), 5);
    bench.assert_replays();
}

#[test]
fn shapes_are_those_of_redis() {
    let bench = Bench::new();
    let mut s = session(&bench.db);
    let mut ask = |request: &str| crate::command::testing::ask(&mut s, request);
    assert_eq!(ask("FUNCTION KILL"), "-NOTBUSY No scripts in execution right now.\r\n");
    assert_eq!(ask("FUNCTION FLUSH NOW"), "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option\r\n");
    assert_eq!(ask("FUNCTION LIST FOO"), "-ERR Unknown argument FOO\r\n");
    assert_eq!(ask("FUNCTION LIST LIBRARYNAME"), "-ERR library name argument was not given\r\n");
    assert_eq!(ask("FUNCTION LOAD \"return 1\""), "-ERR Missing library metadata\r\n");
    ask("FUNCTION LOAD \"#!lua name=l\\nregister_function{function_name='f', callback=f, flags={'no-writes'}}\"");
    let listed = "*1\r\n*6\r\n$12\r\nlibrary_name\r\n$1\r\nl\r\n$6\r\nengine\r\n$3\r\nLUA\r\n$9\r\nfunctions\r\n*1\r\n\
                  *6\r\n$4\r\nname\r\n$1\r\nf\r\n$11\r\ndescription\r\n$-1\r\n$5\r\nflags\r\n*1\r\n+no-writes\r\n";
    assert_eq!(ask("FUNCTION LIST"), listed);
    let stats = "*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n*4\r\n$15\r\nlibraries_count\r\n\
                 :1\r\n$15\r\nfunctions_count\r\n:1\r\n";
    assert_eq!(ask("FUNCTION STATS"), stats);
}
