//! The tables of routing, and its properties.

use super::*;
use crate::{AgentId, SessionName, Timestamp};
use proptest::prelude::*;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_mins(5);
const NOW: i64 = 1_770_000_000_000;
const SETTINGS: Settings =
    Settings { relax_after: Duration::from_mins(1), sticky_for: Duration::from_secs(30) };

fn waiting(name: &str, vip: bool, seconds: i64, words: &[&str], repeats: u32) -> Waiting {
    Waiting {
        name: SessionName::parse(name).unwrap(),
        vip,
        due_at: Timestamp::from_millis(NOW - seconds * 1000),
        urgent: words.iter().map(|word| (*word).to_owned()).collect(),
        repeats,
    }
}

fn order(mut queue: Vec<Waiting>, now: i64) -> Vec<String> {
    queue.sort_by_key(|one| one.place(Timestamp::from_millis(now), TIMEOUT));
    queue.into_iter().map(|one| one.name.to_string()).collect()
}

#[test]
fn levels_are_those_of_the_contract() {
    let level = |one: Waiting| one.priority(Timestamp::from_millis(NOW), TIMEOUT).level;
    assert_eq!(level(waiting("a", false, 10, &[], 0)), Level::Normal);
    assert_eq!(level(waiting("a", false, 10, &["退款"], 0)), Level::High);
    assert_eq!(level(waiting("a", false, 10, &[], 1)), Level::High);
    assert_eq!(level(waiting("a", false, 300, &[], 0)), Level::Normal);
    assert_eq!(level(waiting("a", false, 301, &[], 0)), Level::Urgent);
    assert_eq!(level(waiting("a", true, 0, &[], 0)), Level::Urgent);
    assert_eq!(
        level(waiting("a", false, -5, &[], 0)),
        Level::Normal,
        "a clock that went back waits for nothing"
    );
}

#[test]
fn vips_then_level_then_wait_then_name() {
    let queue = vec![
        waiting("normal-long", false, 200, &[], 0),
        waiting("normal-b", false, 20, &[], 0),
        waiting("normal-a", false, 20, &[], 0),
        waiting("high", false, 10, &["赔偿"], 0),
        waiting("late", false, 400, &[], 0),
        waiting("later", false, 500, &[], 0),
        waiting("vip-new", true, 1, &[], 0),
        waiting("vip-old", true, 9, &[], 0),
    ];
    let expected = ["vip-old", "vip-new", "later", "late", "high", "normal-long", "normal-a", "normal-b"];
    assert_eq!(order(queue, NOW), expected);
}

proptest! {
    #[test]
    fn an_older_one_of_the_same_class_never_comes_later(
        vip in any::<bool>(), high in any::<bool>(), old in 0_i64..1000, younger in 1_i64..1000, later in 0_i64..1000,
    ) {
        let words: &[&str] = if high { &["投诉"] } else { &[] };
        let queue = vec![
            waiting("a-young", vip, old, words, 0),
            waiting("z-old", vip, old + younger, words, 0),
        ];
        prop_assert_eq!(order(queue, NOW + later * 1000), vec!["z-old", "a-young"]);
    }

    #[test]
    fn a_normal_one_overtakes_every_later_high_one_at_the_timeout(wait in 301_i64..10_000, other in 0_i64..300) {
        let queue = vec![waiting("high", false, other, &["投诉"], 3), waiting("normal", false, wait, &[], 0)];
        prop_assert_eq!(order(queue, NOW), vec!["normal", "high"]);
    }

    #[test]
    fn the_chosen_one_is_able_and_nobody_able_is_better(
        agents in prop::collection::vec((0_u32..4, 0_u32..3, 0_u32..5, any::<bool>(), any::<bool>(), 0_u8..3), 0..8),
        waited in 0_u64..120,
    ) {
        let candidates: Vec<Candidate> = agents.iter().enumerate().map(|(n, (live, offered, max, online, present, skill))| {
            let mut one = agent(u8::try_from(n).unwrap());
            (one.live, one.offered, one.max_sessions, one.present) = (*live, *offered, *max, *present);
            one.status = if *online { Availability::Online } else { Availability::Lunch };
            one.skills = skilled("refund", *skill);
            one
        }).collect();
        let needs = Needs { skills: vec!["refund".into()], ..Needs::default() };
        let ranking = match_agent(&needs, &candidates, Duration::from_secs(waited), SETTINGS);
        prop_assert_eq!(ranking.candidates.len(), candidates.len());
        let able = |one: &&Candidate| one.present && one.status == Availability::Online
            && one.live + one.offered < one.max_sessions
            && (waited >= 60 || !one.skills.is_empty() || candidates.iter().all(|one| !one.present || one.skills.is_empty()));
        prop_assert_eq!(ranking.chosen.is_some(), candidates.iter().any(|one| able(&one)));
        if let Some(chosen) = ranking.chosen {
            let chosen = candidates.iter().find(|one| one.id == chosen).unwrap();
            prop_assert!(able(&chosen));
        }
    }
}

