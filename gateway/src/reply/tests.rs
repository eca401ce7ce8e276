//! What a turn looks like to `chat/stream`, whatever arrives first.

use super::*;
use crate::testing::log;
use serde_json::Value;
use switchboard_domain::Status;

fn accepted() -> Accepted {
    let one = log::turn(1);
    Accepted {
        turn: Some(one),
        epoch: LogEpoch::new(1),
        created: true,
        replayed: false,
        entries: vec![log::customer(1, "你好"), log::turn_change(2, one, TurnState::Accepted)],
        session: log::session("alice", 2),
    }
}

fn delta(chunk: u32, text: &str) -> Delta {
    Delta { turn: log::turn(1).to_string(), from_chunk: chunk, chunk, text: text.into() }
}

fn ended(state: TurnState, entries: Vec<Entry>) -> Ended {
    Ended { turn: log::turn(1), state, entries }
}

/// `type` and, where there is one, `content` of each frame.
fn told(frames: &[Bytes]) -> Vec<(String, String)> {
    frames
        .iter()
        .map(|frame| {
            let text = std::str::from_utf8(frame).unwrap();
            let json = text.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
            let value: Value = serde_json::from_str(json).unwrap();
            let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            (text("type"), text("content"))
        })
        .collect()
}

fn pair(kind: &str, content: &str) -> (String, String) {
    (kind.to_owned(), content.to_owned())
}

#[test]
fn an_answer_is_told_as_it_is_written_and_then_done() {
    let (mut reply, first) = Reply::new(&accepted());
    assert!(first.is_empty());
    assert_eq!(told(&[reply.delta(&delta(0, "您")).unwrap()]), [pair("message", "您")]);
    reply.delta(&delta(1, "好")).unwrap();
    let end = vec![
        log::assistant(3, "您好", Some(log::turn(1))),
        log::turn_change(4, log::turn(1), TurnState::Done),
    ];
    let frames = reply.end(ended(TurnState::Done, end));
    assert_eq!(told(&frames), [pair("done", "")]);
    let text = std::str::from_utf8(&frames[0]).unwrap();
    assert!(text.contains("\"seq\":3") && text.contains("\"session_name\":\"alice\""), "{text}");
}

#[test]
fn what_was_lost_on_the_way_is_told_at_the_end() {
    let (mut reply, _) = Reply::new(&accepted());
    reply.delta(&delta(0, "您")).unwrap();
    let end = vec![log::assistant(3, "您好", Some(log::turn(1)))];
    assert_eq!(told(&reply.end(ended(TurnState::Done, end))), [pair("message", "好"), pair("done", "")]);
    // A repeat of a finished turn has no pieces at all.
    let (reply, _) =
        Reply::new(&Accepted { replayed: true, session: log::session("alice", 9), ..accepted() });
    let end = vec![log::assistant(3, "您好", Some(log::turn(1)))];
    assert_eq!(told(&reply.end(ended(TurnState::Done, end))), [pair("message", "您好"), pair("done", "")]);
}

#[test]
fn half_an_answer_never_looks_finished() {
    let shown = || {
        let (mut reply, _) = Reply::new(&accepted());
        reply.delta(&delta(0, "您好，City")).unwrap();
        reply
    };
    let answer = |text: &str| vec![log::assistant(3, text, Some(log::turn(1)))];
    // The next worker answered in other words: what was shown cannot be taken back.
    let frames = shown().end(ended(TurnState::Done, answer("City 可以跑 50 公里")));
    assert_eq!(told(&frames).iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["error"]);
    let frames = shown().end(ended(TurnState::Done, answer("您好")));
    assert_eq!(told(&frames).len(), 1, "less than was shown");
    assert_eq!(told(&frames)[0].0, "error");
    // What was kept of it before the worker died, or nothing at all.
    for (state, entries) in [
        (TurnState::Interrupted, answer("您好")),
        (TurnState::Failed, vec![log::notice(3, "waiting", Some(log::turn(1)))]),
    ] {
        let frames = shown().end(ended(state, entries));
        let last = std::str::from_utf8(frames.last().unwrap()).unwrap();
        assert!(last.contains("\"type\":\"done\"") && last.contains("\"interrupted\":true"), "{last}");
    }
}

#[test]
fn a_piece_is_told_once() {
    let (mut reply, _) = Reply::new(&accepted());
    reply.delta(&delta(0, "您")).unwrap();
    assert!(reply.delta(&delta(0, "您")).is_none());
    assert!(reply.delta(&delta(1, "好")).is_some());
}

#[test]
fn a_hand_over_before_the_answer_is_the_reply() {
    let (mut reply, _) = Reply::new(&accepted());
    let end = vec![
        log::status(3, Status::BotActive, Status::PendingManual),
        log::notice(4, "已转接", None),
        log::turn_change(5, log::turn(1), TurnState::HandedOver),
    ];
    // The log may be faster.
    for entry in end.clone() {
        assert!(reply.entry(entry).is_none());
    }
    let frames = reply.end(ended(TurnState::HandedOver, end));
    assert_eq!(told(&frames), [pair("status_change", ""), pair("message", "已转接"), pair("done", "")]);
    assert!(std::str::from_utf8(&frames[2]).unwrap().contains("\"seq\":4"));
}

