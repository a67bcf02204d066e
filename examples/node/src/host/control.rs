//! Commands that the host does: CONFIG and SHUTDOWN, and what leads to others.

use super::shutdown::ShutdownMode;
use super::{Node, Request, cluster, info};
use crate::settings::ChangeError;
use keyslot::engine::resp::ReplyWriter;
use keyslot::engine::text::parse_f64;
use keyslot::engine::{Asker, Host, InfoSection, Published, Relay};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

impl Host for Node {
    fn control(&self, asker: Asker<'_>, args: &[&[u8]], reply: &mut ReplyWriter<'_>) -> bool {
        let lower = |at: usize| args.get(at).map(|arg| arg.to_ascii_lowercase()).unwrap_or_default();
        match (lower(0).as_slice(), lower(1).as_slice()) {
            (b"config", b"get") => self.config_get(&args[2..], reply),
            (b"config", b"set") => self.config_set(asker, &args[2..], reply),
            (b"config", b"rewrite") => self.config_rewrite(reply),
            (b"config", b"resetstat") => {
                self.engine.reset_stats();
                self.clients_rejected.store(0, Relaxed);
                reply.ok();
            }
            (b"acl", b"load") => return self.load_users(asker.client_id, reply),
            (b"acl", b"save") => return self.save_users(reply),
            (b"cluster", _) => match &self.cluster {
                Some(cluster) => return cluster::control(self, cluster, (asker.client_id, &args[1..]), reply),
                None => reply.error("ERR This instance has cluster support disabled"),
            },
            (b"debug", b"sleep") if args.len() == 3 => {
                // What it is for: everything that shares this thread stands still.
                let seconds = parse_f64(args[2]).unwrap_or(0.0).clamp(0.0, DEBUG_SLEEP_SECONDS_MAX);
                std::thread::sleep(Duration::from_secs_f64(seconds));
                reply.ok();
            }
            (b"migrate", _) => self.migrate(asker, args, reply),
            (b"restore-begin", _) => self.restore_begin(asker, args, reply),
            (b"restore-end", _) => self.restore_end(asker, args, reply),
            (b"save", _) => self.save(asker, reply),
            (b"bgsave", _) => self.save_in_background(asker, &args[1..], reply),
            (b"lastsave", _) => self.last_save(reply),
            (b"bgrewriteaof", _) => self.rewrite_log(asker, reply),
            (b"debug", b"reload") => self.reload(asker, &args[2..], reply),
            (b"debug", b"log") if args.len() == 3 => {
                tracing::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args[2]));
                reply.ok();
            }
            (b"debug", b"loadaof") if args.len() == 2 => self.reload_log(asker, reply),
            (b"shutdown", _) => self.shutdown(asker, &args[1..], reply),
            (name, _) => return self.link_command(name, asker, args, reply),
        }
        true
    }

    fn published(&self, message: Published<'_>) {
        if let Some(cluster) = &self.cluster {
            cluster.take_published(message);
        }
    }

    fn relay(&self, client_id: u64, relay: Relay) {
        match (&self.cluster, self.this.upgrade()) {
            (Some(cluster), Some(node)) => cluster.proxy.relay(&node, client_id, relay),
            _ => relay.refuse("ERR the node is ending"),
        }
    }

    fn info(&self, section: InfoSection, out: &mut String) {
        info::write(self, section, out);
    }
}

impl Node {
    fn config_get(&self, patterns: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let found = self.settings.matching(patterns);
        reply.map(found.len());
        for (name, value) in found {
            reply.bulk(&name);
            reply.bulk(&value);
        }
    }

    fn config_set(&self, asker: Asker<'_>, pairs: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let may_set_protected = match self.settings.values().choice("enable-protected-configs") {
            "yes" => true,
            "local" => is_local(asker.addr),
            _ => false,
        };
        match self.settings.set(pairs, may_set_protected, |index, values| self.apply(index, values)) {
            Ok(()) => reply.ok(),
            Err(error) => error_reply(&error, reply),
        }
    }

    fn config_rewrite(&self, reply: &mut ReplyWriter<'_>) {
        match self.settings.rewrite(&self.user_lines()) {
            Ok(()) => {
                tracing::info!("CONFIG REWRITE executed with success.");
                reply.ok();
            }
            Err(error) => {
                tracing::warn!("CONFIG REWRITE failed: {error}");
                reply.error(&format!("ERR {error}"));
            }
        }
    }

    /// On a thread of its own: this one may have replicas to serve, which are waited for.
    fn shutdown(&self, asker: Asker<'_>, words: &[&[u8]], reply: &mut ReplyWriter<'_>) {
        let Some(mode) = ShutdownMode::read(words) else { return reply.error("ERR syntax error") };
        if mode.abort {
            return reply.error("ERR No shutdown in progress.");
        }
        // One in a transaction waits for nobody.
        let mode = ShutdownMode { now: mode.now || asker.in_exec, ..mode };
        self.do_later("shutdown", asker, reply, move |node, reply| node.shutdown_now(mode, reply));
    }

    fn shutdown_now(&self, mode: ShutdownMode, reply: &mut ReplyWriter<'_>) {
        if !mode.now {
            self.settle_replicas();
        }
        if let Err(error) = self.save_at_end(mode)
            && !mode.force
        {
            tracing::warn!("Error trying to save the DB, can't exit: {error}");
            self.unsettle();
            return reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
        }
        // The connection ends with the process, which is the answer.
        if self.request(Request::Shutdown(mode)).is_err() {
            reply.error("ERR Errors trying to SHUTDOWN. Check logs.");
        }
    }
}

fn error_reply(error: &ChangeError, reply: &mut ReplyWriter<'_>) {
    reply.error(&format!("ERR {error}"));
}

/// Whether a client's address is on this machine: loopback, or a Unix socket.
pub(super) fn is_local(addr: &str) -> bool {
    match addr.parse::<std::net::SocketAddr>() {
        Ok(addr) => addr.ip().to_canonical().is_loopback(),
        Err(_) => true,
    }
}

/// Longest that DEBUG SLEEP stops a thread.
const DEBUG_SLEEP_SECONDS_MAX: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_clients_are_those_of_this_machine() {
        for addr in ["127.0.0.1:5", "[::1]:5", "/tmp/x.sock:0", "[::ffff:127.0.0.1]:5"] {
            assert!(is_local(addr), "{addr}");
        }
        assert!(!is_local("10.0.0.7:5"));
    }
}
