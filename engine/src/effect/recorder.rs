//! Who takes effects one by one: a turn, or whoever wants a value as effects.

use super::encode_effect;

/// Takes effects.
pub(crate) trait Recorder {
    /// Takes one.
    fn record(&mut self, args: &[&[u8]]);

    /// Whether what is recorded goes anywhere: else its words need not be made.
    fn is_recording(&self) -> bool;
}

/// Effects as they stand in a batch.
impl Recorder for Vec<u8> {
    fn record(&mut self, args: &[&[u8]]) {
        encode_effect(self, args);
    }

    fn is_recording(&self) -> bool {
        true
    }
}
