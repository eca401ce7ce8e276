//! The shape of the wire, written down: a change of it is seen in review. `UPDATE_SHAPES=1` writes it anew.

use crate::{root, wire::POOL};
use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, ServiceDescriptor,
};
use std::{env, fmt::Write as _, fs};

const HEAD: &str = "\
# What travels between the parts of the mesh: numbers, names and types. Written by the architecture test; after a wanted
# change: UPDATE_SHAPES=1 cargo test -p switchboard-tests --test architecture shape
";

#[test]
fn the_shape_of_the_wire_is_the_committed_one() {
    let rule = "the wire has changed. If it was meant to, and old and new replicas understand each other";
    committed("proto/shape.txt", &shape(), rule);
}

/// Compares with a file of the repository; writes it when asked to.
#[track_caller]
pub(crate) fn committed(file: &str, now: &str, rule: &str) {
    let path = root().join(file);
    if env::var_os("UPDATE_SHAPES").is_some() {
        fs::write(&path, now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    let gone = committed
        .lines()
        .filter(|line| !now.lines().any(|other| other == *line))
        .map(|line| format!("- {line}"));
    let new = now
        .lines()
        .filter(|line| !committed.lines().any(|other| other == *line))
        .map(|line| format!("+ {line}"));
    let difference: Vec<String> = gone.chain(new).collect();
    assert!(committed == now, "{rule}: UPDATE_SHAPES=1\n{}", difference.join("\n"));
}

fn shape() -> String {
    let mut out = HEAD.to_owned();
    let mut packages: Vec<String> = POOL
        .files()
        .map(|file| file.package_name().to_owned())
        .filter(|package| package.starts_with("switchboard"))
        .collect();
    packages.sort();
    packages.dedup();
    for package in packages {
        writeln!(out, "\npackage {package}").unwrap();
        sorted(
            POOL.all_enums(),
            EnumDescriptor::full_name,
            |one| one.package_name() == package,
            |one| enumeration(&mut out, one),
        );
        sorted(
            POOL.all_messages(),
            MessageDescriptor::full_name,
            |one| one.package_name() == package,
            |one| message(&mut out, one),
        );
        sorted(
            POOL.services(),
            ServiceDescriptor::full_name,
            |one| one.package_name() == package,
            |one| service(&mut out, one),
        );
    }
    out
}

/// Goes through those that `belong`, by name.
fn sorted<T>(
    all: impl Iterator<Item = T>,
    name: impl Fn(&T) -> &str,
    belongs: impl Fn(&T) -> bool,
    each: impl FnMut(&T),
) {
    let mut mine: Vec<T> = all.filter(belongs).collect();
    mine.sort_by(|one, other| name(one).cmp(name(other)));
    mine.iter().for_each(each);
}

fn short<'n>(full: &'n str, package: &str) -> &'n str {
    full.strip_prefix(package).and_then(|name| name.strip_prefix('.')).unwrap_or(full)
}

fn enumeration(out: &mut String, one: &EnumDescriptor) {
    writeln!(out, "enum {}", short(one.full_name(), one.package_name())).unwrap();
    for value in one.values() {
        writeln!(out, "  {} {}.{}", value.number(), one.name(), value.name()).unwrap();
    }
}

fn message(out: &mut String, one: &MessageDescriptor) {
    let name = short(one.full_name(), one.package_name());
    writeln!(out, "message {name}").unwrap();
    let mut fields: Vec<FieldDescriptor> = one.fields().collect();
    fields.sort_by_key(FieldDescriptor::number);
    for field in fields {
        let often = match field.cardinality() {
            Cardinality::Repeated => "repeated ".to_owned(),
            Cardinality::Optional | Cardinality::Required => match field.containing_oneof() {
                Some(oneof) if oneof.is_synthetic() => "optional ".to_owned(),
                Some(oneof) => format!("oneof {} ", oneof.name()),
                None => String::new(),
            },
        };
        let kind = kind(&field.kind(), one.package_name());
        writeln!(out, "  {} {name}.{}: {often}{kind}", field.number(), field.name()).unwrap();
    }
}

fn service(out: &mut String, one: &ServiceDescriptor) {
    writeln!(out, "service {}", one.name()).unwrap();
    let stream = |streaming: bool| if streaming { "stream " } else { "" };
    sorted(
        one.methods(),
        prost_reflect::MethodDescriptor::name,
        |_| true,
        |method| {
            let (input, output) = (method.input(), method.output());
            writeln!(
                out,
                "  rpc {}({}{}) returns ({}{})",
                method.name(),
                stream(method.is_client_streaming()),
                short(input.full_name(), one.package_name()),
                stream(method.is_server_streaming()),
                short(output.full_name(), one.package_name()),
            )
            .unwrap();
        },
    );
}

fn kind(kind: &Kind, package: &str) -> String {
    if let Some(message) = kind.as_message() {
        return short(message.full_name(), package).to_owned();
    }
    if let Some(one) = kind.as_enum() {
        return short(one.full_name(), package).to_owned();
    }
    format!("{kind:?}").to_lowercase()
}
