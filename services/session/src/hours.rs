//! Working hours: what is published, kept in memory, and what it means for a customer who asks for a human now.

mod keeper;
mod service;
mod store;

pub(crate) use keeper::keep;
pub(crate) use service::HoursDesk;

use crate::error::SessionError;
use parking_lot::Mutex;
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use switchboard_boot::BuildError;
use switchboard_db::Db;
use switchboard_domain::{
    Language, Timestamp,
    hours::{Calendar, Hours, OriginalHours},
    session::Shop,
};
use tokio::{sync::Notify, time::Instant};

/// Table `[hours]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoursSettings {
    /// A file with calendars; none: one shift, from the five values below.
    #[serde(deserialize_with = "switchboard_boot::config::optional")]
    pub document: Option<String>,
    /// When the shift starts, `HH:MM`.
    pub shift_start: String,
    /// When it ends; before the start: on the next day.
    pub shift_end: String,
    /// IANA name.
    pub time_zone: String,
    /// Whether nobody works on Saturdays and Sundays.
    pub weekends_disabled: bool,
    /// Dates on which nobody works, `2026-12-25`.
    pub holidays: Vec<String>,
    /// How long hours that another replica has published may go unnoticed.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
    /// How often is looked for customers whose queue has opened or shut.
    #[serde(with = "humantime_serde")]
    pub check_interval: Duration,
    /// Sessions that one look takes at once.
    pub batch: u32,
}

impl HoursSettings {
    /// Rules that no single key can express.
    pub(crate) fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        if self.check_interval < Duration::from_millis(10) {
            problems.push(("hours.check_interval", "at least 10ms".into()));
        }
        if self.batch == 0 {
            problems.push(("hours.batch", "at least 1".into()));
        }
        problems
    }
}

/// Working hours as they are published.
#[derive(Debug)]
pub(crate) struct Published {
    /// 0: from the configuration.
    pub(crate) version: i64,
    pub(crate) document: String,
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    pub(crate) hours: Hours,
    /// What was wrong with the five values.
    pub(crate) warnings: Vec<String>,
}

impl Published {
    /// Whether somebody of a queue can come, and if not, from when on.
    pub(crate) fn shop(&self, queue: &str, now: Timestamp, language: Language) -> Shop {
        let calendar = self.hours.calendar(queue);
        if calendar.is_open(now) {
            return Shop::Open;
        }
        let opens = calendar.next_opening(now);
        Shop::Shut { opens, promise: opens.map(|opens| calendar.local_text(opens, language)) }
    }

    fn configured(document: String, hours: Hours, warnings: Vec<String>) -> Self {
        Self { version: 0, document, by: String::new(), at: Timestamp::default(), hours, warnings }
    }
}

/// The published hours, at most [`HoursSettings::refresh`] old. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct WorkingHours(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    db: Db,
    refresh: Duration,
    check_interval: Duration,
    batch: u32,
    current: Mutex<(Arc<Published>, Instant)>,
    changed: Notify,
}

impl WorkingHours {
    /// Reads the configuration and what was published.
    ///
    /// # Errors
    /// [`BuildError`] when the configured document or the database cannot be read.
    pub(crate) async fn open(db: Db, settings: &HoursSettings) -> Result<Self, BuildError> {
        let configured = Arc::new(configured(settings).await?);
        for warning in &configured.warnings {
            tracing::warn!(warning, "working hours of the configuration");
        }
        let inner = Inner {
            db,
            refresh: settings.refresh,
            check_interval: settings.check_interval,
            batch: settings.batch,
            current: Mutex::new((configured, Instant::now())),
            changed: Notify::new(),
        };
        let this = Self(Arc::new(inner));
        this.reload().await.map_err(|error| BuildError::new("the working hours cannot be read", error))?;
        Ok(this)
    }

    fn db(&self) -> &Db {
        &self.0.db
    }

    /// The hours that count now.
    ///
    /// # Errors
    /// [`SessionError::Db`] when they would be too old and cannot be read again.
    pub(crate) async fn current(&self) -> Result<Arc<Published>, SessionError> {
        let (known, read_at) = self.0.current.lock().clone();
        if read_at.elapsed() < self.0.refresh { Ok(known) } else { self.reload().await }
    }

    /// The hours that count, read from the database.
    pub(crate) async fn reload(&self) -> Result<Arc<Published>, SessionError> {
        let read_at = Instant::now();
        let known = Arc::clone(&self.0.current.lock().0);
        let newest = match store::newer(&self.0.db, known.version).await? {
            None => known,
            Some(row) => row.read().map_or(known, Arc::new),
        };
        self.keep(&newest, read_at);
        Ok(newest)
    }

    fn keep(&self, newest: &Arc<Published>, read_at: Instant) {
        let mut current = self.0.current.lock();
        let is_new = newest.version > current.0.version;
        if newest.version >= current.0.version {
            *current = (Arc::clone(newest), read_at);
        }
        drop(current);
        if is_new {
            self.0.changed.notify_waiters();
        }
    }
}

/// What counts until something is published.
async fn configured(settings: &HoursSettings) -> Result<Published, BuildError> {
    const UNREADABLE: &str = "hours.document cannot be used";
    if let Some(path) = &settings.document {
        let document =
            tokio::fs::read_to_string(path).await.map_err(|error| BuildError::new(UNREADABLE, error))?;
        let hours = Hours::parse(&document).map_err(|problems| {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            BuildError::new(UNREADABLE, format!("{path}: {}", told.join("; ")))
        })?;
        return Ok(Published::configured(document, hours, Vec::new()));
    }
    let (calendar, warnings) = Calendar::from_original(OriginalHours {
        shift_start: &settings.shift_start,
        shift_end: &settings.shift_end,
        time_zone: &settings.time_zone,
        weekends_disabled: settings.weekends_disabled,
        holidays: &settings.holidays.join(","),
    });
    let hours = Hours::of(calendar);
    Ok(Published::configured(hours.to_document(), hours, warnings))
}
