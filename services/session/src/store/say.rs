//! A customer writes.

use super::{Store, traceparent, unit::Unit};
use crate::{error::SessionError, store::rows::EntryRow};
use switchboard_db::{Tx, sql};
use switchboard_domain::{
    ClientMessageId, Entry, EntryBody, Language, Message, MessageId, MessageText, Principal, Sender, Seq,
    Session, SessionName, Status, TurnId,
    session::{Event, Profile, Reply, Via, apply},
};

/// What a customer wrote, and who says so.
#[derive(Debug, Clone)]
pub(crate) struct Utterance {
    pub(crate) session: SessionName,
    pub(crate) text: MessageText,
    pub(crate) client_message_id: Option<ClientMessageId>,
    pub(crate) via: Via,
    /// What a verified token says of the customer.
    pub(crate) profile: Option<Profile>,
    pub(crate) principal: Principal,
}

/// What happens to a message after it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The caller answers it: the turn begins.
    Begun(TurnId),
    /// Another turn runs.
    Behind(TurnId),
    /// A turn has it already.
    Covered(TurnId),
    /// A human answers.
    Human,
}

/// A kept message.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) session: Session,
    pub(crate) entries: Vec<Entry>,
    pub(crate) created: bool,
    pub(crate) replayed: bool,
    pub(crate) next: Next,
}

impl Store {
    /// Keeps a message and, if the bot answers, begins its turn: one commit.
    pub(crate) async fn say(&self, utterance: Utterance) -> Result<Said, SessionError> {
        let (store, trace) = (self.clone(), traceparent());
        let (said, committed) = self
            .db
            .transaction(move |tx| {
                Box::pin(async move {
                    let key = utterance.client_message_id.as_ref();
                    let unit = Unit::open_or_create(tx, store, &utterance.session, key, trace).await?;
                    say(unit, utterance).await
                })
            })
            .await?;
        if let Some(committed) = committed {
            self.announce(&committed);
        }
        Ok(said)
    }
}

async fn say(
    mut unit: Unit<'_>,
    utterance: Utterance,
) -> Result<(Said, Option<super::Committed>), SessionError> {
    let repeat = find_repeat(unit.tx, &utterance).await?;
    let created = may_have_token(&unit, &utterance.principal, utterance.client_message_id.as_ref())?;
    if let Some(entry) = repeat {
        let same = entry.message().is_some_and(|message| message.text == utterance.text.as_str());
        return if same { replay(unit, entry, created).await } else { Err(SessionError::KeyReused) };
    }
    know(&mut unit.session, &utterance);
    let step = apply(&unit.session, Event::CustomerSaid(utterance.via), unit.now)?;
    let reply = step.reply;
    let turn = (reply == Reply::Bot).then(|| TurnId::mint(&*unit.store.clock, &*unit.store.rng));
    // The message stands before what it causes.
    let id = MessageId::mint(&*unit.store.clock, &*unit.store.rng);
    let waiting =
        if unit.session.uncovered > 0 { uncovered(unit.tx, &unit.session).await? } else { Vec::new() };
    let place = unit.write(EntryBody::Message(Message {
        id,
        sender: Sender::Customer,
        text: utterance.text.into_string(),
        agent: None,
        client_message_id: utterance.client_message_id.map(|key| key.as_str().to_owned()),
        turn,
        sources: Vec::new(),
        interrupted: false,
    }));
    unit.take(step).await?;
    if unit.session.status == Status::PendingManual {
        unit.hear_more().await?;
    }
    unit.tell_owner(place).await?;
    let next = match (reply, turn, unit.session.turn) {
        (Reply::Bot, Some(turn), _) => {
            let covers = waiting.into_iter().chain([id]).collect();
            unit.begin_turn(turn, covers).await?;
            Next::Begun(turn)
        }
        (Reply::NextTurn, _, Some(running)) => {
            unit.session.uncovered += 1;
            Next::Behind(running)
        }
        _ => Next::Human,
    };
    let committed = unit.save().await?;
    let said = Said {
        session: committed.session.clone(),
        entries: committed.entries.clone(),
        created,
        replayed: false,
        next,
    };
    Ok((said, Some(committed)))
}

