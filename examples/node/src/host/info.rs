//! What the host knows of INFO: the process, its memory, its addresses.

use super::Node;
use keyslot::engine::InfoSection;
use std::fmt::Write;
use std::sync::atomic::Ordering::Relaxed;
use tikv_jemalloc_ctl::{epoch, stats};

/// Appends the host's lines of a section.
pub(super) fn write(node: &Node, section: InfoSection, out: &mut String) {
    match section {
        InfoSection::Server => server(node, out),
        InfoSection::Clients => line(out, "maxclients", node.live.clients_max.load(Relaxed)),
        InfoSection::Memory => memory(node.engine.used_memory(), out),
        InfoSection::Stats => {
            line(out, "rejected_connections", node.clients_rejected.load(Relaxed));
            node.replication.append_counts(out);
        }
        InfoSection::Replication => node.replication.append_info(node, out),
        InfoSection::Persistence => node.data.append_info(node.scheduled.rewrite.load(Relaxed), out),
        InfoSection::Cpu => cpu(out),
        _ => {}
    }
}

/// Forty random hexadecimal digits: what tells one run of a node from another.
pub(crate) fn random_id() -> String {
    let mut bytes = [0; 20];
    let filled =
        std::fs::File::open("/dev/urandom").and_then(|mut file| std::io::Read::read_exact(&mut file, &mut bytes));
    if filled.is_err() {
        let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), std::process::id());
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn server(node: &Node, out: &mut String) {
    let values = node.settings.values();
    let uptime = node.started.elapsed().as_secs();
    let path =
        |path: std::io::Result<std::path::PathBuf>| path.map(|path| path.display().to_string()).unwrap_or_default();
    let mode = if values.switch("cluster-enabled") { "cluster" } else { "standalone" };
    line(out, "redis_version", crate::REDIS_VERSION);
    line(out, "server_name", "keyslot");
    line(out, "keyslot_version", env!("CARGO_PKG_VERSION"));
    line(out, "redis_git_sha1", "00000000");
    line(out, "redis_git_dirty", 0);
    line(out, "redis_build_id", 0);
    line(out, "redis_mode", mode);
    line(out, "os", operating_system());
    line(out, "arch_bits", usize::BITS);
    line(out, "monotonic_clock", "POSIX clock_gettime");
    line(out, "multiplexing_api", "epoll");
    line(out, "process_id", std::process::id());
    line(out, "process_supervised", values.choice("supervised"));
    line(out, "run_id", &node.run_id);
    line(out, "tcp_port", values.number("port"));
    line(out, "uptime_in_seconds", uptime);
    line(out, "uptime_in_days", uptime / 86_400);
    line(out, "hz", node.live.hz.load(Relaxed));
    line(out, "configured_hz", values.number("hz"));
    line(out, "executable", path(std::env::current_exe()));
    line(out, "config_file", node.settings.file().map(|file| file.display().to_string()).unwrap_or_default());
    line(out, "io_threads_active", u8::from(node.rosters.len() > 1));
    line(out, "io_threads", node.rosters.len());
}

fn memory(used: u64, out: &mut String) {
    // Statistics stand still until the epoch moves; where that fails they are old, not wrong.
    let _ = epoch::advance();
    let read = |value: Result<usize, _>| value.unwrap_or(0) as u64;
    let allocated = read(stats::allocated::read());
    let active = read(stats::active::read());
    let resident = read(stats::resident::read());
    let (rss, system) = (resident_bytes(), total_system_bytes());
    line(out, "used_memory_rss", rss);
    line(out, "used_memory_rss_human", human(rss));
    line(out, "allocator_allocated", allocated);
    line(out, "allocator_active", active);
    line(out, "allocator_resident", resident);
    line(out, "total_system_memory", system);
    line(out, "total_system_memory_human", human(system));
    line(out, "allocator_frag_ratio", ratio(active, allocated));
    line(out, "allocator_frag_bytes", active.saturating_sub(allocated));
    line(out, "allocator_rss_ratio", ratio(resident, active));
    line(out, "allocator_rss_bytes", signed_difference(resident, active));
    line(out, "rss_overhead_ratio", ratio(rss, resident));
    line(out, "rss_overhead_bytes", signed_difference(rss, resident));
    line(out, "mem_fragmentation_ratio", ratio(rss, used));
    line(out, "mem_fragmentation_bytes", signed_difference(rss, used));
    line(out, "mem_allocator", crate::ALLOCATOR_NAME);
}

fn cpu(out: &mut String) {
    let (user, system) = cpu_seconds();
    line(out, "used_cpu_sys", format_args!("{system:.6}"));
    line(out, "used_cpu_user", format_args!("{user:.6}"));
    line(out, "used_cpu_sys_children", "0.000000");
    line(out, "used_cpu_user_children", "0.000000");
}

fn line(out: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = write!(out, "{name}:{value}\r\n");
}

fn ratio(part: u64, whole: u64) -> String {
    if whole == 0 { "0.00".into() } else { format!("{:.2}", part as f64 / whole as f64) }
}

fn signed_difference(left: u64, right: u64) -> i128 {
    i128::from(left) - i128::from(right)
}

/// Bytes in the unit that people read, as Redis rounds them.
fn human(bytes: u64) -> String {
    let number = bytes as f64;
    match bytes {
        0..1024 => format!("{bytes}B"),
        1024..0x10_0000 => format!("{:.2}K", number / 1024.0),
        0x10_0000..0x4000_0000 => format!("{:.2}M", number / 1_048_576.0),
        0x4000_0000..0x100_0000_0000 => format!("{:.2}G", number / 1_073_741_824.0),
        _ => format!("{:.2}T", number / 1_099_511_627_776.0),
    }
}

fn operating_system() -> String {
    let name = rustix::system::uname();
    let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
    format!("{} {} {}", text(name.sysname()), text(name.release()), text(name.machine()))
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages: Option<u64> = pages.and_then(|text| text.split(' ').nth(1)?.parse().ok());
    pages.unwrap_or(0) * rustix::param::page_size() as u64
}

fn total_system_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    info.totalram * u64::from(info.mem_unit)
}

/// Seconds that the process spent in its own code and in the system.
fn cpu_seconds() -> (f64, f64) {
    let Ok(text) = std::fs::read_to_string("/proc/self/stat") else { return (0.0, 0.0) };
    // The program's name may hold spaces, but it ends with the last parenthesis.
    let after_name = text.rsplit(')').next().unwrap_or("");
    let mut fields = after_name.split_ascii_whitespace().skip(11).map(|field| field.parse::<f64>().unwrap_or(0.0));
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let mut next = || fields.next().unwrap_or(0.0) / per_second;
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_as_people_read_them() {
        for (bytes, text) in [(0, "0B"), (1023, "1023B"), (1536, "1.50K"), (5 << 20, "5.00M"), (3 << 30, "3.00G")] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn the_process_knows_itself() {
        assert!(resident_bytes() > 1 << 20);
        assert!(total_system_bytes() > resident_bytes());
        assert!(cpu_seconds().0 >= 0.0);
        assert!(operating_system().starts_with("Linux "));
        assert_eq!(random_id().len(), 40);
        assert_ne!(random_id(), random_id());
    }

    #[test]
    fn memory_lines_hold_the_allocator_s_numbers() {
        let mut out = String::new();
        memory(1, &mut out);
        let value = out.lines().find_map(|line| line.strip_prefix("allocator_allocated:")).unwrap();
        assert!(value.parse::<u64>().unwrap() > 0);
    }
}
