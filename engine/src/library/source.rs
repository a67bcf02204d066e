//! What a library's text says of itself.
//!
//! ```text
//! #!lua name=mylib                                                the first line: engine and name
//! redis.register_function('f', callback)                          a function
//! redis.register_function{function_name='g', callback=.., flags={'no-writes'}, description='..'}
//! ```
//!
//! The text is looked through for `register_function`, not run: names that it computes are not seen.

use super::Function;
use crate::error::CommandError;
use crate::text::split_args;

/// A library's name and functions.
pub(super) struct Source {
    pub(super) name: Vec<u8>,
    pub(super) functions: Vec<Function>,
}

impl Source {
    pub(super) fn read(code: &[u8]) -> Result<Self, CommandError> {
        let name = read_header(code)?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.is_empty() || !name.iter().all(is_word) {
            return Err(CommandError::text(BAD_NAME));
        }
        Ok(Self { name, functions: functions_of(code) })
    }
}

fn read_header(code: &[u8]) -> Result<Vec<u8>, CommandError> {
    const INVALID: CommandError = CommandError::text("ERR Invalid library metadata");
    if !code.starts_with(b"#!") {
        return Err(CommandError::text("ERR Missing library metadata"));
    }
    let end = code.iter().position(|byte| *byte == b'\n').ok_or(INVALID)?;
    let words = split_args(&code[..end]).ok().filter(|words| !words.is_empty()).ok_or(INVALID)?;
    let mut name: Option<&[u8]> = None;
    for word in &words[1..] {
        match word.split_at_checked(NAME.len()) {
            Some((key, _)) if key.eq_ignore_ascii_case(NAME) && name.is_some() => {
                return Err(CommandError::text("ERR Invalid metadata value, name argument was given multiple times"));
            }
            Some((key, value)) if key.eq_ignore_ascii_case(NAME) => name = Some(value),
            _ => return Err(CommandError::quoting("ERR Invalid metadata value given: ", word, "")),
        }
    }
    let name = name.ok_or(CommandError::text("ERR Library name was not given"))?.to_vec();
    let engine = &words[0][2..];
    if engine.eq_ignore_ascii_case(b"lua") {
        Ok(name)
    } else {
        Err(CommandError::quoting("ERR Engine '", engine, "' not found"))
    }
}

/// Every function that the text seems to register.
fn functions_of(code: &[u8]) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    let mut rest = code;
    while let Some(at) = find(rest, REGISTER) {
        rest = &rest[at + REGISTER.len()..];
        let call = rest.trim_ascii_start();
        let inside = call.strip_prefix(b"(").unwrap_or(call).trim_ascii_start();
        let function = match inside.strip_prefix(b"{") {
            Some(table) => described(table),
            None => quoted(inside).map(|name| Function { name: name.to_vec(), description: None, flags: Vec::new() }),
        };
        functions.extend(function.filter(|new| !functions.iter().any(|known| known.name == new.name)));
    }
    functions
}

/// A function given as a table of named arguments.
fn described(table: &[u8]) -> Option<Function> {
    let table = &table[..end_of_table(table)];
    let value = |key: &[u8]| {
        let after = &table[find(table, key)? + key.len()..];
        after.trim_ascii_start().strip_prefix(b"=").map(<[u8]>::trim_ascii_start)
    };
    let mut flags = Vec::new();
    if let Some(list) = value(b"flags").and_then(|list| list.strip_prefix(b"{")) {
        let mut list = &list[..list.iter().position(|byte| *byte == b'}').unwrap_or(list.len())];
        while let Some(at) = list.iter().position(|byte| matches!(byte, b'\'' | b'"')) {
            let Some(flag) = quoted(&list[at..]) else { break };
            flags.push(flag.to_vec());
            list = &list[at + flag.len() + 2..];
        }
    }
    let name = quoted(value(b"function_name")?)?.to_vec();
    Some(Function { name, description: value(b"description").and_then(quoted).map(<[u8]>::to_vec), flags })
}

/// Where the brace is that closes a table; the end if there is none.
fn end_of_table(table: &[u8]) -> usize {
    let mut depth = 1;
    table
        .iter()
        .position(|byte| {
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                _ => {}
            }
            depth == 0
        })
        .unwrap_or(table.len())
}

/// The text between the quotes at the beginning.
fn quoted(text: &[u8]) -> Option<&[u8]> {
    let quote = *text.first().filter(|byte| matches!(byte, b'\'' | b'"'))?;
    let inside = &text[1..];
    Some(&inside[..inside.iter().position(|byte| *byte == quote)?])
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

const NAME: &[u8] = b"name=";
const REGISTER: &[u8] = b"register_function";
const BAD_NAME: &str = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one \
                        character long";

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> String {
        Source::read(code.as_bytes()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn headers_are_read_as_redis_does() {
        for (code, text) in [
            ("return 1", "ERR Missing library metadata"),
            ("#!lua name=x", "ERR Invalid library metadata"),
            ("#!lua 'name=x\n", "ERR Invalid library metadata"),
            ("#!lua\n", "ERR Library name was not given"),
            ("#!lua foo=x\n", "ERR Invalid metadata value given: foo=x"),
            ("#!lua é\n", "ERR Invalid metadata value given: é"),
            ("#!lua name=x name=y\n", "ERR Invalid metadata value, name argument was given multiple times"),
            ("#!js name=x\n", "ERR Engine 'js' not found"),
            ("#!lua name=a-b\n", BAD_NAME),
            ("#!lua name=\n", BAD_NAME),
        ] {
            assert_eq!(error(code), text, "{code}");
        }
        assert_eq!(Source::read(b"#!LUA NAME=my_lib1\n").unwrap().name, b"my_lib1");
    }

    #[test]
    fn functions_are_found_in_both_forms() {
        let code = b"#!lua name=x\nredis.register_function('f', function(keys) return {} end)\n\
            redis.register_function {\n callback = function(k, a) return {1, {2}} end, function_name = \"g\",\n \
            flags = { 'no-writes', \"allow-stale\" }, description = 'two words' }\n\
            redis.register_function({function_name='h', callback=f})\nredis.register_function(name, f)";
        let functions = Source::read(code).unwrap().functions;
        let names: Vec<_> = functions.iter().map(|f| String::from_utf8_lossy(&f.name)).collect();
        assert_eq!(names, ["f", "g", "h"]);
        assert_eq!(functions[1].description.as_deref(), Some(&b"two words"[..]));
        assert_eq!(functions[1].flags, [&b"no-writes"[..], b"allow-stale"]);
        for cut in 0..code.len() {
            let _ = Source::read(&code[..cut]);
        }
    }
}
