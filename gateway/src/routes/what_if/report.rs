//! What a report looks like, for the description of the API. The regulator writes it and the edge passes it on as it is.

use utoipa::ToSchema;

/// What would have been different.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
pub(super) struct WhatIfReply {
    success: bool,
    data: WhatIfReport,
}

/// What two sets of rules do differently with the same past.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfReport {
    base: WhatIfRules,
    draft: WhatIfRules,
    since_ms: i64,
    until_ms: i64,
    /// Sessions that were replayed, the turns in them, and sessions of which only the beginning was.
    sessions: u64,
    turns: u64,
    cut: u64,
    /// There were more sessions than may be replayed: the oldest were left out.
    limited: bool,
    /// Sessions in which a human is called.
    escalated: WhatIfEscalated,
    by_rule: Vec<WhatIfRule>,
    newly_escalated: WhatIfCases,
    no_longer_escalated: WhatIfCases,
    /// Both call a human, the draft earlier, later, or at the same place by another rule.
    earlier: WhatIfCases,
    later: WhatIfCases,
    other_rule: WhatIfCases,
    queue: WhatIfQueues,
    /// SHA-256 of everything that was replayed.
    input_digest: String,
    /// SHA-256 of the report without this member.
    report_digest: String,
}

/// One of the two sets of rules.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfRules {
    version: String,
    digest: String,
}

/// Numbers of sessions.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfEscalated {
    base: u64,
    draft: u64,
    /// In reality, for whatever reason.
    on_record: u64,
}

/// Numbers of sessions by the rule that decides.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfRule {
    rule: String,
    base: u64,
    draft: u64,
}

/// Sessions with the same difference.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfCases {
    /// All of them.
    count: u64,
    /// The first ones by time.
    cases: Vec<WhatIfCase>,
}

/// One session.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfCase {
    session: String,
    base: Option<WhatIfCall>,
    draft: Option<WhatIfCall>,
}

/// Where a human is called, and why.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfCall {
    at_ms: i64,
    /// Which stretch of the bot, and which turn in it, both from 1.
    episode: u64,
    turn: u32,
    /// `before_model` or `after_answer`.
    phase: String,
    rule: String,
    severity: String,
    evidence: Vec<String>,
    excerpt: String,
}

/// The queue under both.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfQueues {
    agents: u32,
    handling_ms: i64,
    /// `given`, `median` or `default`.
    handling_from: String,
    base: WhatIfQueue,
    draft: WhatIfQueue,
}

/// A predicted queue.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the regulator writes")]
struct WhatIfQueue {
    /// Customers who are handed over: by a rule, or because they asked.
    arrivals: u64,
    /// The same for each hour of the day, UTC.
    by_hour_utc: Vec<u64>,
    /// How many of them wait at all.
    waited: u64,
    max_wait_ms: i64,
    mean_wait_ms: i64,
    /// Most who wait at the same time.
    most_waiting: u64,
}
