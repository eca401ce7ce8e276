//! The contracts between the parts of the mesh, and the only place that knows wire types: [`convert`] turns them into
//! domain values and back, so that a wire field is checked once, where it enters.
//!
//! To add an RPC: write it into a `.proto` with `idempotency_level` and `(switchboard.access)`; the build fails until
//! both are there. Then the conversions here, then the service, then the edge.

pub mod convert;

use switchboard_domain::{Access, Permission, RateClass, Role, ServiceName};

macro_rules! package {
    ($name:ident, $path:literal, $($lint:path),*) => {
        #[doc = concat!("Package `", $path, "`.")]
        pub mod $name {
            /// Version 1.
            #[expect($($lint),*, reason = "generated code")]
            pub mod v1 {
                tonic::include_proto!($path);
            }
        }
    };
}

package!(common, "switchboard.common.v1", missing_docs, clippy::pedantic);
package!(
    session,
    "switchboard.session.v1",
    missing_docs,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::large_enum_variant
);
package!(chat, "switchboard.chat.v1", missing_docs, clippy::pedantic, clippy::allow_attributes);
package!(regulator, "switchboard.regulator.v1", missing_docs, clippy::pedantic, clippy::allow_attributes);
package!(agentauth, "switchboard.agentauth.v1", missing_docs, clippy::pedantic, clippy::allow_attributes);
package!(audit, "switchboard.audit.v1", missing_docs, clippy::pedantic, clippy::allow_attributes);
package!(notifier, "switchboard.notifier.v1", missing_docs, clippy::pedantic, clippy::allow_attributes);

/// All protos, encoded, for gRPC reflection and for tests that walk them.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("switchboard_descriptor");

/// What every method declares with `(switchboard.access)`. A path that is not in here may not be called.
pub const ACCESS: &[Access] = include!(concat!(env!("OUT_DIR"), "/access.rs"));
