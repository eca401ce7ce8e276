//! `kill -9` of the notifier while customers ask for a human out of hours: each acknowledged request reaches the mail
//! server; a mail comes twice only with the same Message-ID, and not more often than there were kills.

use crate::moments::{self, Moments};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use switchboard_domain::{Clock as _, ServiceName};
use switchboard_tests::{
    clock::RealClock,
    fakes::{
        FakeSmtp,
        smtp::{Mail, Options, SmtpFault, Step},
    },
    patience::try_within,
    runtime,
    settings::Settings,
    world::{Shape, World},
};

/// The longest life between two kills.
const LIFE: Duration = Duration::from_millis(1500);
/// The mail server keeps a mail and thinks so long before it says so: kills meet this moment often.
const THOUGHT: Duration = Duration::from_millis(60);
/// Pause between two requests.
const PAUSE: Duration = Duration::from_millis(200);
/// Longest time until everything has gone out after the last kill: leases of the dead run out, retries come.
const END: Duration = Duration::from_mins(2);

#[test]
fn the_notifier() {
    runtime::run(chaos());
}

async fn chaos() {
    let (mut moments, kills) = (Moments::new(), moments::kills());
    let smtp = FakeSmtp::start(Options::default()).await;
    smtp.fault.set(SmtpFault::Slow(Step::Dot, THOUGHT));
    let world = World::start(Shape::Mesh, &settings(&smtp)).await;
    let _evidence = world.evidence();
    let stop = AtomicBool::new(false);
    let killing = async {
        for _ in 0..kills {
            // The moment is the point: anywhere in the life of the mails that are on their way.
            tokio::time::sleep(moments.up_to(LIFE)).await;
            world.kill_part(ServiceName::Notifier);
            world.start_part(ServiceName::Notifier).await;
        }
        stop.store(true, Ordering::Relaxed);
    };
    let (asked, ()) = tokio::join!(ask(&world, &stop), killing);
    let all_out = try_within(END, async || {
        let missing = judge(&asked, &smtp.accepted(), kills).lost;
        // What a kill left behind may still go out a second time.
        let told = world.internal(ServiceName::Notifier, "/metrics").await.text;
        let over = told.lines().any(|line| line == "switchboard_notifier_open 0");
        (over && missing.is_empty()).then_some(())
    });
    let arrived = all_out.await.is_some();
    let verdict = judge(&asked, &smtp.accepted(), kills);
    verdict.tell(asked.len(), kills, moments.seed());
    assert!(arrived && verdict.is_good(), "{verdict:#?}");
    assert!(asked.len() >= kills, "only {} requests for {kills} kills", asked.len());
}

/// One mail at a time, so that a kill can cut off one reply at most.
fn settings(smtp: &FakeSmtp) -> Settings {
    let minutes = RealClock.now().seconds() / 60 % (24 * 60);
    let clock = |later: i64| {
        let at = (minutes + later) % (24 * 60);
        format!("{:02}:{:02}", at / 60, at % 60)
    };
    Settings::new("kill-mail")
        .set("hours.time_zone", "UTC")
        // The longest runs end before the shop opens.
        .set("hours.shift_start", &clock(720))
        .set("hours.shift_end", &clock(780))
        .set("session.outbox_lease", "2s")
        .set("notifier.mail.host", "127.0.0.1")
        .set("notifier.mail.port", &smtp.port().to_string())
        .set("notifier.mail.tls", "none")
        .set("notifier.mail.recipients", "team@larkway.example")
        .set("notifier.mail.from_address", "bot@larkway.example")
        .set("notifier.mail.confirm_to_customer", "false")
        .set("notifier.mail.concurrency", "1")
        .set("notifier.mail.language", "en")
        .set("notifier.mail.shop_name", "Larkway")
        .set("notifier.delivery.lease", "15s")
        .set("notifier.delivery.retries", "1s, 1s, 1s, 2s, 2s, 2s, 2s, 2s, 2s, 2s")
        .set("notifier.delivery.poll_interval", "200ms")
        .set("notifier.delivery.cleanup_interval", "1s")
}

/// Customers ask, one after the other, until told to stop; answers the sessions whose request was acknowledged.
async fn ask(world: &World, stop: &AtomicBool) -> BTreeSet<String> {
    let (client, mut asked) = (world.client(), BTreeSet::new());
    while !stop.load(Ordering::Relaxed) {
        let customer = client.visitor(&format!("k{}", asked.len()));
        customer.chat("电池能跑多远？").await.expect_ok();
        let answer = customer.escalate("manual").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(answer.text.contains("after_hours_email"), "{}", answer.text);
        asked.insert(customer.session.clone());
        tokio::time::sleep(PAUSE).await;
    }
    asked
}

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// Requests without a mail.
    lost: Vec<String>,
    /// Mails that nobody asked for.
    invented: Vec<String>,
    /// Requests with mails of different ids.
    changed: Vec<String>,
    /// Mails beyond the first of a request.
    repeats: usize,
    /// More of them than there were kills.
    too_often: bool,
}

fn judge(asked: &BTreeSet<String>, mails: &[Mail], kills: usize) -> Verdict {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for mail in mails {
        let subject = mail.header("Subject");
        let session = subject.rsplit(' ').next().unwrap_or_default().to_owned();
        ids.entry(session).or_default().push(mail.id());
    }
    let lost = asked.iter().filter(|session| !ids.contains_key(*session)).cloned().collect();
    let mut verdict = Verdict { lost, ..Verdict::default() };
    for (session, ids) in ids {
        if !asked.contains(&session) {
            verdict.invented.push(session.clone());
        }
        if ids.iter().any(|id| *id != ids[0]) {
            verdict.changed.push(session);
        }
        verdict.repeats += ids.len() - 1;
    }
    verdict.too_often = verdict.repeats > kills;
    verdict
}

impl Verdict {
    fn is_good(&self) -> bool {
        self.lost.is_empty() && self.invented.is_empty() && self.changed.is_empty() && !self.too_often
    }

    /// One line with the figures.
    #[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
    fn tell(&self, asked: usize, kills: usize, seed: u64) {
        println!(
            "kill -9 (notifier): {kills} kills, CHAOS_SEED={seed}; {asked} requests acknowledged, {} lost, {} mails twice, \
             all with the same id: {}",
            self.lost.len(),
            self.repeats,
            self.changed.is_empty(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(session: &str, id: &str) -> Mail {
        let data =
            format!("Subject: [Larkway support] Human requested - {session}\r\nMessage-ID: <{id}@x>\r\n\r\n");
        Mail { from: String::new(), to: Vec::new(), data, tls: false, user: None }
    }

    /// A checker that never finds anything proves nothing.
    #[test]
    fn every_kind_of_damage_is_noticed() {
        let asked = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
        let good = [mail("a", "1"), mail("b", "2")];
        assert!(judge(&asked, &good, 0).is_good());
        assert!(
            judge(&asked, &[good.as_slice(), &[mail("a", "1")]].concat(), 1).is_good(),
            "one repeat for one kill"
        );
        for (what, mails) in [
            ("lost", vec![mail("a", "1")]),
            ("invented", [good.as_slice(), &[mail("c", "3")]].concat()),
            ("repeated with another id", [good.as_slice(), &[mail("a", "3")]].concat()),
            ("repeated too often", [good.as_slice(), &[mail("a", "1"), mail("a", "1")]].concat()),
        ] {
            assert!(!judge(&asked, &mails, 1).is_good(), "{what} is not noticed");
        }
    }
}
