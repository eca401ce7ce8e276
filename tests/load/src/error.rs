//! Why the bench cannot go on.

use std::{error::Error as StdError, io};

/// Why the bench cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The operating system refused something.
    #[error("{what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A library refused something.
    #[error("{what}")]
    Other {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// A child did not do what it should.
    #[error("{name} {problem}")]
    Child {
        /// Which child.
        name: String,
        /// What it did instead.
        problem: String,
    },
    /// Switchboard answered something else than expected.
    #[error("{what} got {status}: {body}")]
    Answer {
        /// What was asked.
        what: &'static str,
        /// The status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// Two options, or an option and the machine, do not go together.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    pub(crate) fn io(what: &'static str, source: io::Error) -> Self {
        Self::Io { what, source }
    }

    pub(crate) fn other(what: &'static str, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other { what, source: source.into() }
    }

    /// The error and all its causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
