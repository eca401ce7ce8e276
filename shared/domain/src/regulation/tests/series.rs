//! The rules that look at what was said before.

use super::*;

const MINUTE: i64 = 60_000;

fn customer(text: &str, at: i64) -> Earlier<'_> {
    said(Speaker::Customer, text, at)
}

fn bot(text: &str, at: i64) -> Earlier<'_> {
    said(Speaker::Assistant, text, at)
}

fn after<'a>(earlier: &'a [Earlier<'a>], text: &'a str, now: i64) -> Episode<'a> {
    Episode { earlier, now: Timestamp::from_millis(now), ..question(text) }
}

#[test]
fn the_same_question_again() {
    let (ask, fine) = ("我的订单什么时候发货", "今天发货。");
    let asked = |text, times: usize| {
        let mut earlier = Vec::new();
        for _ in 0..times {
            earlier.extend([customer(text, 0), bot(fine, 1)]);
        }
        earlier
    };
    for (earlier, text, evidence) in [
        (asked(ask, 2), "请问我的订单什么时候发货?", Some(vec!["90%", "90%"])),
        (asked(ask, 3), ask, Some(vec!["100%"; 3])),
        (asked(ask, 1), ask, None),
        (asked("保修多久啊,请告诉我", 3), ask, None),
        (asked("好的", 5), "好的", None),
        (asked("where is order 1234", 4), "where is order 1235", None),
        (asked("Where is my order?", 2), "WHERE IS MY ORDER", Some(vec!["100%"; 2])),
        (asked("Wo ist meine Bestellung?", 2), "Wo ist denn meine Bestellung?", Some(vec!["85%", "85%"])),
        (asked("Où est ma commande ?", 2), "où est ma commande", Some(vec!["100%"; 2])),
        (asked("¿Dónde está mi pedido?", 2), "Dónde está mi pedido", Some(vec!["100%"; 2])),
    ] {
        let decision = decide(&BUILTIN, &after(&earlier, text, 1));
        assert_eq!(decision.rule, evidence.as_ref().map(|_| RuleId::Repeated), "{text}");
        assert_eq!(decision.evidence, evidence.unwrap_or_default(), "{text}");
    }
    let bot_said = vec![bot(ask, 0); 4];
    assert_eq!(decide(&BUILTIN, &after(&bot_said, ask, 1)).rule, None, "only what the customer asked counts");
}

#[test]
fn only_the_last_messages_are_looked_at() {
    let mut earlier = vec![customer("我的订单什么时候发货", 0); 2];
    for _ in 0..EARLIER_MAX / 2 {
        earlier.extend([customer("别的问题在这里", 0), bot("回答", 0)]);
    }
    assert_eq!(decide(&BUILTIN, &after(&earlier, "我的订单什么时候发货", 1)).rule, None);
    assert_eq!(
        decide(&BUILTIN, &after(&earlier[..4], "我的订单什么时候发货", 1)).rule,
        Some(RuleId::Repeated)
    );
}

#[test]
fn waiting_too_long() {
    let sorry = "抱歉,我不清楚";
    let unanswered = [customer("电池能骑多远", 0), bot(sorry, 1_000)];
    let answered = [customer("电池能骑多远", 0), bot("100 公里", 1_000)];
    for (earlier, now, waited) in [
        (&unanswered, 3 * MINUTE, Some("180s")),
        (&unanswered, 3 * MINUTE - 1, None),
        (&answered, 60 * MINUTE, None),
    ] {
        let decision = decide(&BUILTIN, &after(earlier, "那冬天呢", now));
        assert_eq!(decision.rule, waited.map(|_| RuleId::Waiting), "{now}");
        assert_eq!(decision.evidence, waited.into_iter().collect::<Vec<_>>());
    }
    let broke_off = [customer("电池能骑多远", 0), Earlier { broke_off: true, ..bot("100", 1_000) }];
    let late = after(&broke_off, "那冬天呢", 5 * MINUTE);
    assert_eq!(decide(&BUILTIN, &late).rule, Some(RuleId::Waiting), "half an answer is none");
    assert_eq!(
        decide(&BUILTIN, &after(&[], "你好", 60 * MINUTE)).rule,
        None,
        "who has just come has not waited"
    );
}

#[test]
fn too_many_messages_without_an_answer() {
    let many = |count| vec![customer("在吗", 0); count];
    let failing =
        |earlier| Episode {
            phase: Phase::AfterAnswer, answer: Some("抱歉"), ..after(earlier, "在吗", 1)
        };
    assert_eq!(decide(&BUILTIN, &after(&many(5), "在吗", 1)).rule, Some(RuleId::Waiting));
    assert_eq!(decide(&BUILTIN, &after(&many(4), "在吗", 1)).rule, None);
    let four = many(4);
    let decision = decide(&BUILTIN, &failing(&four));
    assert_eq!((decision.rule, decision.evidence), (Some(RuleId::Waiting), vec!["5 messages".to_owned()]));
    let good = Episode { answer: Some("在的"), ..failing(&[]) };
    let many = many(9);
    assert_eq!(
        decide(&BUILTIN, &Episode { earlier: &many, ..good }).rule,
        None,
        "a good answer ends the wait"
    );
}

#[test]
fn each_rule_can_be_switched_off_and_has_its_severity() {
    let same = vec![customer("我的订单什么时候发货", 0); 3];
    let waiting = vec![customer("在吗", 0); 9];
    let failed = Episode { answer: Some("抱歉"), ..answer("", 2) };
    let episodes = [
        (RuleId::Vip, Episode { vip: true, ..question("你好") }),
        (RuleId::Keyword, question("转人工")),
        (RuleId::Request, question("有没有人")),
        (RuleId::Sentiment, question("垃圾,骗子")),
        (RuleId::Repeated, after(&same, "我的订单什么时候发货", 1)),
        (RuleId::Waiting, after(&waiting, "你好", 1)),
        (RuleId::AiFailure, failed),
    ];
    assert_eq!(episodes.map(|(rule, _)| rule), RuleId::ALL);
    for (rule, episode) in episodes {
        let of = |enabled: bool, severity: &str| {
            let text = format!("rules:\n  {rule}:\n    enabled: {enabled}\n    severity: {severity}\n");
            decide(&compiled(&RulesSource::parse(&text).unwrap()), &episode)
        };
        assert_eq!(decide(&BUILTIN, &episode).rule, Some(rule));
        assert_eq!(of(true, "low").escalate.unwrap().severity, Severity::Low, "{rule}");
        assert_eq!(of(true, "high").escalate.unwrap().severity, Severity::High, "{rule}");
        assert_eq!(of(false, "high").escalate, None, "{rule}");
    }
}
