//! The first key and the first admin.

use crate::{
    AgentAuthError,
    account::{NewAdmin, Username},
    config::Settings,
    hashing::Hasher,
    key::NewKey,
    password,
    store::Store,
};
use secrecy::{ExposeSecret as _, SecretString};
use switchboard_domain::{AgentId, Clock, ErrorKind, Rng};
use switchboard_mesh::reply::chain;

/// What the process that made the first admin has to tell.
#[derive(Debug)]
pub(crate) struct FirstAdmin {
    username: Username,
    /// `None` when the operator chose it.
    one_time_password: Option<SecretString>,
}

impl FirstAdmin {
    /// The line for the operator's terminal. Shows the password: it belongs nowhere else.
    pub(crate) fn announcement(&self) -> String {
        let name = self.username.as_str();
        match &self.one_time_password {
            Some(password) => format!(
                "first admin: {name}  one-time password: {}  (change it at first login)",
                password.expose_secret()
            ),
            None => format!("first admin: {name}  password: as set in agent_auth.admin_password"),
        }
    }
}

/// Makes the first key where there is none and the first admin where there is no account. Of many processes that do so
/// at once, one makes them; only that one gets an answer.
///
/// # Errors
/// [`AgentAuthError::Db`] when the store stays away, or what making keys and hashing passwords can fail with.
pub(crate) async fn run(
    store: &Store,
    settings: &Settings,
    hasher: &Hasher,
    clock: &dyn Clock,
    rng: &dyn Rng,
) -> Result<Option<FirstAdmin>, AgentAuthError> {
    if store.has_begun().await? {
        return Ok(None);
    }
    let username = Username::parse(&settings.admin_username).ok_or(AgentAuthError::AdminUsername)?;
    let chosen = settings.chosen_password();
    let password = chosen.cloned().unwrap_or_else(|| password::random(rng));
    let now = clock.now();
    let admin = NewAdmin {
        id: AgentId::mint(clock, rng),
        username: username.clone(),
        password_hash: hasher.hash(password.clone()).await?,
        must_change_password: chosen.is_none(),
        created_at: now,
    };
    let is_ours = begin(store, settings, NewKey::make(now, now)?, admin).await?;
    let one_time_password = chosen.is_none().then_some(password);
    Ok(is_ours.then_some(FirstAdmin { username, one_time_password }))
}

/// Repeats what may be repeated: with a lost answer to a commit, the password of an admin that exists would be lost too.
async fn begin(
    store: &Store,
    settings: &Settings,
    key: NewKey,
    admin: NewAdmin,
) -> Result<bool, AgentAuthError> {
    let mut attempt = 1;
    loop {
        match store.begin(key.clone(), admin.clone()).await {
            Ok(is_ours) => return Ok(is_ours),
            Err(error)
                if attempt < settings.start_attempts
                    && matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout) =>
            {
                tracing::warn!(
                    attempt,
                    error = chain(&error),
                    "the first admin could not be stored, trying again"
                );
            }
            Err(error) => return Err(error.into()),
        }
        attempt += 1;
        tokio::time::sleep(settings.start_pause).await;
    }
}
