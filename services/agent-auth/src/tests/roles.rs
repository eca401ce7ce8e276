//! Roles that a shop makes for itself.

use super::people::{call, shops};
use switchboard_domain::{BuiltinRole, ErrorKind, Failure, Permission, Permissions};
use switchboard_proto::agentauth::v1::{
    DeleteRoleRequest, ListRolesRequest, PutRoleRequest, SetStatusRequest, UpdateAgentRequest,
};

fn put(name: &str, permissions: &[&str], expected_version: i64) -> PutRoleRequest {
    let permissions = permissions.iter().map(|name| (*name).to_owned()).collect();
    PutRoleRequest { name: name.into(), description: "夜班".into(), permissions, expected_version }
}

fn delete(name: &str) -> DeleteRoleRequest {
    DeleteRoleRequest { name: name.into() }
}

fn told(failure: &Failure) -> (ErrorKind, &str) {
    (failure.kind, &failure.code)
}

#[tokio::test]
async fn a_role_is_made_changed_by_version_and_deleted_when_nobody_has_it() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let made = call!(part, boss, put_role, put("night", &["sessions.read"], 0)).unwrap().role.unwrap();
        assert_eq!((made.version, made.built_in, made.holders), (1, false, 0));
        assert_eq!(made.permissions, ["account.self", "sessions.read"]);
        // Lost answers are asked for again.
        let again = call!(part, boss, put_role, put("night", &["sessions.read"], 0)).unwrap().role.unwrap();
        assert_eq!(again.version, 1);
        let stale = call!(part, boss, put_role, put("night", &["stats.read"], 0)).unwrap_err();
        assert_eq!(
            (told(&stale), stale.facts["version"].as_str()),
            ((ErrorKind::Conflict, "VERSION_CONFLICT"), "1")
        );
        let missing = call!(part, boss, put_role, put("day", &["stats.read"], 3)).unwrap_err();
        assert_eq!((told(&missing).1, missing.facts["version"].as_str()), ("VERSION_CONFLICT", "0"));
        let changed = call!(part, boss, put_role, put("night", &["stats.read"], 1)).unwrap().role.unwrap();
        assert_eq!(
            (changed.version, changed.permissions.as_slice()),
            (2, &["account.self".to_owned(), "stats.read".to_owned()][..])
        );

        world.hire_as("anna".into(), "night", Permissions::NONE).await;
        let listed = call!(part, boss, list_roles, ListRolesRequest {}).unwrap();
        let names: Vec<&str> = listed.roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["guest", "agent", "supervisor", "admin", "night"]);
        assert_eq!((listed.roles[3].holders, listed.roles[4].holders), (1, 1));
        assert!(listed.roles[3].built_in && listed.permissions.len() == Permission::ALL.len());

        let used = call!(part, boss, delete_role, delete("night")).unwrap_err();
        assert_eq!(
            (told(&used), used.facts["holders"].as_str()),
            ((ErrorKind::Conflict, "ROLE_IN_USE"), "1")
        );
        let move_on = UpdateAgentRequest {
            agent: "anna".into(),
            role: Some("agent".into()),
            ..UpdateAgentRequest::default()
        };
        call!(part, boss, update_agent, move_on).unwrap();
        for _ in 0..2 {
            call!(part, boss, delete_role, delete("night")).unwrap(); // again: it is done
        }
        let gone = call!(part, boss, delete_role, delete("noon")).unwrap_err();
        assert_eq!(told(&gone), (ErrorKind::NotFound, "ROLE_NOT_FOUND"));
        let records = world.records().await;
        let actions: Vec<&str> = records.iter().map(|record| record.action.as_str()).collect();
        assert_eq!(actions, ["role.put", "role.put", "agent.update", "role.delete"]);
        assert_eq!(records[0].after_digest, records[1].before_digest);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn roles_that_cannot_be_are_refused() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        for name in ["admin", "guest"] {
            let failure = call!(part, boss, put_role, put(name, &["stats.read"], 0)).unwrap_err();
            assert_eq!(told(&failure), (ErrorKind::Invalid, "BUILT_IN_ROLE"));
            assert_eq!(told(&call!(part, boss, delete_role, delete(name)).unwrap_err()).1, "BUILT_IN_ROLE");
        }
        let unknown = call!(part, boss, put_role, put("night", &["sessions.reed"], 0)).unwrap_err();
        assert_eq!(told(&unknown), (ErrorKind::Invalid, "UNKNOWN_PERMISSION"));
        assert_eq!(unknown.facts["permission"], "sessions.reed");
        let failure = call!(part, boss, put_role, put("Night!", &[], 0)).unwrap_err();
        assert_eq!((told(&failure).1, failure.facts["field"].as_str()), ("VALIDATION_ERROR", "name"));

        // Somebody who may define roles gives no more than he has, and touches none that has more.
        let mine = ["roles.manage", "stats.read"];
        call!(part, boss, put_role, put("clerk", &mine, 0)).unwrap();
        call!(part, boss, put_role, put("strong", &["audit.read"], 0)).unwrap();
        let permissions =
            Permissions::of(&[Permission::RolesManage, Permission::StatsRead, Permission::AccountSelf]);
        let clerk = world.hire_as("clerk".into(), "clerk", permissions).await;
        call!(part, clerk, put_role, put("weak", &["stats.read"], 0)).unwrap();
        for failure in [
            call!(part, clerk, put_role, put("other", &["keys.manage"], 0)).unwrap_err(),
            call!(part, clerk, put_role, put("clerk", &["roles.manage", "keys.manage"], 1)).unwrap_err(),
            call!(part, clerk, put_role, put("strong", &["stats.read"], 1)).unwrap_err(),
            call!(part, clerk, delete_role, delete("strong")).unwrap_err(),
        ] {
            assert_eq!(told(&failure), (ErrorKind::Forbidden, "PERMISSION_ESCALATION"));
        }
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_changed_role_counts_at_once_for_all_who_have_it() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let serving = ["sessions.read", "sessions.serve", "presence.self"];
        call!(part, boss, put_role, put("night", &serving, 0)).unwrap();
        let permissions = Permissions::of(&[Permission::PresenceSelf, Permission::SessionsServe]);
        let anna = world.hire_as("anna".into(), "night", permissions).await;
        let bert = world.hire_as("bert".into(), "night", permissions).await;
        let online = SetStatusRequest { status: "online".into(), note: None };
        call!(part, anna, set_status, online).unwrap();
        for person in [anna, bert] {
            world.floor.until_line(&person.id(), |line| line.serves).await;
        }
        let before = world.row("anna").await;
        call!(part, boss, put_role, put("night", &["sessions.read", "presence.self"], 1)).unwrap();
        for person in [anna, bert] {
            world.floor.until_line(&person.id(), |line| !line.serves).await;
        }
        let after = world.row("anna").await;
        assert!(after.pv > before.pv && after.valid_after > before.valid_after);
        assert_eq!(after.status, "online", "only tokens end");
        assert_eq!(world.count("SELECT COUNT(*) FROM revocation WHERE kind = 'agent'").await, 2);
        // A description alone changes nobody's rights.
        let words = PutRoleRequest {
            description: "day".into(),
            ..put("night", &["sessions.read", "presence.self"], 2)
        };
        call!(part, boss, put_role, words).unwrap();
        assert_eq!(world.count("SELECT COUNT(*) FROM revocation").await, 2);
        part.stop().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_role_keeps_the_right_that_its_last_holder_manages_accounts_with() {
    for world in shops().await {
        let part = world.build().await;
        let boss = world.boss().await;
        let all: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        call!(part, boss, put_role, put("owner", &all, 0)).unwrap();
        let owner = world.hire_as("owner".into(), "owner", Permissions::all()).await;
        let demote = UpdateAgentRequest {
            agent: "admin".into(),
            role: Some(BuiltinRole::Agent.as_str().into()),
            ..UpdateAgentRequest::default()
        };
        call!(part, owner, update_agent, demote).unwrap();
        let without: Vec<&str> = all.iter().copied().filter(|name| *name != "agents.manage").collect();
        let failure = call!(part, owner, put_role, put("owner", &without, 1)).unwrap_err();
        assert_eq!(told(&failure), (ErrorKind::Invalid, "LAST_ADMIN"));
        part.stop().await;
        world.close().await;
    }
}
