//! The protos, the access table made from them and the call graph say the same. The table is made when the protos are
//! built; here the descriptor set is read a second time, by other code.

use crate::report;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};
use switchboard_domain::{Access, RateClass, Role, ServiceName};
use switchboard_mesh::CALLS;
use switchboard_proto::ACCESS;

pub(crate) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(switchboard_proto::FILE_DESCRIPTOR_SET).unwrap());

fn methods() -> Vec<MethodDescriptor> {
    POOL.services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

/// The part that answers a method; none for one that every part answers for itself.
fn service_of(path: &str) -> Option<ServiceName> {
    let package = path.trim_start_matches("/switchboard.").split('.').next().unwrap_or_default();
    match package {
        "agentauth" => Some(ServiceName::AgentAuth),
        "audit" => None,
        "chat" => Some(ServiceName::ChatGateway),
        "notifier" => Some(ServiceName::Notifier),
        "regulator" => Some(ServiceName::Regulator),
        "session" => Some(ServiceName::Session),
        other => panic!("package {other} belongs to no service"),
    }
}

#[test]
fn every_method_is_in_the_table_once() {
    let declared: Vec<String> = methods().iter().map(path).collect();
    let mut listed: Vec<String> = ACCESS.iter().map(|access| access.path.to_owned()).collect();
    listed.sort();
    let mut sorted = declared.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    assert!(declared.len() >= 20, "{}", declared.len());
}

/// What a method declares, read anew.
#[derive(Debug, PartialEq, Eq)]
struct Declared {
    roles: BTreeSet<String>,
    permission: String,
    callers: BTreeSet<String>,
    rate: String,
    repeatable: bool,
}

fn declared(method: &MethodDescriptor) -> Result<Declared, String> {
    let options = method.options();
    let extension = POOL.get_extension_by_name("switchboard.access").unwrap();
    let level = options
        .get_field_by_name("idempotency_level")
        .filter(|_| options.has_field_by_name("idempotency_level"));
    let level = level.and_then(|level| level.as_enum_number()).ok_or("no idempotency_level")?;
    if !options.has_extension(&extension) {
        return Err("no (switchboard.access)".into());
    }
    let access = options.get_extension(&extension);
    let access = access.as_message().unwrap();
    let declared = Declared {
        roles: names(access, "roles", "ROLE_"),
        permission: if access.has_field_by_name("permission") {
            names(access, "permission", "PERMISSION_").into_iter().collect()
        } else {
            String::new()
        },
        callers: names(access, "callers", "CALLER_"),
        rate: names(access, "rate", "RATE_CLASS_").into_iter().collect(),
        repeatable: level != 0,
    };
    let unspecified = |names: &BTreeSet<String>| names.contains("UNSPECIFIED");
    let nobody = declared.roles.is_empty() && declared.permission.is_empty();
    if nobody
        || declared.permission == "UNSPECIFIED"
        || unspecified(&declared.roles)
        || unspecified(&declared.callers)
        || declared.callers.is_empty()
        || declared.rate == "UNSPECIFIED"
    {
        return Err(format!("{declared:?}"));
    }
    Ok(declared)
}

/// The names of the values of an enum field, single or repeated.
fn names(message: &DynamicMessage, field: &str, prefix: &str) -> BTreeSet<String> {
    let descriptor = message.descriptor().get_field_by_name(field).unwrap();
    let value = message.get_field(&descriptor);
    let numbers: Vec<i32> = match value.as_list() {
        Some(list) => list.iter().filter_map(prost_reflect::Value::as_enum_number).collect(),
        None => value.as_enum_number().into_iter().collect(),
    };
    let kind = descriptor.kind();
    let values = kind.as_enum().unwrap();
    let name = |number| values.get_value(number).unwrap().name().strip_prefix(prefix).unwrap().to_owned();
    numbers.into_iter().map(name).collect()
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Anonymous => "ANONYMOUS",
        Role::Visitor => "VISITOR",
        Role::Agent => "AGENT",
        Role::Service => "SERVICE",
    }
}

fn rate(rate: RateClass) -> &'static str {
    match rate {
        RateClass::Internal => "INTERNAL",
        RateClass::Read => "READ",
        RateClass::Write => "WRITE",
        RateClass::Chat => "CHAT",
        RateClass::Stream => "STREAM",
        RateClass::Auth => "AUTH",
    }
}

fn listed(access: &Access) -> Declared {
    Declared {
        roles: access.roles.iter().map(|one| role(*one).to_owned()).collect(),
        permission: access
            .permission
            .map(|permission| permission.as_str().replace('.', "_").to_uppercase())
            .unwrap_or_default(),
        callers: access.callers.iter().map(|caller| caller.snake().to_uppercase()).collect(),
        rate: rate(access.rate).to_owned(),
        repeatable: access.repeatable,
    }
}

#[test]
fn every_method_declares_who_may_call_it_and_whether_it_may_be_repeated() {
    let table: BTreeMap<&str, &Access> = ACCESS.iter().map(|access| (access.path, access)).collect();
    let mut problems = Vec::new();
    for method in methods() {
        let path = path(&method);
        match declared(&method) {
            Ok(declared) => {
                let listed = listed(table[path.as_str()]);
                if declared != listed {
                    problems.push(format!("{path}: declares {declared:?}, the table has {listed:?}"));
                }
            }
            Err(problem) => problems.push(format!("{path}: {problem}")),
        }
    }
    report("declarations of methods", &problems);
}

#[test]
fn the_call_graph_is_what_the_protos_allow() {
    let drawn: BTreeSet<(ServiceName, ServiceName)> =
        CALLS.iter().flat_map(|(from, peers)| peers.iter().map(|to| (*from, *to))).collect();
    let declared: BTreeSet<(ServiceName, ServiceName)> = ACCESS
        .iter()
        .filter_map(|access| service_of(access.path).map(|to| (access, to)))
        .flat_map(|(access, to)| access.callers.iter().map(move |from| (*from, to)))
        .collect();
    let edge = |(from, to): &(ServiceName, ServiceName)| format!("{from} -> {to}");
    let unused: Vec<String> = drawn.difference(&declared).map(edge).collect();
    report("edges of the call graph that no method allows", &unused);
    let undrawn: Vec<String> = declared.difference(&drawn).map(edge).collect();
    report("callers of methods that the call graph does not know", &undrawn);
    assert_eq!(CALLS.len(), ServiceName::ALL.len(), "every part is in the call graph");
}

#[test]
fn numbers_of_fields_are_used_once() {
    let mut problems = Vec::new();
    for message in POOL.all_messages().filter(|message| message.full_name().starts_with("switchboard.")) {
        for field in message.fields() {
            let reserved = message.reserved_ranges().any(|range| range.contains(&field.number()));
            if reserved || message.reserved_names().any(|name| name == field.name()) {
                problems.push(format!("{} is reserved", field.full_name()));
            }
        }
    }
    for one in POOL.all_enums().filter(|one| one.full_name().starts_with("switchboard.")) {
        let zero = one.get_value(0).is_some_and(|value| value.name().ends_with("_UNSPECIFIED"));
        if !zero {
            problems.push(format!("{}: 0 must mean that nothing was said", one.full_name()));
        }
    }
    report("numbers on the wire", &problems);
}
