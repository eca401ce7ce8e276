//! What can go wrong on the way to Redis.

use switchboard_domain::ErrorKind;

/// What can go wrong on the way to Redis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `coord.url` is no address of a Redis.
    #[error("coord.url is no address of a Redis: {0}")]
    Url(&'static str),
    /// The file with the password cannot be read.
    #[error("coord.password_file cannot be read")]
    Password(#[source] std::io::Error),
    /// Redis answered with an error, or not at all.
    #[error("redis failed")]
    Redis(#[from] ::redis::RedisError),
    /// It failed a moment ago and is not asked again yet.
    #[error("redis is away")]
    Away,
}

impl Error {
    /// What it means to whoever asked.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Url(_) | Self::Password(_) => ErrorKind::Internal,
            Self::Redis(_) | Self::Away => ErrorKind::Unavailable,
        }
    }
}
