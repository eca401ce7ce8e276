//! Who may call what, asked of the running mesh: every method of every proto for every kind of caller, over gRPC, and
//! every route for every role, over HTTP. What is expected is read from the declarations, so a new method is in here.

use crate::shared::{fresh, shop};
use http::uri::PathAndQuery;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use switchboard_domain::{
    Access, AgentId, BuiltinRole, Permission, Permissions, Principal, ServiceName, SessionName,
};
use switchboard_proto::ACCESS;
use switchboard_tests::{
    client::{Agent, Answer, Client},
    world::{Shape, World},
};
use tonic::{Code, Request, Status, client::Grpc, metadata::MetadataValue, transport::Channel};
use tonic_prost::ProstCodec;

/// The part that answers a method.
fn part(access: &Access) -> ServiceName {
    let package = access.path.trim_start_matches("/switchboard.").split('.').next().unwrap();
    match package {
        "agentauth" => ServiceName::AgentAuth,
        "chat" => ServiceName::ChatGateway,
        "notifier" => ServiceName::Notifier,
        "regulator" => ServiceName::Regulator,
        "session" | "audit" => ServiceName::Session,
        other => panic!("who answers package {other}?"),
    }
}

/// Everybody: nobody, a customer, a part, each built-in role, and for each permission somebody who has all others.
fn everybody() -> Vec<(String, Principal)> {
    let id = AgentId::parse("agt_0192f0c1a2b37c4d8e5f60718293a4b5").unwrap();
    let staff = |permissions| Principal::Agent { id, permissions };
    let mut all = vec![
        ("nobody".to_owned(), Principal::Anonymous),
        ("a customer".to_owned(), Principal::Visitor(SessionName::parse("matrix").unwrap())),
        ("a part".to_owned(), Principal::Service(ServiceName::Gateway)),
    ];
    for role in BuiltinRole::ALL {
        all.push((role.to_string(), staff(role.permissions())));
    }
    for missing in Permission::ALL {
        let others: Permissions = Permission::ALL.iter().copied().filter(|one| one != missing).collect();
        all.push((format!("all but {missing}"), staff(others)));
    }
    all
}

/// Calls a method with an empty message. `None`: let in, whatever came of it.
async fn refused(
    channel: &Channel,
    access: &Access,
    caller: ServiceName,
    principal: &Principal,
) -> Option<Status> {
    let (path, is_for_staff) = (access.path, access.permission.is_some());
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let mut request = Request::new(());
    request.set_timeout(std::time::Duration::from_secs(5));
    let metadata = request.metadata_mut();
    metadata.insert("x-switchboard-caller", MetadataValue::try_from(caller.as_str()).unwrap());
    metadata.insert("x-switchboard-principal", MetadataValue::try_from(principal.to_string()).unwrap());
    let codec = ProstCodec::<(), ()>::default();
    let answer = grpc.server_streaming(request, PathAndQuery::from_static(path), codec).await;
    let status = answer.err()?;
    let failure = switchboard_mesh::status::from_status(&status);
    // The guard names the permission that it misses. A service may refuse by what the account may do by now, which nobody
    // made here: then the caller was let in.
    let by_the_guard = match &*failure.code {
        "TOKEN_REQUIRED" | "CALLER_NOT_ALLOWED" => true,
        "PERMISSION_REQUIRED" => failure.facts.contains_key("permission") || !is_for_staff,
        _ => false,
    };
    (by_the_guard && matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied))
        .then_some(status)
}

#[test]
fn every_method_for_every_kind_of_caller() {
    switchboard_tests::runtime::run(async {
        let world = World::mesh("matrix").await;
        let _evidence = world.evidence();
        let mut channels = BTreeMap::new();
        for part in ACCESS.iter().map(part) {
            let channel = Channel::from_shared(world.grpc(part)).unwrap().connect().await.unwrap();
            channels.insert(part, channel);
        }
        let (mut cells, mut wrong) = (0, Vec::new());
        for access in ACCESS {
            let channel = &channels[&part(access)];
            for (who, principal) in everybody() {
                let told = refused(channel, access, access.callers[0], &principal).await;
                cells += 1;
                if told.is_none() != access.admits(&principal) {
                    wrong.push(format!("{} for {who}: {told:?}", access.path));
                }
            }
            for caller in ServiceName::ALL.into_iter().filter(|caller| !access.callers.contains(caller)) {
                let principal = Principal::Service(caller);
                cells += 1;
                if refused(channel, access, caller, &principal).await.is_none() {
                    wrong.push(format!("{} from {caller}", access.path));
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {cells} cells: {wrong:#?}", wrong.len());
        assert!(cells > 30 * ACCESS.len(), "{cells} cells");
    });
}

in_both_shapes!(every_route_for_every_role);

/// One route as the API description names it.
struct Route {
    method: String,
    path: String,
    /// What it declares: `public`, `visitor`, or a permission.
    needs: Vec<String>,
}

fn routes(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let declared = operation["x-permission"].as_str();
            let declared = declared.unwrap_or_else(|| panic!("{method} {path} declares nothing"));
            let needs = declared.split('|').map(str::to_owned).collect();
            routes.push(Route { method: method.to_uppercase(), path: path.clone(), needs });
        }
    }
    routes
}

impl Route {
    /// The path with something that does not exist in each place, so that whoever is let in changes nothing.
    fn harmless(&self) -> String {
        let parts =
            self.path.split('/').map(|part| if part.starts_with('{') { "no-such-thing" } else { part });
        parts.collect::<Vec<_>>().join("/")
    }

    async fn call(&self, client: &Client, agent: Option<&Agent>) -> Answer {
        let request = match agent {
            Some(agent) => agent.request(&self.method, &self.harmless()),
            None => client.request(&self.method, &self.harmless()),
        };
        // A body of no sense: whoever is let in is told so.
        let request = if self.method == "GET" { request } else { request.json(&json!([])) };
        Client::head(request).await
    }
}

async fn every_route_for_every_role(shape: Shape) {
    let shop = shop(shape).await;
    let _evidence = shop.world.evidence();
    let client = shop.world.client();
    let admin = client.admin().await;
    let routes = routes(&client.get("/api/v1/openapi.json").await.expect_ok().json());
    let mut wrong = Vec::new();
    for role in BuiltinRole::ALL {
        let agent = admin.hire(&fresh("role"), "角色", role.as_str()).await;
        for route in &routes {
            // Some routes end the login that calls them.
            let of_its_own = route.path.ends_with("/logout");
            let guest = if of_its_own {
                Some(admin.hire(&fresh("role"), "角色", role.as_str()).await)
            } else {
                None
            };
            let told = route.call(&client, Some(guest.as_ref().unwrap_or(&agent))).await;
            let open = route.needs.iter().any(|need| need == "public");
            let may = open
                || route
                    .needs
                    .iter()
                    .any(|need| need.parse().is_ok_and(|need: Permission| role.permissions().contains(need)));
            let refused = matches!(told.status, 401 | 403);
            if refused == may {
                wrong.push(format!(
                    "{} {} for {role}: {} {}",
                    route.method, route.path, told.status, told.text
                ));
            }
        }
    }
    // Customers begin without a token: what a route for them alone answers is its own matter.
    for route in routes.iter().filter(|route| route.needs != ["visitor"]) {
        let told = route.call(&client, None).await;
        let open = route.needs.iter().any(|need| need == "public");
        if (told.status == 401) == open {
            wrong.push(format!("{} {} for nobody: {} {}", route.method, route.path, told.status, told.text));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), routes.len() * 5);
}
