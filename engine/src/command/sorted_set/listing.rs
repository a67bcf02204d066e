//! How members and scores stand in replies.

use crate::resp::{ReplyWriter, RespVersion};
use crate::text::StrRef;

/// Whether a list of members shows their scores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scores {
    /// Members alone.
    Hidden,
    /// RESP2: member, score, member, score. RESP3: pairs.
    Shown,
}

/// Writes the header of a list of so many members.
pub(super) fn begin(reply: &mut ReplyWriter<'_>, count: usize, scores: Scores) {
    let is_flat = scores == Scores::Shown && reply.version() == RespVersion::V2;
    reply.array(if is_flat { count * 2 } else { count });
}

/// Writes one member of a list.
pub(super) fn write(reply: &mut ReplyWriter<'_>, member: StrRef<'_>, score: f64, scores: Scores) {
    if scores == Scores::Shown && reply.version() == RespVersion::V3 {
        reply.array(2);
    }
    write_member(reply, member);
    if scores == Scores::Shown {
        reply.double(score);
    }
}

/// Writes a member.
#[inline]
pub(super) fn write_member(reply: &mut ReplyWriter<'_>, member: StrRef<'_>) {
    member.with_bytes(|member| reply.bulk(member));
}

/// Writes a score, or null.
pub(crate) fn write_score(reply: &mut ReplyWriter<'_>, score: Option<f64>) {
    match score {
        None => reply.null(),
        Some(score) => reply.double(score),
    }
}
