//! What every handler may use, made once.

use crate::{
    admission::Admissions, config::Settings, error::GatewayError, identity::Identities,
    layers::SecurityHeaders, limits::Limits, request::Network, routes::health::Monitor, sse::Streams,
};
use std::{ops::Deref, sync::Arc};
use switchboard_boot::{BuildError, Deps, Lifecycle};
use switchboard_coord::Coord;
use switchboard_domain::{Clock, Rng, ServiceName};
use switchboard_mesh::{CallContext, Channel, directory::peers_of};
use switchboard_proto::{
    agentauth::v1::{
        accounts_service_client::AccountsServiceClient, agent_auth_service_client::AgentAuthServiceClient,
        login_service_client::LoginServiceClient,
    },
    audit::v1::audit_service_client::AuditServiceClient,
    chat::v1::chat_service_client::ChatServiceClient,
    notifier::v1::notifier_service_client::NotifierServiceClient,
    regulator::v1::regulator_service_client::RegulatorServiceClient,
    session::v1::{
        desk_service_client::DeskServiceClient, floor_service_client::FloorServiceClient,
        hours_service_client::HoursServiceClient, session_service_client::SessionServiceClient,
        signal_service_client::SignalServiceClient, tools_service_client::ToolsServiceClient,
    },
};

/// What every handler may use. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Parts>);

/// The inside of [`App`].
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    /// Networks whose `X-Forwarded-For` is believed.
    pub(crate) trusted: Vec<Network>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) tasks: Lifecycle,
    pub(crate) peers: Peers,
    pub(crate) identities: Identities,
    pub(crate) limits: Limits,
    pub(crate) admissions: Admissions,
    pub(crate) streams: Streams,
    pub(crate) monitor: Monitor,
    pub(crate) headers: SecurityHeaders,
}

/// The peers, by name.
#[derive(Clone)]
pub(crate) struct Peers {
    pub(crate) session: Channel,
    pub(crate) chat: Channel,
    pub(crate) auth: Channel,
    pub(crate) regulator: Channel,
    pub(crate) notifier: Channel,
    /// All of them, for health.
    pub(crate) all: Vec<(ServiceName, Channel)>,
}

impl Peers {
    /// Looks everybody up.
    ///
    /// # Errors
    /// [`BuildError`] when the call graph does not know one of them.
    pub(crate) fn new(deps: &Deps) -> Result<Self, BuildError> {
        let all: Result<Vec<_>, BuildError> =
            peers_of(ServiceName::Gateway).iter().map(|name| Ok((*name, deps.peer(*name)?))).collect();
        Ok(Self {
            session: deps.peer(ServiceName::Session)?,
            chat: deps.peer(ServiceName::ChatGateway)?,
            auth: deps.peer(ServiceName::AgentAuth)?,
            regulator: deps.peer(ServiceName::Regulator)?,
            notifier: deps.peer(ServiceName::Notifier)?,
            all: all?,
        })
    }

    /// The session service.
    pub(crate) fn session(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.session.clone())
    }

    /// The working hours, kept by the session service.
    pub(crate) fn hours(&self) -> HoursServiceClient<Channel> {
        HoursServiceClient::new(self.session.clone())
    }

    /// The conductor.
    pub(crate) fn chat(&self) -> ChatServiceClient<Channel> {
        ChatServiceClient::new(self.chat.clone())
    }

    /// Keys and visitor tokens.
    pub(crate) fn auth(&self) -> AgentAuthServiceClient<Channel> {
        AgentAuthServiceClient::new(self.auth.clone())
    }

    /// Logins, and one's own account.
    pub(crate) fn login(&self) -> LoginServiceClient<Channel> {
        LoginServiceClient::new(self.auth.clone())
    }

    /// Other people's accounts, roles, API keys.
    pub(crate) fn accounts(&self) -> AccountsServiceClient<Channel> {
        AccountsServiceClient::new(self.auth.clone())
    }

    /// The whole floor: lists, queue, statistics.
    pub(crate) fn floor(&self) -> FloorServiceClient<Channel> {
        FloorServiceClient::new(self.session.clone())
    }

    /// What a part has on record about what people did.
    pub(crate) fn audit(&self, part: ServiceName) -> Option<AuditServiceClient<Channel>> {
        let (_, channel) = self.all.iter().find(|(name, _)| *name == part)?;
        Some(AuditServiceClient::new(channel.clone()))
    }

    /// What agents do with sessions.
    pub(crate) fn desk(&self) -> DeskServiceClient<Channel> {
        DeskServiceClient::new(self.session.clone())
    }

    /// What helps agents.
    pub(crate) fn tools(&self) -> ToolsServiceClient<Channel> {
        ToolsServiceClient::new(self.session.clone())
    }

    /// Typing and receipts.
    pub(crate) fn signals(&self) -> SignalServiceClient<Channel> {
        SignalServiceClient::new(self.session.clone())
    }

    /// When a human is needed.
    pub(crate) fn regulator(&self) -> RegulatorServiceClient<Channel> {
        RegulatorServiceClient::new(self.regulator.clone())
    }

    /// What goes out of the house.
    pub(crate) fn notifier(&self) -> NotifierServiceClient<Channel> {
        NotifierServiceClient::new(self.notifier.clone())
    }
}

impl std::fmt::Debug for Peers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.iter().map(|(name, _)| name)).finish()
    }
}

impl App {
    /// Puts everything together.
    ///
    /// # Errors
    /// [`GatewayError`] when a setting cannot be used.
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        tasks: Lifecycle,
        peers: Peers,
        coord: &Coord,
    ) -> Result<Self, GatewayError> {
        Ok(Self(Arc::new(Parts {
            headers: SecurityHeaders::new(&settings)?,
            identities: Identities::new(&settings, &peers, &clock, &rng),
            limits: Limits::new(&settings.rate, coord),
            admissions: Admissions::new(&settings.admission),
            streams: Streams::new(&settings.sse),
            monitor: Monitor::default(),
            trusted: settings.trusted_proxies.iter().filter_map(|text| Network::parse(text)).collect(),
            settings,
            clock,
            rng,
            tasks,
            peers,
        })))
    }

    /// The context of the running request.
    pub(crate) fn context(&self) -> CallContext {
        CallContext::current()
            .unwrap_or_else(|| CallContext::background(ServiceName::Gateway, &*self.clock, &*self.rng))
    }
}

impl Deref for App {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}
