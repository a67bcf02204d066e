//! The network: connections whose bytes come late, in pieces, or not at all.
//!
//! ```text
//!   client ---- up: (when, parcel) (when, parcel) .. ---> server       each pipe keeps its order
//!          <--- down: ..                             ----
//! ```

use crate::chance::Chance;
use crate::node::ConnectionId;
use std::collections::{BTreeMap, VecDeque};

/// Which way over a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    /// From who made the connection.
    Up,
    Down,
}

impl Way {
    pub(super) fn back(self) -> Self {
        if self == Self::Up { Self::Down } else { Self::Up }
    }
}

/// What travels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Parcel {
    /// The connection is asked for (up) or granted (down).
    Open,
    Bytes(Vec<u8>),
    Close,
}

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct End {
    pub(super) node: usize,
    /// Which run of the node.
    pub(super) run: u64,
    /// What the node calls it; `None` for an end that nobody listens at.
    pub(super) id: Option<ConnectionId>,
    pub(super) is_open: bool,
}

#[derive(Debug, Default)]
struct Pipe {
    parcels: VecDeque<(i64, u64, Parcel)>,
    size_bytes: usize,
    last_at_ms: i64,
}

/// A connection between two nodes.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: End,
    pub(super) server: End,
    up: Pipe,
    down: Pipe,
    window_bytes: usize,
    latency_ms: i64,
    /// After so many bytes it is cut.
    bytes_left: Option<u64>,
    pub(super) is_cut: bool,
    /// Something was done to its bytes that a network does not do.
    pub(super) is_tampered: bool,
    /// A wire that carries a copy of what went up on another.
    pub(super) ghost: Option<u64>,
}

impl Wire {
    pub(super) fn end(&mut self, way: Way) -> &mut End {
        if way == Way::Up { &mut self.client } else { &mut self.server }
    }

    fn pipe(&mut self, way: Way) -> &mut Pipe {
        if way == Way::Up { &mut self.up } else { &mut self.down }
    }

    /// How many bytes fit in.
    pub(super) fn room(&mut self, way: Way) -> usize {
        let window = self.window_bytes;
        window.saturating_sub(self.pipe(way).size_bytes)
    }
}

/// How a network behaves. All by chance, from the simulation's seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weather {
    /// Parcels take up to so long.
    pub latency_ms_max: i64,
    /// One connection in so many is cut at some byte; 0 for none.
    pub cut_once_in: u64,
    /// One parcel in so many is held for seconds; 0 for none.
    pub stall_once_in: u64,
    /// One connection in so many comes a second time, with the bytes of the first; 0 for none.
    pub double_once_in: u64,
    /// One connection in so many has a primary that goes mad: garbage, a gap, a damaged snapshot; 0 for none.
    pub mad_once_in: u64,
}

impl Weather {
    /// Bytes come a little late, and that is all.
    pub const CALM: Self =
        Self { latency_ms_max: 3, cut_once_in: 0, stall_once_in: 0, double_once_in: 0, mad_once_in: 0 };

    /// All that a network may do.
    pub const ROUGH: Self =
        Self { latency_ms_max: 20, cut_once_in: 3, stall_once_in: 200, double_once_in: 8, mad_once_in: 0 };
}

/// All connections.
#[derive(Debug)]
pub(super) struct Network {
    wires: BTreeMap<u64, Wire>,
    next_wire: u64,
    next_parcel: u64,
    pub(super) weather: Weather,
}

impl Network {
    pub(super) fn new(weather: Weather) -> Self {
        Self { wires: BTreeMap::new(), next_wire: 0, next_parcel: 0, weather }
    }

    /// A client asks for a connection.
    pub(super) fn connect(&mut self, client: End, server: usize, now_ms: i64, chance: &mut Chance) -> u64 {
        let weather = self.weather;
        let happens = |chance: &mut Chance, once_in: u64| once_in > 0 && chance.once_in(once_in);
        let size_max = [60, 300, 3000, 20_000][chance.below(4) as usize];
        let wire = Wire {
            client,
            server: End { node: server, run: 0, id: None, is_open: false },
            up: Pipe::default(),
            down: Pipe::default(),
            window_bytes: [64, 1024, 64 << 10][chance.below(3) as usize],
            latency_ms: 1 + chance.below(weather.latency_ms_max as u64) as i64,
            bytes_left: happens(chance, weather.cut_once_in).then(|| 1 + chance.below(size_max)),
            is_cut: false,
            is_tampered: happens(chance, weather.mad_once_in),
            ghost: None,
        };
        let number = self.insert(wire);
        self.send(number, Way::Up, Parcel::Open, now_ms, chance);
        if happens(chance, weather.double_once_in) {
            let silent = End { id: None, is_open: false, ..client };
            let ghost = Wire {
                client: silent,
                server: End { node: server, run: 0, id: None, is_open: false },
                up: Pipe::default(),
                down: Pipe::default(),
                window_bytes: 64 << 10,
                latency_ms: 1 + chance.below(200) as i64,
                bytes_left: Some(1 + chance.below(2000)),
                is_cut: false,
                is_tampered: false,
                ghost: None,
            };
            let ghost = self.insert(ghost);
            self.send(ghost, Way::Up, Parcel::Open, now_ms, chance);
            if let Some(wire) = self.wires.get_mut(&number) {
                wire.ghost = Some(ghost);
            }
        }
        number
    }

