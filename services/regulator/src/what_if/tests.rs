//! Replays of generated sessions: small ones for the meaning, ten thousand for the bytes.

mod generated;

use super::{
    Ask,
    compare::Comparison,
    past::{Line, Past, Stretch, Who},
    report::Report,
};
use crate::document::{Document, Version};
use generated::Dice;
use std::{io::Write as _, sync::Arc};
use tokio::time::Instant;

const DRAFT: &str = "
rules:
  keyword: {phrases: [退款, 转人工, refund]}
  ai_failure: {threshold: 2}
  repeated: {times: 1}
  sentiment: {enabled: false}
";

fn version(text: &str) -> Arc<Version> {
    let document = Document::parse(text).unwrap();
    Arc::new(Version::compile(0, &document.digest, &document.canonical).unwrap())
}

fn ask(base: &str, draft: &str) -> Ask {
    Ask {
        base: version(base),
        draft: version(draft),
        since: 1,
        until: i64::MAX,
        limit: 100_000,
        agents: 3,
        handling: None,
    }
}

fn compared(ask: &Ask, sessions: &[Past]) -> Report {
    let mut comparison = Comparison::new(ask.clone(), 20);
    for past in sessions {
        comparison.add(past);
    }
    comparison.into_report(50, 360_000)
}

fn line(who: Who, text: &str, turn: u32) -> Line {
    let at = i64::from(turn) * 10_000;
    Line {
        who,
        text: text.to_owned(),
        at: at + i64::from(who == Who::Assistant) * 2_000,
        turn,
        turn_at: at,
        interrupted: false,
    }
}

/// A session of one stretch: questions with their answers; an empty answer is none.
fn session(name: &str, turns: &[(&str, &str)]) -> Past {
    let mut lines = Vec::new();
    for (turn, (question, answer)) in (1..).zip(turns) {
        lines.push(line(Who::Customer, question, turn));
        if !answer.is_empty() {
            lines.push(line(Who::Assistant, answer, turn));
        }
    }
    let stretch = Stretch { lines, ended_by: String::new(), ended_at: 0 };
    Past { session: name.to_owned(), vip: false, episodes: vec![stretch], served: Vec::new(), cut: false }
}

fn names(cases: &super::report::Cases) -> Vec<&str> {
    assert_eq!(cases.count, cases.cases.len() as u64);
    cases.cases.iter().map(|case| case.session.as_str()).collect()
}

#[test]
fn each_difference_has_its_list() {
    let sessions = [
        session("new", &[("你好", "您好"), ("我要退款,请问怎么操作呢,麻烦快一点", "好的")]),
        session("gone", &[("叫客服", "")]),
        session("same", &[("转人工", "")]),
        session("nothing", &[("电池多少钱", "100 元")]),
        session("earlier", &[("你好", "抱歉"), ("在吗", "抱歉"), ("喂", "抱歉"), ("喂喂", "好")]),
        session("later", &[("有真人吗", "有"), ("退款", "")]),
        session("other", &[("垃圾,骗子,退款", "")]),
    ];
    let report = compared(&ask("{}", DRAFT), &sessions);
    assert_eq!(names(&report.newly_escalated), ["new"]);
    assert_eq!(names(&report.no_longer_escalated), ["gone"]);
    assert_eq!(names(&report.earlier), ["earlier"]);
    assert_eq!(names(&report.later), ["later"]);
    assert_eq!(names(&report.other_rule), ["other"]);
    assert_eq!((report.sessions, report.escalated.base, report.escalated.draft), (7, 5, 5));

    let case = &report.newly_escalated.cases[0];
    assert_eq!(case.base, None);
    let call = case.draft.as_ref().unwrap();
    assert_eq!((call.turn, call.phase, call.rule.as_str()), (2, "before_model", "keyword"));
    assert_eq!(
        (call.evidence.as_slice(), call.excerpt.as_str()),
        (["退款".to_owned()].as_slice(), "我要退款,请问怎么操作呢,麻烦快一点")
    );
    let call = report.earlier.cases[0].draft.as_ref().unwrap();
    assert_eq!(
        (call.turn, call.phase, call.excerpt.as_str(), call.at_ms),
        (2, "after_answer", "抱歉", 22_000)
    );
    let call = report.earlier.cases[0].base.as_ref().unwrap();
    assert_eq!((call.turn, call.rule.as_str()), (3, "ai_failure"));
}

#[test]
fn long_messages_are_cut_and_lists_are_short() {
    let sessions: Vec<Past> =
        (0..60).map(|n| session(&format!("s{n:02}"), &[(&format!("退款{}", "啊".repeat(n)), "")])).collect();
    let report = compared(&ask("{}", DRAFT), &sessions);
    assert_eq!((report.newly_escalated.count, report.newly_escalated.cases.len()), (60, 50));
    let last = report.newly_escalated.cases[49].draft.as_ref().unwrap();
    assert_eq!(last.excerpt, format!("退款{}…", "啊".repeat(18)));
}

