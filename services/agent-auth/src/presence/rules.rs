//! Who counts as there, and until when. Pure: times in, times out.

use crate::config::PresenceSettings;
use std::time::Duration;
use switchboard_domain::Timestamp;
pub(crate) use switchboard_domain::routing::Availability as Status;

/// The presence of one account. Who is offline has no lease; everybody else has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Present {
    pub(crate) status: Status,
    /// Until when he counts as there unless it is renewed.
    pub(crate) lease_until: Timestamp,
    /// When he last did something himself.
    pub(crate) active_at: Timestamp,
}

/// What is to be written for a beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renewal {
    pub(crate) lease_until: Timestamp,
    /// `None`: as it is.
    pub(crate) active_at: Option<Timestamp>,
}

/// Why somebody's status changes without his doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// Beats stopped: offline.
    Gone,
    /// Beats go on, but nobody does anything: busy.
    Idle,
}

impl Lapse {
    /// The status that follows.
    pub(crate) const fn status(self) -> Status {
        match self {
            Self::Gone => Status::Offline,
            Self::Idle => Status::Busy,
        }
    }

    /// The note that says so to colleagues.
    pub(crate) fn note(self, present: Present, settings: &PresenceSettings, now: Timestamp) -> String {
        match self {
            Self::Gone => {
                let beat = now.since(present.lease_until).saturating_add(settings.lease).as_secs();
                format!("心跳超时（{beat}秒无活动）")
            }
            Self::Idle => {
                let minutes = settings.idle_busy_after.as_secs().div_ceil(60);
                format!("系统检测到超过{minutes}分钟无操作，已自动置为忙碌")
            }
        }
    }
}

/// What a beat has to write; `None` when it would move too little to be worth a write: less than a third of the lease.
/// Somebody who is offline is not brought back by a beat: a program that is still running is nobody at the desk.
pub(crate) fn renewal(present: Present, is_active: bool, lease: Duration, now: Timestamp) -> Option<Renewal> {
    if present.status == Status::Offline {
        return None;
    }
    let third = lease / 3;
    let lease_until = now.plus(lease);
    let is_worth = lease_until.since(present.lease_until) >= third
        || (is_active && now.since(present.active_at) >= third);
    let active_at = (is_active && now > present.active_at).then_some(now);
    is_worth.then_some(Renewal { lease_until: lease_until.max(present.lease_until), active_at })
}

/// What happens next to somebody without his doing, and when.
pub(crate) fn next_lapse(present: Present, settings: &PresenceSettings) -> Option<(Timestamp, Lapse)> {
    let gone = (present.lease_until, Lapse::Gone);
    match present.status {
        Status::Offline => None,
        Status::Online => {
            let idle = (present.active_at.plus(settings.idle_busy_after), Lapse::Idle);
            Some(if idle.0 < gone.0 { idle } else { gone })
        }
        Status::Busy | Status::Break | Status::Lunch | Status::Training => Some(gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: PresenceSettings = PresenceSettings {
        lease: Duration::from_secs(45),
        idle_busy_after: Duration::from_mins(5),
        look: Duration::from_secs(5),
        history: Duration::from_hours(24),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn online(lease_until: i64, active_at: i64) -> Present {
        Present { status: Status::Online, lease_until: at(lease_until), active_at: at(active_at) }
    }

    #[test]
    fn a_beat_that_moves_little_writes_nothing() {
        let beat = |present, is_active, now| renewal(present, is_active, SETTINGS.lease, at(now));
        assert_eq!(beat(online(45, 0), false, 14), None);
        assert_eq!(beat(online(45, 0), true, 14), None);
        let moved = Renewal { lease_until: at(60), active_at: None };
        assert_eq!(beat(online(45, 0), false, 15), Some(moved));
        assert_eq!(beat(online(45, 0), true, 15), Some(Renewal { active_at: Some(at(15)), ..moved }));
        assert_eq!(
            beat(online(60, 0), true, 16),
            Some(Renewal { lease_until: at(61), active_at: Some(at(16)) }),
            "being active is written although the lease hardly moves"
        );
        let offline = Present { status: Status::Offline, ..online(0, 0) };
        assert_eq!(beat(offline, true, 1000), None, "a beat brings nobody back");
        assert_eq!(
            beat(online(100, 90), true, 40).map(|renewal| renewal.lease_until),
            None,
            "a clock that is behind shortens nothing"
        );
    }

    #[test]
    fn beats_every_fifteen_seconds_survive_one_that_is_lost() {
        for lost in 1..20 {
            let mut present = online(45, 0);
            // A little early each time, which is what coalescing likes least.
            for beat in (1..20).filter(|beat| *beat != lost) {
                let now = Timestamp::from_millis(beat * 14_900);
                assert!(now < present.lease_until, "beat {beat} came too late when {lost} was lost");
                if let Some(renewal) = renewal(present, false, SETTINGS.lease, now) {
                    present.lease_until = renewal.lease_until;
                }
            }
        }
    }

    #[test]
    fn idle_people_become_busy_and_silent_ones_leave() {
        let next = |present| next_lapse(present, &SETTINGS);
        assert_eq!(next(online(45, 0)), Some((at(45), Lapse::Gone)));
        assert_eq!(next(online(330, 10)), Some((at(310), Lapse::Idle)));
        assert_eq!(next(Present { status: Status::Lunch, ..online(330, 10) }), Some((at(330), Lapse::Gone)));
        assert_eq!(next(Present { status: Status::Offline, ..online(0, 0) }), None);
        let note = Lapse::Gone.note(online(45, 0), &SETTINGS, at(47));
        assert_eq!((Lapse::Gone.status(), note.as_str()), (Status::Offline, "心跳超时（47秒无活动）"));
        let note = Lapse::Idle.note(online(330, 0), &SETTINGS, at(300));
        let told = "系统检测到超过5分钟无操作，已自动置为忙碌";
        assert_eq!((Lapse::Idle.status(), note.as_str()), (Status::Busy, told));
    }

    #[test]
    fn statuses_have_names() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("Online".parse::<Status>().is_err());
    }
}
