//! The corridor between the parts of the mesh: one [`Channel`] type over TCP and inside one process, one server stack
//! ([`guard()`]) that carries context, checks access, keeps deadlines and contains panics in both, and the only place
//! that knows gRPC codes ([`status`]).

pub mod channel;
pub mod context;
pub mod directory;
pub mod guard;
pub mod outgoing;
pub mod remote;
pub mod reply;
pub mod serve;
pub mod status;
pub mod trace;

pub use channel::{Channel, loopback};
pub use context::CallContext;
pub use directory::{CALLS, Directory, UnknownPeer};
pub use guard::{Guarded, ServerStack, guard};
pub use outgoing::Outgoing;
pub use remote::{AddressError, CallerSide, RemoteSettings, Upkeep, remote};
pub use reply::{Fail, reply};
pub use serve::{Grpc, Mounted, ServeError, ServeSettings, Services, mount, serve};
pub use trace::TraceContext;