fn agent(n: u8) -> Candidate {
    Candidate {
        id: AgentId::parse(&format!("agt_0192f0c1a2b37c4d8e5f6071829300{n:02x}")).unwrap(),
        name: format!("agent {n}"),
        status: Availability::Online,
        present: true,
        live: 0,
        offered: 0,
        max_sessions: 3,
        skills: Vec::new(),
        offered_at: None,
    }
}

fn skilled(category: &str, level: u8) -> Vec<Skill> {
    let level = match level {
        0 => return Vec::new(),
        1 => SkillLevel::Junior,
        _ => SkillLevel::Senior,
    };
    vec![Skill { category: category.into(), level, tags: vec![format!("{category}-tag")] }]
}

fn chosen(needs: &Needs, candidates: &[Candidate], waited: u64) -> (Option<AgentId>, &'static str) {
    let ranking = match_agent(needs, candidates, Duration::from_secs(waited), SETTINGS);
    (ranking.chosen, ranking.reason)
}

#[test]
fn who_serves_is_there_takes_sessions_and_knows_what_is_needed() {
    let team = [
        Candidate { present: false, ..agent(1) },
        Candidate { status: Availability::Busy, ..agent(2) },
        Candidate { live: 3, ..agent(3) },
        agent(4),
        Candidate { skills: skilled("refund", 2), ..agent(5) },
        Candidate { max_sessions: 0, skills: skilled("refund", 2), ..agent(6) },
    ];
    let count = |skills: &[&str], waited| {
        let skills: Vec<String> = skills.iter().map(|skill| (*skill).to_owned()).collect();
        servers(&skills, &team, Duration::from_secs(waited), SETTINGS)
    };
    assert_eq!(count(&[], 0), 3);
    assert_eq!(count(&["refund"], 59), 1);
    assert_eq!(count(&["refund"], 60), 3, "anybody will do");
    assert_eq!(count(&["polishing"], 0), 3, "nobody waits for what nobody knows");
    assert_eq!(servers(&[], &team[..2], Duration::ZERO, SETTINGS), 0);
}

#[test]
fn who_cannot_is_told_why() {
    let needs = Needs { skills: vec!["refund".into()], refused: vec![agent(5).id], ..Needs::default() };
    let absent = Candidate { present: false, ..agent(1) };
    let lunch = Candidate { status: Availability::Lunch, ..agent(2) };
    let full = Candidate { live: 2, offered: 1, ..agent(3) };
    let refused = Candidate { skills: skilled("refund", 2), ..agent(5) };
    let ranking = match_agent(&needs, &[absent, lunch, full, agent(4), refused], Duration::ZERO, SETTINGS);
    let mut why: Vec<_> = ranking.candidates.iter().map(|one| (one.name.as_str(), one.excluded)).collect();
    why.sort_by_key(|one| one.0);
    assert_eq!((ranking.chosen, ranking.reason), (None, "nobody"));
    assert_eq!(
        why,
        [
            ("agent 1", Some(Exclusion::Absent)),
            ("agent 2", Some(Exclusion::Unavailable)),
            ("agent 3", Some(Exclusion::Full)),
            ("agent 4", Some(Exclusion::Unskilled)),
            ("agent 5", Some(Exclusion::Refused)),
        ]
    );
}

