//! Who answers: the configured providers in order, each behind its breaker, and at the end the knowledge base. The next
//! rung is tried only while nothing has been shown; never in the middle of an answer.

use crate::{config::Config, error::ChatError, sample};
use futures::StreamExt as _;
use parking_lot::Mutex;
use std::sync::Arc;
use switchboard_boot::Deps;
use switchboard_domain::{Language, SessionName, Source};
use switchboard_knowledge::{Answer, Hit, Knowledge};
use switchboard_model::{Breaker, Delta, DeltaStream, Exchange, Model, ModelError, Permit, Prompt, Speaker};
use tokio::time::Instant;

/// From this confidence on a passage is worth telling a model.
const CONTEXT_CONFIDENCE: f32 = 0.25;
/// Passages told to a model.
const CONTEXT_PASSAGES: usize = 3;

/// Everybody who can answer.
#[derive(Debug)]
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
    knowledge: Option<Knowledge>,
}

/// One provider and what is known of its health.
#[derive(Debug)]
struct Rung {
    model: Model,
    breaker: Breaker,
    last_error: Mutex<Option<&'static str>>,
}

/// An answer that has begun.
pub(crate) struct Answering {
    pub(crate) deltas: DeltaStream,
    pub(crate) sources: Vec<Source>,
    verdict: Option<(Arc<Ladder>, usize, Permit)>,
}

/// What operators and the page may know.
#[derive(Debug, Clone)]
pub(crate) struct Face {
    pub(crate) provider: &'static str,
    pub(crate) detail: String,
    pub(crate) breaker: &'static str,
    pub(crate) healthy: bool,
}

impl Ladder {
    /// Builds all rungs. The index is built aside: reading and cutting words takes its time.
    pub(crate) async fn build(config: &Config, deps: &Deps) -> Result<Self, ChatError> {
        let now = Instant::now();
        let models = Model::build(&config.model, &deps.clock, &deps.rng)?;
        let rungs = models.into_iter().map(|model| Rung {
            model,
            breaker: Breaker::new(config.model.breaker.clone(), Arc::clone(&deps.rng), now),
            last_error: Mutex::default(),
        });
        let knowledge = if config.knowledge.enabled {
            let (folder, settings) = (config.knowledge.folder(), config.knowledge.settings());
            let loading = tokio::task::spawn_blocking(move || match folder {
                Some(folder) => Knowledge::load(&folder, settings),
                None => Knowledge::from_articles(sample::articles(), settings),
            });
            Some(loading.await??)
        } else {
            None
        };
        Ok(Self { rungs: rungs.collect(), knowledge })
    }

    /// For the operator's first look.
    pub(crate) fn describe(&self) -> String {
        let models = self.rungs.iter().map(|rung| {
            let info = rung.model.info();
            format!("{} ({} at {})", rung.model.name(), info.model, info.host)
        });
        let knowledge = self.knowledge.iter().map(|knowledge| {
            format!(
                "built-in knowledge ({} articles, {} passages)",
                knowledge.articles(),
                knowledge.passages()
            )
        });
        models.chain(knowledge).collect::<Vec<_>>().join(", then ")
    }

    /// How the first rung is.
    pub(crate) fn face(&self) -> Face {
        match (self.rungs.first(), &self.knowledge) {
            (Some(rung), _) => {
                let open = rung.breaker.is_open();
                Face {
                    provider: rung.model.name(),
                    detail: rung.model.info().model,
                    breaker: if open { "open" } else { "closed" },
                    healthy: !open && rung.last_error.lock().is_none(),
                }
            }
            (None, knowledge) => Face {
                provider: "knowledge",
                detail: knowledge.as_ref().map_or(0, Knowledge::articles).to_string(),
                breaker: "closed",
                healthy: true,
            },
        }
    }

    /// Makes a conversation at the first provider; `None` where it keeps none or is not well.
    pub(crate) async fn create_conversation(&self, session: &SessionName) -> Option<String> {
        let rung = self.rungs.first()?;
        let permit = rung.breaker.admit(Instant::now()).ok()?;
        match rung.model.create_conversation(session).await {
            Ok(conversation) => {
                permit.success(Instant::now());
                conversation
            }
            Err(error) => {
                rung.failed(permit, &error);
                None
            }
        }
    }

