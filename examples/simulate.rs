//! A failover, and then whatever a seed thinks of: `cargo run --example simulate --features sim [seed]`.

use keyslot::persistence::storage::Loss;
use keyslot::sim::{MachineOptions, Simulation, Violation, Weather, explore_with};

fn main() -> Result<(), Violation> {
    let seed = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1);
    let mut sim = Simulation::new(seed);
    let [old, new, other] = [0, 1, 2].map(|_| sim.add_node(MachineOptions::default()));
    sim.follow(new, old);
    sim.follow(other, old);
    sim.set_weather(Weather::ROUGH);
    for _ in 0..20 {
        // What the replicas confirm is theirs from here on: it is checked when they are promoted or start, and when all is quiet.
        sim.write_marked(old, 2, 1000);
        sim.run_for(100)?;
    }
    sim.kill(old, Loss::All);
    sim.promote(new);
    sim.follow(other, new);
    sim.follow(old, new);
    sim.settle()?;
    println!("the old primary is back as a replica, after {} ms of virtual time:", sim.elapsed_ms());
    println!("{}", sim.trace().lines().filter(|line| line.contains("quiet")).collect::<Vec<_>>().join("\n"));

    let mut sim = Simulation::new(seed);
    println!("seed {seed}: {:?}", explore_with(&mut sim)?);
    Ok(())
}
