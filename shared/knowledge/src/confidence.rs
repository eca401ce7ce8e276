//! How much a word says, and how sure a passage makes us.

/// Passages assumed beside the real ones, none of which has any of the words. In a folder of three articles every word
/// is in a third of them; that does not make it a common word.
const ASSUMED_PASSAGES: f32 = 20.0;

/// A question is specific enough when its words say at least as much as one word that this share of the passages has.
const SPECIFIC_SHARE: f32 = 0.05;

/// What a question says, and what of it a passage speaks about, as sums of weights.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Evidence {
    asked: f32,
    answered: f32,
    specific: f32,
}

impl Evidence {
    /// Adds a word of the question of which the passage knows a share. A word of the article's title counts twice as
    /// specific: an article about batteries answers "battery?", one that happens to mention them does not.
    pub(crate) fn add(&mut self, weight: f32, share: f32, in_title: bool) {
        self.asked += weight;
        self.answered += weight * share;
        self.specific += weight * share * if in_title { 2.0 } else { 1.0 };
    }
}

/// The measure of one shelf.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    passages: f32,
}

impl Scale {
    /// A scale for a shelf of so many passages.
    #[expect(clippy::cast_precision_loss, reason = "far fewer passages than a float counts exactly")]
    pub(crate) fn new(passages: usize) -> Self {
        Self { passages: passages as f32 + ASSUMED_PASSAGES }
    }

    /// How much a word says that `containing` passages have: its inverse document frequency, as in BM25.
    #[expect(clippy::cast_precision_loss, reason = "far fewer passages than a float counts exactly")]
    pub(crate) fn weight(self, containing: u64) -> f32 {
        self.weight_of(containing as f32)
    }

    fn weight_of(self, containing: f32) -> f32 {
        ((self.passages - containing + 0.5) / (containing + 0.5)).ln_1p()
    }

    /// The confidence, 0 to 1: the share of what was asked that the passage speaks about, less when even all of it
    /// would be a question about everything ("bike").
    pub(crate) fn confidence(self, evidence: Evidence) -> f32 {
        if evidence.asked <= 0.0 {
            return 0.0;
        }
        let specific = self.weight_of(self.passages * SPECIFIC_SHARE);
        (evidence.answered / evidence.asked).min(1.0) * (evidence.specific / specific).min(1.0)
    }

    /// Which share of a word is known by a passage that has only shorter words inside of it. `characters` has the
    /// weight of the most telling part over each character, or zero. Always less than the same share of characters.
    #[expect(clippy::cast_precision_loss, reason = "words are short")]
    pub(crate) fn share(self, characters: &[f32]) -> f32 {
        characters.iter().sum::<f32>() / (self.weight(0) * characters.len().max(1) as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rare_words_say_more_and_unknown_words_most() {
        let scale = Scale::new(40);
        assert!(scale.weight(40) < scale.weight(10));
        assert!(scale.weight(10) < scale.weight(1));
        assert!(scale.weight(1) < scale.weight(0));
    }

    fn confidence(passages: usize, words: &[(u64, f32, bool)]) -> f32 {
        let scale = Scale::new(passages);
        let mut evidence = Evidence::default();
        for (containing, share, in_title) in words {
            evidence.add(scale.weight(*containing), *share, *in_title);
        }
        scale.confidence(evidence)
    }

    #[test]
    fn one_known_word_beside_an_unknown_one_is_less_than_half() {
        for passages in [1, 40, 4000] {
            assert!(confidence(passages, &[(1, 1.0, true), (0, 0.0, false)]) < 0.5, "{passages}");
            assert!(confidence(passages, &[(1, 1.0, false)]) > 0.9, "{passages}");
        }
    }

    #[test]
    fn a_common_word_proves_something_only_in_a_title() {
        assert!(confidence(60, &[(20, 1.0, false)]) < 0.5);
        assert!(confidence(60, &[(20, 1.0, true)]) > 0.5);
        assert!(confidence(60, &[(58, 1.0, true)]) < 0.5);
        assert!(confidence(60, &[]).abs() < f32::EPSILON);
    }

    #[test]
    fn parts_of_a_word_count_less_than_their_characters() {
        let scale = Scale::new(40);
        let known = scale.weight(1);
        let share = scale.share(&[known, known, 0.0, 0.0]);
        assert!(share > 0.3 && share < 0.5, "{share}");
        assert!(scale.share(&[]).abs() < f32::EPSILON);
    }
}
