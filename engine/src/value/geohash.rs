//! Positions on the earth as numbers of 52 bits.
//!
//! ```text
//! bit  51    50    49    48   ...   1     0
//!      lon   lat   lon   lat  ...   lon   lat      26 bits of each, the highest first
//! ```
//!
//! A number's first `2 * step` bits name a [`Cell`]: one of the rectangles that longitude and latitude are cut into when each is
//! halved `step` times. All positions of a cell lie in one range of numbers, so a sorted set finds them. A search looks at the
//! cell around its centre and the eight beside it ([`cells_around`]), chosen so large that they cover it.
//!
//! Latitudes end at 85.05112878 degrees, where a Mercator map is a square.

/// Longitude and latitude, degrees.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Position {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Position {
    /// Whether longitude and latitude are in range.
    pub(crate) fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The number of the smallest cell around the position, as a score.
    pub(crate) fn to_score(self) -> f64 {
        Cell::around(self, STEP_MAX).bits as f64
    }

    /// The middle of the smallest cell that a score names.
    pub(crate) fn of_score(score: f64) -> Self {
        let area = Cell { bits: bits_of(score), step: STEP_MAX }.area();
        Self {
            longitude: ((area.west + area.east) / 2.0).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: ((area.south + area.north) / 2.0).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The distance to another position on a sphere of the earth's size, metres.
    pub(crate) fn distance(self, other: Self) -> f64 {
        let v = ((other.longitude.to_radians_c() - self.longitude.to_radians_c()) / 2.0).sin();
        if v == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (from, to) = (self.latitude.to_radians_c(), other.latitude.to_radians_c());
        let u = ((to - from) / 2.0).sin();
        2.0 * EARTH_RADIUS_METRES * (u * u + from.cos() * to.cos() * v * v).sqrt().asin()
    }

    /// The usual geohash in base 32: eleven letters, the last always `0`.
    pub(crate) fn to_geohash(self) -> [u8; 11] {
        let bits = interleave(offset(self.latitude, 90.0, STEP_MAX), offset(self.longitude, LONGITUDE_MAX, STEP_MAX));
        let mut text = *b"00000000000";
        for (at, letter) in text[..10].iter_mut().enumerate() {
            *letter = ALPHABET[(bits >> (52 - (at as u32 + 1) * 5) & 0x1f) as usize];
        }
        text
    }
}

/// Degrees as radians, by the same multiplication as everywhere else, whatever the standard library does.
trait Degrees {
    fn to_radians_c(self) -> f64;
}

impl Degrees for f64 {
    fn to_radians_c(self) -> f64 {
        self * RADIANS
    }
}

fn latitude_distance(from: f64, to: f64) -> f64 {
    EARTH_RADIUS_METRES * (to.to_radians_c() - from.to_radians_c()).abs()
}

/// What a search covers; metres.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

impl Shape {
    /// The distance of a position from the centre, if the shape covers it.
    pub(crate) fn distance(self, centre: Position, position: Position) -> Option<f64> {
        match self {
            Self::Circle { radius } => Some(centre.distance(position)).filter(|distance| *distance <= radius),
            Self::Rectangle { width, height } => {
                let beside = Position { latitude: position.latitude, ..centre };
                let is_inside = latitude_distance(position.latitude, centre.latitude) <= height / 2.0
                    && position.distance(beside) <= width / 2.0;
                is_inside.then(|| centre.distance(position))
            }
        }
    }

    /// The rectangle of degrees around the shape.
    fn bounds(self, centre: Position) -> Area {
        let (width, height) = match self {
            Self::Circle { radius } => (radius, radius),
            Self::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = centre;
        let latitude_span = height / EARTH_RADIUS_METRES / RADIANS;
        // Towards the pole a degree of longitude is shorter.
        let narrowest = if latitude < 0.0 { latitude - latitude_span } else { latitude + latitude_span };
        let longitude_span = width / EARTH_RADIUS_METRES / narrowest.to_radians_c().cos() / RADIANS;
        Area {
            west: longitude - longitude_span,
            east: longitude + longitude_span,
            south: latitude - latitude_span,
            north: latitude + latitude_span,
        }
    }

    /// How far from the centre it reaches.
    fn reach(self) -> f64 {
        match self {
            Self::Circle { radius } => radius,
            Self::Rectangle { width, height } => (width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)).sqrt(),
        }
    }
}

/// A rectangle of degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// One of the rectangles of a division of the earth. Its bits are `2 * step`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cell {
    bits: u64,
    step: u32,
}

