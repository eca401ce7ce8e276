//! Settings of who is there, and of telling it to the session service.

use serde::Deserialize;
use std::time::Duration;

/// How often clients, and the edge for an open event stream, are to beat.
pub(crate) const BEAT: Duration = Duration::from_secs(15);

/// Table `[agent_auth.presence]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresenceSettings {
    /// How long somebody counts as there after a beat.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// After how long without doing anything somebody who is online becomes busy.
    #[serde(with = "humantime_serde")]
    pub idle_busy_after: Duration,
    /// How often a replica looks for leases that have ended, besides when it knows that one does.
    #[serde(with = "humantime_serde")]
    pub look: Duration,
    /// How long changes of status are kept for statistics.
    #[serde(with = "humantime_serde")]
    pub history: Duration,
}

/// Table `[agent_auth.roster]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterSettings {
    /// Lines told in one call at most.
    pub batch: u32,
    /// How often the whole roster is told, so that a session database that was restored catches up.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// How often a replica looks for changes that another one made and did not tell.
    #[serde(with = "humantime_serde")]
    pub look: Duration,
    /// Pause after a first failure.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// Longest pause after many.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
}

impl PresenceSettings {
    /// What cannot work.
    pub(crate) fn check(&self, problems: &mut Vec<(&'static str, String)>) {
        if self.lease < 3 * BEAT {
            let least = format!("at least {} s: three times the pause between two beats", 3 * BEAT.as_secs());
            problems.push(("agent_auth.presence.lease", least));
        }
        for (key, duration, least) in [
            ("agent_auth.presence.idle_busy_after", self.idle_busy_after, Duration::from_mins(1)),
            ("agent_auth.presence.look", self.look, Duration::from_millis(1)),
            ("agent_auth.presence.history", self.history, Duration::from_hours(24)),
        ] {
            if duration < least {
                problems.push((
                    key,
                    format!("at least {}", humantime_serde::re::humantime::format_duration(least)),
                ));
            }
        }
    }
}

impl RosterSettings {
    /// What cannot work.
    pub(crate) fn check(&self, problems: &mut Vec<(&'static str, String)>) {
        if !(1..=100).contains(&self.batch) {
            problems.push(("agent_auth.roster.batch", "1 to 100".to_owned()));
        }
        for (key, duration) in [
            ("agent_auth.roster.refresh", self.refresh),
            ("agent_auth.roster.look", self.look),
            ("agent_auth.roster.retry_min", self.retry_min),
        ] {
            if duration.is_zero() {
                problems.push((key, "must not be zero".to_owned()));
            }
        }
        if self.retry_max < self.retry_min {
            problems.push(("agent_auth.roster.retry_max", "at least retry_min".to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence() -> PresenceSettings {
        let second = Duration::from_secs(1);
        PresenceSettings {
            lease: 45 * second,
            idle_busy_after: 300 * second,
            look: 5 * second,
            history: 90 * 86_400 * second,
        }
    }

    fn roster() -> RosterSettings {
        let second = Duration::from_secs(1);
        RosterSettings {
            batch: 100,
            refresh: 300 * second,
            look: 2 * second,
            retry_min: second / 4,
            retry_max: 15 * second,
        }
    }

    #[test]
    fn settings_that_cannot_work_are_told() {
        let mut problems = Vec::new();
        presence().check(&mut problems);
        roster().check(&mut problems);
        assert_eq!(problems, []);
        let zero = Duration::ZERO;
        PresenceSettings { lease: 2 * BEAT, ..presence() }.check(&mut problems);
        PresenceSettings { idle_busy_after: zero, ..presence() }.check(&mut problems);
        PresenceSettings { look: zero, ..presence() }.check(&mut problems);
        PresenceSettings { history: zero, ..presence() }.check(&mut problems);
        RosterSettings { batch: 0, ..roster() }.check(&mut problems);
        RosterSettings { batch: 101, ..roster() }.check(&mut problems);
        RosterSettings { refresh: zero, ..roster() }.check(&mut problems);
        RosterSettings { look: zero, ..roster() }.check(&mut problems);
        RosterSettings { retry_min: zero, ..roster() }.check(&mut problems);
        RosterSettings { retry_max: zero, ..roster() }.check(&mut problems);
        let keys: Vec<&str> =
            problems.iter().filter_map(|(key, _)| key.strip_prefix("agent_auth.")).collect();
        let expected = [
            "presence.lease",
            "presence.idle_busy_after",
            "presence.look",
            "presence.history",
            "roster.batch",
            "roster.batch",
            "roster.refresh",
            "roster.look",
            "roster.retry_min",
            "roster.retry_max",
        ];
        assert_eq!(keys, expected);
    }
}
