//! What an operator can set.

mod delivery;
mod mail;
mod webhooks;

pub use delivery::{Delivery, Pause};
pub use mail::{Mail, Tls};
pub use webhooks::Webhooks;

use serde::Deserialize;
use std::time::Duration;
use switchboard_boot::Configured;
use switchboard_model::BreakerConfig;

/// Longest wait that the session service grants an empty lease.
const LEASE_WAIT_MAX: Duration = Duration::from_secs(30);
/// Most events of one lease: they are stored in one transaction and held in memory.
const LEASE_LIMIT_MAX: u32 = 1000;

/// A key and what is wrong with it.
type Problem = (&'static str, String);

/// The configuration of the notifier.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Table `[notifier]`.
    pub notifier: Settings,
}

/// Table `[notifier]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Events taken at once at most.
    pub lease_limit: u32,
    /// How long the session service may wait for an event before it answers with none.
    #[serde(with = "humantime_serde")]
    pub lease_wait: Duration,
    /// How much longer than [`Self::lease_wait`] its answer may take before it counts as lost.
    #[serde(with = "humantime_serde")]
    pub lease_grace: Duration,
    /// Pause after a first failure; doubles with each further one.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// Longest pause between two attempts.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// Table `[notifier.delivery]`.
    pub delivery: Delivery,
    /// Table `[notifier.breaker]`: when a mail server or an endpoint is left alone for a while.
    pub breaker: BreakerConfig,
    /// Table `[notifier.mail]`.
    pub mail: Mail,
    /// Table `[notifier.webhooks]`.
    pub webhooks: Webhooks,
}

impl Configured for Config {
    const SECTIONS: &'static [&'static str] = &["notifier"];

    fn check(&self) -> Vec<Problem> {
        let settings = &self.notifier;
        let mut problems = Vec::new();
        if !(1..=LEASE_LIMIT_MAX).contains(&settings.lease_limit) {
            problems.push(("notifier.lease_limit", format!("between 1 and {LEASE_LIMIT_MAX}")));
        }
        if settings.lease_wait > LEASE_WAIT_MAX {
            problems
                .push(("notifier.lease_wait", "at most 30s: the session service waits no longer".to_owned()));
        }
        if settings.retry_min.is_zero() {
            problems.push((
                "notifier.retry_min",
                "more than 0, or a peer that is away is asked without end".into(),
            ));
        }
        if settings.retry_max < settings.retry_min {
            problems.push(("notifier.retry_max", "at least notifier.retry_min".to_owned()));
        }
        problems.extend(settings.delivery.check());
        problems.extend(settings.mail.check());
        problems.extend(settings.webhooks.check());
        problems
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use switchboard_boot::{Sources, Tree};

    /// The defaults, with some keys of `[notifier]` set.
    pub(crate) fn with(keys: &[(&str, &str)]) -> Settings {
        let flags = keys.iter().map(|(key, value)| (format!("notifier.{key}"), (*value).to_owned()));
        let (sources, mut problems) = (Sources { flags: flags.collect(), ..Sources::default() }, Vec::new());
        let config = Tree::load(&sources, &mut problems).extract::<Config>(&mut problems);
        config.unwrap_or_else(|| panic!("{problems:?}")).notifier
    }

    #[test]
    fn settings_that_cannot_work_are_told() {
        let keys = |change: fn(&mut Settings)| {
            let mut config = Config { notifier: with(&[]) };
            change(&mut config.notifier);
            config.check().into_iter().map(|(key, _)| key).collect::<Vec<_>>()
        };
        assert!(keys(|_| ()).is_empty());
        assert_eq!(keys(|s| s.lease_limit = 0), ["notifier.lease_limit"]);
        assert_eq!(keys(|s| s.lease_limit = 1001), ["notifier.lease_limit"]);
        assert_eq!(keys(|s| s.lease_wait *= 2), ["notifier.lease_wait"]);
        assert_eq!(keys(|s| s.retry_min *= 0), ["notifier.retry_min"]);
        assert_eq!(keys(|s| s.retry_max = s.retry_min / 2), ["notifier.retry_max"]);
        assert_eq!(keys(|s| s.delivery.retries.clear()), ["notifier.delivery.retries"]);
        assert_eq!(keys(|s| s.delivery.jitter_percent = 101), ["notifier.delivery.jitter_percent"]);
        assert_eq!(keys(|s| s.delivery.lease = s.delivery.attempt_timeout), ["notifier.delivery.lease"]);
        assert_eq!(keys(|s| s.delivery.permanent_attempts = 0), ["notifier.delivery.permanent_attempts"]);
        assert_eq!(keys(|s| s.delivery.poll_interval *= 0), ["notifier.delivery.poll_interval"]);
        assert_eq!(keys(|s| s.mail.recipients.push("nobody".into())), ["notifier.mail.recipients"]);
        assert_eq!(keys(|s| s.mail.from_address = "nobody".into()), ["notifier.mail.from_address"]);
        assert_eq!(keys(|s| s.mail.concurrency = 0), ["notifier.mail.concurrency"]);
        assert_eq!(
            keys(|s| s.mail.session_url = "javascript:{session}".into()),
            ["notifier.mail.session_url"]
        );
        assert_eq!(keys(|s| s.webhooks.concurrency = 0), ["notifier.webhooks.concurrency"]);
    }

    #[test]
    fn a_password_is_never_sent_in_the_clear() {
        let refused = |tls| {
            let mut config = Config { notifier: with(&[]) };
            config.notifier.mail.username = "shop".into();
            config.notifier.mail.tls = tls;
            !config.check().is_empty()
        };
        assert!(refused(Tls::None) && refused(Tls::Opportunistic));
        assert!(!refused(Tls::Starttls) && !refused(Tls::Implicit));
    }

    #[test]
    fn secrets_are_not_shown() {
        let settings = with(&[("mail.password", "hunter2")]);
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
