//! Refresh tokens under a storm: everybody refreshes eight times at once, on two replicas, and one answer in five is lost.
//! Nobody is logged out, every login has one live branch; then all of them are stolen, and every theft ends a login.
//!
//! `SWITCHBOARD_STORM` says how many logins; a hundred without it.

use crate::world::World;
use futures::{StreamExt as _, TryStreamExt as _, future::join_all, stream};
use std::{env, time::Duration};
use switchboard_domain::{Failure, Principal, ServiceName};
use switchboard_mesh::{Channel, status::from_status};
use switchboard_proto::agentauth::v1::{
    LogInRequest, RefreshRequest, login_service_client::LoginServiceClient,
};

crate::on_both_engines!(a_storm_of_refreshes_logs_nobody_out_and_every_theft_is_noticed);

const LOGINS: usize = 100;
/// Refreshes of one login at once.
const AT_ONCE: usize = 8;
/// How often each login is refreshed by all of them.
const ROUNDS: usize = 3;
/// One answer in so many is lost.
const LOST: usize = 5;
/// Logins that are at it at once.
const CROWD: usize = 16;
/// Passwords checked at once: fewer than would be refused.
const LOGGING_IN: usize = 4;
/// Longer than a refresh may be repeated.
const AFTER_GRACE: Duration = Duration::from_secs(11);

/// One login, and all tokens that it ever had.
struct Login {
    number: usize,
    tokens: Vec<String>,
}

struct Storm<'w> {
    world: &'w World,
    replicas: [LoginServiceClient<Channel>; 2],
}

impl Storm<'_> {
    async fn log_in(&self, number: usize, password: &str) -> Result<Login, Failure> {
        let request =
            LogInRequest { username: "admin".into(), password: password.into(), ..LogInRequest::default() };
        let mut client = self.replicas[number % 2].clone();
        let answer = self.world.acting(Principal::Anonymous, client.log_in(request)).await;
        let token = answer.map_err(|status| from_status(&status))?.into_inner().refresh_token;
        Ok(Login { number, tokens: vec![token] })
    }

    async fn refresh(&self, replica: usize, token: &str) -> Result<String, Failure> {
        let request = RefreshRequest { refresh_token: token.into(), ..RefreshRequest::default() };
        let mut client = self.replicas[replica % 2].clone();
        let answer = self.world.acting(Principal::Anonymous, client.refresh(request)).await;
        Ok(answer.map_err(|status| from_status(&status))?.into_inner().refresh_token)
    }

    /// All tabs of one login refresh at once; what is not lost must be the same for all.
    async fn weather(&self, mut login: Login) -> Result<Login, Failure> {
        for round in 0..ROUNDS {
            let token = login.tokens.last().unwrap().clone();
            let calls = (0..AT_ONCE).map(|tab| self.refresh(tab, &token));
            let mut kept: Vec<String> = Vec::new();
            for (tab, answer) in join_all(calls).await.into_iter().enumerate() {
                let answer = answer?;
                // Well mixed, and the same in every run.
                let dice = (login.number * 31 + round * 7 + tab).wrapping_mul(2_654_435_761) >> 7;
                if !dice.is_multiple_of(LOST) {
                    kept.push(answer);
                }
            }
            if kept.is_empty() {
                kept.push(self.refresh(round, &token).await?);
            }
            assert!(kept.windows(2).all(|pair| pair[0] == pair[1]), "one branch");
            login.tokens.push(kept.remove(0));
        }
        Ok(login)
    }

    /// A thief has an old token; answers what he and the owner are told.
    async fn steal(&self, login: Login) -> (String, String) {
        let [.., old, live] = login.tokens.as_slice() else { panic!("it was refreshed") };
        let code = |outcome: Result<String, Failure>| {
            outcome.err().map_or_else(|| "OK".to_owned(), |failure| failure.code.into_owned())
        };
        let thief = code(self.refresh(login.number, old).await);
        (thief, code(self.refresh(login.number + 1, live).await))
    }
}

async fn a_storm_of_refreshes_logs_nobody_out_and_every_theft_is_noticed(world: &World) {
    let count = env::var("SWITCHBOARD_STORM")
        .map_or(LOGINS, |text| text.parse().expect("SWITCHBOARD_STORM is a number"));
    let mut replicas = Vec::new();
    let mut announced = Vec::new();
    for _ in 0..2 {
        let build = |config, deps| Box::pin(switchboard_agent_auth::build(config, deps)) as _;
        let server = world.part(ServiceName::AgentAuth, build).await;
        announced.extend(server.announcements);
        let channel = world.channel(ServiceName::Gateway, &server.mounted.unwrap());
        replicas.push(LoginServiceClient::new(channel));
    }
    let password = announced[0].split("password: ").nth(1).unwrap().split(' ').next().unwrap();
    let storm = Storm { world, replicas: replicas.try_into().unwrap() };

    let logins = stream::iter(0..count).map(|number| storm.log_in(number, password));
    let logins: Vec<Login> = logins.buffer_unordered(LOGGING_IN).try_collect().await.unwrap();
    let weathered = stream::iter(logins).map(|login| storm.weather(login)).buffer_unordered(CROWD);
    let weathered: Vec<Login> = weathered.try_collect().await.expect("nobody is logged out");
    assert_eq!(weathered.len(), count);

    world.clock.advance(AFTER_GRACE);
    let thefts = stream::iter(weathered).map(|login| storm.steal(login)).buffer_unordered(CROWD);
    let thefts: Vec<(String, String)> = thefts.collect().await;
    let both = ("REFRESH_TOKEN_REUSED".to_owned(), "INVALID_REFRESH_TOKEN".to_owned());
    assert_eq!(thefts.iter().filter(|told| **told == both).count(), count, "thief and owner are both out");
}
