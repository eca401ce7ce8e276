//! How fast passwords may be tried. Pure: tallies in, tallies out.
//!
//! Every attempt is counted before it is heard, so that a thousand at once are no way around, and given back when it
//! succeeds. After a few free failures each further one has to wait, twice as long each time, up to a bound: nobody is
//! locked out for good. A device on which the owner has logged in has a tally of its own, which strangers cannot fill.

use crate::{config::Settings, secret::fingerprint};
use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};
use switchboard_domain::{AgentId, Timestamp};

/// How attempts of one sort are paced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    free: u32,
    delay: Duration,
    delay_max: Duration,
    memory: Duration,
}

/// What is remembered of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub(crate) struct Tally {
    pub(crate) failures: i64,
    pub(crate) last_at: i64,
    pub(crate) open_at: i64,
}

/// Whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) key: String,
    pub(crate) pace: Pace,
}

impl Pace {
    /// Counts an attempt as failed.
    ///
    /// # Errors
    /// How long it has to wait first; then it does not count.
    pub(crate) fn admit(&self, tally: Tally, now: Timestamp) -> Result<Tally, Duration> {
        let quiet = now.since(Timestamp::from_millis(tally.last_at));
        let tally = if quiet > self.memory { Tally::default() } else { tally };
        // A clock that was set back keeps nobody out for longer than the longest wait.
        let wait = Timestamp::from_millis(tally.open_at).since(now).min(self.delay_max);
        if !wait.is_zero() {
            return Err(wait);
        }
        let failures = tally.failures.saturating_add(1);
        // While attempts are free there is nothing to wait for: others that began a moment earlier come later to the tally.
        let wait = self.wait_after(failures);
        let open_at = if wait.is_zero() { 0 } else { now.plus(wait).millis() };
        Ok(Tally { failures, last_at: now.millis(), open_at })
    }

    fn wait_after(&self, failures: i64) -> Duration {
        let over = failures.saturating_sub(i64::from(self.free));
        if over < 0 {
            return Duration::ZERO;
        }
        let doublings = u32::try_from(over).unwrap_or(u32::MAX).min(31);
        self.delay.saturating_mul(1 << doublings).min(self.delay_max)
    }
}

impl Subject {
    /// Attempts on an account by whoever is not known there. `name` is the account's id, or what was given as its name.
    pub(crate) fn account(settings: &Settings, name: &str) -> Self {
        let pace = pace(settings, settings.throttle_account_free);
        Self { key: account_key(name), pace }
    }

    /// Attempts on an account from a device on which its owner has logged in.
    pub(crate) fn device(settings: &Settings, device: &str) -> Self {
        Self { key: format!("{DEVICE_KEY}{device}"), pace: pace(settings, settings.throttle_account_free) }
    }

    /// Attempts of somebody who is logged in to prove that he is the owner.
    pub(crate) fn own(settings: &Settings, agent: AgentId) -> Self {
        Self { key: own_key(&agent.to_string()), pace: pace(settings, settings.throttle_account_free) }
    }

    /// Attempts from an address: of IPv6, from the network that one customer of a provider gets.
    pub(crate) fn address(settings: &Settings, address: IpAddr) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                format!("{}/64", Ipv6Addr::from_bits(network))
            }
        };
        Self { key: format!("address:{address}"), pace: pace(settings, settings.throttle_address_free) }
    }
}

/// Before the device in the key of its subject.
pub(crate) const DEVICE_KEY: &str = "device:";

/// The keys of what is counted for an account, its devices aside.
pub(crate) fn keys_of(agent: &str) -> [String; 2] {
    [account_key(agent), own_key(agent)]
}

fn account_key(name: &str) -> String {
    format!("account:{}", fingerprint(name))
}

fn own_key(agent: &str) -> String {
    format!("own:{agent}")
}

/// What is kept of a device: bound to the account, so that the same name elsewhere means nothing.
pub(crate) fn device_hash(agent: &str, device_id: &str) -> String {
    fingerprint(&format!("device\n{agent}\n{device_id}"))
}

/// Whether the failure of this number is worth a record: the first of a series and every tenth.
pub(crate) fn is_worth_a_record(failures: i64) -> bool {
    failures == 1 || failures % 10 == 0
}

fn pace(settings: &Settings, free: u32) -> Pace {
    Pace {
        free,
        delay: settings.throttle_delay,
        delay_max: settings.throttle_delay_max,
        memory: settings.throttle_memory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        free: 5,
        delay: Duration::from_secs(1),
        delay_max: Duration::from_mins(1),
        memory: Duration::from_hours(1),
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u64> = (1..=13).map(|failures| PACE.wait_after(failures).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!((PACE.wait_after(1_000_000).as_secs(), PACE.wait_after(i64::MAX).as_secs()), (60, 60));
    }

    #[test]
    fn a_flood_gets_fewer_than_a_hundred_attempts_in_any_hour() {
        let mut tally = Tally::default();
        let mut heard = Vec::new();
        for second in 0..4 * 3600 {
            for _ in 0..3 {
                if let Ok(counted) = PACE.admit(tally, at(second)) {
                    tally = counted;
                    heard.push(second);
                }
            }
        }
        let most = (0..3 * 3600)
            .step_by(60)
            .map(|from| heard.iter().filter(|at| (from..from + 3600).contains(*at)).count())
            .max();
        assert_eq!(most, Some(69));
    }

    #[test]
    fn refused_attempts_do_not_count_and_quiet_forgets() {
        let full = Tally { failures: 9, last_at: at(0).millis(), open_at: at(16).millis() };
        assert_eq!(PACE.admit(full, at(6)), Err(Duration::from_secs(10)));
        let next = PACE.admit(full, at(16)).unwrap();
        assert_eq!((next.failures, next.open_at), (10, at(48).millis()));
        assert_eq!(PACE.admit(full, at(3601)).unwrap().failures, 1);
        // A clock that stood in the next year for a moment.
        let ahead = Tally { failures: 9, last_at: at(0).millis(), open_at: at(31_536_000).millis() };
        assert_eq!(PACE.admit(ahead, at(0)), Err(Duration::from_mins(1)));
    }

    #[test]
    fn networks_of_ipv6_count_as_one() {
        let settings = crate::tests::settings();
        let key = |address: &str| Subject::address(&settings, address.parse().unwrap()).key;
        assert_eq!(key("2001:db8:1:2:aaaa::1"), "address:2001:db8:1:2::/64");
        assert_eq!(key("2001:db8:1:2::2"), key("2001:db8:1:2:ffff::"));
        assert_ne!(key("2001:db8:1:3::2"), key("2001:db8:1:2::2"));
        assert_eq!(key("::ffff:192.0.2.7"), "address:192.0.2.7");
    }
}
