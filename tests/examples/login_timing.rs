//! Whether the time of a refused login tells if there is such an account: logs in with a wrong password, by turns to an
//! account that exists and to one that does not, and compares the two samples.
//!
//! `cargo run --release -p switchboard-tests --example login_timing -- 2000`; the number is the size of each sample. Run
//! it on a quiet machine: p is the chance to see samples that differ so much although the times are alike (Mann-Whitney,
//! two-sided, corrected for ties); below 0.01 there is a difference, and the medians say whether it is worth anything.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::{env, io::Write as _, net::IpAddr, sync::Arc, time::Duration};
use switchboard_boot::{
    Configured, Deps, Lifecycle, NodeConfig, Sources, Tree,
    system::{SystemClock, SystemRng},
};
use switchboard_domain::{Principal, ServiceName};
use switchboard_mesh::{CallContext, Channel, Directory, loopback, status::from_status};
use switchboard_proto::agentauth::v1::{LogInRequest, login_service_client::LoginServiceClient};
use tempfile::TempDir;
use tokio::time::Instant;

/// Logins before anything is measured.
const WARM_UP: usize = 20;

fn extract<C: Configured>(folder: &TempDir) -> C {
    // Nobody is told to wait here: what is measured are attempts that are heard.
    let settings = [
        ("database.data_dir", folder.path().display().to_string()),
        ("agent_auth.admin_password", "blaue Giraffen tanzen leise".to_owned()),
        ("agent_auth.throttle_account_free", "1000000".to_owned()),
        ("agent_auth.throttle_address_free", "1000000".to_owned()),
    ];
    let flags = settings.map(|(key, value)| (key.to_owned(), value)).to_vec();
    let mut problems = Vec::new();
    let tree = Tree::load(&Sources { flags, ..Sources::default() }, &mut problems);
    tree.extract(&mut problems).unwrap_or_else(|| panic!("{problems:?}"))
}

fn deps(name: ServiceName, peers: Directory, life: &Lifecycle, folder: &TempDir) -> Deps {
    let node: Arc<NodeConfig> = Arc::new(extract(folder));
    Deps {
        name,
        clock: Arc::new(SystemClock),
        rng: Arc::new(SystemRng),
        coord: switchboard_coord::Coord::alone(),
        peers,
        tasks: life.clone(),
        node,
    }
}

/// Agent-auth, and behind it the session service that it wants to know; on files in a folder.
async fn start(folder: &TempDir, life: &Lifecycle) -> Channel {
    let mesh = extract::<NodeConfig>(folder).mesh;
    let session = deps(ServiceName::Session, Directory::new(ServiceName::Session), life, folder);
    let session = switchboard_session::build(extract(folder), session).await.unwrap();
    let mut peers = Directory::new(ServiceName::AgentAuth);
    let channel = loopback(ServiceName::AgentAuth, mesh.call_timeout, session.mounted.unwrap().guarded);
    peers.add(ServiceName::Session, channel).unwrap();
    let auth = deps(ServiceName::AgentAuth, peers, life, folder);
    let auth = switchboard_agent_auth::build(extract(folder), auth).await.unwrap();
    loopback(ServiceName::Gateway, mesh.call_timeout, auth.mounted.unwrap().guarded)
}

/// How long a refusal takes.
async fn refusal(client: &LoginServiceClient<Channel>, username: &str) -> Duration {
    let edge = CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng);
    let context = CallContext { client: Some(IpAddr::from([192, 0, 2, 1])), ..edge };
    let request = LogInRequest {
        username: username.into(),
        password: "seven purple walruses hum".into(),
        ..LogInRequest::default()
    };
    let mut client = client.clone();
    let begin = Instant::now();
    let outcome = context.acting_as(Principal::Anonymous).scope(client.log_in(request)).await;
    let took = begin.elapsed();
    assert_eq!(from_status(&outcome.unwrap_err()).code, "INVALID_CREDENTIALS");
    took
}

fn median(sample: &[f64]) -> f64 {
    let mut sample = sample.to_vec();
    sample.sort_by(f64::total_cmp);
    sample[sample.len() / 2]
}

/// The two-sided p of Mann and Whitney's test, by the normal approximation.
fn mann_whitney(one: &[f64], other: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|one, other| one.0.total_cmp(&other.0).is_eq()) {
        let count = number(equal.len());
        ranks +=
            number(equal.iter().filter(|(_, is_one)| *is_one).count()) * (before + f64::midpoint(count, 1.0));
        ties += count.powi(3) - count;
        before += count;
    }
    let (n, m, sum) = (number(one.len()), number(other.len()), before);
    let u = ranks - n * (n + 1.0) / 2.0;
    let variance = n * m / 12.0 * (sum + 1.0 - ties / (sum * (sum - 1.0)));
    erfc((u - n * m / 2.0).abs() / variance.sqrt() / std::f64::consts::SQRT_2)
}

/// 1 - erf of what is not negative, to 1.5e-7: Abramowitz and Stegun, 7.1.26.
fn erfc(x: f64) -> f64 {
    const A: [f64; 5] = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    A.into_iter().fold(0.0, |sum, a| (sum + a) * t) * (-x * x).exp()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

#[tokio::main]
async fn main() {
    let size: usize = env::args().nth(1).map_or(2000, |size| size.parse().unwrap());
    let (folder, life) = (tempfile::tempdir().unwrap(), Lifecycle::new());
    let client = LoginServiceClient::new(start(&folder, &life).await);
    let (mut known, mut unknown) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for round in 0..WARM_UP + size {
        // Which of the two comes first takes turns too.
        for turn in 0..2 {
            let is_known = (round + turn) % 2 == 0;
            let took = refusal(&client, if is_known { "admin" } else { "nobody" }).await.as_secs_f64() * 1e3;
            if round >= WARM_UP {
                if is_known { known.push(took) } else { unknown.push(took) }
            }
        }
    }
    life.stop(Duration::from_secs(10)).await;
    let (one, other) = (median(&known), median(&unknown));
    let difference = (one - other).abs();
    let p = mann_whitney(&known, &unknown);
    let mut out = std::io::stdout().lock();
    writeln!(out, "wrong password  median {one:8.3} ms  n {size}").unwrap();
    writeln!(out, "unknown name    median {other:8.3} ms  n {size}").unwrap();
    writeln!(out, "medians differ by {difference:.3} ms, Mann-Whitney p = {p:.4}").unwrap();
}
