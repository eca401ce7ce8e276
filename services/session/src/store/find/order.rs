//! Orders of a list, and places in them.

use crate::store::rows::StoredDesk;
use std::cmp::Ordering;

/// An order of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// By rank; within that the last updated first.
    Standard,
    /// The last made first.
    Newest,
    /// The first made first.
    Oldest,
    /// VIPs first; within that the last updated first.
    Vip,
    /// Those who wait, the longest first; then the others, the last updated first.
    WaitTime,
    /// The last updated first.
    Updated,
}

/// A place in an order: everything after it comes on the next page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the order's parts.
    pub(crate) phase: usize,
    /// The time that the part is ordered by.
    pub(crate) key: i64,
    pub(crate) name: String,
    /// The search for a keyword stopped in the middle of this session: it goes on before this entry.
    pub(crate) inside: Option<i64>,
}

/// What of a session filters and orders it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Thin {
    pub(super) name: String,
    pub(super) list_rank: i64,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
    pub(super) due_at: Option<i64>,
    pub(super) agent_id: Option<String>,
    desk: String,
}

macro_rules! thin {
    ($rest:literal) => {
        concat!(
            "SELECT s.name, s.list_rank, s.created_at, s.updated_at, s.due_at, s.agent_id, s.desk FROM session s ",
            $rest
        )
    };
}

/// Sets: `$1` the value, `$2` how many at most.
pub(in crate::store) const OF_AGENT: &str = thin!("WHERE s.agent_id = $1 LIMIT $2");
pub(in crate::store) const OF_TAG: &str =
    thin!("JOIN session_tag t ON t.session = s.name WHERE t.tag = $1 ORDER BY t.session LIMIT $2");
/// Bounds instead of an equality, here and below: Postgres would take the rank for settled and then read the whole table,
/// or all sessions by their update, when it holds the rank for a common one. This order only one index has.
pub(in crate::store) const OF_RANK: &str = thin!(
    "WHERE s.list_rank >= $1 AND s.list_rank <= $1 ORDER BY s.list_rank, s.updated_at, s.name LIMIT $2"
);
/// `$3` is the end.
pub(in crate::store) const CREATED: &str = thin!("WHERE s.created_at >= $1 AND s.created_at < $3 LIMIT $2");
pub(super) const BY_NAME: &str = thin!("WHERE s.name = $1");

/// Runs of an index: `$1` and `$2` the place after which, `$3` how many, `$4` the run's own value.
pub(in crate::store) const RANKED: &str = thin!(
    "WHERE s.list_rank >= $4 AND (s.list_rank, s.updated_at, s.name) < ($4, $1, $2) \
     ORDER BY s.list_rank DESC, s.updated_at DESC, s.name DESC LIMIT $3"
);
pub(in crate::store) const UPDATED: &str =
    thin!("WHERE (s.updated_at, s.name) < ($1, $2) ORDER BY s.updated_at DESC, s.name DESC LIMIT $3");
pub(in crate::store) const NEWEST: &str = thin!(
    "WHERE (s.created_at, s.name) < ($1, $2) AND s.created_at >= $4 ORDER BY s.created_at DESC, s.name DESC LIMIT $3"
);
pub(in crate::store) const OLDEST: &str = thin!(
    "WHERE (s.created_at, s.name) > ($1, $2) AND s.created_at < $4 ORDER BY s.created_at, s.name LIMIT $3"
);
pub(in crate::store) const DUE: &str =
    thin!("WHERE s.due_at IS NOT NULL AND (s.due_at, s.name) > ($1, $2) ORDER BY s.due_at, s.name LIMIT $3");

impl Thin {
    pub(super) fn has_tag(&self, tag: &str) -> bool {
        // A row that cannot be read has no tags; whoever reads the whole session is told.
        StoredDesk::read(&self.desk).is_ok_and(|desk| desk.tags.iter().any(|one| one == tag))
    }
}

impl Order {
    /// Where a session stands.
    pub(super) fn place(self, row: &Thin) -> Place {
        let (phase, key) = match self {
            Self::Standard => (usize::try_from(9 - row.list_rank).unwrap_or_default(), row.updated_at),
            Self::Newest | Self::Oldest => (0, row.created_at),
            Self::Vip => (usize::from(row.list_rank < 5), row.updated_at),
            Self::WaitTime => row.due_at.map_or((1, row.updated_at), |due_at| (0, due_at)),
            Self::Updated => (0, row.updated_at),
        };
        Place { phase, key, name: row.name.clone(), inside: None }
    }

    /// Whether a part goes from early to late.
    pub(super) fn ascends(self, phase: usize) -> bool {
        match self {
            Self::Oldest => true,
            Self::WaitTime => phase == 0,
            Self::Standard | Self::Newest | Self::Vip | Self::Updated => false,
        }
    }

    /// Which of two places comes first.
    pub(super) fn compare(self, one: &Place, other: &Place) -> Ordering {
        one.phase.cmp(&other.phase).then_with(|| {
            let within = (one.key, &one.name).cmp(&(other.key, &other.name));
            if self.ascends(one.phase) { within } else { within.reverse() }
        })
    }

    /// The number on the wire of a page token.
    pub(crate) fn digit(self) -> u8 {
        match self {
            Self::Standard => 0,
            Self::Newest => 1,
            Self::Oldest => 2,
            Self::Vip => 3,
            Self::WaitTime => 4,
            Self::Updated => 5,
        }
    }
}

impl Place {
    pub(super) fn is_before(&self, order: Order, row: &Thin) -> bool {
        order.compare(self, &order.place(row)) == Ordering::Less
    }

    /// `<order>.<phase>.<key>.<inside or empty>.<name>`; opaque to clients.
    pub(crate) fn token(&self, order: Order) -> String {
        let inside = self.inside.map(|seq| seq.to_string()).unwrap_or_default();
        format!("{}.{}.{}.{inside}.{}", order.digit(), self.phase, self.key, self.name)
    }

    /// Reads a token of a page in this order.
    pub(crate) fn parse(token: &str, order: Order) -> Option<Self> {
        let mut parts = token.splitn(5, '.');
        let same = parts.next()?.parse() == Ok(order.digit());
        let (phase, key, inside, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let inside = if inside.is_empty() { None } else { Some(inside.parse().ok()?) };
        let (phase, key) = (phase.parse().ok()?, key.parse().ok()?);
        (same && !name.is_empty()).then(|| Self { phase, key, name: name.to_owned(), inside })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_round_trip_and_belong_to_their_order() {
        let place = Place { phase: 3, key: -7, name: "a.b:c".into(), inside: Some(12) };
        assert_eq!(Place::parse(&place.token(Order::Vip), Order::Vip), Some(place.clone()));
        assert_eq!(Place::parse(&place.token(Order::Vip), Order::Newest), None);
        let whole = Place { inside: None, ..place };
        assert_eq!(Place::parse(&whole.token(Order::Standard), Order::Standard), Some(whole));
        for broken in ["", "0", "0.1.2.3", "0.x.2..n", "0.1.2.y.n", "0.1.2.."] {
            assert_eq!(Place::parse(broken, Order::Standard), None, "{broken}");
        }
    }
}
