//! Who may call what, written down: a method that lets in more or fewer than before is seen in review. That the running
//! mesh keeps to the declarations is shown by the scenarios. `UPDATE_SHAPES=1` writes it anew.

use crate::shape::committed;
use std::fmt::Write as _;
use switchboard_domain::{BuiltinRole, Role};
use switchboard_proto::ACCESS;

const HEAD: &str = "\
# Who may call which method: people of the shop by built-in role and the permission that lets them in; nobody in
# particular (anonymous), customers (visitor), parts of the mesh (service). Written by the architecture test; after a
# wanted change: UPDATE_SHAPES=1 cargo test -p switchboard-tests --test architecture roles
";

#[test]
fn who_may_call_what_is_the_committed_table() {
    let mut lines: Vec<String> = ACCESS
        .iter()
        .map(|access| {
            let mut line = format!("{}:", access.path.trim_start_matches('/'));
            for role in access.roles {
                line.push_str(match role {
                    Role::Anonymous => " anonymous",
                    Role::Visitor => " visitor",
                    Role::Agent => " anybody-of-the-shop",
                    Role::Service => " service",
                });
            }
            if let Some(permission) = access.permission {
                let may = BuiltinRole::ALL.into_iter().filter(|role| role.permissions().contains(permission));
                may.for_each(|role| write!(line, " {role}").unwrap());
                write!(line, " ({permission})").unwrap();
            }
            line
        })
        .collect();
    lines.sort();
    let table = format!("{HEAD}\n{}\n", lines.join("\n"));
    let rule = "who may call what has changed. If it was meant to";
    committed("proto/roles.txt", &table, rule);
    assert!(lines.len() > 100, "{} methods", lines.len());
}
