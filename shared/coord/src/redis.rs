//! Connections to Redis: one for commands, one for the subscription. A failure closes it, the next command after a pause
//! opens another; a master that moved is found again.

mod place;

use crate::{Error, Settings};
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, ScriptInvocation,
    aio::{MultiplexedConnection, PubSub},
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
};
use parking_lot::Mutex;
use place::Place;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// The way to Redis.
pub(crate) struct Redis {
    place: Place,
    prefix: String,
    password_file: String,
    connect_timeout: Duration,
    command_timeout: Duration,
    retry_after: Duration,
    open: tokio::sync::Mutex<Option<Connection>>,
    /// Not asked before this moment.
    away_until: Mutex<Option<Instant>>,
}

#[derive(Clone)]
enum Connection {
    Node(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Redis {
    /// `None` when no address is configured.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, Error> {
        let Some(place) = Place::parse(&settings.url)? else { return Ok(None) };
        Ok(Some(Self {
            place,
            prefix: settings.prefix.clone(),
            password_file: settings.password_file.clone(),
            connect_timeout: settings.connect_timeout,
            command_timeout: settings.command_timeout,
            retry_after: settings.retry_after,
            open: tokio::sync::Mutex::default(),
            away_until: Mutex::new(None),
        }))
    }

    /// A key or channel of ours.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    /// Sends a command.
    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Error> {
        let answered = match self.connection().await? {
            Connection::Node(mut node) => command.query_async(&mut node).await,
            Connection::Cluster(mut cluster) => command.query_async(&mut cluster).await,
        };
        self.judge(answered).await
    }

    /// Runs a script.
    pub(crate) async fn run<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T, Error> {
        let answered = match self.connection().await? {
            Connection::Node(mut node) => script.invoke_async(&mut node).await,
            Connection::Cluster(mut cluster) => script.invoke_async(&mut cluster).await,
        };
        self.judge(answered).await
    }

    /// A connection of its own for a subscription. In a cluster any node will do: it hears what is told to every other.
    pub(crate) async fn subscription(&self) -> Result<PubSub, Error> {
        let opening = async {
            let mut problem = Error::Away;
            for client in self.place.clients(self.password()?.as_deref()).await? {
                match client.get_async_pubsub().await {
                    Ok(subscription) => return Ok(subscription),
                    Err(error) => problem = error.into(),
                }
            }
            Err(problem)
        };
        tokio::time::timeout(self.connect_timeout, opening).await.unwrap_or(Err(Error::Away))
    }

    async fn connection(&self) -> Result<Connection, Error> {
        if self.away_until.lock().is_some_and(|until| Instant::now() < until) {
            return Err(Error::Away);
        }
        let mut open = self.open.lock().await;
        if let Some(connection) = &*open {
            return Ok(connection.clone());
        }
        // Whoever waited for the lock while the connection failed need not try again.
        if self.away_until.lock().is_some_and(|until| Instant::now() < until) {
            return Err(Error::Away);
        }
        let connected = tokio::time::timeout(self.connect_timeout, self.connect()).await;
        match connected.unwrap_or(Err(Error::Away)) {
            Ok(connection) => {
                *self.away_until.lock() = None;
                *open = Some(connection.clone());
                metrics::gauge!("switchboard_coord_redis_up").set(1.0);
                Ok(connection)
            }
            Err(error) => {
                self.gone(&error);
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let password = self.password()?;
        if let Some(nodes) = self.place.cluster(password.as_deref())? {
            let client = ClusterClientBuilder::new(nodes)
                .connection_timeout(self.connect_timeout)
                .response_timeout(self.command_timeout)
                .build()?;
            return Ok(Connection::Cluster(client.get_async_connection().await?));
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connect_timeout))
            .set_response_timeout(Some(self.command_timeout));
        let client: Client =
            self.place.clients(password.as_deref()).await?.into_iter().next().ok_or(Error::Away)?;
        Ok(Connection::Node(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// A connection on which a command failed is not used again: it may lead to a master that is none any more.
    async fn judge<T>(&self, answered: Result<T, RedisError>) -> Result<T, Error> {
        match answered {
            Ok(value) => Ok(value),
            Err(error) => {
                let error = Error::from(error);
                self.gone(&error);
                self.open.lock().await.take();
                Err(error)
            }
        }
    }

    fn gone(&self, error: &Error) {
        let mut away_until = self.away_until.lock();
        if away_until.is_none() {
            tracing::warn!(error = %chain(error), "redis is away: hints wait for the poll, budgets are shared out");
        }
        *away_until = Instant::now().checked_add(self.retry_after);
        metrics::gauge!("switchboard_coord_redis_up").set(0.0);
        metrics::counter!("switchboard_coord_redis_failures").increment(1);
    }

    fn password(&self) -> Result<Option<String>, Error> {
        if self.password_file.is_empty() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&self.password_file).map_err(Error::Password)?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

/// An error with its causes, for logs.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
