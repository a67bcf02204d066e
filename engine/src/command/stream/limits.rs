//! The live options for the nodes of streams.

use crate::options::Options;
use crate::value::stream::NodeLimits;
use std::sync::atomic::Ordering::Relaxed;

/// How large nodes become from now on.
pub(super) fn node_limits(options: &Options) -> NodeLimits {
    NodeLimits::of(options)
}

/// How many entries approximate trimming removes at once, unless the request says it: those of a hundred nodes.
pub(super) fn trim_limit(options: &Options) -> u64 {
    match options.stream_node_entries_max.load(Relaxed) as u64 {
        0 => TRIM_ENTRIES_STANDARD,
        entries => entries.saturating_mul(TRIM_NODES).min(TRIM_ENTRIES_MAX),
    }
}

const TRIM_NODES: u64 = 100;
const TRIM_ENTRIES_STANDARD: u64 = 10_000;
const TRIM_ENTRIES_MAX: u64 = 1_000_000;