#[test]
fn a_human_ends_what_is_replayed() {
    let mut past = session("s", &[("你好", "您好")]);
    past.episodes[0].ended_by = "manual".to_owned();
    past.episodes[0].ended_at = 40_000;
    past.episodes[0].lines.push(line(Who::Agent, "转人工 is what the agent says", 0));
    past.episodes[0].lines.push(line(Who::Customer, "转人工, said to a human", 0));
    past.served = vec![60_000, 120_000, 600_000];
    let mut back = session("s", &[("退款", "")]).episodes.remove(0);
    back.lines[0].turn_at = 900_000;
    past.episodes.push(back);
    let report = compared(&ask("{}", DRAFT), std::slice::from_ref(&past));
    assert_eq!((report.escalated.base, report.escalated.draft, report.escalated.on_record), (0, 1, 1));
    let call = report.newly_escalated.cases[0].draft.as_ref().unwrap();
    assert_eq!((call.episode, call.at_ms), (2, 900_000));
    // He pressed the button under both policies.
    assert_eq!((report.queue.base.arrivals, report.queue.draft.arrivals), (1, 1));
    assert_eq!((report.queue.handling_ms, report.queue.handling_from), (120_000, "median"));
}

#[test]
fn what_was_said_and_done_outside_of_the_span_is_known_and_counts_nowhere() {
    // Turns at 10 s, 20 s and 30 s.
    let mut old = session("old", &[("退款", ""), ("你好", "您好")]);
    old.episodes[0].ended_by = "manual".to_owned();
    old.episodes[0].ended_at = 9_000;
    let context = session("context", &[("你好", "抱歉"), ("在吗", "抱歉")]);
    let late = session("late", &[("你好", ""), ("你好呀", ""), ("退款", "")]);
    let sessions = [old, context, late];
    let whole = compared(&ask("{}", DRAFT), &sessions);
    assert_eq!((whole.escalated.draft, whole.escalated.on_record, whole.queue.base.arrivals), (3, 1, 1));
    let report = compared(&Ask { since: 15_000, until: 25_000, ..ask("{}", DRAFT) }, &sessions);
    assert_eq!(names(&report.newly_escalated), ["context"], "the failure before is the first of two");
    assert_eq!((report.turns, report.escalated.on_record, report.queue.base.arrivals), (3, 0, 0));
}

#[test]
fn the_draft_that_calls_more_humans_makes_a_longer_queue() {
    let sessions: Vec<Past> = (0..30).map(|n| session(&format!("s{n}"), &[("退款", "")])).collect();
    let queue = compared(&ask("{}", DRAFT), &sessions).queue;
    assert_eq!((queue.base.arrivals, queue.base.max_wait_ms), (0, 0));
    // Thirty at once, three agents, six minutes each: the last three wait for nine rounds.
    assert_eq!((queue.draft.arrivals, queue.draft.max_wait_ms), (30, 9 * 360_000));
    assert_eq!((queue.draft.waited, queue.draft.mean_wait_ms, queue.draft.most_waiting), (27, 1_620_000, 27));
    assert_eq!(queue.draft.by_hour_utc[0], 30);
}

#[test]
fn ten_thousand_sessions_give_the_same_bytes_in_any_order() {
    let mut sessions: Vec<Past> = (0..10_000).map(|n| Dice::seeded(7).session(n)).collect();
    let ask = ask("{}", DRAFT);
    let started = Instant::now();
    let first = compared(&ask, &sessions);
    let took = started.elapsed();
    // A figure to look at, not one to fail for.
    let line = format!("{} sessions, {} turns replayed twice in {took:?}", first.sessions, first.turns);
    writeln!(std::io::stdout(), "{line}").unwrap();
    assert!(first.newly_escalated.count > 100 && first.no_longer_escalated.count > 100, "{first:?}");
    assert!(first.earlier.count > 0 && first.turns > 20_000);
    let bytes = first.to_json().unwrap();
    Dice::seeded(1).shuffle(&mut sessions);
    assert_eq!(compared(&ask, &sessions).to_json().unwrap(), bytes);

    sessions[0].episodes[0].lines[0].text.push('x');
    let other = compared(&ask, &sessions);
    assert_ne!(other.input_digest, first.input_digest, "another past has another digest");
    let report: serde_json::Value = serde_json::from_str(&bytes).unwrap();
    let digest = report["report_digest"].as_str().unwrap();
    let without = bytes.replace(&format!(",\"report_digest\":\"{digest}\""), "");
    assert_eq!(crate::document::digest(without.as_bytes()), digest);
}