impl Cell {
    fn around(position: Position, step: u32) -> Self {
        let latitude = offset(position.latitude, LATITUDE_MAX, step);
        let longitude = offset(position.longitude, LONGITUDE_MAX, step);
        Self { bits: interleave(latitude, longitude), step }
    }

    /// The scores of its positions: from the first on, below the second.
    pub(crate) fn scores(self) -> (f64, f64) {
        let shift = 52 - 2 * self.step;
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }

    fn area(self) -> Area {
        let edge = |number: u32, more: u32, max: f64| {
            -max + (f64::from(number) + f64::from(more)) / (1_u64 << self.step) as f64 * (max - -max)
        };
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Area {
            west: edge(longitude, 0, LONGITUDE_MAX),
            east: edge(longitude, 1, LONGITUDE_MAX),
            south: edge(latitude, 0, LATITUDE_MAX),
            north: edge(latitude, 1, LATITUDE_MAX),
        }
    }

    /// The cell so many columns to the east and rows to the north; the earth is round in both directions.
    fn beside(self, east: i32, north: i32) -> Self {
        let moved = |number: u32, by: i32| match by {
            0 => number,
            _ => number.wrapping_add_signed(by) & ((1_u64 << self.step) - 1) as u32,
        };
        let (latitude, longitude) = (gather(self.bits), gather(self.bits >> 1));
        Self { bits: interleave(moved(latitude, north), moved(longitude, east)), ..self }
    }
}

/// The cells that hold all positions of a shape, in the order in which they are searched.
pub(crate) fn cells_around(shape: Shape, centre: Position) -> Vec<Cell> {
    let bounds = shape.bounds(centre);
    let mut cell = Cell::around(centre, estimated_step(shape.reach(), centre.latitude));
    let is_too_small = cell.beside(0, 1).area().north < bounds.north
        || cell.beside(0, -1).area().south > bounds.south
        || cell.beside(1, 0).area().east < bounds.east
        || cell.beside(-1, 0).area().west > bounds.west;
    if cell.step > 1 && is_too_small {
        cell = Cell::around(centre, cell.step - 1);
    }
    let area = cell.area();
    let is_needed = |(east, north): (i32, i32)| {
        cell.step < 2
            || !(north < 0 && area.south < bounds.south
                || north > 0 && area.north > bounds.north
                || east < 0 && area.west < bounds.west
                || east > 0 && area.east > bounds.east)
    };
    let mut cells = vec![cell];
    for (east, north) in NEIGHBOURS.into_iter().filter(|place| is_needed(*place)) {
        let next = cell.beside(east, north);
        // In a coarse division neighbours are the same; the first cell is not compared.
        if cells.len() == 1 || cells.last() != Some(&next) {
            cells.push(next);
        }
    }
    cells
}

/// How often the earth is halved so that a cell is about as large as what is searched.
fn estimated_step(reach: f64, latitude: f64) -> u32 {
    if reach == 0.0 {
        return STEP_MAX;
    }
    let (mut reach, mut step) = (reach, 1);
    while reach < MERCATOR_MAX {
        reach *= 2.0;
        step += 1;
    }
    step -= 2;
    step -= i32::from(latitude.abs() > 66.0) + i32::from(latitude.abs() > 80.0);
    step.clamp(1, STEP_MAX as i32) as u32
}

/// Which of `2^step` parts of the degrees from `-max` to `max` a value lies in.
fn offset(value: f64, max: f64, step: u32) -> u32 {
    ((value - -max) / (max - -max) * (1_u64 << step) as f64) as u32
}

