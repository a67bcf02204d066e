//! Positions, units and lengths, as clients write them, and how they stand in replies.

use crate::error::CommandError;
use crate::resp::{ReplyWriter, RespVersion};
use crate::text::parse_f64;
use crate::value::geohash::Position;

/// What lengths are measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum GeoUnit {
    /// `m`.
    #[default]
    Meters,
    /// `km`.
    Kilometers,
    /// `ft`.
    Feet,
    /// `mi`.
    Miles,
}

impl GeoUnit {
    pub(super) fn read(word: &[u8]) -> Result<Self, CommandError> {
        match word.to_ascii_lowercase().as_slice() {
            b"m" => Ok(Self::Meters),
            b"km" => Ok(Self::Kilometers),
            b"ft" => Ok(Self::Feet),
            b"mi" => Ok(Self::Miles),
            _ => Err(CommandError::text("ERR unsupported unit provided. please use M, KM, FT, MI")),
        }
    }

    /// How many metres it has.
    pub(super) fn metres(self) -> f64 {
        match self {
            Self::Meters => 1.0,
            Self::Kilometers => 1000.0,
            Self::Feet => 0.3048,
            Self::Miles => 1609.34,
        }
    }
}

/// Reads a longitude and a latitude.
pub(super) fn position(longitude: &[u8], latitude: &[u8]) -> Result<Position, CommandError> {
    let longitude = parse_f64(longitude).ok_or(CommandError::NotFloat)?;
    let latitude = parse_f64(latitude).ok_or(CommandError::NotFloat)?;
    check(Position { longitude, latitude })
}

/// Refuses a position that is out of range.
pub(super) fn check(position: Position) -> Result<Position, CommandError> {
    if position.is_valid() {
        return Ok(position);
    }
    let Position { longitude, latitude } = position;
    let text = format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}");
    Err(CommandError::Text(text.into()))
}

/// Reads a length that is not negative; the texts are the errors for what is no number and for what is negative.
pub(super) fn length(word: &[u8], no_number: &'static str, negative: &'static str) -> Result<f64, CommandError> {
    match parse_f64(word) {
        None => Err(CommandError::text(no_number)),
        Some(length) if length < 0.0 => Err(CommandError::text(negative)),
        Some(length) => Ok(length),
    }
}

/// Writes a distance: four digits after the point.
pub(super) fn write_distance(reply: &mut ReplyWriter<'_>, distance: f64) {
    reply.bulk(format!("{distance:.4}").as_bytes());
}

/// Writes longitude and latitude: up to seventeen digits after the point, as doubles in RESP3.
pub(super) fn write_position(reply: &mut ReplyWriter<'_>, position: Position) {
    reply.array(2);
    for degrees in [position.longitude, position.latitude] {
        let text = format!("{degrees:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.version() {
            RespVersion::V2 => reply.bulk(text.as_bytes()),
            RespVersion::V3 => reply.encoded(format!(",{text}\r\n").as_bytes()),
        }
    }
}