#[test]
fn skills_count_until_the_wait_is_too_long_and_then_still_come_first() {
    let needs = Needs { skills: vec!["Refund-Tag".into()], ..Needs::default() };
    let busy_expert = Candidate { live: 2, skills: skilled("refund", 2), ..agent(1) };
    let beginner = Candidate { skills: skilled("refund", 1), ..agent(2) };
    let idle = agent(3);
    let all = [busy_expert.clone(), beginner, idle.clone()];
    assert_eq!(chosen(&needs, &all, 0), (Some(agent(1).id), "skill"), "a tag names the skill in any case");
    let expert_at_lunch = Candidate { status: Availability::Lunch, ..busy_expert.clone() };
    let some = [expert_at_lunch.clone(), idle.clone()];
    assert_eq!(chosen(&needs, &some, 59), (None, "nobody"), "the expert is there and may come back");
    assert_eq!(chosen(&needs, &some, 60), (Some(agent(3).id), "only"));
    let gone = [Candidate { present: false, ..expert_at_lunch }, idle.clone()];
    assert_eq!(chosen(&needs, &gone, 0), (Some(agent(3).id), "only"), "nobody waits for who is not there");
    assert_eq!(chosen(&needs, &[busy_expert, idle], 60), (Some(agent(1).id), "skill"));
}

#[test]
fn languages_are_needs_and_weigh_the_same() {
    let needs = Needs { skills: vec!["language:en".into()], ..Needs::default() };
    let speaks = |n, level| Candidate {
        skills: vec![Skill { category: "language".into(), level, tags: vec!["en".into()] }],
        ..agent(n)
    };
    let loaded = Candidate { live: 1, ..speaks(1, SkillLevel::Senior) };
    let named = Candidate { skills: skilled("en", 2), ..agent(3) };
    assert_eq!(
        chosen(&needs, &[loaded, speaks(2, SkillLevel::Junior), named], 0),
        (Some(agent(2).id), "load")
    );
}

#[test]
fn the_last_agent_comes_first_for_a_while() {
    let needs = Needs { last_agent: Some(agent(2).id), ..Needs::default() };
    let last = Candidate { live: 2, ..agent(2) };
    assert_eq!(chosen(&needs, &[agent(1), last.clone()], 29), (Some(agent(2).id), "sticky"));
    assert_eq!(chosen(&needs, &[agent(1), last.clone()], 30), (Some(agent(1).id), "load"));
    let full = Candidate { live: 3, ..last };
    assert_eq!(
        chosen(&needs, &[agent(1), full], 0),
        (Some(agent(1).id), "only"),
        "nobody waits for him alone"
    );
}

#[test]
fn load_then_turns_then_ids() {
    let big = Candidate { live: 2, max_sessions: 10, ..agent(1) };
    let small = Candidate { live: 1, max_sessions: 2, ..agent(2) };
    assert_eq!(
        chosen(&Needs::default(), &[small, big], 0),
        (Some(agent(1).id), "load"),
        "by share, not by number"
    );
    let asked = Candidate { offered_at: Some(Timestamp::from_millis(5)), ..agent(1) };
    assert_eq!(chosen(&Needs::default(), &[asked, agent(2)], 0), (Some(agent(2).id), "turn"));
    assert_eq!(chosen(&Needs::default(), &[agent(2), agent(1)], 0), (Some(agent(1).id), "turn"));
}

#[test]
fn the_explanation_is_json_with_scores_and_reasons() {
    let full = Candidate { live: 3, ..agent(2) };
    let ranking = match_agent(&Needs::default(), &[full, agent(1)], Duration::from_secs(7), SETTINGS);
    let json: serde_json::Value = serde_json::to_value(&ranking).unwrap();
    assert_eq!(json["chosen"], agent(1).id.to_string());
    assert_eq!(json["reason"], "only");
    assert_eq!(json["waited_ms"], 7000);
    assert_eq!(json["candidates"][0]["scores"]["load_ppm"], 0);
    assert!(json["candidates"][0].get("excluded").is_none());
    assert_eq!(json["candidates"][1]["excluded"], "full");
}
