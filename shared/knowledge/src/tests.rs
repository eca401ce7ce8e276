//! Loading and its limits. What is found is tested on the sample folder, in `tests/shop.rs`.

use crate::{Answer, Knowledge, KnowledgeError, Settings};
use std::{fs, path::Path};
use switchboard_domain::ErrorKind;

fn settings() -> Settings {
    Settings {
        min_confidence: 0.5,
        nearest: 3,
        max_question_chars: 500,
        max_article_bytes: 100,
        max_articles: 3,
    }
}

fn error(folder: &Path, settings: Settings) -> KnowledgeError {
    Knowledge::load(folder, settings).unwrap_err()
}

#[test]
fn folders_are_read_with_their_subfolders_and_without_hidden_or_other_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::create_dir(at(".hidden")).unwrap();
    fs::write(at("a/b/one.md"), "# Warranty\nTwo years.").unwrap();
    fs::write(at(".hidden/two.md"), "# Hidden\ntext").unwrap();
    fs::write(at("three.txt"), "# Other\ntext").unwrap();
    let knowledge = Knowledge::load(folder.path(), settings()).unwrap();
    assert_eq!((knowledge.articles(), knowledge.passages()), (1, 1));
    let Answer::Sure { best, .. } = knowledge.answer("warranty", None) else {
        panic!("one article is enough")
    };
    assert_eq!(best.article_id, "a/b/one");
}

#[cfg(unix)]
#[test]
fn links_are_followed_to_files_and_not_to_folders() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("..data")).unwrap();
    fs::write(at("..data/one.md"), "# One\ntext").unwrap();
    std::os::unix::fs::symlink(at("..data/one.md"), at("one.md")).unwrap();
    std::os::unix::fs::symlink(folder.path(), at("loop")).unwrap();
    assert_eq!(Knowledge::load(folder.path(), settings()).unwrap().articles(), 1);
}

#[test]
fn limits_and_unreadable_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert_eq!(error(&at("missing"), settings()).kind(), ErrorKind::NotFound);

    fs::write(at("a.md"), [0xff, 0xfe]).unwrap();
    assert!(matches!(error(folder.path(), settings()), KnowledgeError::NotText { .. }));

    fs::write(at("a.md"), "x".repeat(101)).unwrap();
    let told = error(folder.path(), settings());
    assert_eq!(told.kind(), ErrorKind::TooLarge);
    assert!(told.to_string().ends_with("a.md has 101 bytes, 100 are allowed"), "{told}");

    for name in ["a.md", "b.md", "c.md", "d.md"] {
        fs::write(at(name), "text").unwrap();
    }
    assert!(matches!(error(folder.path(), settings()), KnowledgeError::TooManyArticles { allowed: 3, .. }));
}

#[test]
fn an_empty_folder_answers_nothing_and_a_wrong_setting_is_refused() {
    let empty = Knowledge::from_articles([], settings()).unwrap();
    assert_eq!(empty.answer("warranty", None), Answer::Unsure { nearest: Vec::new() });
    let wrong = Settings { min_confidence: 1.5, ..settings() };
    assert_eq!(Knowledge::from_articles([], wrong).unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_url_leads_to_the_passage() {
    let article = "---\nurl: https://shop.example/help\n---\n# Help\n## Lost keys\nWe cut new keys.";
    let knowledge = Knowledge::from_articles([("help".to_owned(), article.to_owned())], settings()).unwrap();
    let hits = knowledge.search("lost keys", 1);
    assert_eq!(hits[0].url.as_deref(), Some("https://shop.example/help#lost-keys"));
    assert_eq!(format!("{knowledge:?}"), "Knowledge { articles: 1, passages: 1, .. }");
}
