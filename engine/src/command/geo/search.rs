//! Searching an index: what GEOSEARCH, GEORADIUS and their relatives share.
//!
//! The members of nine cells around the centre are looked at, cell by cell, and those that the shape covers are found, in
//! that order unless another is asked for.

use super::arguments::{GeoUnit, check, length, position, write_distance, write_position};
use crate::command::sorted_set::whole;
use crate::core::Core;
use crate::error::CommandError;
use crate::keyspace::EntryRef;
use crate::resp::ReplyWriter;
use crate::text::{StrRef, parse_i64};
use crate::value::geohash::{Position, Shape, cells_around};
use crate::value::sorted_set::{Direction, ScoreRange, SortedSetRef};
use bytes::Bytes;
use std::collections::HashSet;

/// Where a search has its centre.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum GeoOrigin<'a> {
    /// At a member.
    Member(&'a [u8]),
    /// At a longitude and a latitude, degrees.
    Position(f64, f64),
}

/// What a search covers.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum GeoArea {
    /// A circle of this radius.
    Radius(f64, GeoUnit),
    /// A rectangle of this width and height.
    Box(f64, f64, GeoUnit),
}

impl GeoArea {
    fn parts(self) -> (Shape, GeoUnit) {
        match self {
            Self::Radius(radius, unit) => (Shape::Circle { radius: radius * unit.metres() }, unit),
            Self::Box(width, height, unit) => {
                (Shape::Rectangle { width: width * unit.metres(), height: height * unit.metres() }, unit)
            }
        }
    }
}

/// In which order a search returns what it finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GeoOrder {
    /// The nearest first.
    Nearest,
    /// The farthest first.
    Farthest,
}

/// A search for embedders.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GeoSearch<'a> {
    /// Where its centre is.
    pub origin: GeoOrigin<'a>,
    /// What it covers.
    pub area: GeoArea,
    /// In which order it returns what it finds; none in particular if not given.
    pub order: Option<GeoOrder>,
    /// How many it returns at most: the nearest, unless the order says otherwise.
    pub count: Option<usize>,
}

/// What a search found.
#[derive(Clone, PartialEq, Debug)]
pub struct GeoHit {
    /// The member.
    pub member: Bytes,
    /// Its longitude, degrees.
    pub longitude: f64,
    /// Its latitude, degrees.
    pub latitude: f64,
    /// Its distance from the centre, in the unit of the search.
    pub distance: f64,
}

/// A member that a search found. Its distance is in metres.
pub(super) struct Point<'a> {
    member: StrRef<'a>,
    score: f64,
    position: Position,
    distance: f64,
}

/// Which command searches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Form {
    /// GEORADIUS, and whether it may store.
    Radius { stores: bool },
    /// GEORADIUSBYMEMBER, and whether it may store.
    RadiusByMember { stores: bool },
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Self::Search | Self::SearchStore)
    }

    fn may_store(self) -> bool {
        matches!(self, Self::Radius { stores: true } | Self::RadiusByMember { stores: true })
    }

    /// How many words stand before the options.
    fn base(self) -> usize {
        match self {
            Self::Radius { .. } => 6,
            Self::RadiusByMember { .. } => 5,
            Self::Search => 2,
            Self::SearchStore => 3,
        }
    }
}

/// A search that was asked for.
#[derive(Default)]
pub(super) struct Request<'a> {
    centre: Position,
    /// A search in nothing has none.
    shape: Option<(Shape, GeoUnit)>,
    order: Option<GeoOrder>,
    count: usize,
    is_any: bool,
    shows_distance: bool,
    shows_hash: bool,
    shows_position: bool,
    /// Where the result is stored.
    pub(super) destination: Option<&'a [u8]>,
    stores_distance: bool,
}

