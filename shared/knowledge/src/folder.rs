//! Reads the articles of a folder.

use crate::{KnowledgeError, Settings};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// All `*.md` files below `folder` as pairs of id and content, sorted by id. Names that start with a dot are skipped.
/// A link to a file is followed (that is how a mounted ConfigMap looks), a link to a folder is not, so that a loop of
/// links cannot hold us.
pub(crate) fn read(folder: &Path, settings: &Settings) -> Result<Vec<(String, String)>, KnowledgeError> {
    let mut articles = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).map_err(failed(&current))? {
            let entry = entry.map_err(failed(&current))?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(failed(&path))?.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                if articles.len() == settings.max_articles {
                    let allowed = settings.max_articles;
                    return Err(KnowledgeError::TooManyArticles { path: folder.to_owned(), allowed });
                }
                articles.push((id(folder, &path)?, content(path, settings)?));
            }
        }
    }
    articles.sort();
    Ok(articles)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> KnowledgeError {
    let path = path.to_owned();
    move |source| KnowledgeError::Read { path, source }
}

fn id(folder: &Path, path: &Path) -> Result<String, KnowledgeError> {
    let bare = path.strip_prefix(folder).unwrap_or(path).with_extension("");
    let parts: Option<Vec<&str>> = bare.iter().map(|part| part.to_str()).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| KnowledgeError::NotText { path: path.to_owned() })
}

fn content(path: PathBuf, settings: &Settings) -> Result<String, KnowledgeError> {
    let (bytes, allowed) = (fs::metadata(&path).map_err(failed(&path))?.len(), settings.max_article_bytes);
    if bytes > allowed {
        return Err(KnowledgeError::ArticleTooLarge { path, bytes, allowed });
    }
    let content = fs::read(&path).map_err(failed(&path))?;
    String::from_utf8(content).map_err(|_| KnowledgeError::NotText { path })
}
