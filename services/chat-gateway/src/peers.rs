//! The peers of the conductor, and on whose behalf they are called.

use crate::error::ChatError;
use std::future::Future;
use switchboard_boot::{BuildError, Deps};
use switchboard_domain::{Principal, ServiceName};
use switchboard_mesh::{CallContext, Channel};
use switchboard_proto::{
    regulator::v1::regulator_service_client::RegulatorServiceClient,
    session::v1::session_service_client::SessionServiceClient,
};

/// The peers of the conductor.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    pub(crate) session: SessionServiceClient<Channel>,
    pub(crate) regulator: RegulatorServiceClient<Channel>,
}

impl Peers {
    pub(crate) fn new(deps: &Deps) -> Result<Self, BuildError> {
        Ok(Self {
            session: SessionServiceClient::new(deps.peer(ServiceName::Session)?),
            regulator: RegulatorServiceClient::new(deps.peer(ServiceName::Regulator)?),
        })
    }
}

/// Makes a call as the conductor itself, inside the running request.
pub(crate) async fn as_myself<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, ChatError> {
    let response = match CallContext::current() {
        Some(context) => context.acting_as(Principal::Service(crate::NAME)).scope(call).await,
        None => call.await,
    };
    Ok(response?.into_inner())
}
