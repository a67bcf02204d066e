//! The process: starting, stopping, its words and its exit codes.

use crate::node::{Node, command, free_port, output};
use std::io::Write;
use std::process::Stdio;

#[test]
fn the_version_is_first_what_programs_look_for() {
    let text = String::from_utf8(output(&["-v"]).stdout).unwrap();
    assert!(text.starts_with("Redis server v=7.2.4 sha=00000000:0 malloc=jemalloc-"), "{text}");
    assert!(text.contains("\nkeyslot-node "));
}

#[test]
fn the_first_lines_name_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(folder.path(), &[]);
    let log = node.log();
    assert!(log.find(" PID: ").unwrap() < log.find("Server initialized").unwrap(), "{log}");
    assert!(log.contains("* Ready to accept connections unix"), "{log}");
}

#[test]
fn a_termination_signal_ends_the_node_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &["--pidfile", "node.pid"]);
    let mut client = node.client();
    assert_eq!(client.ask(&["PING"]), "+PONG");
    assert!(node.folder().join("node.pid").exists());
    node.signal("TERM");
    assert_eq!(node.wait(), Some(0));
    assert!(client.is_closed());
    let log = node.log();
    assert!(log.contains("User requested shutdown..."), "{log}");
    assert!(log.contains("Redis is now ready to exit, bye bye..."), "{log}");
    assert!(!node.folder().join("node.pid").exists());
    assert!(!node.folder().join("node.sock").exists());
}

#[test]
fn an_interrupt_ends_the_node_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &[]);
    node.signal("INT");
    assert_eq!(node.wait(), Some(0));
}

#[test]
fn a_taken_port_is_explained() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let refused = output(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(refused.status.code(), Some(1));
    let log = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(log.contains(&format!("Port {port} is taken by another process")), "{log}");
}

#[test]
fn a_node_that_listens_nowhere_does_not_start() {
    let refused = output(&["--port", "0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("Configured to not listen anywhere, exiting."));
}

#[test]
fn health_is_good_while_the_node_runs() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::start(folder.path(), &[]);
    let socket = folder.path().join("node.sock");
    let arguments = ["health", "--ready", "-s", socket.to_str().unwrap(), "-t", "30"];
    let healthy = output(&arguments);
    assert!(healthy.status.success(), "{}", String::from_utf8_lossy(&healthy.stderr));
    node.signal("TERM");
    node.wait();
    assert_eq!(output(&arguments).status.code(), Some(1));
}

#[test]
fn settings_come_from_standard_input_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command().arg("-").args(["--check-config"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let child = child.as_mut().unwrap();
    child.stdin.take().unwrap().write_all(b"timeout 7\nactivedefrag yes\n").unwrap();
    let mut text = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(text.contains("live                  timeout 7\n"), "{text}");
    assert!(text.contains("accepted but ignored  activedefrag yes\n"), "{text}");
    drop(folder);
}

#[test]
fn a_wrong_option_ends_in_redis_s_frame() {
    let refused = output(&["--clster-enabled", "yes"]);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        text,
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\nReading the configuration file, at line 2\n\
         >>> 'clster-enabled \"yes\"'\nBad directive or wrong number of arguments\ndid you mean \"cluster-enabled\"?\n"
    );
}

#[test]
fn a_node_in_the_background_serves_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let path = folder.path().to_str().unwrap();
    let started = output(&["--daemonize", "yes", "--port", &port, "--dir", path, "--pidfile", "p", "--logfile", "log"]);
    assert!(started.status.success());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !output(&["health", "-p", &port]).status.success() {
        assert!(std::time::Instant::now() < deadline);
    }
    let pid = std::fs::read_to_string(folder.path().join("p")).unwrap();
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
    while folder.path().join("p").exists() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn info_tells_of_the_process_and_its_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().canonicalize().unwrap().join("redis.conf");
    std::fs::write(&file, "appendonly yes\n").unwrap();
    let node = Node::start_with_file(folder.path(), std::path::Path::new("redis.conf"), &[]);
    let info = node.client().ask(&["INFO"]);
    let file = format!("config_file:{}\r\n", file.display());
    for line in ["redis_version:7.2.4\r\n", "server_name:keyslot\r\n", "aof_enabled:1\r\n", "tcp_port:0\r\n", &file] {
        assert!(info.contains(line), "{line} {info}");
    }
}
