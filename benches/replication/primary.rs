//! What replicas cost their primary.

use super::load::{Cost, Group};
use super::{Settings, median};

pub(crate) fn run(settings: &Settings) {
    println!("\nprimary: CPU microseconds per SET (thousand requests/s), by replicas; against the first column");
    for (name, program) in [("keyslot", &settings.node), ("redis", &settings.peer)] {
        let start = |(at, &count): (usize, &usize)| {
            let port = settings.port + at as u16 * PORTS_PER_GROUP;
            let folder = settings.folder.join(format!("primary-{name}"));
            Group::start([program, program], count, port, &folder, &["--appendonly", "no"])
        };
        let groups: Vec<Group> = settings.replicas.iter().enumerate().map(start).collect();
        // The first load fills them, which costs more than to overwrite.
        groups.iter().for_each(|group| drop(group.drive(settings.requests)));
        let rounds: Vec<Vec<Cost>> =
            (0..settings.rounds).map(|_| groups.iter().map(|group| group.drive(settings.requests)).collect()).collect();
        for (at, count) in settings.replicas.iter().enumerate() {
            let of = |f: &dyn Fn(&[Cost]) -> f64| median(rounds.iter().map(|round| f(round)).collect());
            println!(
                "{name:<10}{count} replicas: {:.3} ({:.0}k), ratio {:.3}",
                of(&|round| round[at].primary_us),
                of(&|round| round[at].rate / 1e3),
                of(&|round| round[at].primary_us / round[0].primary_us),
            );
        }
    }
}

const PORTS_PER_GROUP: u16 = 10;
