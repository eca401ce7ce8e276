//! What can go wrong while articles are loaded. Asking never fails.

use std::{io, path::PathBuf};
use switchboard_domain::ErrorKind;

/// Why articles could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KnowledgeError {
    /// A setting has a value outside of its range.
    #[error("the knowledge settings are wrong: {0}")]
    Settings(&'static str),
    /// The folder or a file in it cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file's name or content is not UTF-8.
    #[error("{} is not UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// A file exceeds `max_article_bytes`.
    #[error("{} has {bytes} bytes, {allowed} are allowed", path.display())]
    ArticleTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The setting.
        allowed: u64,
    },
    /// The folder has more articles than `max_articles`.
    #[error("{} has more than {allowed} articles", path.display())]
    TooManyArticles {
        /// The folder.
        path: PathBuf,
        /// The setting.
        allowed: usize,
    },
    /// An article's front matter breaks the format.
    #[error("the front matter of article {article} is wrong: {problem}")]
    FrontMatter {
        /// The article's id.
        article: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The search index could not be built.
    #[error("the passages cannot be indexed")]
    Index(#[from] tantivy::TantivyError),
}

impl KnowledgeError {
    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings(_) | Self::NotText { .. } | Self::FrontMatter { .. } => ErrorKind::Invalid,
            Self::ArticleTooLarge { .. } | Self::TooManyArticles { .. } => ErrorKind::TooLarge,
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::NotFound,
            Self::Read { .. } | Self::Index(_) => ErrorKind::Internal,
        }
    }
}
