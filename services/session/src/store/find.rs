//! Finding sessions by filter and order. The cost of a page does not grow with the number of sessions: an index gives the
//! order, or the filter gives few enough sessions to be sorted; where neither does, a bounded number is looked at and the
//! page says that it is partial.

pub(super) mod keyword;
pub(super) mod order;
mod stream;

pub(crate) use order::{Order, Place};

use super::{
    Store,
    summaries::Listed,
    tally::{RANKS, rank},
};
use crate::error::SessionError;
use order::Thin;
use std::collections::VecDeque;
use stream::Stream;
use switchboard_db::{Statement, sql};
use switchboard_domain::{AgentId, Status};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) status: Option<Status>,
    pub(crate) agent: Option<AgentId>,
    pub(crate) unassigned: bool,
    pub(crate) vip: Option<bool>,
    /// Half-open span of the creation.
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    /// In lower case; empty for none.
    pub(crate) keyword: String,
    pub(crate) tag: Option<String>,
    pub(crate) order: Order,
    pub(crate) limit: usize,
    pub(crate) offset: usize,
    pub(crate) after: Option<Place>,
}

/// A page.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) sessions: Vec<Listed>,
    /// Where the next page goes on.
    pub(crate) next: Option<Place>,
    pub(crate) total: i64,
    pub(crate) total_exact: bool,
    /// It stopped before the end because it had looked at enough.
    pub(crate) partial: bool,
}

/// Where rows come from, in the order asked for.
enum Source {
    /// All that an index knows, filtered and sorted.
    Few(std::vec::IntoIter<Thin>),
    /// One by one, in the order of an index.
    Many(Box<Stream>),
}

/// Names of a page, and how the search for them ended.
struct Picked {
    names: Vec<String>,
    last: Option<Place>,
    more: bool,
    partial: bool,
}

impl Query {
    /// The ranks that its status, its VIPs and its owner allow.
    fn ranks(&self) -> Vec<i64> {
        let fits = |status: Status, vip: bool| {
            self.status.is_none_or(|wanted| wanted == status)
                && self.vip.is_none_or(|wanted| wanted == vip)
                && !(self.unassigned && status == Status::ManualLive)
                && !(self.agent.is_some() && status != Status::ManualLive)
        };
        let all = Status::ALL.into_iter().flat_map(|status| [(status, false), (status, true)]);
        let mut ranks: Vec<i64> =
            all.filter(|(status, vip)| fits(*status, *vip)).map(|(status, vip)| rank(status, vip)).collect();
        ranks.sort_unstable_by(|one, other| other.cmp(one));
        ranks
    }

    /// Whether a row is what is asked for, words aside.
    fn fits(&self, row: &Thin, ranks: &[i64]) -> bool {
        ranks.contains(&row.list_rank)
            && self.since.is_none_or(|since| row.created_at >= since)
            && self.until.is_none_or(|until| row.created_at < until)
            && self.agent.is_none_or(|agent| row.agent_id.as_deref() == Some(agent.to_string().as_str()))
            && self.tag.as_ref().is_none_or(|tag| row.has_tag(tag))
    }

    fn spans_creation(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    /// Whether an index gives exactly these sessions in this order.
    fn is_native(&self, ranks: &[i64]) -> bool {
        let by_creation = matches!(self.order, Order::Newest | Order::Oldest);
        self.agent.is_none()
            && self.tag.is_none()
            && if by_creation { ranks.len() == RANKS } else { !self.spans_creation() }
    }
}

impl Store {
    /// One page of the sessions that are asked for.
    pub(crate) async fn find(&self, query: &Query) -> Result<Found, SessionError> {
        let ranks = query.ranks();
        let counts = self.ranks().await?;
        let (source, known) = self.source(query, &ranks, &counts).await?;
        let is_few = matches!(source, Source::Few(_));
        let picked = self.pick(query, &ranks, source).await?;
        let seen =
            i64::try_from(query.offset + picked.names.len()).unwrap_or(i64::MAX) + i64::from(picked.more);
        let whole = query.after.is_none() && !picked.more && !picked.partial;
        let (total, total_exact) = match known {
            Some(total) if query.keyword.is_empty() => total,
            _ => (seen, whole && (query.offset == 0 || !picked.names.is_empty())),
        };
        Ok(Found {
            sessions: self.listed(&picked.names).await?,
            next: picked.last.filter(|_| picked.more || picked.partial),
            total,
            total_exact: total_exact || (is_few && known.is_some() && query.keyword.is_empty()),
            partial: picked.partial,
        })
    }

    /// Chooses the cheapest source; with how many match, if that is known, and whether exactly.
    async fn source(
        &self,
        query: &Query,
        ranks: &[i64],
        counts: &[i64; RANKS],
    ) -> Result<(Source, Option<(i64, bool)>), SessionError> {
        let after = query.after.clone();
        let stream = |after| Source::Many(Box::new(Stream::new(query, ranks, after)));
        let of_ranks: i64 = ranks.iter().filter_map(|rank| counts.get(usize::try_from(*rank).ok()?)).sum();
        if query.is_native(ranks) {
            let total =
                if query.spans_creation() { self.count_created(query).await? } else { (of_ranks, true) };
            return Ok((stream(after), Some(total)));
        }
        let Some(mut rows) = self.few(query, ranks, of_ranks).await? else {
            return Ok((stream(after), None));
        };
        rows.retain(|row| query.fits(row, ranks));
        rows.sort_by(|one, other| query.order.compare(&query.order.place(one), &query.order.place(other)));
        let total = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        if let Some(after) = &after {
            let first = |row: &Thin| after.is_before(query.order, row);
            rows.retain(first);
        }
        Ok((Source::Few(rows.into_iter()), Some((total, true))))
    }

