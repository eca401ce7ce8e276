//! Compares what was acknowledged with what is on record.

use crate::{
    ANSWER,
    customer::{Fate, Sent, Written},
};
use serde_json::Value;
use std::{collections::HashMap, time::Duration};
use switchboard_tests::{patience::within, world::Shape};

/// Longest time until a turn whose worker was killed has come to its end.
const END: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    sessions: usize,
    acknowledged: usize,
    refused: usize,
    repeats: usize,
    ends: HashMap<String, usize>,
    wrong: Vec<String>,
}

impl Verdict {
    /// Looks at one session, after all is over.
    pub(crate) async fn look_at(&mut self, sent: &Sent) {
        self.sessions += 1;
        self.repeats += sent.repeats;
        let kept = sent.messages.iter().filter(|(_, _, fate)| *fate == Fate::Kept).count();
        self.acknowledged += kept;
        self.refused += sent.messages.len() - kept;
        if kept == 0 {
            return;
        }
        let name = &sent.customer.session;
        within(END, format_args!("the last turn of {name} ends"), async || {
            sent.customer.detail().await.running_turn.is_none().then_some(())
        })
        .await;
        let log = sent.customer.log().await;
        self.judge(name, &sent.messages, &log);
    }

    fn judge(&mut self, name: &str, sent: &[Written], log: &[Value]) {
        self.messages(name, sent, log);
        self.order(name, log);
        self.turns(name, log);
    }

    fn messages(&mut self, name: &str, sent: &[Written], log: &[Value]) {
        for (id, text, fate) in sent {
            let found: Vec<&Value> =
                log.iter().filter(|event| event["client_message_id"] == id.as_str()).collect();
            match (fate, found.as_slice()) {
                (Fate::Kept, [one]) if one["content"] == text.as_str() => {}
                (Fate::Refused, []) => {}
                (Fate::Kept, []) => self.wrong.push(format!("lost: {id} of {name}")),
                (Fate::Refused, _) => self.wrong.push(format!("kept although refused: {id} of {name}")),
                (Fate::Kept, _) => self.wrong.push(format!("doubled or changed: {id} of {name}: {found:?}")),
            }
        }
        let by_customer = log.iter().filter(|event| event["role"] == "user").count();
        let acknowledged = sent.iter().filter(|(_, _, fate)| *fate == Fate::Kept).count();
        if by_customer != acknowledged {
            self.wrong.push(format!("{name} has {by_customer} messages, {acknowledged} were acknowledged"));
        }
    }

    fn order(&mut self, name: &str, log: &[Value]) {
        let numbers = log.iter().map(|event| event["seq"].as_i64().unwrap_or_default());
        if !numbers.eq((1..).take(log.len())) {
            self.wrong.push(format!("a gap in {name}: {log:?}"));
        }
    }

    /// Each message is answered by one turn, each turn ends once, and what it says is what the provider said.
    fn turns(&mut self, name: &str, log: &[Value]) {
        let turns = || log.iter().filter(|event| event["type"] == "turn");
        for message in log.iter().filter(|event| event["role"] == "user") {
            let covering = turns().filter(|turn| {
                turn["state"] == "accepted"
                    && turn["covers"].as_array().is_some_and(|covers| covers.contains(&message["message_id"]))
            });
            if covering.count() != 1 {
                self.wrong.push(format!("not answered by exactly one turn in {name}: {message}"));
            }
        }
        for began in turns().filter(|turn| turn["state"] == "accepted") {
            let of_turn = |event: &&Value| event["turn_id"] == began["turn_id"];
            let ends: Vec<&str> = turns()
                .filter(of_turn)
                .filter_map(|turn| turn["state"].as_str())
                .filter(|state| *state != "accepted")
                .collect();
            let [end] = ends.as_slice() else {
                self.wrong.push(format!("a turn of {name} ended {ends:?}"));
                continue;
            };
            *self.ends.entry((*end).to_owned()).or_default() += 1;
            let said: Vec<&str> = log
                .iter()
                .filter(|event| event["role"] == "assistant")
                .filter(of_turn)
                .filter_map(|event| event["content"].as_str())
                .collect();
            let fits = match (*end, said.as_slice()) {
                ("done", [text]) => *text == ANSWER,
                ("interrupted", [text]) => ANSWER.starts_with(text),
                ("handed_over" | "failed", []) => true,
                _ => false,
            };
            if !fits {
                self.wrong.push(format!("a turn of {name} ended {end} and said {said:?}"));
            }
        }
    }

