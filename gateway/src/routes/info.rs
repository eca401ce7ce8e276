//! What may be known by everybody: who answers here.

use crate::{
    error::{Failures, Problem},
    state::App,
};
use axum::{Json as Answer, extract::State};
use serde::Serialize;
use switchboard_proto::chat::v1::{GetBotRequest, GetBotResponse};
use utoipa::ToSchema;

/// The bot, as pages show it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BotReply {
    success: bool,
    bot: BotView,
}

/// The inside of [`BotReply`].
#[derive(Debug, Serialize, ToSchema)]
struct BotView {
    name: String,
    description: String,
    icon_url: String,
    welcome: String,
    workflow_id: String,
}

/// What a page needs to know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConfigReply {
    app_id: String,
    workflow_id: String,
    /// `OAUTH_JWT`, `API_KEY` or `NONE`.
    auth_mode: &'static str,
    /// Whether each session has a conversation of its own; always.
    session_isolation: bool,
}

/// Tells who answers here.
#[utoipa::path(
    get, path = "/bot/info", tag = "info",
    responses((status = 200, body = BotReply), Failures)
)]
pub(crate) async fn bot(State(app): State<App>) -> Result<Answer<BotReply>, Problem> {
    let found = find(&app).await?;
    let profile = found.profile.unwrap_or_default();
    Ok(Answer(BotReply {
        success: true,
        bot: BotView {
            name: profile.name,
            description: profile.description,
            icon_url: profile.icon_url,
            welcome: profile.welcome,
            workflow_id: found.workflow_id,
        },
    }))
}

/// Tells how the model is reached.
#[utoipa::path(
    get, path = "/config", tag = "info",
    responses((status = 200, body = ConfigReply), Failures)
)]
pub(crate) async fn config(State(app): State<App>) -> Result<Answer<ConfigReply>, Problem> {
    let found = find(&app).await?;
    Ok(Answer(ConfigReply {
        auth_mode: auth_mode(&found.provider),
        app_id: found.app_id,
        workflow_id: found.workflow_id,
        session_isolation: true,
    }))
}

async fn find(app: &App) -> Result<GetBotResponse, Problem> {
    Ok(app.peers.chat().get_bot(GetBotRequest {}).await?.into_inner())
}

/// How we identify ourselves to the vendor, in the words of the original.
pub(crate) fn auth_mode(provider: &str) -> &'static str {
    match provider {
        "coze" => "OAUTH_JWT",
        "openai" => "API_KEY",
        _ => "NONE",
    }
}