    /// Finds somebody who answers. `None`: nobody does, and the reasons are logged.
    pub(crate) async fn answer(self: &Arc<Self>, mut prompt: Prompt, until: Instant) -> Option<Answering> {
        let known = self.look_up(&prompt);
        let sources = known.iter().filter(|hit| hit.sure).map(|hit| source(&hit.hit)).collect::<Vec<_>>();
        tell(&mut prompt, &known);
        for (place, rung) in self.rungs.iter().enumerate() {
            let permit = match rung.breaker.admit(Instant::now()) {
                Ok(permit) => permit,
                Err(after) => {
                    tracing::debug!(
                        provider = rung.model.name(),
                        retry_after_ms = after.as_millis(),
                        "left alone"
                    );
                    continue;
                }
            };
            let asked = tokio::time::timeout_at(until, rung.model.stream(&prompt)).await;
            let timeout = ModelError::Timeout { phase: switchboard_model::Phase::FirstToken };
            match asked.unwrap_or(Err(timeout)) {
                Ok(deltas) => {
                    let verdict = Some((Arc::clone(self), place, permit));
                    return Some(Answering { deltas, sources, verdict });
                }
                Err(error) => rung.failed(permit, &error),
            }
        }
        self.ask_knowledge(&prompt.question, prompt.language)
    }

    /// The knowledge base answers for itself. Unsure, it says so, unless it only stands in for a provider: then a human
    /// is the better answer.
    fn ask_knowledge(&self, question: &str, language: Language) -> Option<Answering> {
        let knowledge = self.knowledge.as_ref()?;
        let wanted = Language::detect(question).unwrap_or(language);
        let (text, sources) = match knowledge.answer(question, Some(wanted)) {
            Answer::Sure { best, .. } => (best.text.clone(), vec![source(&best)]),
            Answer::Unsure { .. } if self.rungs.is_empty() => (not_sure(wanted).to_owned(), Vec::new()),
            Answer::Unsure { .. } => return None,
        };
        let pieces: Vec<_> = pieces(&text).map(|piece| Ok(Delta::Text(piece.to_owned()))).collect();
        Some(Answering { deltas: futures::stream::iter(pieces).boxed(), sources, verdict: None })
    }

    fn look_up(&self, prompt: &Prompt) -> Vec<Known> {
        let (Some(knowledge), false) = (&self.knowledge, self.rungs.is_empty()) else { return Vec::new() };
        let (best, rest) = match knowledge.answer(&prompt.question, Some(prompt.language)) {
            Answer::Sure { best, others } => (Some(best), others),
            Answer::Unsure { nearest } => (None, nearest),
        };
        let best = best.into_iter().map(|hit| Known { hit, sure: true });
        let rest = rest.into_iter().map(|hit| Known { hit, sure: false });
        best.chain(rest)
            .filter(|known| known.hit.confidence >= CONTEXT_CONFIDENCE)
            .take(CONTEXT_PASSAGES)
            .collect()
    }
}

struct Known {
    hit: Hit,
    sure: bool,
}

impl Rung {
    fn failed(&self, permit: Permit, error: &ModelError) {
        tracing::warn!(provider = self.model.name(), class = error.class(), %error, "provider gives no answer");
        *self.last_error.lock() = Some(error.class());
        if error.counts_for_breaker() {
            permit.failure(Instant::now());
        }
    }
}

impl Answering {
    /// Says how the stream ended, for the breaker.
    pub(crate) fn ended(&mut self, outcome: Result<(), &ModelError>) {
        let Some((ladder, place, permit)) = self.verdict.take() else { return };
        let rung = &ladder.rungs[place];
        match outcome {
            Ok(()) => {
                *rung.last_error.lock() = None;
                permit.success(Instant::now());
            }
            Err(error) => rung.failed(permit, error),
        }
    }
}

/// Passages go to the model as a note of the house, before the question.
fn tell(prompt: &mut Prompt, known: &[Known]) {
    if known.is_empty() {
        return;
    }
    let intro = match prompt.language {
        Language::Zh => "以下是知识库中可能相关的资料，仅供参考：",
        Language::En => "Possibly relevant passages of the knowledge base, for reference:",
    };
    let passages = known.iter().map(|known| format!("## {}\n{}", title(&known.hit), known.hit.text));
    let text = std::iter::once(intro.to_owned()).chain(passages).collect::<Vec<_>>().join("\n\n");
    prompt.history.push(Exchange { speaker: Speaker::System, text, unseen_by_vendor: false });
}

fn title(hit: &Hit) -> String {
    if hit.heading.is_empty() { hit.title.clone() } else { format!("{} › {}", hit.title, hit.heading) }
}

fn source(hit: &Hit) -> Source {
    Source { title: title(hit), url: hit.url.clone(), article: Some(hit.article_id.clone()) }
}

fn not_sure(language: Language) -> &'static str {
    match language {
        Language::Zh => "抱歉，我没有找到可靠的答案。您可以换个说法再问一次，或输入“转人工”联系人工客服。",
        Language::En => {
            "I'm sorry, I have no reliable answer to that. Try other words, or write \"human agent\" to talk to our team."
        }
    }
}

/// Sentence by sentence, nothing lost.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['。', '！', '？', '\n', '；']).flat_map(|part| part.split_inclusive(". "))
}
