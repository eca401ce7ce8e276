//! A person of the shop in front of one process, with a password of his own.

use super::{
    verify_as,
    world::{Part, World},
};
use secrecy::SecretString;
use serde_json::Value;
use std::{net::IpAddr, time::Duration};
use switchboard_boot::BuildError;
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_db::sql;
use switchboard_domain::{AgentId, Clock as _, Failure, Permissions, Principal, ServiceName, Timestamp};
use switchboard_mesh::{CallContext, Channel, status::from_status};
use switchboard_proto::agentauth::v1::{
    ListRevocationsRequest, ListRevocationsResponse, LogInRequest, LogInResponse, RefreshRequest,
    login_service_client::LoginServiceClient,
};
use tonic::{Response, Status};

/// Everybody's password in tests, made once.
pub(super) const PASSWORD: &str = "blaue Giraffen tanzen leise";
pub(super) const OTHER: &str = "seven purple walruses hum";
/// A device name that nobody guesses.
pub(super) const DEVICE: &str = "laptop-8d21f0c4a9b37e56";

/// One call from the edge: for whom, from where.
pub(super) struct Desk<'a> {
    pub(super) part: &'a Part,
    principal: Principal,
    address: IpAddr,
}

impl<'a> Desk<'a> {
    /// Before anybody has logged in.
    pub(super) fn at(part: &'a Part) -> Self {
        Self { part, principal: Principal::Anonymous, address: [192, 0, 2, 1].into() }
    }

    /// The edge for itself.
    pub(super) fn edge(part: &'a Part) -> Self {
        Self { principal: Principal::Service(ServiceName::Gateway), ..Self::at(part) }
    }

    pub(super) fn from(mut self, address: &str) -> Self {
        self.address = address.parse().unwrap();
        self
    }

    /// As the holder of an access token, judged as the edge does.
    pub(super) async fn holding(part: &'a Part, answer: &LogInResponse) -> Self {
        let claims = claims(part, &answer.access_token).await;
        let id = AgentId::parse(claims["sub"].as_str().unwrap()).unwrap();
        let permissions = Permissions::parse(claims["permissions"].as_str().unwrap()).unwrap();
        Self { principal: Principal::Agent { id, permissions }, ..Self::at(part) }
    }

    pub(super) fn client(&self) -> LoginServiceClient<Channel> {
        LoginServiceClient::new(self.part.channel())
    }

    /// Runs a call in its context; a refusal as its code.
    pub(super) async fn call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let context = CallContext {
            client: Some(self.address),
            ..CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng)
        };
        let done = context.acting_as(self.principal.clone()).scope(call).await;
        done.map(Response::into_inner).map_err(|status| from_status(&status))
    }

    pub(super) async fn log_in(&self, request: LogInRequest) -> Result<LogInResponse, Failure> {
        self.call(self.client().log_in(request)).await
    }

    pub(super) async fn refresh(&self, token: &str, device: &str) -> Result<LogInResponse, Failure> {
        let request = RefreshRequest { refresh_token: token.into(), device_id: device.into() };
        self.call(self.client().refresh(request)).await
    }
}

pub(super) async fn revocations(part: &Part, after: i64) -> ListRevocationsResponse {
    let desk = Desk::edge(part);
    desk.call(desk.client().list_revocations(ListRevocationsRequest { after })).await.unwrap()
}

pub(super) fn request(username: &str, password: &str) -> LogInRequest {
    LogInRequest { username: username.into(), password: password.into(), ..LogInRequest::default() }
}

/// The claims of an access token, verified with nothing but the published keys.
pub(super) async fn claims(part: &Part, token: &str) -> Value {
    let (header, claims) = verify_as("agent", token, &part.jwks().await.jwks_json).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    claims
}

pub(super) fn code<T>(outcome: Result<T, Failure>) -> String {
    outcome.err().map_or_else(|| "OK".to_owned(), |failure| failure.code.into_owned())
}

impl World {
    /// A process with the first admin, who has chosen [`PASSWORD`].
    pub(super) async fn open(&self) -> Part {
        let part = self.build().await;
        self.write("UPDATE agent SET must_change_password = 0").await;
        part
    }

    /// One with the chosen password of an operator on each engine.
    pub(super) async fn each_with_password() -> Vec<Self> {
        super::place::Place::each()
            .await
            .into_iter()
            .map(|place| {
                let admin_password: SecretString = PASSWORD.into();
                Self::at(place, crate::config::Settings { admin_password, ..super::settings() })
            })
            .collect()
    }

    pub(super) async fn write(&self, text: &'static str) {
        let statement = sql(text);
        let db = self.db().await;
        db.transaction::<_, switchboard_db::DbError, _>(move |tx| {
            Box::pin(async move { tx.execute(statement).await.map(drop) })
        })
        .await
        .unwrap();
    }

    pub(super) async fn texts(&self, text: &'static str) -> Vec<String> {
        let rows: Vec<(String,)> = self.db().await.fetch_all(sql(text)).await.unwrap();
        rows.into_iter().map(|(text,)| text).collect()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// As an operator, in a process of his own.
    pub(super) async fn reset(&self, username: &str, without_totp: bool) -> Result<String, BuildError> {
        let (config, deps) = self.command();
        let tasks = deps.tasks.clone();
        let outcome = crate::reset_password(config, deps, username.to_owned(), without_totp).await;
        assert!(tasks.stop(Duration::from_secs(20)).await);
        outcome
    }

    /// The actions of the audit log in order.
    pub(super) async fn audited(&self) -> Vec<String> {
        self.texts("SELECT action FROM audit ORDER BY seq").await
    }
}