/// Whether the caller may have the visitor token: it made the session, or it is the one who made it and whose answer was
/// lost. Anybody else without a token is refused.
pub(super) fn may_have_token(
    unit: &Unit<'_>,
    principal: &Principal,
    key: Option<&ClientMessageId>,
) -> Result<bool, SessionError> {
    if *principal != Principal::Anonymous {
        super::authorize(principal, &unit.session.name)?;
        return Ok(false);
    }
    let same_key = key.is_some_and(|key| key.is_strong() && unit.opened_key.as_deref() == Some(key.as_str()));
    let in_time = unit.now.since(unit.session.created_at) <= unit.store.settings.reopen_window;
    if unit.created || (same_key && in_time) {
        return Ok(true);
    }
    Err(SessionError::TokenRequired)
}

async fn find_repeat(tx: &mut Tx, utterance: &Utterance) -> Result<Option<Entry>, SessionError> {
    let Some(key) = &utterance.client_message_id else { return Ok(None) };
    const FIND: &str =
        "SELECT seq, at, body FROM entry WHERE session = $1 AND sender = 'user' AND client_message_id = $2";
    let row: Option<EntryRow> =
        tx.fetch_optional(sql(FIND).bind(utterance.session.as_str()).bind(key.as_str())).await?;
    row.map(|row| row.into_entry(&utterance.session)).transpose()
}

/// The message was kept before. Says who answers it, and begins its turn if a crash left it without one.
async fn replay(
    mut unit: Unit<'_>,
    entry: Entry,
    created: bool,
) -> Result<(Said, Option<super::Committed>), SessionError> {
    let Some(message) = entry.message() else { return Err(SessionError::Corrupt { table: "entry" }) };
    let said = |session: Session, next| Said {
        session,
        entries: vec![entry.clone()],
        created,
        replayed: true,
        next,
    };
    let covering = match message.turn {
        Some(turn) => Some(turn),
        None => covering_turn(unit.tx, &unit.session.name, entry.seq, message.id).await?,
    };
    match (covering, unit.session.turn) {
        (Some(turn), _) => Ok((said(unit.session, Next::Covered(turn)), None)),
        (None, Some(running)) => Ok((said(unit.session, Next::Behind(running)), None)),
        (None, None) if unit.session.uncovered > 0 && unit.session.bot_answers() => {
            let turn = TurnId::mint(&*unit.store.clock, &*unit.store.rng);
            let covers = uncovered(unit.tx, &unit.session).await?;
            unit.begin_turn(turn, covers).await?;
            let committed = unit.save().await?;
            Ok((said(committed.session.clone(), Next::Begun(turn)), Some(committed)))
        }
        (None, None) => Ok((said(unit.session, Next::Human), None)),
    }
}

/// The turn that began after a message and covers it.
async fn covering_turn(
    tx: &mut Tx,
    session: &SessionName,
    after: Seq,
    message: MessageId,
) -> Result<Option<TurnId>, SessionError> {
    const TURNS: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'turn' AND seq > $2 \
                         ORDER BY seq LIMIT 50";
    let rows: Vec<EntryRow> = tx.fetch_all(sql(TURNS).bind(session.as_str()).bind(after.get())).await?;
    for row in rows {
        if let EntryBody::Turn(change) = row.into_entry(session)?.body
            && change.covers.contains(&message)
        {
            return Ok(Some(change.turn));
        }
    }
    Ok(None)
}

/// Customer messages that no turn and no human has seen.
pub(super) async fn uncovered(tx: &mut Tx, session: &Session) -> Result<Vec<MessageId>, SessionError> {
    const WAITING: &str = "SELECT seq, at, body FROM entry WHERE session = $1 AND kind = 'message' \
                           AND sender = 'user' AND seq > $2 ORDER BY seq";
    let rows: Vec<EntryRow> =
        tx.fetch_all(sql(WAITING).bind(session.name.as_str()).bind(session.covered.get())).await?;
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        ids.extend(row.into_entry(&session.name)?.message().map(|message| message.id));
    }
    Ok(ids)
}

/// Takes over what is known of the customer: what a token says wins, the language is guessed once.
fn know(session: &mut Session, utterance: &Utterance) {
    if let Some(profile) = &utterance.profile {
        let known = &mut session.profile;
        known.nickname = profile.nickname.clone().or_else(|| known.nickname.take());
        known.email = profile.email.clone().or_else(|| known.email.take());
        known.vip |= profile.vip;
        known.language = profile.language.or(known.language);
    }
    if session.profile.language.is_none() {
        session.profile.language = Language::detect(utterance.text.as_str());
    }
}
