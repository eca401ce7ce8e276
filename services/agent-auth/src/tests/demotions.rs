//! Many admins who take each other's rights at once.

use super::people::{Person, call, shops};
use futures::future::join_all;
use switchboard_domain::{BuiltinRole, Permission, Permissions};
use switchboard_proto::agentauth::v1::{DeleteAgentRequest, PutRoleRequest, UpdateAgentRequest};

const MANAGERS: &str =
    "SELECT COUNT(*) FROM agent WHERE role = 'admin' AND disabled_at IS NULL AND deleted_at IS NULL";

#[tokio::test]
async fn however_many_do_it_at_once_one_admin_is_left() {
    for world in shops().await {
        let parts = [world.build().await, world.build().await];
        for round in 0..3 {
            let mut admins = vec![world.boss().await];
            for at in 0..11 {
                let name = format!("admin-{round}-{at}");
                let all = Permissions::all();
                admins.push(world.hire_as(name, BuiltinRole::Admin.as_str(), all).await);
            }
            // Each takes the next one's rights, and everybody his own.
            let (parts, admins) = (&parts, &admins);
            let attempts = (0..admins.len()).flat_map(|at| {
                let next = admins[(at + 1) % admins.len()];
                [(at, admins[at], next), (at + 1, admins[at], admins[at])]
            });
            let attempts = attempts.map(|(at, who, target)| async move {
                let part = &parts[at % 2];
                take(part, who, target, at % 3).await
            });
            let outcomes = join_all(attempts).await;
            assert!(outcomes.iter().any(Result::is_ok));
            for code in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
                let refusals = ["LAST_ADMIN", "PERMISSION_REQUIRED", "AGENT_NOT_FOUND"];
                assert!(refusals.contains(&code.as_str()), "{code}");
            }
            assert_eq!(world.count(MANAGERS).await, 1, "round {round}");
            // The next round begins with whoever is left, as the first admin.
            promote_first(&world).await;
        }
        world.records().await;
        for part in parts {
            part.stop().await;
        }
        world.close().await;
    }
}

async fn take(part: &super::world::Part, who: Person, target: Person, how: usize) -> Result<(), String> {
    let edit = UpdateAgentRequest { agent: target.id(), ..UpdateAgentRequest::default() };
    let outcome = match how {
        0 => call!(part, who, update_agent, UpdateAgentRequest { role: Some("agent".into()), ..edit })
            .map(drop),
        1 => call!(part, who, update_agent, UpdateAgentRequest { disabled: Some(true), ..edit }).map(drop),
        _ => call!(part, who, delete_agent, DeleteAgentRequest { agent: target.id() }).map(drop),
    };
    outcome.map_err(|failure| failure.code.into_owned())
}

async fn promote_first(world: &super::world::World) {
    use switchboard_db::sql;
    const RESTORE: &str = "UPDATE agent SET role = 'admin', disabled_at = NULL, deleted_at = NULL
        WHERE username = 'admin'";
    const OTHERS: &str = "UPDATE agent SET role = 'agent' WHERE username <> 'admin'";
    for text in [RESTORE, OTHERS] {
        let statement = sql(text);
        let db = world.db().await;
        db.transaction(move |tx| Box::pin(async move { tx.execute(statement).await })).await.unwrap();
    }
}

#[tokio::test]
async fn roles_that_lose_the_right_at_once_leave_one_that_has_it() {
    const NAMES: [&str; 6] = ["owner-0", "owner-1", "owner-2", "owner-3", "owner-4", "owner-5"];
    let put = |name: &str, without: bool, expected_version| {
        let names = Permission::ALL.iter().filter(|name| !without || **name != Permission::AgentsManage);
        PutRoleRequest {
            name: name.into(),
            permissions: names.map(ToString::to_string).collect(),
            expected_version,
            ..PutRoleRequest::default()
        }
    };
    for world in shops().await {
        let parts = [world.build().await, world.build().await];
        let mut owners = Vec::new();
        for name in NAMES {
            call!(parts[0], world.boss().await, put_role, put(name, false, 0)).unwrap();
            owners.push(world.hire_as(name.into(), name, Permissions::all()).await);
        }
        take(&parts[0], owners[0], world.boss().await, 0).await.unwrap();
        for version in (1..20).step_by(2) {
            let put = &put;
            let attempts = NAMES.iter().enumerate().map(|(at, name)| {
                let (part, owner) = (&parts[at % 2], owners[at]);
                async move { call!(part, owner, put_role, put(name, true, version)) }
            });
            let outcomes = join_all(attempts).await;
            let left: Vec<usize> = (0..NAMES.len()).filter(|at| outcomes[*at].is_err()).collect();
            assert_eq!(left.len(), 1, "round {version}");
            assert_eq!(&*outcomes[left[0]].as_ref().unwrap_err().code, "LAST_ADMIN");
            // For the next round all have it again, in the same version.
            for (at, name) in NAMES.iter().enumerate() {
                let changed = put(name, false, version + i64::from(at != left[0]));
                let described = PutRoleRequest { description: version.to_string(), ..changed };
                let made = call!(parts[0], owners[left[0]], put_role, described).unwrap().role.unwrap();
                if made.version == version + 1 {
                    let again =
                        PutRoleRequest { description: "again".into(), ..put(name, false, version + 1) };
                    call!(parts[0], owners[left[0]], put_role, again).unwrap();
                }
            }
        }
        for part in parts {
            part.stop().await;
        }
        world.close().await;
    }
}
