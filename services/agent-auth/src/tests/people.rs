//! People of the shop, and how they call.

use super::{
    place::Place,
    world::{Part, World, settings},
};
use crate::{account::AgentRow, config::Settings, store::accounts::agent_columns};
use std::time::Duration;
use switchboard_boot::system::{SystemClock, SystemRng};
use switchboard_db::{audit, sql};
use switchboard_domain::{AgentId, BuiltinRole, Clock as _, Permissions, Principal, ServiceName};
use switchboard_mesh::{CallContext, Channel};
use switchboard_proto::agentauth::v1::accounts_service_client::AccountsServiceClient;

/// A password that every policy accepts.
pub(super) const PASSWORD: &str = "blaue Giraffen tanzen leise";
/// Longest time that a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// Calls the account service as somebody.
macro_rules! call {
    ($part:expr, $who:expr, $method:ident, $request:expr) => {{
        let mut client = $part.accounts();
        let calling = $who.context().scope(client.$method($request)).await;
        calling
            .map(tonic::Response::into_inner)
            .map_err(|status| switchboard_mesh::status::from_status(&status))
    }};
}
pub(super) use call;

/// Somebody with a token.
#[derive(Debug, Clone, Copy)]
pub(super) struct Person {
    pub(super) id: AgentId,
    pub(super) permissions: Permissions,
}

impl Person {
    pub(super) fn context(&self) -> CallContext {
        let Self { id, permissions } = *self;
        CallContext::background(ServiceName::Gateway, &SystemClock, &SystemRng)
            .acting_as(Principal::Agent { id, permissions })
    }

    pub(super) fn id(&self) -> String {
        self.id.to_string()
    }
}

/// One shop on each engine there is, with an admin `admin` who need not change his password.
pub(super) async fn shops() -> Vec<World> {
    shops_with(settings()).await
}

pub(super) async fn shops_with(settings: Settings) -> Vec<World> {
    let settings = Settings { admin_password: PASSWORD.into(), ..settings };
    Place::each().await.into_iter().map(|place| World::at(place, settings.clone())).collect()
}

impl Part {
    pub(super) fn accounts(&self) -> AccountsServiceClient<Channel> {
        AccountsServiceClient::new(self.channel())
    }
}

impl World {
    /// The first admin.
    pub(super) async fn boss(&self) -> Person {
        Person { id: self.row("admin").await.id().unwrap(), permissions: Permissions::all() }
    }

    /// Somebody new, without a password that anybody knows.
    pub(super) async fn hire(&self, name: &'static str, role: BuiltinRole) -> Person {
        self.hire_as(name.to_owned(), role.as_str(), role.permissions()).await
    }

    pub(super) async fn hire_as(&self, name: String, role: &'static str, permissions: Permissions) -> Person {
        const HIRE: &str = "INSERT INTO agent (id, username, username_key, display_name, password_hash, role,
                created_at, updated_at, password_changed_at, status_at)
            VALUES ($1, $2, $2, $2, '', $3, $4, $4, $4, $4)";
        const LINE: &str = "INSERT INTO roster_out (agent, version, sent_version) VALUES ($1, 1, 0)";
        let id = AgentId::mint(&self.clock, &SystemRng);
        let hire = sql(HIRE).bind(id.to_string()).bind(name).bind(role).bind(self.clock.now().millis());
        let line = sql(LINE).bind(id.to_string());
        let db = self.db().await;
        let done = db.transaction(move |tx| {
            Box::pin(async move {
                tx.execute(hire).await?;
                tx.execute(line).await
            })
        });
        done.await.unwrap();
        Person { id, permissions }
    }

    /// The account of this username, as it is stored.
    pub(super) async fn row(&self, username: &str) -> AgentRow {
        const ROW: &str = concat!("SELECT ", agent_columns!(), " FROM agent WHERE username = $1");
        self.db().await.fetch_one(sql(ROW).bind(username)).await.unwrap()
    }

    /// What the audit log says was done, oldest first; checks the chain.
    pub(super) async fn records(&self) -> Vec<audit::Record> {
        let db = self.db().await;
        let verdict = audit::verify(&db, 1, 1000).await.unwrap();
        assert_eq!((verdict.broken, verdict.next), (None, None));
        let query = audit::Query { limit: 1000, ..audit::Query::default() };
        let mut records = audit::list(&db, &query).await.unwrap();
        records.reverse();
        records
    }
}

/// Waits until something is so.
pub(super) async fn eventually<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}
