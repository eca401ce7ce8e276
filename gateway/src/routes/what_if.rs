//! What would other rules have done? Stored sessions are replayed by the regulator; the edge waits and tells the report.

mod report;

use super::{
    access::{Access, Group},
    rules::refused,
};
use crate::{
    error::{Failures, Problem},
    extract::Json,
    limits::Class,
    state::App,
    view::from_seconds,
};
use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, header};
use report::WhatIfReply;
use serde::{Deserialize, de::IgnoredAny};
use switchboard_domain::Permission;
use switchboard_proto::{
    convert::WireError,
    regulator::v1::{WhatIfRequest, what_if_request::Candidate, what_if_response::Event},
};
use utoipa::ToSchema;
use utoipa_axum::routes;

/// Largest report that is taken, in bytes: several times what the default `regulator.what_if.max_cases` makes.
const REPORT_MAX: usize = 16 * 1024 * 1024;

/// What is to be tried on which past.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct WhatIf {
    /// The rules to be tried, as YAML or JSON. Either this or `version`.
    document: Option<String>,
    /// The ordinal of a kept version to be tried.
    version: Option<i64>,
    /// The ordinal of the version that it is compared with; absent: the rules in force.
    base: Option<i64>,
    /// Sessions last touched from here on, seconds since the Unix epoch.
    since: f64,
    /// … and before here; absent: now.
    until: Option<f64>,
    /// At most so many sessions, newest first; absent: as many as `regulator.what_if.max_sessions` allows.
    limit: Option<u32>,
    /// For the predicted queue: how many agents serve at once; absent: `regulator.what_if.agents`.
    agents: Option<u32>,
    /// How long one takes, in seconds; absent: the median of the sessions replayed.
    handling_seconds: Option<f64>,
}

impl WhatIf {
    fn into_request(self) -> Result<WhatIfRequest, Problem> {
        let candidate = match (self.document, self.version) {
            (Some(document), None) => Candidate::Document(document),
            (None, Some(ordinal)) => Candidate::Ordinal(ordinal),
            (Some(_), Some(_)) => return Err(Problem::field("version", "give either document or version")),
            (None, None) => return Err(Problem::field("document", "give either document or version")),
        };
        let since_ms = milliseconds("since", self.since)?;
        let until_ms = self.until.map(|until| milliseconds("until", until)).transpose()?;
        if since_ms == 0 {
            return Err(Problem::field("since", "must be after the Unix epoch"));
        }
        if until_ms.is_some_and(|until| until <= since_ms) {
            return Err(Problem::field("until", "must be after since"));
        }
        for (name, number) in [("limit", self.limit), ("agents", self.agents)] {
            if number == Some(0) {
                return Err(Problem::field(name, "must be at least 1"));
            }
        }
        let handling =
            self.handling_seconds.map(|span| milliseconds("handling_seconds", span)).transpose()?;
        Ok(WhatIfRequest {
            candidate: Some(candidate),
            base: self.base.unwrap_or_default(),
            since_ms,
            until_ms: until_ms.unwrap_or_default(),
            limit: self.limit.unwrap_or_default(),
            agents: self.agents.unwrap_or_default(),
            handling_ms: handling.unwrap_or_default(),
        })
    }
}

fn milliseconds(name: &str, seconds: f64) -> Result<i64, Problem> {
    let told = "must be a number of seconds that is not negative";
    from_seconds(seconds).map(switchboard_domain::Timestamp::millis).ok_or_else(|| Problem::field(name, told))
}

/// The operations of this file.
pub(super) fn group(app: &App) -> Group {
    Group::new(app)
        .route(Access::Agent(Permission::RulesEdit), routes!(what_if))
        .within(app.settings.what_if_timeout)
        .drawing(Class::Write)
        .identified()
}

/// Replays stored sessions through two sets of rules and tells what would have been different: which sessions would newly,
/// or no longer, be handed over, and what that does to the queue. Changes nothing. `data` is the regulator's report byte by
/// byte, so that the same question about the same past has the same `report_digest`; its times are milliseconds.
#[utoipa::path(
    post, path = "/rules/what-if", tag = "rules", request_body = WhatIf,
    responses((status = 200, body = WhatIfReply), Failures)
)]
pub(crate) async fn what_if(State(app): State<App>, Json(body): Json<WhatIf>) -> Result<Response, Problem> {
    let request = body.into_request()?;
    let mut answers = app.peers.regulator().what_if(request).await.map_err(refused)?.into_inner();
    let mut report = String::new();
    while let Some(answer) = answers.message().await.map_err(refused)? {
        if let Some(Event::Report(piece)) = answer.event {
            report.push_str(&piece);
        }
        if report.len() > REPORT_MAX {
            return Err(WireError::new("what_if.report").into());
        }
    }
    // A stream that breaks off in the middle leaves half a report.
    if serde_json::from_str::<IgnoredAny>(&report).is_err() {
        return Err(Problem::broken());
    }
    let json = HeaderValue::from_static("application/json");
    Ok(([(header::CONTENT_TYPE, json)], format!("{{\"success\":true,\"data\":{report}}}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(body: WhatIf) -> String {
        let problem = body.into_request().unwrap_err();
        assert_eq!(problem.code(), "VALIDATION_ERROR");
        problem.errors()[0].loc[1].clone()
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let draft = || WhatIf { document: Some("{}".into()), since: 1.0, ..WhatIf::default() };
        let request = draft().into_request().unwrap();
        assert_eq!((request.since_ms, request.until_ms, request.base), (1000, 0, 0));
        assert_eq!(field(WhatIf { document: None, ..draft() }), "document");
        assert_eq!(field(WhatIf { version: Some(2), ..draft() }), "version");
        assert_eq!(field(WhatIf { since: 0.0, ..draft() }), "since");
        assert_eq!(field(WhatIf { since: f64::NAN, ..draft() }), "since");
        assert_eq!(field(WhatIf { until: Some(1.0), ..draft() }), "until");
        assert_eq!(field(WhatIf { limit: Some(0), ..draft() }), "limit");
        assert_eq!(field(WhatIf { agents: Some(0), ..draft() }), "agents");
        assert_eq!(field(WhatIf { handling_seconds: Some(-1.0), ..draft() }), "handling_seconds");
    }
}
