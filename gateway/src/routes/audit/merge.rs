//! Several chains, each newest first, read as one. A position in all of them is one cursor.

use crate::{error::Problem, state::App};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::future::try_join_all;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};
use switchboard_domain::{ErrorKind, ServiceName};
use switchboard_mesh::status::from_status;
use switchboard_proto::audit::v1::{ListRequest, Record};
use tonic::{Code, Status};

/// Most records that a part gives at once.
const BATCH: usize = 200;

/// Which records are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) object: String,
    pub(super) since_ms: Option<i64>,
    pub(super) until_ms: Option<i64>,
}

/// What of each chain was told already: everything from this `seq` on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cursor(BTreeMap<ServiceName, i64>);

/// Records and what belongs to them.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) records: Vec<(ServiceName, Record)>,
    /// Absent at the end.
    pub(super) next: Option<Cursor>,
    pub(super) sources: Vec<ServiceName>,
}

impl Cursor {
    /// Reads what [`fmt::Display`] wrote.
    ///
    /// # Errors
    /// 400 `INVALID_CURSOR`.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let pairs = text.split(',').map(|pair| {
                let (part, seq) = pair.split_once('=')?;
                Some((part.parse::<ServiceName>().ok()?, seq.parse::<i64>().ok().filter(|seq| *seq > 0)?))
            });
            pairs.collect::<Option<_>>().map(Self)
        };
        let told = "the cursor is none that this server gave";
        read().ok_or_else(|| Problem::new(ErrorKind::Invalid, "INVALID_CURSOR", told))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(part, seq)| format!("{}={seq}", part.as_str())).collect();
        f.write_str(&URL_SAFE_NO_PAD.encode(pairs.join(",")))
    }
}

/// The parts that may keep a log.
pub(super) fn parts(app: &App) -> Vec<ServiceName> {
    app.peers.all.iter().map(|(name, _)| *name).collect()
}

/// Whether a refusal means that the part keeps no log.
pub(super) fn is_missing(status: &Status) -> bool {
    status.code() == Code::Unimplemented || from_status(status).code == "UNKNOWN_METHOD"
}

/// One chain while it is merged.
struct Chain {
    part: ServiceName,
    ahead: VecDeque<Record>,
    has_more: bool,
    /// Everything from here on was taken.
    before: Option<i64>,
}

/// Reads up to `limit` records from all chains.
///
/// # Errors
/// Those of the parts: a log with holes that nobody sees is worse than none.
pub(super) async fn gather(
    app: &App,
    filter: &Filter,
    cursor: Cursor,
    limit: usize,
) -> Result<Page, Problem> {
    let wanted = limit.min(BATCH);
    let begun = parts(app).into_iter().map(|part| {
        let chain =
            Chain { part, ahead: VecDeque::new(), has_more: true, before: cursor.0.get(&part).copied() };
        begin(app, filter, chain, wanted)
    });
    let mut chains: Vec<Chain> = try_join_all(begun).await?.into_iter().flatten().collect();
    let mut records = Vec::new();
    while records.len() < limit {
        for chain in &mut chains {
            if chain.ahead.is_empty() && chain.has_more {
                fill(app, filter, chain, wanted).await?;
            }
        }
        let Some(taken) = take(&mut chains) else { break };
        records.push(taken);
    }
    let is_rest = chains.iter().any(|chain| chain.has_more || !chain.ahead.is_empty());
    let told = chains.iter().filter_map(|chain| Some((chain.part, chain.before?)));
    // Parts that were away from the list keep their place in it.
    let next = Cursor(cursor.0.into_iter().chain(told).collect());
    let sources = chains.iter().map(|chain| chain.part).collect();
    Ok(Page { records, next: is_rest.then_some(next), sources })
}

/// Takes the newest record that is ahead. Of equally old ones the part whose name comes first is asked first, so that a
/// page is the same each time.
fn take(chains: &mut [Chain]) -> Option<(ServiceName, Record)> {
    let newest = chains.iter_mut().filter(|chain| !chain.ahead.is_empty()).reduce(|best, chain| {
        let at = |chain: &Chain| chain.ahead.front().map(|record| record.at_ms);
        if at(chain) > at(best) { chain } else { best }
    })?;
    let record = newest.ahead.pop_front()?;
    newest.before = Some(record.seq);
    Some((newest.part, record))
}

/// A chain with its first records; `None` when the part keeps no log.
async fn begin(
    app: &App,
    filter: &Filter,
    mut chain: Chain,
    wanted: usize,
) -> Result<Option<Chain>, Problem> {
    match read(app, filter, &mut chain, wanted).await {
        Ok(()) => Ok(Some(chain)),
        Err(status) if is_missing(&status) => Ok(None),
        Err(status) => Err(status.into()),
    }
}

async fn fill(app: &App, filter: &Filter, chain: &mut Chain, wanted: usize) -> Result<(), Problem> {
    Ok(read(app, filter, chain, wanted).await?)
}

async fn read(app: &App, filter: &Filter, chain: &mut Chain, wanted: usize) -> Result<(), Status> {
    let Some(mut audit) = app.peers.audit(chain.part) else { return Ok(()) };
    let request = ListRequest {
        limit: u32::try_from(wanted).unwrap_or(u32::MAX),
        before_seq: chain.before,
        since_ms: filter.since_ms,
        until_ms: filter.until_ms,
        actor: filter.actor.clone(),
        action: filter.action.clone(),
        object: filter.object.clone(),
    };
    let told = audit.list(request).await?.into_inner();
    // A part that says "more" and gives nothing would be asked for ever.
    chain.has_more = told.has_more && !told.records.is_empty();
    chain.ahead.extend(told.records);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor(BTreeMap::from([(ServiceName::Session, 7), (ServiceName::AgentAuth, 120)]));
        assert_eq!(Cursor::parse(&cursor.to_string()).unwrap(), cursor);
        for bad in ["session=7", "c2Vzc2lvbj0tMQ", "c2Vzc2lvbj0w", "Z2hvc3Q9MQ", "*", "c2Vzc2lvbg"] {
            assert_eq!(Cursor::parse(bad).unwrap_err().code(), "INVALID_CURSOR", "{bad}");
        }
    }
}