    /// All rows of the narrowest filter that has an index, if they are few.
    async fn few(
        &self,
        query: &Query,
        ranks: &[i64],
        of_ranks: i64,
    ) -> Result<Option<Vec<Thin>>, SessionError> {
        let most = self.settings.find.scan_sessions;
        if let Some(agent) = query.agent {
            return self.if_few(sql(order::OF_AGENT).bind(agent.to_string()), most).await;
        }
        if let Some(tag) = &query.tag
            && let Some(rows) = self.if_few(sql(order::OF_TAG).bind(tag), most).await?
        {
            return Ok(Some(rows));
        }
        if query.spans_creation() {
            let (since, until) = (query.since.unwrap_or(i64::MIN), query.until.unwrap_or(i64::MAX));
            // The limit stands where the others have it.
            let created = sql(order::CREATED).bind(since).bind(i64::from(most) + 1).bind(until);
            let rows: Vec<Thin> = self.db.fetch_all(created).await?;
            if rows.len() <= most as usize {
                return Ok(Some(rows));
            }
        }
        if of_ranks > i64::from(most) {
            return Ok(None);
        }
        let mut rows = Vec::new();
        for rank in ranks {
            rows.extend(self.if_few(sql(order::OF_RANK).bind(*rank), most).await?.unwrap_or_default());
        }
        Ok(Some(rows))
    }

    async fn if_few(&self, statement: Statement, most: u32) -> Result<Option<Vec<Thin>>, SessionError> {
        let rows: Vec<Thin> = self.db.fetch_all(statement.bind(i64::from(most) + 1)).await?;
        Ok((rows.len() <= most as usize).then_some(rows))
    }

    /// How many were created in the span, counted up to a bound.
    async fn count_created(&self, query: &Query) -> Result<(i64, bool), SessionError> {
        const COUNT: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM session WHERE created_at >= $1 \
                             AND created_at < $2 LIMIT $3) AS counted";
        let most = i64::from(self.settings.find.scan_sessions);
        let (since, until) = (query.since.unwrap_or(i64::MIN), query.until.unwrap_or(i64::MAX));
        let (count,): (i64,) = self.db.fetch_one(sql(COUNT).bind(since).bind(until).bind(most + 1)).await?;
        Ok((count.min(most), count <= most))
    }

    /// Takes the names of a page from its source.
    async fn pick(&self, query: &Query, ranks: &[i64], mut source: Source) -> Result<Picked, SessionError> {
        let mut picked = Picked { names: Vec::new(), last: None, more: false, partial: false };
        let mut words = keyword::Words::new(query, self.settings.find.scan_messages);
        let (mut skip, mut looked) = (query.offset, 0_u32);
        if let Some((place, before)) = query.after.as_ref().and_then(|place| Some((place, place.inside?))) {
            if self.hits_inside(query, &place.name, before, &mut words).await? {
                picked.names.push(place.name.clone());
            }
            picked.last = Some(Place { inside: words.stopped_in(), ..place.clone() });
        }
        let mut ahead = VecDeque::new();
        while !words.is_tired() {
            if ahead.is_empty() {
                let room = self.settings.find.scan_sessions.saturating_sub(looked);
                ahead = self.read_ahead(query, ranks, &mut source, &mut words, room).await?;
            }
            let Some(row) = ahead.pop_front() else { return Ok(picked) };
            looked += 1;
            let (fits, place) = (query.fits(&row, ranks), query.order.place(&row));
            let hit = fits && words.hits(self, &row.name).await?;
            if hit && skip == 0 && picked.names.len() == query.limit {
                picked.more = true;
                return Ok(picked);
            }
            picked.last = Some(Place { inside: words.stopped_in(), ..place });
            if hit && skip > 0 {
                skip -= 1;
            } else if hit {
                picked.names.push(row.name);
            }
            if source.is_bounded(query, ranks) && looked >= self.settings.find.scan_sessions {
                break;
            }
        }
        picked.partial = true;
        Ok(picked)
    }

    /// The rows that come next, up to `room` but one at least, with what is needed to look for the word in those that
    /// fit.
    async fn read_ahead(
        &self,
        query: &Query,
        ranks: &[i64],
        source: &mut Source,
        words: &mut keyword::Words,
        room: u32,
    ) -> Result<VecDeque<Thin>, SessionError> {
        let (mut rows, mut fitting) = (VecDeque::new(), Vec::new());
        while let Some(row) = source.next(self).await? {
            if query.fits(&row, ranks) {
                fitting.push(row.name.clone());
            }
            rows.push_back(row);
            if fitting.len() >= words.at_once() || rows.len() >= room as usize {
                break;
            }
        }
        words.read_ahead(self, &fitting).await?;
        Ok(rows)
    }

    /// Goes on in the session in which the last page stopped to look.
    async fn hits_inside(
        &self,
        query: &Query,
        name: &str,
        before: i64,
        words: &mut keyword::Words,
    ) -> Result<bool, SessionError> {
        let Some(row) = self.thin(name).await? else { return Ok(false) };
        Ok(query.fits(&row, &query.ranks()) && words.hits_before(self, name, before).await?)
    }

    async fn thin(&self, name: &str) -> Result<Option<Thin>, SessionError> {
        Ok(self.db.fetch_optional(sql(order::BY_NAME).bind(name)).await?)
    }
}

// === impl Source ===

impl Source {
    async fn next(&mut self, store: &Store) -> Result<Option<Thin>, SessionError> {
        match self {
            Self::Few(rows) => Ok(rows.next()),
            Self::Many(stream) => stream.next(store).await,
        }
    }

    /// Whether rows that do not fit may be many.
    fn is_bounded(&self, query: &Query, ranks: &[i64]) -> bool {
        matches!(self, Self::Many(_)) && !query.is_native(ranks)
    }
}
