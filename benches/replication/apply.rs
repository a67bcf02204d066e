//! What a write of the stream costs a replica.

use super::load::{Cost, Group};
use super::{Settings, median};

pub(crate) fn run(settings: &Settings) {
    println!("\napply: CPU microseconds of the replica per write (of the primary); against the first line");
    let (node, peer) = (settings.node.as_str(), settings.peer.as_str());
    let pairs =
        [("redis -> redis", [peer, peer]), ("redis -> keyslot", [peer, node]), ("keyslot -> keyslot", [node, node])];
    let folder = settings.folder.join("apply");
    let start = |(at, (_, programs)): (usize, &(&str, [&str; 2]))| {
        Group::start(*programs, 1, settings.port + at as u16 * 10, &folder, &["--appendonly", "no"])
    };
    let groups: Vec<Group> = pairs.iter().enumerate().map(start).collect();
    // The first load fills them, which costs more than to overwrite.
    groups.iter().for_each(|group| drop(group.drive(settings.requests)));
    let rounds: Vec<Vec<Cost>> =
        (0..settings.rounds).map(|_| groups.iter().map(|group| group.drive(settings.requests)).collect()).collect();
    for (at, (name, _)) in pairs.iter().enumerate() {
        let of = |f: &dyn Fn(&[Cost]) -> f64| median(rounds.iter().map(|round| f(round)).collect());
        println!(
            "{name:<20} {:.3} ({:.3}), ratio {:.3}",
            of(&|round| round[at].replica_us[0]),
            of(&|round| round[at].primary_us),
            of(&|round| round[at].replica_us[0] / round[0].replica_us[0]),
        );
    }
}
