//! The machine's table and its properties.

use super::*;
use crate::{AgentId, Sender, notice::Notice};
use proptest::prelude::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn agent(n: u8) -> AgentRef {
    AgentRef { id: AgentId::parse(&format!("agt_{n:032x}")).unwrap(), name: format!("A{n}") }
}

fn escalation(ms: i64) -> Escalation {
    Escalation::asked(Reason::Manual, Severity::High, "asked".into(), at(ms))
}

fn shop(open: bool) -> Shop {
    if open { Shop::Open } else { Shop::Shut { opens: Some(at(99)), promise: Some("99".into()) } }
}

fn shut() -> Event {
    Event::HoursEnded { opens: Some(at(99)), promise: None }
}

fn escalate(open: bool) -> Event {
    Event::Escalated { escalation: escalation(5), shop: shop(open), notice: Notice::Waiting }
}

fn session_in(status: Status) -> Session {
    let mut session = Session::new(SessionName::parse("s").unwrap(), at(1));
    session.status = status;
    if status == Status::ManualLive {
        session.agent = Some(agent(1));
        session.manual_since = Some(at(2));
    }
    session
}

/// Every (status, event) pair of the contract: where it leads, or that it is refused.
#[test]
fn table() {
    use Status::{
        AfterHoursEmail as Mail, BotActive as Bot, Closed, ManualLive as Live, PendingManual as Wait,
    };
    let take = |barge_in| Event::TakenOver { agent: agent(2), barge_in };
    let give = Event::Transferred { by: Some(agent(1).id), to: agent(2) };
    let said = Event::CustomerSaid;
    #[rustfmt::skip]
    let table: [(Event, [Option<Status>; 5]); 15] = [
        //                                      bot         waiting     live        mail        closed
        (said(Via::Chat),                      [Some(Bot),  None,       None,       Some(Mail), Some(Bot)]),
        (said(Via::Manual),                    [None,       Some(Wait), Some(Live), None,       None]),
        (Event::AgentSaid(agent(1)),           [None,       None,       Some(Live), None,       None]),
        (escalate(true),                       [Some(Wait), Some(Wait), None,       Some(Wait), Some(Wait)]),
        (escalate(false),                      [Some(Mail), Some(Wait), None,       Some(Mail), Some(Mail)]),
        (Event::WaitCancelled,                 [None,       Some(Bot),  None,       Some(Bot),  None]),
        (shut(),                               [None,       Some(Mail), None,       None,       None]),
        (Event::HoursBegan,                    [None,       None,       None,       Some(Mail), None]),
        (Event::OwnerLost,                     [None,       None,       Some(Wait), None,       None]),
        (take(false),                          [None,       Some(Live), None,       Some(Live), None]),
        (take(true),                           [Some(Live), Some(Live), Some(Live), Some(Live), None]),
        (give,                                 [None,       None,       Some(Live), None,       None]),
        (Event::Released(Some(agent(1).id)),   [None,       None,       Some(Bot),  None,       None]),
        (Event::Closed(Some(agent(1).id)),     [None,       None,       Some(Closed), Some(Closed), None]),
        (Event::Released(Some(agent(9).id)),   [None,       None,       None,       None,       None]),
    ];
    for (event, expected) in table {
        for (status, expected) in Status::ALL.into_iter().zip(expected) {
            let outcome = apply(&session_in(status), event.clone(), at(10));
            assert_eq!(outcome.ok().map(|step| step.next.status), expected, "{event:?} in {status}");
        }
    }
}

#[test]
fn a_repeated_request_does_not_move_the_place_in_the_queue() {
    let waiting = apply(&session_in(Status::BotActive), escalate(true), at(5)).unwrap().next;
    let again = Event::Escalated { escalation: escalation(99), shop: Shop::Open, notice: Notice::Waiting };
    let step = apply(&waiting, again, at(99)).unwrap();
    assert_eq!(step.next, waiting);
    assert!(step.changes.is_empty() && step.effects.is_empty());
}

