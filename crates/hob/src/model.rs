//! An opened model with everything that turns text into ids and back.

use crate::answer::Answer;
use crate::calls::CallForm;
use crate::vocabulary;
use crate::{AnswerOptions, Chat, ChatOptions, Description, Error, Options, Prompt};
use hob_base::Bytes;
use hob_engine::constraint::{ConstraintFactory, Grammar, Limits, VocabToken};
use hob_engine::sampling::SamplerConfig;
use hob_engine::{Engine, Session, SessionConfig};
use hob_format::ModelFiles;
use hob_model::Model;
use hob_model::spec::Pooling;
use hob_tokenizer::{ChatTemplate, EncodeOptions, Tokenizer};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A language model, ready for chats, continuations and embeddings. Clones share everything.
#[derive(Clone)]
pub struct LanguageModel {
    shared: Arc<Shared>,
}

struct Shared {
    files: ModelFiles,
    engine: Arc<Engine>,
    tokenizer: Result<Arc<Tokenizer>, Error>,
    template: Option<ChatTemplate>,
    end_tokens: Vec<u32>,
    sampling: SamplerConfig,
    constraints: Option<ConstraintFactory>,
    lock: bool,
    /// Found out when first needed.
    call_form: OnceLock<Option<CallForm>>,
}

impl LanguageModel {
    /// Opens the GGUF file or Hugging Face directory at `path`. Weights are mapped, not read.
    ///
    /// # Errors
    /// What is wrong with the file, by key or tensor, and what to do about it.
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        Self::new(hob_format::open(path)?, options)
    }

    /// The model in `files`, wherever they come from; that of [`builtin`](crate::builtin), for example.
    ///
    /// # Errors
    /// As [`LanguageModel::open`].
    pub fn new(files: ModelFiles, options: &Options) -> Result<Self, Error> {
        let model = load(&files, options.lock)?;
        let vocab = model.spec().vocab;
        let tokenizer = match vocabulary::tokenizer(&files) {
            Ok(tokenizer) if tokenizer.vocab_size() > vocab => {
                return Err(Error::VocabularyMismatch { tokens: tokenizer.vocab_size(), vocab });
            }
            Ok(tokenizer) => Ok(Arc::new(tokenizer)),
            // Ids still work without one; whoever asks for text gets the reason.
            Err(error @ Error::NoTokenizer { .. }) => Err(error),
            Err(error) => return Err(error),
        };
        let template =
            match options.template.clone().map_or_else(|| vocabulary::template(&files), |t| Ok(Some(t)))? {
                Some(source) => Some(ChatTemplate::new(&source)?),
                None => None,
            };
        let end_tokens = tokenizer
            .as_ref()
            .map(|t| t.eog_ids_with(&vocabulary::listed_end_ids(&files)))
            .unwrap_or_default();
        let constraints =
            tokenizer.as_ref().ok().map(|t| constraints(Arc::clone(t), vocab, end_tokens.clone()));
        let sampling = vocabulary::recommended_sampling(&files);
        let engine = Engine::new(model, options.engine_config());
        let lock = options.lock;
        let shared = Shared {
            files,
            engine,
            tokenizer,
            template,
            end_tokens,
            sampling,
            constraints,
            lock,
            call_form: OnceLock::new(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Starts a conversation.
    pub fn chat(&self, options: ChatOptions) -> Chat {
        Chat::new(self.clone(), options)
    }

    /// Continues `text` as it stands, without a chat template.
    ///
    /// # Errors
    /// Options out of range, a prompt that does not fit, a grammar that cannot be used.
    pub fn complete<'s>(
        &self,
        session: &'s mut Session,
        text: &str,
        options: &mut AnswerOptions<'_>,
    ) -> Result<Answer<'s>, Error> {
        Answer::start(self, session, &Prompt::text(self, text)?, None, options)
    }

    /// Opens a token sequence of its own.
    pub fn session(&self, options: &ChatOptions) -> Session {
        let trained = self.shared.engine.model().spec().context;
        let context = options.context.unwrap_or(trained.min(ChatOptions::DEFAULT_CONTEXT));
        self.shared.engine.session(SessionConfig { context, on_full: options.on_full })
    }

    /// The L2-normalised embedding of `text`, pooled as the model says or as `pooling` wants.
    ///
    /// # Errors
    /// A generative model without a stated pooling, or a text longer than an encoder's positions.
    pub fn embed(&self, text: &str, pooling: Option<Pooling>) -> Result<Vec<f32>, Error> {
        let ids = self.tokenizer()?.encode(text, EncodeOptions { add_special: true, parse_special: false });
        Ok(self.shared.engine.embed(&ids, pooling)?)
    }

    /// Whether answers of this model can follow `grammar`, for callers that would rather know before there is a prompt.
    ///
    /// # Errors
    /// What is wrong with the grammar and where, or [`Error::NoTokenizer`].
    pub fn check_grammar(&self, grammar: &Grammar) -> Result<(), Error> {
        self.tokenizer()?;
        if let Some(factory) = self.constraints() {
            factory.compile(grammar, &Limits::default())?;
        }
        Ok(())
    }

    /// The tokenizer.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`] when the files bring none.
    pub fn tokenizer(&self) -> Result<&Tokenizer, Error> {
        match &self.shared.tokenizer {
            Ok(tokenizer) => Ok(tokenizer),
            Err(Error::NoTokenizer { expected }) => Err(Error::NoTokenizer { expected }),
            Err(_) => unreachable!("other errors end the opening"),
        }
    }

    /// The chat template, if the model has one.
    pub fn template(&self) -> Option<&ChatTemplate> {
        self.shared.template.as_ref()
    }

    /// The engine: token ids and vectors.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.shared.engine
    }

    /// The files it was opened from.
    pub fn files(&self) -> &ModelFiles {
        &self.shared.files
    }

    /// What tells these weights from all others, in hexadecimal: the same for the same weights in whatever place, another one for
    /// weights that were trained or quantised anew.
    pub fn fingerprint(&self) -> String {
        crate::fingerprint::fingerprint(&self.shared.files)
    }

    /// What the publisher recommends for drawing tokens.
    pub fn recommended_sampling(&self) -> &SamplerConfig {
        &self.shared.sampling
    }

    /// Tokens that end an answer.
    pub fn end_tokens(&self) -> &[u32] {
        &self.shared.end_tokens
    }

    /// What the model is and what it needs.
    pub fn describe(&self) -> Description {
        Description::new(self)
    }

    /// Whether answers can call tools: the template shows them, and how calls are written is known.
    pub fn can_call_tools(&self) -> bool {
        self.call_form().is_some()
    }

    /// How the model writes calls of tools.
    pub(crate) fn call_form(&self) -> Option<&CallForm> {
        self.shared.call_form.get_or_init(|| CallForm::find(self)).as_ref()
    }

    /// Whether its files are kept in memory.
    pub(crate) fn is_locked(&self) -> bool {
        self.shared.lock
    }

    pub(crate) fn constraints(&self) -> Option<&ConstraintFactory> {
        self.shared.constraints.as_ref()
    }
}