impl<'a> Request<'a> {
    /// Reads a request on what its source holds.
    pub(super) fn read(set: Option<SortedSetRef<'_>>, args: &[&'a [u8]], form: Form) -> Result<Self, CommandError> {
        let mut request = Request::default();
        match form {
            Form::Radius { .. } => {
                request.centre = position(args[2], args[3])?;
                request.shape = Some(circle(args[4], args[5])?);
            }
            Form::RadiusByMember { .. } => {
                if let Some(set) = set {
                    request.centre = position_of(set, args[2])?;
                    request.shape = Some(circle(args[3], args[4])?);
                }
            }
            Form::Search => {}
            Form::SearchStore => request.destination = Some(args[1]),
        }
        let mut origin = None;
        let mut words = args[form.base()..].iter();
        while let Some(word) = words.next() {
            request.read_option(word, &mut words, set, form, &mut origin)?;
        }
        request.check(args[0], form, origin.is_some())?;
        Ok(request)
    }

    fn read_option(
        &mut self,
        word: &[u8],
        words: &mut std::slice::Iter<'_, &'a [u8]>,
        set: Option<SortedSetRef<'_>>,
        form: Form,
        origin: &mut Option<&'static str>,
    ) -> Result<(), CommandError> {
        let left = words.len();
        let mut next = || words.next().copied().ok_or(CommandError::Syntax);
        match word.to_ascii_uppercase().as_slice() {
            b"WITHDIST" => self.shows_distance = true,
            b"WITHHASH" => self.shows_hash = true,
            b"WITHCOORD" => self.shows_position = true,
            b"ANY" => self.is_any = true,
            b"ASC" => self.order = Some(GeoOrder::Nearest),
            b"DESC" => self.order = Some(GeoOrder::Farthest),
            b"COUNT" if left >= 1 => {
                let count = parse_i64(next()?).ok_or(CommandError::NotInteger)?;
                let count = usize::try_from(count).ok().filter(|count| *count > 0);
                self.count = count.ok_or(CommandError::text("ERR COUNT must be > 0"))?;
            }
            b"STORE" if left >= 1 && form.may_store() => {
                (self.destination, self.stores_distance) = (Some(next()?), false);
            }
            b"STOREDIST" if left >= 1 && form.may_store() => {
                (self.destination, self.stores_distance) = (Some(next()?), true);
            }
            b"STOREDIST" if form == Form::SearchStore => self.stores_distance = true,
            b"FROMMEMBER" if left >= 1 && form.is_search() && *origin != Some(FROM_POSITION) => {
                let member = next()?;
                if let Some(set) = set {
                    self.centre = position_of(set, member)?;
                }
                *origin = Some(FROM_MEMBER);
            }
            b"FROMLONLAT" if left >= 2 && form.is_search() && *origin != Some(FROM_MEMBER) => {
                self.centre = position(next()?, next()?)?;
                *origin = Some(FROM_POSITION);
            }
            b"BYRADIUS" if left >= 2 && form.is_search() && !self.is_rectangle() => {
                self.shape = Some(circle(next()?, next()?)?);
            }
            b"BYBOX" if left >= 3 && form.is_search() && !self.is_circle() => {
                self.shape = Some(rectangle(next()?, next()?, next()?)?);
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    fn is_circle(&self) -> bool {
        matches!(self.shape, Some((Shape::Circle { .. }, _)))
    }

    fn is_rectangle(&self) -> bool {
        matches!(self.shape, Some((Shape::Rectangle { .. }, _)))
    }

    /// Refuses options that do not go together, or are too few.
    fn check(&mut self, name: &[u8], form: Form, has_origin: bool) -> Result<(), CommandError> {
        if self.destination.is_some() && (self.shows_distance || self.shows_hash || self.shows_position) {
            return Err(CommandError::text(match form {
                Form::SearchStore => {
                    "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
                }
                _ => "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            }));
        }
        if form.is_search() && !has_origin {
            let before = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ";
            return Err(CommandError::quoting(before, name, ""));
        }
        if form.is_search() && self.shape.is_none() {
            let before = "ERR exactly one of BYRADIUS and BYBOX can be specified for ";
            return Err(CommandError::quoting(before, name, ""));
        }
        if self.is_any && self.count == 0 {
            return Err(CommandError::text("ERR the ANY argument requires COUNT argument"));
        }
        if self.count > 0 && self.order.is_none() && !self.is_any {
            self.order = Some(GeoOrder::Nearest);
        }
        Ok(())
    }

    /// What an embedder asks for.
    pub(super) fn of(set: SortedSetRef<'_>, search: &GeoSearch<'_>) -> Result<Self, CommandError> {
        let centre = match search.origin {
            GeoOrigin::Member(member) => position_of(set, member)?,
            GeoOrigin::Position(longitude, latitude) => check(Position { longitude, latitude })?,
        };
        let lengths = match search.area {
            GeoArea::Radius(radius, _) => [radius, radius],
            GeoArea::Box(width, height, _) => [width, height],
        };
        if lengths.iter().any(|length| length.is_nan() || *length < 0.0) {
            return Err(CommandError::text("ERR radius cannot be negative"));
        }
        let count = search.count.unwrap_or(0);
        let order = search.order.or((count > 0).then_some(GeoOrder::Nearest));
        Ok(Self { centre, shape: Some(search.area.parts()), order, count, ..Self::default() })
    }

    /// Searches.
    pub(super) fn find<'s>(&self, set: SortedSetRef<'s>) -> Vec<Point<'s>> {
        let Some((shape, _)) = self.shape else { return Vec::new() };
        let enough = if self.is_any { self.count } else { usize::MAX };
        let mut points = Vec::new();
        for cell in cells_around(shape, self.centre) {
            let (min, max) = cell.scores();
            let range = ScoreRange { min, max, min_is_excluded: false, max_is_excluded: true };
            let ranks = set.score_ranks(&range);
            for (member, score) in set.walk(ranks.start, ranks.len(), Direction::Up) {
                if points.len() >= enough {
                    break;
                }
                let position = Position::of_score(score);
                if let Some(distance) = shape.distance(self.centre, position) {
                    points.push(Point { member, score, position, distance });
                }
            }
        }
        match self.order {
            None => {}
            Some(GeoOrder::Nearest) => points.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
            Some(GeoOrder::Farthest) => points.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
        }
        if self.count > 0 {
            points.truncate(self.count);
        }
        points
    }

    /// Writes what was found.
    pub(super) fn write(&self, points: &[Point<'_>], reply: &mut ReplyWriter<'_>) {
        let details = [self.shows_distance, self.shows_hash, self.shows_position];
        let detail_count = details.into_iter().filter(|shows| *shows).count();
        reply.array(points.len());
        for point in points {
            if detail_count > 0 {
                reply.array(detail_count + 1);
            }
            point.member.with_bytes(|member| reply.bulk(member));
            if self.shows_distance {
                write_distance(reply, self.in_unit(point.distance));
            }
            if self.shows_hash {
                reply.integer(point.score as i64);
            }
            if self.shows_position {
                write_position(reply, point.position);
            }
        }
    }

    /// The sorted set that stores what was found; `None` if that is nothing.
    pub(super) fn to_entry(&self, core: &Core, key: &[u8], points: &[Point<'_>]) -> Option<EntryRef> {
        // Cells of a coarse division may come twice.
        let mut seen = HashSet::new();
        let mut members: Vec<(Vec<u8>, f64)> = points
            .iter()
            .map(|p| (p.member.to_vec(), if self.stores_distance { self.in_unit(p.distance) } else { p.score }))
            .collect();
        members.retain(|(member, _)| seen.insert(member.clone()));
        whole(core, key, members.iter().map(|(member, score)| (&member[..], *score)).collect())
    }

    /// Copies what was found.
    pub(super) fn hits(&self, points: &[Point<'_>]) -> Vec<GeoHit> {
        let hit = |point: &Point<'_>| GeoHit {
            member: point.member.with_bytes(Bytes::copy_from_slice),
            longitude: point.position.longitude,
            latitude: point.position.latitude,
            distance: self.in_unit(point.distance),
        };
        points.iter().map(hit).collect()
    }

    fn in_unit(&self, metres: f64) -> f64 {
        metres / self.shape.map_or(1.0, |(_, unit)| unit.metres())
    }
}

fn position_of(set: SortedSetRef<'_>, member: &[u8]) -> Result<Position, CommandError> {
    let score = set.score(member).ok_or(CommandError::text("ERR could not decode requested zset member"))?;
    Ok(Position::of_score(score))
}

fn circle(radius: &[u8], unit: &[u8]) -> Result<(Shape, GeoUnit), CommandError> {
    let radius = length(radius, "ERR need numeric radius", "ERR radius cannot be negative")?;
    Ok(GeoArea::Radius(radius, GeoUnit::read(unit)?).parts())
}

fn rectangle(width: &[u8], height: &[u8], unit: &[u8]) -> Result<(Shape, GeoUnit), CommandError> {
    let negative = "ERR height or width cannot be negative";
    // Both are read before the sign of either is looked at.
    for (word, text) in [(width, "ERR need numeric width"), (height, "ERR need numeric height")] {
        crate::text::parse_f64(word).ok_or(CommandError::text(text))?;
    }
    let (width, height) = (length(width, negative, negative)?, length(height, negative, negative)?);
    Ok(GeoArea::Box(width, height, GeoUnit::read(unit)?).parts())
}

const FROM_MEMBER: &str = "FROMMEMBER";
const FROM_POSITION: &str = "FROMLONLAT";