#[test]
fn a_request_out_of_hours_is_due_when_hours_begin() {
    let mail = apply(&session_in(Status::BotActive), escalate(false), at(5)).unwrap().next;
    assert_eq!(mail.desk.due_at, Some(at(99)));
    for (now, due) in [(50, 50), (99, 99), (120, 99)] {
        let step = apply(&mail, Event::HoursBegan, at(now)).unwrap();
        assert_eq!(step.next.desk.due_at, Some(at(due)), "at {now}");
        assert_eq!((step.changes.len(), step.effects), (0, vec![Effect::FollowUpDue]));
        assert_eq!(step.next.fence, mail.fence);
    }
}

#[test]
fn a_session_without_its_owner_waits_anew_and_remembers_him() {
    let mut live = session_in(Status::ManualLive);
    live.desk.due_at = None;
    let step = apply(&live, Event::OwnerLost, at(70)).unwrap();
    assert_eq!((step.next.agent.as_ref(), step.next.desk.last_agent.as_ref()), (None, live.agent.as_ref()));
    assert_eq!((step.next.desk.due_at, step.next.desk.repeats), (Some(at(70)), 1));
    assert!(step.next.escalation.is_some() && step.next.fence > live.fence);
    assert!(step.changes.contains(&Change::Notice(Notice::OwnerLost)));
}