/// The bits of `even` at the even places and those of `odd` at the odd ones.
fn interleave(even: u32, odd: u32) -> u64 {
    spread(even) | spread(odd) << 1
}

fn spread(number: u32) -> u64 {
    SPREADS.iter().fold(u64::from(number), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// The bits at the even places.
fn gather(bits: u64) -> u32 {
    let steps = [(0, 0), (1, SPREADS[3].1), (2, SPREADS[2].1), (4, SPREADS[1].1), (8, SPREADS[0].1), (16, 0xffff_ffff)];
    let mut bits = bits & SPREADS[4].1;
    for (shift, mask) in steps.into_iter().skip(1) {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

/// A score as bits, as a C compiler converts it: negative ones wrap, what is too large is zero.
fn bits_of(score: f64) -> u64 {
    match score {
        score if score < HALF_RANGE => (score as i64) as u64,
        score if score < 2.0 * HALF_RANGE => ((score - HALF_RANGE) as u64) | 1 << 63,
        _ => 0,
    }
}

const SPREADS: [(u32, u64); 5] = [
    (16, 0x0000_ffff_0000_ffff),
    (8, 0x00ff_00ff_00ff_00ff),
    (4, 0x0f0f_0f0f_0f0f_0f0f),
    (2, 0x3333_3333_3333_3333),
    (1, 0x5555_5555_5555_5555),
];

/// East and north of the cells around one, in the order in which they are searched.
const NEIGHBOURS: [(i32, i32); 8] = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];

const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const LONGITUDE_MAX: f64 = 180.0;
const LATITUDE_MAX: f64 = 85.05112878;
const EARTH_RADIUS_METRES: f64 = 6_372_797.560856;
/// Half the length of a Mercator map's side, metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
const RADIANS: f64 = std::f64::consts::PI / 180.0;
const STEP_MAX: u32 = 26;
const HALF_RANGE: f64 = 9_223_372_036_854_775_808.0;

#[cfg(test)]
mod tests {
    use super::*;

    const PALERMO: Position = Position { longitude: 13.361389, latitude: 38.115556 };
    const CATANIA: Position = Position { longitude: 15.087269, latitude: 37.502669 };

    #[test]
    fn places_have_the_numbers_letters_and_distances_that_everybody_knows() {
        assert_eq!((PALERMO.to_score(), CATANIA.to_score()), (3_479_099_956_230_698.0, 3_479_447_370_796_909.0));
        let back = Position::of_score(PALERMO.to_score());
        assert_eq!(&back.to_geohash(), b"sqc8b49rny0");
        assert_eq!(format!("{:.4}", back.distance(Position::of_score(CATANIA.to_score()))), "166274.1516");
    }

    #[test]
    fn bits_are_spread_and_gathered() {
        for number in [0, 1, 2, 0xffff_ffff, 0x1234_5678, 1 << 26] {
            assert_eq!((gather(spread(number)), gather(interleave(7, number) >> 1)), (number, number));
        }
        assert_eq!(interleave(0b11, 0b01), 0b0111);
    }

    #[test]
    fn a_search_covers_all_that_is_near() {
        let mut state = 1_u64;
        let mut chance = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut found = 0;
        for _ in 0..3_000 {
            let centre = Position { longitude: chance() * 340.0 - 170.0, latitude: chance() * 140.0 - 70.0 };
            let near = Position {
                longitude: centre.longitude + chance() * 4.0 - 2.0,
                latitude: centre.latitude + chance() * 4.0 - 2.0,
            };
            let shape = Shape::Circle { radius: chance() * 400_000.0 };
            if shape.distance(centre, near).is_some() {
                let score = near.to_score();
                let is_in = |cell: &Cell| (cell.scores().0..cell.scores().1).contains(&score);
                assert!(cells_around(shape, centre).iter().any(is_in), "{centre:?} {near:?} {shape:?}");
                found += 1;
            }
        }
        assert!(found > 500);
    }

    #[test]
    fn scores_that_are_no_places_still_are_somewhere() {
        for score in [f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300, 1e19, 0.5] {
            assert!(Position::of_score(score).is_valid());
        }
    }
}