    /// One line with the figures.
    #[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
    pub(crate) fn tell(&self, shape: Shape, seed: u64, outages: &[Duration]) {
        let end = |state: &str| self.ends.get(state).copied().unwrap_or_default();
        let longest = outages.iter().max().copied().unwrap_or_default();
        println!(
            "kill -9 ({}): {} kills, CHAOS_SEED={seed}; {} sessions, {} messages acknowledged ({} sent again), {} refused; \
             turns: {} done, {} interrupted, {} handed over, {} failed; longest outage {} ms; wrong: {}",
            shape.as_str(),
            outages.len(),
            self.sessions,
            self.acknowledged,
            self.repeats,
            self.refused,
            end("done"),
            end("interrupted"),
            end("handed_over"),
            end("failed"),
            longest.as_millis(),
            self.wrong.len(),
        );
    }

    /// Fails the test if anything is wrong, or if nothing was tried.
    pub(crate) fn check(&self, kills: usize) {
        assert!(self.wrong.is_empty(), "{:#?}", &self.wrong[..self.wrong.len().min(20)]);
        assert!(self.acknowledged >= kills, "only {} messages for {kills} kills", self.acknowledged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(seq: i64, id: &str) -> Value {
        json!({ "type": "message", "role": "user", "seq": seq, "client_message_id": id, "message_id": id, "content": id })
    }

    fn turn(seq: i64, id: &str, state: &str, covers: &[&str]) -> Value {
        json!({ "type": "turn", "seq": seq, "turn_id": id, "state": state, "covers": covers })
    }

    fn answer(seq: i64, id: &str, content: &str) -> Value {
        json!({ "type": "message", "role": "assistant", "seq": seq, "turn_id": id, "content": content })
    }

    fn good() -> Vec<Value> {
        vec![
            said(1, "a"),
            turn(2, "t", "accepted", &["a"]),
            answer(3, "t", ANSWER),
            turn(4, "t", "done", &[]),
        ]
    }

    fn wrong(sent: &[(&str, Fate)], log: &[Value]) -> Vec<String> {
        let sent: Vec<Written> =
            sent.iter().map(|(id, fate)| ((*id).to_owned(), (*id).to_owned(), *fate)).collect();
        let mut verdict = Verdict::default();
        verdict.judge("s", &sent, log);
        verdict.wrong
    }

    /// A checker that never finds anything proves nothing.
    #[test]
    fn every_kind_of_damage_is_noticed() {
        let kept = [("a", Fate::Kept)];
        assert_eq!(wrong(&kept, &good()), Vec::<String>::new());
        let mut lost = good();
        lost.remove(0);
        let doubled = [good(), vec![said(5, "a")]].concat();
        let mut gap = good();
        gap.remove(2);
        let mut swapped = good();
        swapped.swap(0, 1);
        let never_ended = good()[..3].to_vec();
        let ended_twice = [good(), vec![turn(5, "t", "interrupted", &[])]].concat();
        let unanswered = vec![said(1, "a")];
        let twice =
            [good(), vec![turn(5, "u", "accepted", &["a"]), turn(6, "u", "handed_over", &[])]].concat();
        let mut half = good();
        half[2] = answer(3, "t", "您好");
        let mut invented = good();
        invented[2] = answer(3, "t", "somebody else's answer");
        let phantom =
            [good(), vec![said(5, "b"), turn(6, "u", "accepted", &["b"]), turn(7, "u", "failed", &[])]]
                .concat();
        for (what, log) in [
            ("lost", lost),
            ("doubled", doubled),
            ("gap", gap),
            ("swapped", swapped),
            ("never ended", never_ended),
            ("ended twice", ended_twice),
            ("unanswered", unanswered),
            ("answered twice", twice),
            ("half an answer shown as whole", half),
            ("invented", invented),
            ("phantom", phantom.clone()),
        ] {
            assert!(!wrong(&kept, &log).is_empty(), "{what} is not noticed");
        }
        let refused = [("a", Fate::Kept), ("b", Fate::Refused)];
        assert!(!wrong(&refused, &phantom).is_empty(), "a refused message that is there is not noticed");
    }
}
