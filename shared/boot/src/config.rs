//! One tree of configuration: the embedded, commented defaults, over them a file, over that the environment
//! (older names of `config/alias.rs`, then `SWITCHBOARD__SECTION__KEY`), over that flags. The defaults name every key there is, so a misspelt one is found; all
//! problems are told at once.

mod alias;

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format as _, Toml},
    value::{Dict, Map, Value},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, fmt, path::PathBuf};

/// The defaults, which are also the sample file and the reference.
pub const DEFAULTS: &str = include_str!("../switchboard.default.toml");
/// What environment variables begin with.
pub const PREFIX: &str = "SWITCHBOARD__";
/// Rounds of "note the first problem, put the default in its place, read again".
const MAX_PROBLEMS: usize = 100;

/// The configuration of one part.
pub trait Configured: DeserializeOwned {
    /// The top-level tables it reads; its fields have their names.
    const SECTIONS: &'static [&'static str];

    /// Rules that no single key can express: `(key, problem)`.
    fn check(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Dotted key.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// Where the value came from.
    pub source: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.problem)?;
        if !self.source.is_empty() {
            write!(f, " (from {})", self.source)?;
        }
        Ok(())
    }
}

/// Where values come from beside the defaults, weakest first.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables, all of them; others than ours are left alone.
    pub environment: Vec<(String, String)>,
    /// `section.key=value` from the command line.
    pub flags: Vec<(String, String)>,
}

/// The merged tree.
#[derive(Debug, Clone)]
pub struct Tree {
    figment: Figment,
    values: Dict,
    defaults: Dict,
}

impl Tree {
    /// Merges all sources. Keys that the defaults do not have are noted in `problems` and left out.
    pub fn load(sources: &Sources, problems: &mut Vec<ConfigProblem>) -> Self {
        let base = Figment::from(Toml::string(DEFAULTS));
        let defaults = data(&base, problems);
        let mut figment = base;
        if let Some(path) = &sources.file {
            if path.is_file() {
                figment = figment.merge(Toml::file_exact(path));
            } else {
                problems.push(ConfigProblem {
                    key: "--config".into(),
                    problem: "the file does not exist".into(),
                    source: path.display().to_string(),
                });
            }
        }
        for older in alias::aliased(&sources.environment) {
            let source = format!("environment variable {}", older.name);
            figment = figment.merge(Single::new(older.key, &older.text, &defaults, source));
        }
        let ours = sources.environment.iter().filter_map(|(name, text)| {
            let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
            Some((path, text.as_str(), format!("environment variable {name}")))
        });
        for (path, text, source) in ours {
            figment = figment.merge(Single::new(&path, text, &defaults, source));
        }
        for (path, text) in &sources.flags {
            figment = figment.merge(Single::new(path, text, &defaults, "command line".into()));
        }
        let mut values = data(&figment, problems);
        let tree = Self { figment, values: Dict::new(), defaults };
        tree.drop_unknown("", &mut values, &tree.defaults, problems);
        Self { values, ..tree }
    }

    /// Reads the configuration of one part. Every problem is noted; `None` if there was one.
    pub fn extract<C: Configured>(&self, problems: &mut Vec<ConfigProblem>) -> Option<C> {
        let before = problems.len();
        let mut sections: Dict = C::SECTIONS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.values.get(*name)?.clone())))
            .collect();
        for _ in 0..MAX_PROBLEMS {
            let error = match Value::from(sections.clone()).deserialize::<C>() {
                Ok(config) => {
                    let broken = config.check().into_iter().map(|(key, problem)| ConfigProblem {
                        key: key.to_owned(),
                        problem,
                        source: String::new(),
                    });
                    problems.extend(broken);
                    return (problems.len() == before).then_some(config);
                }
                Err(error) => error,
            };
            let path = error.path.join(".");
            problems.push(ConfigProblem {
                key: path.clone(),
                problem: error.kind.to_string(),
                source: self.source_of(&path),
            });
            // Put the default in its place and look for the next problem.
            match lookup(&self.defaults, &path) {
                Some(default) if insert(&mut sections, &path, default.clone()) => {}
                _ => return None,
            }
        }
        None
    }

    fn source_of(&self, path: &str) -> String {
        self.figment.find_metadata(path).map(describe).unwrap_or_default()
    }

    fn drop_unknown(&self, at: &str, values: &mut Dict, known: &Dict, problems: &mut Vec<ConfigProblem>) {
        values.retain(|key, value| {
            let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
            match (known.get(key), value) {
                // An empty table in the defaults is a map whose keys are the operator's.
                (Some(Value::Dict(_, known)), Value::Dict(_, _)) if known.is_empty() => true,
                (Some(Value::Dict(_, known)), Value::Dict(_, inner)) => {
                    self.drop_unknown(&path, inner, known, problems);
                    true
                }
                (Some(_), _) => true,
                (None, _) => {
                    let problem = "there is no such key".to_owned();
                    problems.push(ConfigProblem { source: self.source_of(&path), key: path, problem });
                    false
                }
            }
        });
    }
}

