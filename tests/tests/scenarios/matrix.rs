//! Who may call what, asked of the running mesh: every method of every proto for every kind of caller, over gRPC, and
//! every route for every role, over HTTP. What is expected is read from the declarations, so a new method is in here.

mod requests;

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

in_both_shapes!(every_route_for_every_role, every_permission_alone_opens_its_routes);

/// One route as the API description names it.
struct Route {
    method: String,
    path: String,
    /// What it declares: `public`, `visitor`, or a permission.
    needs: Vec<String>,
    /// What it is asked with; a body that somebody who may call it gets read.
    body: Option<Value>,
}

fn routes(description: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let declared = operation["x-permission"].as_str();
            let declared = declared.unwrap_or_else(|| panic!("{method} {path} declares nothing"));
            let needs = declared.split('|').map(str::to_owned).collect();
            let method = method.to_uppercase();
            let body = operation.get("requestBody").map(|_| {
                let body = requests::body(&method, path.trim_start_matches("/api/v1"));
                body.unwrap_or_else(|| {
                    panic!("{method} {path} takes a body that matrix/requests.rs does not know")
                })
            });
            routes.push(Route { method, path: path.clone(), needs, body });
        }
    }
    routes
}

impl Route {
    /// The path with something that does not exist in each place, so that whoever is let in changes nothing.
    fn harmless(&self) -> String {
        let parts = self
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { requests::nothing(part) } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        path + requests::query(self.path.trim_start_matches("/api/v1"))
    }

    async fn call(&self, client: &Client, agent: Option<&Agent>) -> Answer {
        let request = match agent {
            Some(agent) => agent.request(&self.method, &self.harmless()),
            None => client.request(&self.method, &self.harmless()),
        };
        let request = match &self.body {
            Some(body) => request.json(body),
            None if self.method == "GET" => request,
            None => request.json(&json!({})),
        };
        Client::head(request).await
    }

    /// Some routes end the login that calls them.
    fn ends_the_login(&self) -> bool {
        self.path.ends_with("/logout")
    }

    fn opens_with(&self, permissions: Permissions) -> bool {
        self.needs.iter().any(|need| {
            need == "public" || need.parse().is_ok_and(|need: Permission| permissions.contains(need))
        })
    }

    fn tell(&self, who: &str, told: &Answer) -> String {
        format!("{} {} for {who}: {} {}", self.method, self.path, told.status, told.text)
    }
}

/// Whether the edge or the guard of a part turned somebody away for what he is; a part may refuse for other reasons.
fn turned_away(told: &Answer) -> bool {
    matches!(&*told.code(), "TOKEN_REQUIRED" | "CALLER_NOT_ALLOWED" | "PERMISSION_REQUIRED")
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
            let guest = if route.ends_the_login() {
                Some(admin.hire(&fresh("role"), "角色", role.as_str()).await)
            } else {
                None
            };
            let told = route.call(&client, Some(guest.as_ref().unwrap_or(&agent))).await;
            let is_wrong = if route.opens_with(role.permissions()) {
                turned_away(&told)
            } else {
                !matches!(told.status, 401 | 403)
            };
            if is_wrong {
                wrong.push(route.tell(role.as_str(), &told));
            }
        }
    }
    // Customers begin without a token: what a route for them alone answers is its own matter.
    for route in routes.iter().filter(|route| route.needs != ["visitor"]) {
        let told = route.call(&client, None).await;
        if (told.status == 401) == route.opens_with(Permissions::NONE) {
            wrong.push(route.tell("nobody", &told));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), routes.len() * 5);
}

/// A route that asks a part for more than it declares would turn away who has just the permission that it names.
async fn every_permission_alone_opens_its_routes(shape: Shape) {
    let shop = shop(shape).await;
    let _evidence = shop.world.evidence();
    let client = shop.world.client();
    let admin = client.admin().await;
    let routes = routes(&client.get("/api/v1/openapi.json").await.expect_ok().json());
    let (mut asked, mut wrong) = (0, Vec::new());
    for permission in Permission::ALL {
        let mine = |route: &&Route| {
            route.needs.iter().any(|need| need == permission.as_str()) && !route.ends_the_login()
        };
        let role = fresh("only");
        let body = json!({ "permissions": [permission.as_str()], "description": "one permission" });
        admin.put(&format!("/api/v1/roles/{role}"), &body).await.expect_ok();
        let agent = admin.hire(&fresh("only"), "一项", &role).await;
        for route in routes.iter().filter(mine) {
            asked += 1;
            let told = route.call(&client, Some(&agent)).await;
            if turned_away(&told) {
                wrong.push(route.tell(permission.as_str(), &told));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    assert!(asked > 100, "only {asked} routes were asked");
}