#[test]
fn taking_over_ends_the_turn_and_fences_the_bot() {
    let turn = crate::TurnId::parse("trn_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
    let mut bot = session_in(Status::BotActive);
    bot.turn = Some(turn);
    let step = apply(&bot, Event::TakenOver { agent: agent(2), barge_in: true }, at(10)).unwrap();
    assert_eq!(step.changes[0], Change::TurnEnds(turn, crate::turn::TurnState::HandedOver));
    assert_eq!(finish_turn(&step.next, turn, bot.fence, Some(false)), Err(Refused::Fenced));
    let back = apply(&step.next, Event::Released(None), at(11)).unwrap().next;
    assert_eq!(
        finish_turn(&back, turn, bot.fence, Some(false)),
        Err(Refused::Fenced),
        "not even after release"
    );
}

#[test]
fn the_loser_of_a_race_learns_who_won() {
    let won = apply(
        &session_in(Status::PendingManual),
        Event::TakenOver { agent: agent(2), barge_in: false },
        at(9),
    );
    let lost =
        apply(&won.unwrap().next, Event::TakenOver { agent: agent(3), barge_in: false }, at(9)).unwrap_err();
    assert_eq!(lost, Refused::AlreadyTaken(agent(2)));
    assert_eq!(lost.failure().to_string(), "ALREADY_TAKEN: 会话已被坐席【A2】接入");
}

#[test]
fn failures_count_in_a_row() {
    let turn = crate::TurnId::parse("trn_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
    let mut session = session_in(Status::BotActive);
    for (failed, expected) in [(Some(true), 1), (Some(true), 2), (None, 2), (Some(false), 0), (Some(true), 1)]
    {
        session.turn = Some(turn);
        session = finish_turn(&session, turn, session.fence, failed).unwrap().next;
        assert_eq!((session.ai_failures, session.turn), (expected, None));
    }
}

#[test]
fn roles_on_the_wire() {
    assert_eq!(Sender::from_role("user"), Some(Sender::Customer));
    assert_eq!(Sender::from_role("robot"), None);
}

fn any_event() -> impl Strategy<Value = Event> {
    let agents = (1..4_u8).prop_map(agent);
    let owner = prop::option::of((1..4_u8).prop_map(|n| agent(n).id));
    prop_oneof![
        Just(Event::CustomerSaid(Via::Chat)),
        Just(Event::CustomerSaid(Via::Manual)),
        Just(Event::OwnerLost),
        agents.clone().prop_map(Event::AgentSaid),
        any::<bool>().prop_map(escalate),
        Just(Event::WaitCancelled),
        Just(shut()),
        (agents.clone(), any::<bool>()).prop_map(|(agent, barge_in)| Event::TakenOver { agent, barge_in }),
        (owner.clone(), agents).prop_map(|(by, to)| Event::Transferred { by, to }),
        owner.clone().prop_map(Event::Released),
        owner.prop_map(Event::Closed),
    ]
}

/// The arrows of the contract (Part II §3.2), plus staying.
fn allowed(from: Status, to: Status) -> bool {
    use Status::{AfterHoursEmail, BotActive, Closed, ManualLive, PendingManual};
    let arrows: &[Status] = match from {
        BotActive => &[PendingManual, AfterHoursEmail, ManualLive],
        PendingManual => &[ManualLive, BotActive, AfterHoursEmail],
        // To wait again: the owner has gone.
        ManualLive => &[BotActive, Closed, ManualLive, PendingManual],
        AfterHoursEmail => &[ManualLive, BotActive, Closed],
        Closed => &[BotActive],
    };
    arrows.contains(&to)
}

proptest! {
    #[test]
    fn any_history_keeps_the_invariants(events in prop::collection::vec(any_event(), 0..60)) {
        let mut session = session_in(Status::BotActive);
        for (n, event) in events.into_iter().enumerate() {
            let Ok(step) = apply(&session, event, at(10 + i64::try_from(n).unwrap())) else { continue };
            // The changes tell the whole way from the old status to the new one, each along an arrow.
            let (mut status, mut fence) = (session.status, session.fence);
            for change in &step.changes {
                if let Change::Status(change) = change {
                    prop_assert_eq!(change.from, status);
                    prop_assert!(allowed(change.from, change.to), "{} to {}", change.from, change.to);
                    prop_assert!(change.fence > fence);
                    (status, fence) = (change.to, change.fence);
                }
            }
            prop_assert_eq!((status, fence), (step.next.status, step.next.fence));
            prop_assert_eq!(step.next.agent.is_some(), step.next.status == Status::ManualLive);
            prop_assert_eq!(step.next.manual_since.is_some(), step.next.status == Status::ManualLive);
            let waits = matches!(step.next.status, Status::PendingManual | Status::ManualLive);
            prop_assert_eq!(step.next.bot_answers(), !waits);
            session = step.next;
        }
    }
}

/// A session belongs to the queue exactly while somebody is waited for.
#[test]
fn due_while_somebody_is_waited_for() {
    let asked = |open| apply(&session_in(Status::BotActive), escalate(open), at(6)).unwrap().next;
    assert_eq!(asked(true).desk.due_at, Some(at(5)));
    assert_eq!(asked(false).desk.due_at, Some(at(99)), "when the shop opens");
    for over in [Event::WaitCancelled, Event::TakenOver { agent: agent(2), barge_in: false }] {
        for open in [true, false] {
            let next = apply(&asked(open), over.clone(), at(7)).unwrap().next;
            assert_eq!(next.desk.due_at, None, "{over:?}");
        }
    }
    let late = apply(&asked(true), shut(), at(7)).unwrap().next;
    assert_eq!(late.desk.due_at, Some(at(99)));
}

#[test]
fn who_served_last_and_how_often_a_human_was_called_is_remembered() {
    let session =
        apply(&session_in(Status::ManualLive), Event::Released(Some(agent(1).id)), at(3)).unwrap().next;
    assert_eq!(session.desk.last_agent, Some(agent(1)));
    let once = apply(&session, escalate(true), at(6)).unwrap().next;
    let back = apply(&once, Event::WaitCancelled, at(7)).unwrap().next;
    let twice = apply(&back, escalate(true), at(8)).unwrap().next;
    assert_eq!((once.desk.repeats, twice.desk.repeats), (0, 1));
}