#[test]
fn a_hand_over_after_the_answer_is_news_and_never_overtakes_it() {
    let (mut reply, _) = Reply::new(&accepted());
    let one = Some(log::turn(1));
    reply.delta(&delta(0, "您")).unwrap();
    let end = vec![
        log::assistant(3, "您好", one),
        log::status(4, Status::BotActive, Status::PendingManual),
        log::notice(5, "已转接", None),
        log::turn_change(6, log::turn(1), TurnState::Done),
    ];
    // The log is faster than the answer.
    for entry in end.clone() {
        assert!(reply.entry(entry).is_none());
    }
    assert!(reply.is_over());
    reply.delta(&delta(1, "好")).unwrap();
    let frames = reply.end(ended(TurnState::Done, end));
    assert_eq!(
        told(&frames),
        [pair("status_change", ""), pair("manual_message", "已转接"), pair("done", "")]
    );
}

#[test]
fn if_the_worker_dies_the_log_tells_the_end() {
    let (mut reply, _) = Reply::new(&accepted());
    let one = Some(log::turn(1));
    reply.delta(&delta(0, "您")).unwrap();
    assert!(reply.end_on_record().is_none());
    reply.entry(log::assistant(3, "您好", one));
    reply.entry(log::turn_change(4, log::turn(1), TurnState::Done));
    let end = reply.end_on_record().unwrap();
    assert_eq!(told(&reply.end(end)), [pair("message", "好"), pair("done", "")]);
}

#[test]
fn a_human_who_takes_over_in_the_middle_ends_the_answer() {
    let (mut reply, _) = Reply::new(&accepted());
    reply.delta(&delta(0, "您")).unwrap();
    assert!(reply.entry(log::turn_change(3, log::turn(1), TurnState::HandedOver)).is_none());
    assert!(reply.is_over());
    assert!(reply.entry(log::status(4, Status::BotActive, Status::ManualLive)).is_none());
    assert!(reply.entry(log::notice(5, "客服【王】已接入", None)).is_none());
    assert!(reply.entry(log::agent(6, "我来了")).is_none());
    let end = reply.end_on_record().unwrap();
    let expected = [
        pair("status_change", ""),
        pair("manual_message", "客服【王】已接入"),
        pair("manual_message", "我来了"),
        pair("done", ""),
    ];
    assert_eq!(told(&reply.end(end)), expected);
}

#[test]
fn what_happens_meanwhile_is_told_at_once_and_only_once() {
    // While the message waits behind another turn, its own is not known.
    let mut behind = accepted();
    behind.turn = None;
    behind.entries.truncate(1);
    behind.session = log::session("alice", 1);
    let (mut reply, _) = Reply::new(&behind);
    let change = log::status(2, Status::BotActive, Status::ManualLive);
    assert_eq!(told(&[reply.entry(change.clone()).unwrap()]), [pair("status_change", "")]);
    assert_eq!(told(&[reply.entry(log::agent(3, "我来了")).unwrap()]), [pair("manual_message", "我来了")]);
    assert!(reply.entry(change.clone()).is_none());
    let frames = reply.end(ended(TurnState::HandedOver, vec![change]));
    assert_eq!(told(&frames), [pair("done", "")]);
}

#[test]
fn another_turns_answer_and_our_own_message_are_not_repeated() {
    let mut behind = accepted();
    behind.turn = None;
    behind.entries.truncate(1);
    behind.session = log::session("alice", 1);
    let (mut reply, _) = Reply::new(&behind);
    assert!(reply.entry(log::assistant(2, "to somebody else", Some(log::turn(9)))).is_none());
    let mut begun = log::turn_change(3, log::turn(1), TurnState::Accepted);
    if let EntryBody::Turn(change) = &mut begun.body {
        change.covers = vec![log::message_id(1)];
    }
    assert!(reply.entry(begun).is_none());
    // Now it is known which turn is ours.
    assert!(reply.entry(log::assistant(4, "您好", Some(log::turn(1)))).is_none());
    reply.entry(log::turn_change(5, log::turn(1), TurnState::Done));
    assert!(reply.is_over());
}

#[test]
fn a_failed_turn_that_says_nothing_is_an_error_and_nothing_follows() {
    let (reply, _) = Reply::new(&accepted());
    let frames =
        reply.end(ended(TurnState::Failed, vec![log::turn_change(3, log::turn(1), TurnState::Failed)]));
    assert_eq!(told(&frames).len(), 1);
    assert_eq!(told(&frames)[0].0, "error");
}

#[test]
fn a_reopened_session_says_so_first() {
    let mut reopened = accepted();
    reopened.entries.insert(0, log::status(0, Status::Closed, Status::BotActive));
    let (_, first) = Reply::new(&reopened);
    assert_eq!(told(&first), [pair("status_change", "")]);
    let (_, first) = Reply::new(&Accepted { replayed: true, ..reopened });
    assert!(first.is_empty());
}
