//! Hob's own engine as a subject, through the doors that users and the program have.

use std::{ops::ControlFlow, path::Path};

use hob::{ChatOptions, Compute, EncodeOptions, KvType, LanguageModel, OnFull, Options, Tokenizer};
use hob_engine::SessionConfig;
use hob_format::ModelFiles;
use hob_kernels::Projection;
use hob_model::{SequenceKv, Step, Wanted};

use crate::{
    compare::argmax,
    subject::{ChatInput, EmbeddingRun, Encode, ModelUnderTest, Rows, Subject, TokenizerUnderTest},
    suites::chat_templates::local_time,
};

/// Opens models with [`LanguageModel`] in exact mode.
#[derive(Debug, Default)]
pub struct HobSubject;

impl Subject for HobSubject {
    fn load(&self, path: &Path) -> Result<Box<dyn ModelUnderTest>, String> {
        let options = Options { compute: Compute::Exact, ..Options::default() };
        let model = LanguageModel::open(path, &options).map_err(text)?;
        Ok(Box::new(HobModel(model)))
    }

    fn convert(&self, path: &Path) -> Result<Box<dyn ModelUnderTest>, String> {
        let files = hob_format::open(path).map_err(text)?;
        let gguf = hob::as_gguf(&files).map_err(text)?.into_owned();
        let options = Options { compute: Compute::Exact, ..Options::default() };
        let model = LanguageModel::new(ModelFiles::Gguf(gguf), &options).map_err(text)?;
        Ok(Box::new(HobModel(model)))
    }

    fn load_tokenizer(&self, path: &Path) -> Result<Box<dyn TokenizerUnderTest>, String> {
        Ok(Box::new(HobTokenizer(hob::open_tokenizer(path).map_err(text)?)))
    }
}

struct HobModel(LanguageModel);

impl HobModel {
    /// Runs `ids` from an empty cache. Returns the wanted positions after the final norm.
    fn forward(
        &self,
        ids: &[u32],
        wanted: Wanted,
        trace: &mut dyn FnMut(usize, &[f32]),
    ) -> Result<Vec<f32>, String> {
        let engine = self.0.engine();
        let model = engine.model();
        let long = model.switch_length().is_some_and(|switch| ids.len() > switch);
        let mut kv = SequenceKv::new(model.spec(), KvType::F32, long);
        let step = Step { tokens: ids, kv: &mut kv, wanted };
        model.forward(engine.cpu(), &mut [step], Some(trace)).map_err(text)
    }
}

impl ModelUnderTest for HobModel {
    fn logits(&mut self, ids: &[u32]) -> Result<Rows, String> {
        let hidden = self.forward(ids, Wanted::All, &mut |_, _| ())?;
        let engine = self.0.engine();
        Ok(Rows::new(engine.model().spec().vocab, engine.model().logits(engine.cpu(), &hidden)))
    }

    fn hidden_last(&mut self, ids: &[u32]) -> Result<Rows, String> {
        let width = self.0.engine().model().spec().hidden;
        let mut rows = Vec::new();
        self.forward(ids, Wanted::Last, &mut |_, x| rows.extend_from_slice(&x[x.len() - width..]))?;
        Ok(Rows::new(width, rows))
    }

    fn greedy(&mut self, ids: &[u32], count: usize) -> Result<Vec<u32>, String> {
        let context = ids.len() + count + 1;
        let mut session = self.0.engine().session(SessionConfig { context, on_full: OnFull::Error });
        session.prefill(ids, &mut |_| ControlFlow::Continue(())).map_err(text)?;
        let mut found = Vec::with_capacity(count);
        while found.len() < count {
            let best = argmax(session.logits().ok_or("the session has no logits after a step")?);
            found.push(u32::try_from(best).map_err(text)?);
            if found.len() < count {
                session.push(found[found.len() - 1]).map_err(text)?;
            }
        }
        Ok(found)
    }

    fn embed(&mut self, ids: &[u32]) -> Result<EmbeddingRun, String> {
        let engine = self.0.engine();
        let hidden = engine.hidden(ids).map_err(text)?;
        let embedding = engine.embed(ids, None).map_err(text)?;
        Ok(EmbeddingRun { last_hidden: Rows::new(engine.model().spec().hidden, hidden), embedding })
    }

    fn linear(&mut self, module: &str, input: &Rows) -> Result<Rows, String> {
        let engine = self.0.engine();
        let linear =
            engine.model().linear(module).ok_or_else(|| format!("{module}: no such linear layer"))?;
        let mut out = vec![0.0; input.count() * linear.weight.rows()];
        engine.cpu().project(&input.data, input.count(), &mut [Projection { linear, out: &mut out }]);
        Ok(Rows::new(linear.weight.rows(), out))
    }

    fn tokenizer(&self) -> &dyn TokenizerUnderTest {
        self
    }

    fn render_chat(&self, chat: ChatInput<'_>) -> Result<String, String> {
        let mut options =
            ChatOptions { now: chat.today.map(local_time).transpose()?, ..ChatOptions::default() };
        for (name, value) in chat.kwargs.as_object().into_iter().flatten() {
            match (name.as_str(), value.as_bool()) {
                ("enable_thinking", Some(think)) => options.think = Some(think),
                _ => {
                    return Err(format!("the facade has no option for the template variable {name}={value}"));
                }
            }
        }
        let mut conversation = self.0.chat(options);
        conversation
            .set_messages(chat.messages.as_array().ok_or("the fixture's messages are no list")?.clone());
        // The fixtures hold what transformers renders, which rewrites nothing.
        conversation.render_verbatim().map_err(text)
    }
}

impl TokenizerUnderTest for HobModel {
    fn encode(&self, text: &str, options: Encode) -> Result<Vec<u32>, String> {
        Ok(encode(self.0.tokenizer().map_err(self::text)?, text, options))
    }

    fn decode(&self, ids: &[u32]) -> Result<String, String> {
        Ok(self.0.tokenizer().map_err(text)?.decode(ids, false))
    }
}

struct HobTokenizer(Tokenizer);

impl TokenizerUnderTest for HobTokenizer {
    fn encode(&self, text: &str, options: Encode) -> Result<Vec<u32>, String> {
        Ok(encode(&self.0, text, options))
    }

    fn decode(&self, ids: &[u32]) -> Result<String, String> {
        Ok(self.0.decode(ids, false))
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, options: Encode) -> Vec<u32> {
    let Encode { add_special, parse_special } = options;
    tokenizer.encode(text, EncodeOptions { add_special, parse_special })
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
