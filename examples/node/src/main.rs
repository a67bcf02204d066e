//! The reference node: a Redis-compatible server on the Keyslot library.
//!
//! ```text
//!   command_line -> settings -> launch -> host (threads, sockets) -> library
//! ```

mod balancing;
mod command_line;
mod data;
mod host;
mod launch;
mod log;
mod settings;
mod subcommand;

use command_line::Invocation;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator as INFO and `--version` name it.
const ALLOCATOR_NAME: &str = "jemalloc-5.3.1";

/// The version that clients are told, because they switch on it.
const REDIS_VERSION: &str = "7.2.4";

fn main() -> ExitCode {
    let invocation = match command_line::read(std::env::args_os().skip(1)) {
        Ok(invocation) => invocation,
        Err(error) => return fail(error),
    };
    match invocation {
        Invocation::Version => println!("{}", version()),
        Invocation::Help => print!("{}", settings::help()),
        Invocation::HelpKey(key) => match settings::paragraph(&key) {
            Some(paragraph) => print!("{paragraph}"),
            None => return fail(format!("help: {key} is not a key; keyslot-node --help lists them")),
        },
        Invocation::Health(options) => {
            if let Err(reason) = subcommand::health::check(&options, std::env::var("REDISCLI_AUTH").ok()) {
                return fail(reason);
            }
            println!("OK");
        }
        Invocation::Repair(options) => match subcommand::repair::run(&options) {
            Ok(report) => println!("{report}"),
            Err(error) => return fail(error),
        },
        Invocation::Data(options) => match subcommand::data::run(&options) {
            Ok(report) => println!("{}", report.trim_end()),
            Err(error) => return fail(error),
        },
        Invocation::Cluster(options) => {
            if let Err(reason) = subcommand::cluster::up(options) {
                return fail(reason);
            }
        }
        Invocation::Rebalance(options) => {
            match subcommand::rebalance::run(&options, std::env::var("REDISCLI_AUTH").ok()) {
                Ok(text) => println!("{}", text.trim_end()),
                Err(error) => return fail(error),
            }
        }
        Invocation::Hot(options) => match subcommand::hot::run(&options, std::env::var("REDISCLI_AUTH").ok()) {
            Ok(text) => println!("{}", text.trim_end()),
            Err(error) => return fail(error),
        },
        Invocation::CheckConfig(sources) => return launch::check_config(&sources),
        Invocation::Serve(sources) => return launch::serve(&sources),
    }
    ExitCode::SUCCESS
}

fn fail(reason: impl std::fmt::Display) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::FAILURE
}

/// One line for programs that know Redis's, one for people.
fn version() -> String {
    format!(
        "Redis server v={REDIS_VERSION} sha=00000000:0 malloc={ALLOCATOR_NAME} bits={} build=0\nkeyslot-node {}",
        usize::BITS,
        env!("CARGO_PKG_VERSION")
    )
}
