//! When keys are made, published, used and forgotten. Pure: times in, times out.

use crate::config::Settings;
use std::time::Duration;
use switchboard_domain::Timestamp;

/// The times of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// Signs from here on.
    pub(crate) not_before: Timestamp,
    /// Its successor signs from here on; `None` while there is no successor.
    pub(crate) retired_at: Option<Timestamp>,
}

/// The durations that decide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    rotation: Duration,
    lead: Duration,
    keep: Duration,
}

impl Schedule {
    /// From the settings.
    pub(crate) fn new(settings: &Settings) -> Self {
        let lead = settings.jwks_max_age.saturating_add(settings.key_refresh);
        Self {
            rotation: settings.key_rotation,
            lead,
            // A replica that learns late of the successor signs with the old key a little longer.
            keep: settings.visitor_token_life.max(settings.access_token_life).saturating_add(lead),
        }
    }

    /// How long a key is published before it signs: until every replica has read it and every cached JWK set without
    /// it is too old.
    pub(crate) fn lead(&self) -> Duration {
        self.lead
    }

    /// Whether a key has to be made now, and from when on it signs; `newest` is the one made last.
    pub(crate) fn next_key(&self, newest: Option<Life>, now: Timestamp) -> Option<Timestamp> {
        match newest {
            // There is none, or its successor was taken away and the retired key must not go on signing: no cached JWK
            // set is worth waiting for.
            None | Some(Life { retired_at: Some(_), .. }) => Some(now),
            Some(Life { not_before, retired_at: None }) => {
                let signing = now.plus(self.lead);
                (not_before.plus(self.rotation) <= signing).then_some(signing)
            }
        }
    }

    /// Whether tokens of a key may still be valid, so that verifiers need it.
    pub(crate) fn is_needed(&self, key: Life, now: Timestamp) -> bool {
        key.retired_at.is_none_or(|retired| now < retired.plus(self.keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        rotation: Duration::from_secs(1000),
        lead: Duration::from_secs(10),
        keep: Duration::from_secs(110),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn the_next_key_is_made_in_time_to_be_known_when_it_signs() {
        let alive = |not_before| Some(Life { not_before: at(not_before), retired_at: None });
        assert_eq!(SCHEDULE.next_key(None, at(5)), Some(at(5)));
        assert_eq!(SCHEDULE.next_key(alive(0), at(0)), None);
        assert_eq!(SCHEDULE.next_key(alive(0), at(989)), None);
        assert_eq!(SCHEDULE.next_key(alive(0), at(990)), Some(at(1000)));
        assert_eq!(SCHEDULE.next_key(alive(0), at(5000)), Some(at(5010)), "late, but never without the lead");
        assert_eq!(SCHEDULE.next_key(alive(1000), at(990)), None, "it was made already");
        let retired = Life { not_before: at(0), retired_at: Some(at(1000)) };
        assert_eq!(SCHEDULE.next_key(Some(retired), at(1001)), Some(at(1001)));
    }

    #[test]
    fn a_key_is_needed_until_its_last_token_has_expired() {
        let key = |retired_at| Life { not_before: at(0), retired_at };
        assert!(SCHEDULE.is_needed(key(None), at(1_000_000)));
        assert!(SCHEDULE.is_needed(key(Some(at(1000))), at(1109)));
        assert!(!SCHEDULE.is_needed(key(Some(at(1000))), at(1110)));
    }
}