/// The tokenizer of the file or directory at `path`, which may hold nothing else.
///
/// # Errors
/// What is wrong with the file, or [`Error::NoTokenizer`].
pub fn open_tokenizer(path: &Path) -> Result<Tokenizer, Error> {
    tokenizer_of(&hob_format::open(path)?)
}

/// The tokenizer in `files`, which may hold nothing else.
///
/// # Errors
/// As [`open_tokenizer`].
pub fn tokenizer_of(files: &ModelFiles) -> Result<Tokenizer, Error> {
    vocabulary::tokenizer(files)
}

/// Builds the model in `files`; `lock` keeps them in memory.
pub(crate) fn load(files: &ModelFiles, lock: bool) -> Result<Model, Error> {
    let model = Model::load(files)?;
    advise(files, &model);
    if lock {
        let needed = Bytes(files.tensors().total_bytes());
        files.tensors().lock().map_err(|source| Error::Lock { needed, source })?;
    }
    Ok(model)
}

/// A few rows of a per-layer table are gathered at a time; reading ahead would fill memory with rows nobody asked for.
fn advise(files: &ModelFiles, model: &Model) {
    if model.spec().per_layer.is_none() {
        return;
    }
    let table = |name: &str| name.contains("per_layer_token_embd") || name.contains("embed_tokens_per_layer");
    for tensor in files.tensors().iter().filter(|t| table(&t.name)) {
        files.advise_random(tensor);
    }
}

fn constraints(tokenizer: Arc<Tokenizer>, vocab: usize, end_tokens: Vec<u32>) -> ConstraintFactory {
    let entries = move || {
        (0..vocab as u32)
            .map(|id| VocabToken {
                bytes: tokenizer.token_bytes(id).map(std::borrow::Cow::into_owned).unwrap_or_default(),
                special: tokenizer.is_special(id),
            })
            .collect()
    };
    ConstraintFactory::new(entries, end_tokens)
}
