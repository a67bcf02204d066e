//! Reading a serialised value, as far as its bytes are there.

use super::error::PayloadError;
use super::input::{Input, Text};
use super::intset;
use super::listpack;
use super::part::Part;
use super::stream::{self, Form, Sink, Step};
use super::ziplist;
use crate::text::{StrRef, parse_f64};
use crate::time::UnixMillis;

/// Whose numbers of types are meant, where releases differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dialect {
    /// Redis.
    #[default]
    Redis,
    /// Valkey 9 on, whose files say so.
    Valkey,
}

/// Reads one value. See [`Part`] for what it gives.
#[derive(Clone, Debug)]
pub struct Decoder {
    form: Whole,
    state: State,
}

/// What a type's number stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whole {
    /// One string, that is the value or holds all of it.
    Single(Single),
    /// A count and so many items.
    Counted(Item),
    /// Eight bytes of time, then as the one above.
    Timed(Item),
    /// Eight bytes of time, then one string.
    TimedSingle(Single),
    Stream(Form),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Single {
    String,
    Zipmap,
    ListZiplist,
    SetIntset,
    SortedSetZiplist,
    HashZiplist,
    HashListpack,
    SortedSetListpack,
    SetListpack,
    /// Fields, values, times.
    HashTriples,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Item {
    Element,
    Member,
    ScoreText,
    ScoreBytes,
    Field,
    ListZiplist,
    /// 1: a string, 2: a listpack.
    ListNode,
    /// Time, field, value. The times are counted from one before the least of them, or from 0.
    TimedField,
    /// Field, value, eight bytes of time.
    FieldTimed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Eight bytes of time, if the form has them, then the string or the count.
    Start,
    /// The string or the count; what times are counted from.
    Head(i64),
    Items {
        left: u64,
        base: i64,
    },
    Stream(Step),
    Done,
}

impl Decoder {
    /// A reader for a value of the type with this number. An error for types that cannot be read.
    pub fn new(number: u8, dialect: Dialect) -> Result<Self, PayloadError> {
        let form = match number {
            0 => Whole::Single(Single::String),
            1 => Whole::Counted(Item::Element),
            2 => Whole::Counted(Item::Member),
            3 => Whole::Counted(Item::ScoreText),
            4 => Whole::Counted(Item::Field),
            5 => Whole::Counted(Item::ScoreBytes),
            9 => Whole::Single(Single::Zipmap),
            10 => Whole::Single(Single::ListZiplist),
            11 => Whole::Single(Single::SetIntset),
            12 => Whole::Single(Single::SortedSetZiplist),
            13 => Whole::Single(Single::HashZiplist),
            14 => Whole::Counted(Item::ListZiplist),
            15 => Whole::Stream(Form::Plain),
            16 => Whole::Single(Single::HashListpack),
            17 => Whole::Single(Single::SortedSetListpack),
            18 => Whole::Counted(Item::ListNode),
            19 => Whole::Stream(Form::Counted),
            20 => Whole::Single(Single::SetListpack),
            21 => Whole::Stream(Form::Active),
            22 if dialect == Dialect::Valkey => Whole::Counted(Item::FieldTimed),
            22 => Whole::Counted(Item::TimedField),
            23 => Whole::Single(Single::HashTriples),
            24 => Whole::Timed(Item::TimedField),
            25 => Whole::TimedSingle(Single::HashTriples),
            other => return Err(PayloadError::unknown(other)),
        };
        let state = match form {
            Whole::Stream(_) => State::Stream(Step::NodeCount),
            Whole::Timed(_) | Whole::TimedSingle(_) => State::Start,
            Whole::Single(_) | Whole::Counted(_) => State::Head(0),
        };
        Ok(Self { form, state })
    }

    /// Takes what is there of the value and gives its parts to `sink`. True when the value is complete; else more bytes are
    /// needed behind those that were left. O(bytes).
    pub fn feed(
        &mut self,
        input: &mut Input<'_>,
        sink: &mut dyn FnMut(Part<'_>) -> Result<(), PayloadError>,
    ) -> Result<bool, PayloadError> {
        while self.state != State::Done {
            let start = input.position();
            match self.advance(input, sink)? {
                Some(state) => self.state = state,
                None => {
                    input.seek(start);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn advance(&self, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<State>, PayloadError> {
        Ok(match (self.state, self.form) {
            // The least of the times; they are counted from one before it, so that 0 is free for none.
            (State::Start, _) => input.array().map(|bytes| State::Head(i64::from_le_bytes(bytes).wrapping_sub(1))),
            (State::Head(_), Whole::Single(single) | Whole::TimedSingle(single)) => {
                let start = input.position();
                let Some(text) = input.text()? else { return Ok(None) };
                give_single(single, &text, sink).map_err(|error| error.after(start))?;
                Some(State::Done)
            }
            (State::Head(base), Whole::Counted(_) | Whole::Timed(_)) => {
                input.number()?.map(|left| State::Items { left, base })
            }
            (State::Items { left: 0, .. }, _) => Some(State::Done),
            (State::Items { left, base }, Whole::Counted(item) | Whole::Timed(item)) => {
                give_item(item, base, input, sink)?.map(|()| State::Items { left: left - 1, base })
            }
            (State::Stream(Step::Done), _) => Some(State::Done),
            (State::Stream(step), Whole::Stream(form)) => stream::advance(step, form, input, sink)?.map(State::Stream),
            (State::Done, _) | (State::Head(_), Whole::Stream(_)) | (State::Items { .. } | State::Stream(_), _) => {
                Some(State::Done)
            }
        })
    }
}

/// Gives the parts of a value that is one string.
fn give_single(single: Single, text: &Text<'_>, sink: &mut Sink<'_>) -> Result<(), PayloadError> {
    if single == Single::String {
        return sink(Part::String(text.as_str()));
    }
    text.with_bytes(|bytes| match single {
        Single::String => Ok(()),
        Single::Zipmap => ziplist::for_each_pair(bytes, |f, v| sink(Part::Field(StrRef::of(f), StrRef::of(v), None))),
        Single::SetIntset => intset::integers(bytes)?.try_for_each(|n| sink(Part::Member(StrRef::Int(n)))),
        Single::ListZiplist => {
            let mut elements = ziplist::elements(bytes)?;
            while let Some(element) = elements.next()? {
                sink(Part::Element(element))?;
            }
            Ok(())
        }
        Single::SortedSetZiplist => {
            let mut elements = ziplist::elements(bytes)?;
            while let Some(member) = elements.next()? {
                sink(Part::Scored(member, score(elements.demand()?)?))?;
            }
            Ok(())
        }
        Single::HashZiplist => {
            let mut elements = ziplist::elements(bytes)?;
            while let Some(field) = elements.next()? {
                sink(Part::Field(field, elements.demand()?, None))?;
            }
            Ok(())
        }
        Single::HashListpack => {
            let mut elements = listpack::elements(bytes)?;
            while let Some(field) = elements.next()? {
                sink(Part::Field(field, elements.demand()?, None))?;
            }
            Ok(())
        }
        Single::SortedSetListpack => {
            let mut elements = listpack::elements(bytes)?;
            while let Some(member) = elements.next()? {
                sink(Part::Scored(member, score(elements.demand()?)?))?;
            }
            Ok(())
        }
        Single::SetListpack => {
            let mut elements = listpack::elements(bytes)?;
            while let Some(member) = elements.next()? {
                sink(Part::Member(member))?;
            }
            Ok(())
        }
        Single::HashTriples => {
            let mut elements = listpack::elements(bytes)?;
            while let Some(field) = elements.next()? {
                let value = elements.demand()?;
                let expiry = Some(elements.integer()?).filter(|ms| *ms != 0).map(UnixMillis);
                sink(Part::Field(field, value, expiry))?;
            }
            Ok(())
        }
    })
}

/// Gives one item of a counted value, if it is there as a whole.
fn give_item(item: Item, base: i64, input: &mut Input<'_>, sink: &mut Sink<'_>) -> Result<Option<()>, PayloadError> {
    let start = input.position();
    let part = match item {
        Item::Element | Item::Member | Item::ListZiplist => {
            let Some(text) = input.text()? else { return Ok(None) };
            match item {
                Item::Element => sink(Part::Element(text.as_str())),
                Item::Member => sink(Part::Member(text.as_str())),
                _ => give_single(Single::ListZiplist, &text, sink).map_err(|error| error.after(start)),
            }
        }
        Item::ScoreText => {
            let Some(member) = input.text()? else { return Ok(None) };
            let Some(score) = score_text(input)? else { return Ok(None) };
            sink(Part::Scored(member.as_str(), score))
        }
        Item::ScoreBytes => {
            let Some(member) = input.text()? else { return Ok(None) };
            let Some(bytes) = input.array() else { return Ok(None) };
            let score = f64::from_le_bytes(bytes);
            if score.is_nan() {
                return Err(PayloadError::corrupt(start, "a score that is a number"));
            }
            sink(Part::Scored(member.as_str(), score))
        }
        Item::Field => {
            let Some(field) = input.text()? else { return Ok(None) };
            let Some(value) = input.text()? else { return Ok(None) };
            sink(Part::Field(field.as_str(), value.as_str(), None))
        }
        Item::ListNode => {
            let Some(kind) = input.number()? else { return Ok(None) };
            let Some(text) = input.text()? else { return Ok(None) };
            match kind {
                1 => sink(Part::Element(text.as_str())),
                2 => text.with_bytes(|bytes| give_elements(bytes, sink)).map_err(|error| error.after(start)),
                _ => return Err(PayloadError::corrupt(start, "a node of a list: 1 or 2")),
            }
        }
        Item::TimedField => {
            let Some(time) = input.number()? else { return Ok(None) };
            let Some(field) = input.text()? else { return Ok(None) };
            let Some(value) = input.text()? else { return Ok(None) };
            let expiry = (time != 0).then(|| UnixMillis((time as i64).wrapping_add(base)));
            sink(Part::Field(field.as_str(), value.as_str(), expiry))
        }
        Item::FieldTimed => {
            let Some(field) = input.text()? else { return Ok(None) };
            let Some(value) = input.text()? else { return Ok(None) };
            let Some(time) = input.array() else { return Ok(None) };
            let expiry = Some(i64::from_le_bytes(time)).filter(|ms| *ms >= 0).map(UnixMillis);
            sink(Part::Field(field.as_str(), value.as_str(), expiry))
        }
    };
    part.map(Some)
}

fn give_elements(bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), PayloadError> {
    let mut elements = listpack::elements(bytes)?;
    while let Some(element) = elements.next()? {
        sink(Part::Element(element))?;
    }
    Ok(())
}

/// A score that was written as text or as an integer.
fn score(text: StrRef<'_>) -> Result<f64, PayloadError> {
    let score = match text {
        StrRef::Int(n) => Some(n as f64),
        StrRef::Bytes(bytes) => parse_f64(bytes),
    };
    score.filter(|score| !score.is_nan()).ok_or_else(|| PayloadError::corrupt(0, "a score"))
}

/// A length of one byte and so much text; 253 to 255 stand for no number and the infinities.
fn score_text(input: &mut Input<'_>) -> Result<Option<f64>, PayloadError> {
    let start = input.position();
    let Some([len]) = input.array() else { return Ok(None) };
    match len {
        253 => Err(PayloadError::corrupt(start, "a score that is a number")),
        254 => Ok(Some(f64::INFINITY)),
        255 => Ok(Some(f64::NEG_INFINITY)),
        len => match input.take(usize::from(len)) {
            None => Ok(None),
            Some(text) => score(StrRef::Bytes(text)).map(Some).map_err(|error| error.after(start)),
        },
    }
}
