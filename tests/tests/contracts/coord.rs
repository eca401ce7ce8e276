//! What replicas share beside the database, through every kind of Redis: hints arrive, budgets are one, and when Redis goes
//! away both go on as promised.

use secrecy::SecretString;
use std::{num::NonZeroU32, time::Duration};
use switchboard_boot::system::SystemRng;
use switchboard_coord::{Coord, Draw, Hint, Limit, Quota, Settings, Subscription};
use switchboard_domain::ServiceName;
use switchboard_tests::{patience::within, redis::Redis, runtime::run};

/// Longest wait for a hint: Redis may just be starting.
const SOON: Duration = Duration::from_secs(20);
const REPLICAS: u32 = 2;

fn settings(url: &str) -> Settings {
    Settings {
        url: SecretString::from(url),
        password_file: String::new(),
        prefix: "contract".to_owned(),
        connect_timeout: Duration::from_secs(2),
        command_timeout: Duration::from_secs(2),
        retry_after: Duration::from_millis(100),
        ping_interval: Duration::from_millis(200),
        queue: 64,
        replicas: NonZeroU32::new(REPLICAS).unwrap(),
    }
}

/// A process with the session service and the edge in it.
struct Process {
    coord: Coord,
    hints: Subscription,
    upkeep: Option<tokio::task::JoinHandle<()>>,
}

impl Process {
    fn start(settings: &Settings) -> Self {
        let parts = [ServiceName::Session, ServiceName::Gateway];
        let (coord, upkeep) = Coord::open(settings, &parts, &SystemRng).unwrap();
        let hints = coord.bus().listen();
        let upkeep = upkeep.map(tokio::spawn);
        Self { coord, hints, upkeep }
    }

    fn limit(&self) -> Limit {
        let quota = Quota { per_minute: NonZeroU32::new(1).unwrap(), burst: NonZeroU32::new(10).unwrap() };
        self.coord.limit("test", quota)
    }

    /// A hint on a connection that has just broken is lost, and that is no promise broken: the next one arrives.
    async fn hears_in_time(&mut self, other: &Self, expected: &Hint) {
        let telling = async {
            loop {
                other.coord.bus().tell_others(expected.clone());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            () = self.hears(expected) => {}
            () = telling => {}
        }
    }

    async fn hears(&mut self, expected: &Hint) {
        let hearing = async {
            loop {
                if self.hints.next().await == *expected {
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, hearing).await.unwrap_or_else(|_| panic!("{expected:?} is never heard"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(upkeep) = &self.upkeep {
            upkeep.abort();
        }
    }
}

fn hint(seq: i64) -> Hint {
    Hint::Session { name: "s".to_owned(), seq }
}

async fn granted(limit: &Limit, client: &str, asked: usize) -> usize {
    let mut granted = 0;
    for _ in 0..asked {
        granted += usize::from(limit.draw(client).await.allowed);
    }
    granted
}

/// Waits until a client who was never seen has the whole budget and not one process' share.
async fn is_shared_again(limit: &Limit) {
    let mut client = 0;
    within(SOON, "the budget is shared again", async || {
        client += 1;
        (limit.draw(&format!("new {client}")).await.remaining == 9).then_some(())
    })
    .await;
}

/// Two processes at one Redis, whatever kind it is.
async fn replicas_share(url: &str) {
    let settings = settings(url);
    let (mut one, mut two) = (Process::start(&settings), Process::start(&settings));
    // Both listen from here on.
    one.hears(&Hint::Gap).await;
    two.hears(&Hint::Gap).await;
    one.coord.bus().tell_others(hint(1));
    two.hears(&hint(1)).await;
    two.coord.bus().tell_others(hint(2));
    two.coord.bus().tell(Hint::Revocations);
    one.hears(&hint(2)).await;
    one.hears(&Hint::Revocations).await;
    two.hears(&Hint::Revocations).await;
    one.coord.bus().tell_others(hint(3));
    two.hears(&hint(3)).await;

    let (first, second) = (one.limit(), two.limit());
    let drawn = first.draw("a").await;
    assert_eq!(drawn, Draw { allowed: true, remaining: 9, wait: Duration::ZERO });
    assert_eq!(granted(&first, "a", 3).await, 3);
    assert_eq!(granted(&second, "a", 20).await, 6, "one budget for both");
    let refused = first.draw("a").await;
    assert!(
        !refused.allowed && refused.wait > Duration::from_secs(30) && refused.wait <= Duration::from_mins(1)
    );
    assert_eq!(granted(&second, "b", 1).await, 1, "everybody has a budget of his own");
}

#[test]
fn through_a_single_node() {
    run(async { replicas_share(&Redis::start().await.url()).await });
}

#[test]
fn through_sentinel() {
    run(async {
        let master = Redis::start().await;
        let sentinel = Redis::sentinel(&master).await;
        replicas_share(&format!("redis+sentinel://{}/main", sentinel.address())).await;
    });
}

#[test]
fn through_a_cluster() {
    run(async {
        let nodes = Redis::cluster().await;
        let addresses = nodes.each_ref().map(Redis::address).join(",");
        replicas_share(&format!("redis+cluster://{addresses}")).await;
    });
}

#[test]
fn alone() {
    run(async {
        let mut process = Process::start(&settings(""));
        process.coord.bus().tell_others(hint(1));
        process.coord.bus().tell(hint(2));
        assert_eq!(process.hints.next().await, hint(2));
        assert_eq!(granted(&process.limit(), "a", 20).await, 10, "the whole budget");
    });
}

#[test]
fn redis_may_come_late_and_go_and_come_back() {
    run(async {
        let redis = Redis::start().await;
        redis.kill9();
        let settings = settings(&redis.url());
        let (mut one, mut two) = (Process::start(&settings), Process::start(&settings));
        let limits = [one.limit(), two.limit()];
        for limit in &limits {
            assert_eq!(granted(limit, "a", 20).await, 5, "each gives its share");
        }
        for _ in 0..2 {
            redis.restart().await;
            // Whoever listens is told that hints are missing, and hears the next ones.
            one.hears(&Hint::Gap).await;
            two.hears(&Hint::Gap).await;
            two.hears_in_time(&one, &hint(7)).await;
            is_shared_again(&limits[0]).await;
            redis.flush();
            two.hears_in_time(&one, &hint(8)).await;
            redis.kill9();
        }
    });
}

#[test]
fn a_frozen_redis_holds_nobody_up_for_long() {
    run(async {
        let redis = Redis::start().await;
        let mut settings = settings(&redis.url());
        settings.command_timeout = Duration::from_millis(100);
        settings.connect_timeout = Duration::from_millis(300);
        let mut process = Process::start(&settings);
        process.hears(&Hint::Gap).await;
        let limit = process.limit();
        assert_eq!(limit.draw("a").await.remaining, 9);
        redis.freeze();
        assert_eq!(granted(&limit, "b", 20).await, 5, "counted here at the share");
        redis.thaw();
        is_shared_again(&limit).await;
    });
}
