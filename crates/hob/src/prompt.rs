//! What an answer continues: token ids, and how thoughts and calls will be told from the answer.

use crate::calls::{CallForm, Calling};
use crate::speech::Speech;
use crate::{AnswerOptions, Conversation, Error, LanguageModel};
use hob_engine::Request;
use hob_engine::constraint::{Constraint, Grammar, Limits};
use hob_tokenizer::{EncodeOptions, ThinkingMarkers};

/// A text or conversation as the model sees it.
#[derive(Clone)]
pub struct Prompt {
    ids: Vec<u32>,
    pub(crate) markers: Option<ThinkingMarkers>,
    /// Whether it ends inside of a thought.
    pub(crate) is_thinking: bool,
    pub(crate) calls: Option<(CallForm, Calling)>,
}

impl Prompt {
    /// A text that is continued as it stands.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`].
    pub fn text(model: &LanguageModel, text: &str) -> Result<Self, Error> {
        let ids = model.tokenizer()?.encode(text, EncodeOptions { add_special: true, parse_special: true });
        Ok(Self::ids(ids))
    }

    /// Token ids that are continued as they stand.
    pub fn ids(ids: Vec<u32>) -> Self {
        Self { ids, markers: None, is_thinking: false, calls: None }
    }

    /// A conversation whose next answer is wanted. With tools, `calling` says whether the answer may or has to call them.
    ///
    /// # Errors
    /// [`Error::NoTemplate`], what the template refuses, and [`Error::NoTools`] where it knows no tools.
    pub fn chat(
        model: &LanguageModel,
        conversation: &Conversation,
        calling: Option<&Calling>,
    ) -> Result<Self, Error> {
        let mut prompt = Self::rendered(model, &conversation.render(model)?)?;
        if let Some(calling) = calling {
            let form = model.call_form().ok_or(Error::NoTools)?;
            prompt.calls = Some((form.clone(), calling.clone()));
        }
        Ok(prompt)
    }

    /// A conversation whose last message is gone on with.
    ///
    /// # Errors
    /// As [`Prompt::chat`], and where the last message holds no text.
    pub fn continued(model: &LanguageModel, conversation: &Conversation) -> Result<Self, Error> {
        Self::rendered(model, &conversation.render_continued(model)?)
    }

    /// A conversation that the model's template has made a text of.
    pub(crate) fn rendered(model: &LanguageModel, text: &str) -> Result<Self, Error> {
        // The template writes the tokens that begin a text itself.
        let ids = model.tokenizer()?.encode(text, EncodeOptions { add_special: false, parse_special: true });
        let markers = model.template().and_then(hob_tokenizer::ChatTemplate::thinking_markers);
        let is_thinking = markers.is_some_and(|m| text.trim_end().ends_with(m.open));
        Ok(Self { ids, markers, is_thinking, calls: None })
    }

    /// Its tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.ids
    }
}

/// What the answer has to follow: what the caller wants, and the form of calls.
fn constraint(
    model: &LanguageModel,
    prompt: &Prompt,
    wanted: Option<&Grammar>,
) -> Result<Option<Constraint>, Error> {
    let Some(factory) = model.constraints() else { return Ok(None) };
    let compile = |grammar: &Grammar| Ok(Some(factory.compile(grammar, &Limits::default())?));
    let Some((form, calling)) = &prompt.calls else { return wanted.map_or(Ok(None), compile) };
    let tokenizer = model.tokenizer()?;
    let compiled = compile(&form.grammar(tokenizer, calling, wanted)?);
    match calling.relaxed() {
        // The interface promises schemas of strict tools only; of the others some cannot be enforced.
        Some(relaxed) if compiled.is_err() => compile(&form.grammar(tokenizer, &relaxed, wanted)?),
        _ => compiled,
    }
}

/// An answer that has been checked and can begin.
pub struct Prepared {
    pub(crate) ids: Vec<u32>,
    pub(crate) request: Request,
    pub(crate) speech: Speech,
}

impl Prepared {
    /// Compiles grammars and checks options, which may take a moment, apart from whatever runs the model. Prompt progress
    /// in the options is not looked at.
    ///
    /// # Errors
    /// [`Error::NoTokenizer`], options out of range, a grammar that cannot be used.
    pub fn new(model: &LanguageModel, prompt: &Prompt, options: &AnswerOptions<'_>) -> Result<Self, Error> {
        let tokenizer = model.tokenizer()?;
        let constraint = constraint(model, prompt, options.grammar.as_ref())?;
        let close_id = prompt.markers.and_then(|m| tokenizer.id_of(m.close));
        let sampler = options.sampler.clone().unwrap_or_else(|| model.recommended_sampling().clone());
        sampler.validate(model.engine().model().spec().vocab)?;
        let request = Request {
            sampler,
            constraint,
            constrain_after: if prompt.is_thinking { close_id } else { None },
            end_tokens: model.end_tokens().to_vec(),
            max_tokens: options.max_tokens,
            speculation: options.speculation.clone(),
        };
        let speech = Speech::new(model, prompt, &options.stop);
        Ok(Self { ids: prompt.ids.clone(), request, speech })
    }

    /// Tokens of the prompt.
    pub fn prompt_tokens(&self) -> usize {
        self.ids.len()
    }
}
