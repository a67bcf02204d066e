//! The families: what is asked, and how the answers compare.

mod bitmaps;
mod connection;
mod geo;
mod hashes;
mod hyperloglogs;
mod keys;
mod lists;
mod sets;
mod sort;
mod sorted_sets;
mod streams;
mod strings;
mod transactions;

use super::reply::{Agreement, Reply};
use super::request::Request;

/// Commands that belong together.
pub(super) struct Family {
    pub(super) name: &'static str,
    /// Requests as they should be, in the notation of [`request`](super::request).
    pub(super) shapes: &'static [&'static str],
    /// How replies compare, by the command's name; those not named, to the byte.
    pub(super) rules: &'static [(&'static str, Agreement)],
}

pub(super) const FAMILIES: &[Family] = &[
    bitmaps::FAMILY,
    connection::FAMILY,
    geo::FAMILY,
    hashes::FAMILY,
    hyperloglogs::FAMILY,
    keys::FAMILY,
    lists::FAMILY,
    sets::FAMILY,
    sort::FAMILY,
    sorted_sets::FAMILY,
    streams::FAMILY,
    strings::FAMILY,
    transactions::FAMILY,
];

/// How the replies to a request compare.
pub(super) fn rule_of(request: &Request) -> Agreement {
    let name = request.name();
    let rules = FAMILIES.iter().flat_map(|family| family.rules);
    rules.into_iter().find(|(command, _)| command.as_bytes() == name).map_or(Agreement::Exact, |(_, rule)| *rule)
}
