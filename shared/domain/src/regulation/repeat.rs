//! Is this the same question again? Two texts are compared by the pairs of neighbouring characters they share, in per
//! cent, without punctuation: the same for every script, and in whole numbers, so that it is the same on every machine.

/// A normal text in the form it is compared in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Pairs of neighbouring characters, sorted.
    pairs: Vec<(char, char)>,
    /// What it says in numbers, sorted: another order number is another question.
    numbers: Vec<String>,
    chars: usize,
}

impl Shape {
    pub(super) fn of(normal: &str) -> Self {
        let letters: Vec<char> = normal.chars().filter(|c| c.is_alphanumeric()).collect();
        let mut pairs: Vec<(char, char)> = letters.windows(2).map(|pair| (pair[0], pair[1])).collect();
        pairs.sort_unstable();
        let numbers = normal.split(|c: char| !c.is_numeric()).filter(|number| !number.is_empty());
        let mut numbers: Vec<String> = numbers.map(str::to_owned).collect();
        numbers.sort_unstable();
        Self { pairs, numbers, chars: letters.len() }
    }

    /// How many letters and digits there are.
    pub(super) fn chars(&self) -> usize {
        self.chars
    }

    /// How much of both is in both, 0 to 100; 0 when they name different numbers.
    pub(super) fn similarity(&self, other: &Self) -> u32 {
        let all = self.pairs.len() + other.pairs.len();
        if all == 0 || self.numbers != other.numbers {
            return 0;
        }
        let (mut mine, mut theirs, mut shared) =
            (self.pairs.iter().peekable(), other.pairs.iter().peekable(), 0);
        while let (Some(one), Some(another)) = (mine.peek(), theirs.peek()) {
            match one.cmp(another) {
                std::cmp::Ordering::Less => drop(mine.next()),
                std::cmp::Ordering::Greater => drop(theirs.next()),
                std::cmp::Ordering::Equal => {
                    shared += 1;
                    mine.next();
                    theirs.next();
                }
            }
        }
        u32::try_from(200 * shared / all).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::regulation::normal::normalise;
    use proptest::prelude::*;

    fn similarity(one: &str, other: &str) -> u32 {
        Shape::of(&normalise(one)).similarity(&Shape::of(&normalise(other)))
    }

    #[test]
    fn the_same_in_other_clothes() {
        for (one, other, at_least, at_most) in [
            ("我的订单什么时候发货", "我的订单什么时候发货???", 100, 100),
            ("我的订单什么时候发货", "请问我的订单什么时候发货呢", 80, 99),
            ("Where is my order?", "WHERE is my order", 100, 100),
            ("Where is my order?", "Hello, where is my order", 75, 99),
            ("Where is my order 123?", "Where is my order 124?", 0, 0),
            ("Where is my order?", "How far does the battery go?", 0, 40),
            ("电池能骑多远", "保修多久", 0, 30),
            ("a", "a", 0, 0),
            ("", "", 0, 0),
        ] {
            let found = similarity(one, other);
            assert!((at_least..=at_most).contains(&found), "{one} {other}: {found}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_similarity(one in any::<String>(), other in any::<String>()) {
            let there = similarity(&one, &other);
            prop_assert!(there <= 100);
            prop_assert_eq!(there, similarity(&other, &one));
        }
    }
}
