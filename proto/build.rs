//! Compiles the protos without protoc, keeps the descriptor set for reflection, and turns the access declaration of
//! every method into a table. A method without one, or without an idempotency level, fails the build.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, ReflectMessage as _, Value};
use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=switchboard");
    let mut files = Vec::new();
    protos(Path::new("switchboard"), &mut files)?;
    files.sort();

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // This encoding keeps our own options; the plain FileDescriptorSet drops them.
    let encoded = compiler.encode_file_descriptor_set();
    #[expect(clippy::disallowed_methods, reason = "how cargo tells a build script where to write")]
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("switchboard_descriptor.bin"), &encoded)?;
    fs::write(out.join("access.rs"), access_table(&DescriptorPool::decode(encoded.as_slice())?)?)?;

    let set = prost_types::FileDescriptorSet::decode(encoded.as_slice())?;
    tonic_prost_build::configure().build_transport(false).compile_fds(set)?;
    Ok(())
}

fn protos(folder: &Path, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            protos(&path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            out.push(path);
        }
    }
    Ok(())
}

fn access_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let extension =
        pool.get_extension_by_name("switchboard.access").ok_or("switchboard.access is not defined")?;
    let mut table = String::from("&[\n");
    for service in pool.services() {
        for method in service.methods() {
            let name = method.full_name().to_owned();
            let options = method.options();
            if !options.has_extension(&extension) {
                return Err(format!("{name} declares no (switchboard.access)").into());
            }
            let declared = options.get_extension(&extension);
            let declared = declared.as_message().ok_or("switchboard.access is no message")?;
            let roles = names(declared, "roles", "ROLE_")?;
            let callers = names(declared, "callers", "CALLER_")?;
            let rate = one(declared, "rate", "RATE_CLASS_")?;
            let permission = if declared.has_field_by_name("permission") {
                format!("Some(Permission::{})", one(declared, "permission", "PERMISSION_")?)
            } else {
                "None".to_owned()
            };
            if (roles.is_empty() && permission == "None") || callers.is_empty() {
                return Err(format!("{name} declares nobody who may call it, or no callers").into());
            }
            writeln!(
                table,
                "    Access {{ path: \"/{}/{}\", roles: &[{}], permission: {permission}, callers: &[{}], rate: RateClass::{rate}, repeatable: {} }},",
                service.full_name(),
                method.name(),
                prefixed("Role", &roles),
                prefixed("ServiceName", &callers),
                repeatable(&method)?,
            )?;
        }
    }
    table.push(']');
    Ok(table)
}

/// Every method states its level; `IDEMPOTENCY_UNKNOWN`, written out, means that it is never repeated.
fn repeatable(method: &MethodDescriptor) -> Result<bool, Box<dyn Error>> {
    let options = method.options();
    let field = "idempotency_level";
    if !options.has_field_by_name(field) {
        return Err(format!("{} declares no idempotency_level", method.full_name()).into());
    }
    let level = options.get_field_by_name(field).and_then(|value| value.as_enum_number());
    Ok(matches!(level, Some(1 | 2)))
}

fn names(message: &DynamicMessage, field: &str, prefix: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let value = message.get_field_by_name(field).ok_or("no such field")?;
    let list = value.as_list().ok_or("not a list")?;
    list.iter().map(|value| enum_name(message, field, prefix, value)).collect()
}

fn one(message: &DynamicMessage, field: &str, prefix: &str) -> Result<String, Box<dyn Error>> {
    let value = message.get_field_by_name(field).ok_or("no such field")?;
    enum_name(message, field, prefix, &value)
}

fn enum_name(
    message: &DynamicMessage,
    field: &str,
    prefix: &str,
    value: &Value,
) -> Result<String, Box<dyn Error>> {
    let field = message.descriptor().get_field_by_name(field).ok_or("no such field")?;
    let kind = field.kind();
    let descriptor = kind.as_enum().ok_or("not an enum")?;
    let number = value.as_enum_number().filter(|number| *number != 0).ok_or("an unspecified value")?;
    let value = descriptor.get_value(number).ok_or("an unknown value")?;
    let name = value.name().strip_prefix(prefix).ok_or("a foreign prefix")?;
    Ok(name.split('_').map(camel).collect())
}

fn camel(word: &str) -> String {
    let lower = word.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn prefixed(kind: &str, names: &[String]) -> String {
    names.iter().map(|name| format!("{kind}::{name}")).collect::<Vec<_>>().join(", ")
}
