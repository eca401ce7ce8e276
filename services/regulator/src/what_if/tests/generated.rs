//! Sessions as shops have them, made from a seed.

use crate::what_if::past::{Line, Past, Stretch, Who};

const QUESTIONS: &[&str] = &[
    "电池能骑多远",
    "我的订单什么时候发货",
    "保修多久",
    "怎么调刹车",
    "可以开发票吗",
    "退款怎么操作",
    "Where is my order?",
    "How long does charging take?",
    "Is the battery removable?",
    "I want a refund",
    "Wie weit reicht der Akku?",
    "Quelle est l'autonomie ?",
    "¿Cuánto tarda el envío?",
    "好的",
    "谢谢",
    "ok",
];
const CALLS: &[&str] = &[
    "转人工",
    "叫客服来",
    "有没有人?",
    "let me talk to a human",
    "垃圾,骗子!!",
    "This is a scam, I am very angry",
];
const ANSWERS: &[&str] =
    &["可以的,大约 80 公里。", "It takes about four hours.", "您的订单今天发货。", "Ja, das geht."];
const FAILURES: &[&str] = &["抱歉,我不清楚。", "I'm sorry, I don't know.", "这个我无法回答"];

/// Chance that is the same every time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// splitmix64
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            let other = self.below(last + 1);
            list.swap(last, other);
        }
    }

    /// Session number `n`, whatever was made before.
    pub(super) fn session(self, n: u64) -> Past {
        let mut dice = Self(self.0 ^ n.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let begin = 1_770_000_000_000 + i64::try_from(dice.below(7 * 86_400_000)).unwrap();
        let (stretch, end) = dice.stretch(begin);
        let served = match stretch.ended_by.as_str() {
            "" => Vec::new(),
            _ => vec![60_000 + i64::try_from(dice.below(900_000)).unwrap()],
        };
        let mut episodes = vec![stretch];
        if !served.is_empty() && dice.below(3) == 0 {
            episodes.push(dice.stretch(end + served[0]).0);
        }
        Past { session: format!("session-{n:05}"), vip: dice.below(40) == 0, episodes, served, cut: false }
    }

    fn stretch(&mut self, begin: i64) -> (Stretch, i64) {
        let (mut lines, mut at) = (Vec::new(), begin);
        let turns = 1 + self.below(8);
        let repeats = self.below(5) == 0;
        let mut question = self.one(QUESTIONS);
        let mut ended_by = "";
        for turn in (1..).take(turns) {
            at += 5_000 + i64::try_from(self.below(60_000)).unwrap();
            if !repeats {
                question = self.one(QUESTIONS);
            }
            let calls = self.below(25) == 0;
            let text = if calls { self.one(CALLS) } else { question };
            let (who, interrupted) = (Who::Customer, false);
            lines.push(Line { who, text: text.to_owned(), at, turn, turn_at: at, interrupted });
            if calls {
                ended_by = "keyword";
                break;
            }
            at += 1_000 + i64::try_from(self.below(8_000)).unwrap();
            let text = if self.below(6) == 0 { self.one(FAILURES) } else { self.one(ANSWERS) };
            let (who, interrupted) = (Who::Assistant, self.below(60) == 0);
            lines.push(Line { who, text: text.to_owned(), at, turn, turn_at: 0, interrupted });
        }
        if ended_by.is_empty() && self.below(20) == 0 {
            ended_by = "manual";
        }
        let ended_at = if ended_by.is_empty() { 0 } else { at };
        (Stretch { lines, ended_by: ended_by.to_owned(), ended_at }, at)
    }
}