fn data(figment: &Figment, problems: &mut Vec<ConfigProblem>) -> Dict {
    match figment.data() {
        Ok(mut profiles) => profiles.remove(&Profile::Default).unwrap_or_default(),
        Err(error) => {
            problems.push(ConfigProblem {
                key: "configuration".into(),
                problem: error.kind.to_string(),
                source: error.metadata.as_ref().map(describe).unwrap_or_default(),
            });
            Dict::new()
        }
    }
}

fn describe(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(source) => source.to_string(),
        None => metadata.name.to_string(),
    }
}

fn lookup<'a>(dict: &'a Dict, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let value = dict.get(first)?;
    match (rest, value) {
        (None, _) => Some(value),
        (Some(rest), Value::Dict(_, inner)) => lookup(inner, rest),
        (Some(_), _) => None,
    }
}

fn insert(dict: &mut Dict, path: &str, new: Value) -> bool {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match rest {
        None => dict.insert(first.to_owned(), new).is_some(),
        Some(rest) => match dict.get_mut(first) {
            Some(Value::Dict(_, inner)) => insert(inner, rest, new),
            _ => false,
        },
    }
}

/// One key from the environment or the command line. Texts are read as what the default is: a password of digits stays a
/// text, a port becomes a number.
struct Single {
    path: String,
    value: Value,
    source: String,
}

impl Single {
    fn new(path: &str, text: &str, defaults: &Dict, source: String) -> Self {
        let value = match lookup(defaults, path) {
            Some(Value::Bool(..) | Value::Num(..) | Value::Dict(..)) => {
                text.parse().unwrap_or_else(|never| match never {})
            }
            Some(Value::Array(..)) => list(text),
            _ => Value::from(text),
        };
        Self { path: path.to_owned(), value, source }
    }
}

/// `a, b` or `["a", "b"]`.
fn list(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        return text.parse().unwrap_or_else(|never| match never {});
    }
    let items: Vec<Value> =
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
    Value::from(items)
}

impl Provider for Single {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.source.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut value = self.value.clone();
        let mut keys: Vec<&str> = self.path.split('.').collect();
        while keys.len() > 1 {
            let inner = keys.pop().unwrap_or_default();
            value = Value::from(BTreeMap::from([(inner.to_owned(), value)]));
        }
        let dict = BTreeMap::from([(keys[0].to_owned(), value)]);
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// For keys that may be left empty: the empty text is `None`.
///
/// # Errors
/// When the value is no text.
pub fn optional<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    Ok((!text.trim().is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NodeConfig;

    fn load(sources: &Sources) -> (Option<NodeConfig>, Vec<ConfigProblem>) {
        let mut problems = Vec::new();
        let tree = Tree::load(sources, &mut problems);
        (tree.extract(&mut problems), problems)
    }

    fn environment(pairs: &[(&str, &str)]) -> Sources {
        let pairs = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        Sources { environment: pairs.collect(), ..Sources::default() }
    }

    #[test]
    fn the_defaults_are_complete() {
        let (config, problems) = load(&Sources::default());
        assert_eq!(problems, []);
        assert_eq!(config.unwrap().node.worker_threads, 0);
    }

    #[test]
    fn every_problem_is_told_at_once_with_its_source() {
        let mut sources = environment(&[
            ("SWITCHBOARD__NODE__WORKER_THREADS", "many"),
            ("SWITCHBOARD__NODE__DRAIN_TIMEOUT", "20"),
            ("SWITCHBOARD__NODE__WROKERS", "2"),
            ("SWITCHBOARDISH", "is nothing of ours"),
        ]);
        sources.flags.push(("log.format".into(), "xml".into()));
        let (config, problems) = load(&sources);
        assert!(config.is_none());
        let mut keys: Vec<_> = problems.iter().map(|p| (p.key.as_str(), p.source.as_str())).collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                ("log.format", "command line"),
                ("node.drain_timeout", "environment variable SWITCHBOARD__NODE__DRAIN_TIMEOUT"),
                ("node.worker_threads", "environment variable SWITCHBOARD__NODE__WORKER_THREADS"),
                ("node.wrokers", "environment variable SWITCHBOARD__NODE__WROKERS"),
            ]
        );
    }

    #[test]
    fn texts_stay_texts_and_flags_win() {
        let mut sources = environment(&[
            ("SWITCHBOARD__DATABASE__DATA_DIR", "12345"),
            ("SWITCHBOARD__NODE__WORKER_THREADS", "3"),
        ]);
        sources.flags.push(("node.worker_threads".into(), "4".into()));
        let (config, problems) = load(&sources);
        assert_eq!(problems, []);
        let config = config.unwrap();
        assert_eq!(config.node.worker_threads, 4);
        assert_eq!(config.database.data_dir, PathBuf::from("12345"));
    }
}