    fn insert(&mut self, wire: Wire) -> u64 {
        let number = self.next_wire;
        self.next_wire += 1;
        self.wires.insert(number, wire);
        number
    }

    pub(super) fn wire(&mut self, number: u64) -> Option<&mut Wire> {
        self.wires.get_mut(&number)
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.wires.keys().copied().collect()
    }

    /// The wire of a node's connection, and which way the node's bytes go on it.
    pub(super) fn find(&self, node: usize, run: u64, id: ConnectionId) -> Option<(u64, Way)> {
        let is_it = |end: &End| end.node == node && end.run == run && end.id == Some(id);
        self.wires.iter().find_map(|(number, wire)| match (is_it(&wire.client), is_it(&wire.server)) {
            (true, _) => Some((*number, Way::Up)),
            (_, true) => Some((*number, Way::Down)),
            _ => None,
        })
    }

    /// Puts something on its way. Bytes are cut into pieces.
    pub(super) fn send(&mut self, number: u64, way: Way, parcel: Parcel, now_ms: i64, chance: &mut Chance) {
        let stall_once_in = self.weather.stall_once_in;
        let Some(wire) = self.wires.get_mut(&number) else { return };
        if wire.is_cut {
            return;
        }
        let ghost = wire.ghost.filter(|_| way == Way::Up && matches!(parcel, Parcel::Bytes(_)));
        let copy = ghost.map(|ghost| (ghost, parcel.clone()));
        let mut pieces = Vec::new();
        match parcel {
            Parcel::Bytes(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let most = if chance.once_in(4) { 3 } else { 2000 };
                    let (piece, left) = rest.split_at(rest.len().min(1 + chance.below(most) as usize));
                    pieces.push(Parcel::Bytes(piece.to_vec()));
                    rest = left;
                }
            }
            other => pieces.push(other),
        }
        for piece in pieces {
            let mut late_ms = chance.below(wire.latency_ms as u64 + 1) as i64;
            if stall_once_in > 0 && chance.once_in(stall_once_in) {
                late_ms += chance.below(8000) as i64;
            }
            let latency_ms = 1 + late_ms;
            let pipe = wire.pipe(way);
            let at_ms = pipe.last_at_ms.max(now_ms + latency_ms);
            pipe.last_at_ms = at_ms;
            if let Parcel::Bytes(bytes) = &piece {
                pipe.size_bytes += bytes.len();
            }
            pipe.parcels.push_back((at_ms, self.next_parcel, piece));
            self.next_parcel += 1;
        }
        if let Some((ghost, parcel)) = copy {
            self.send(ghost, Way::Up, parcel, now_ms, chance);
        }
    }

    /// When something arrives next.
    pub(super) fn next_arrival_ms(&self) -> Option<i64> {
        let heads = self.wires.values().flat_map(|wire| [wire.up.parcels.front(), wire.down.parcels.front()]);
        heads.flatten().map(|(at_ms, ..)| *at_ms).min()
    }

    /// Takes the oldest of what has arrived. A wire that has carried its share is cut.
    pub(super) fn arrive(&mut self, now_ms: i64, chance: &mut Chance) -> Option<(u64, Way, Parcel)> {
        let heads = self.wires.iter().flat_map(|(number, wire)| {
            let head = |pipe: &Pipe, way| pipe.parcels.front().map(|(at, order, _)| (*at, *order, *number, way));
            [head(&wire.up, Way::Up), head(&wire.down, Way::Down)]
        });
        let (_, _, number, way) = heads.flatten().filter(|(at, ..)| *at <= now_ms).min()?;
        let wire = self.wires.get_mut(&number)?;
        let (.., mut parcel) = wire.pipe(way).parcels.pop_front()?;
        if let Parcel::Bytes(bytes) = &mut parcel {
            wire.pipe(way).size_bytes -= bytes.len();
            if let Some(left) = wire.bytes_left {
                bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
                wire.bytes_left = Some(left - bytes.len() as u64);
                if wire.bytes_left == Some(0) {
                    self.cut(number, now_ms, chance);
                }
            }
        }
        Some((number, way, parcel))
    }

    /// Cuts a wire: what is under way is lost, and each end learns of it in its own time.
    pub(super) fn cut(&mut self, number: u64, now_ms: i64, chance: &mut Chance) {
        let Some(wire) = self.wires.get_mut(&number) else { return };
        if std::mem::replace(&mut wire.is_cut, true) {
            return;
        }
        for way in [Way::Up, Way::Down] {
            let late_ms = if chance.once_in(3) { chance.below(4000) } else { chance.below(30) } as i64;
            let pipe = wire.pipe(way);
            *pipe = Pipe::default();
            pipe.parcels.push_back((now_ms + 1 + late_ms, self.next_parcel, Parcel::Close));
            self.next_parcel += 1;
        }
    }

    /// Forgets wires of which nothing can come any more.
    pub(super) fn sweep(&mut self) {
        self.wires.retain(|_, wire| {
            let is_empty = wire.up.parcels.is_empty() && wire.down.parcels.is_empty();
            wire.client.is_open || wire.server.is_open || !is_empty
        });
    }
}
