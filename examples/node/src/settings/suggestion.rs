//! The name a person most likely meant.

/// The candidate nearest to `written`, if one is near enough to be worth naming: at most a third of the letters differ.
pub(crate) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written: String = written.chars().take(LENGTH_MAX).flat_map(char::to_lowercase).collect();
    let allowed = (written.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&written, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_previous = vec![0; right.len() + 1];
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let replaced = previous[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            row[j] = replaced.min(previous[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                row[j] = row[j].min(before_previous[j - 2] + 1);
            }
        }
        before_previous = std::mem::replace(&mut previous, row);
    }
    previous[right.len()]
}

/// Longer names than this are cut before they are compared.
const LENGTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["cluster-enabled", "port", "appendonly", "hz"];

    #[test]
    fn slips_of_the_finger_are_recognised() {
        for (written, meant) in
            [("clster-enabled", "cluster-enabled"), ("APENDONLY", "appendonly"), ("prot", "port"), ("hzz", "hz")]
        {
            assert_eq!(nearest(written, NAMES.into_iter()), Some(meant));
        }
    }

    #[test]
    fn a_word_that_is_near_nothing_gets_no_suggestion() {
        assert_eq!(nearest("frobnicate", NAMES.into_iter()), None);
        assert_eq!(nearest(&"x".repeat(100_000), NAMES.into_iter()), None);
    }
}
