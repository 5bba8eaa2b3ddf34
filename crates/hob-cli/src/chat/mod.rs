//! `hob chat`: a conversation on a terminal, or one answer for a pipe.

mod args;
mod builtin;
mod commands;
mod editor;
mod history;
mod kept;
mod print;
mod prompt;
mod repl;
mod stats;
mod stored;
mod talk;
mod turn;

pub use args::ChatArgs;
pub use editor::history_path;

use crate::context::{self, Context};
use crate::energy::Gauge;
use crate::fail::{Stop, note, usage};
use crate::which::{self, Which};
use crate::{chats, open, out, platform, signals};
use anyhow::{anyhow, bail};
use args::AnswerArgs;
use hob::{ChatOptions, FinishReason, Grammar, LanguageModel, Piece, Speculation};
use kept::{Keeper, Resumed};
use print::Printer;
use prompt::Prompt;
use stats::Facts;
use std::io::{self, IsTerminal, Write};
use std::time::Instant;
use talk::Talk;
use turn::{Request, Turn};

/// Prompt tokens worked on at a time in a conversation. Ctrl-C is heard between two such chunks: half the usual length
/// halves the wait and costs a few per cent of speed.
const INTERACTIVE_CHUNK: usize = 256;

/// A model, a conversation with it, and how its answers are wanted.
struct Desk {
    model: LanguageModel,
    talk: Talk,
    context: Context,
    grammar: Option<Grammar>,
    answer: AnswerArgs,
    logprobs: Option<u32>,
    speculation: Speculation,
    is_raw: bool,
    keeper: Keeper,
    /// Seed of the first answer; each further one counts up.
    seed: u64,
    answers: u64,
}

/// Runs the command. `started` is when the process started.
pub fn run(mut args: ChatArgs, started: Instant) -> anyhow::Result<()> {
    if (args.go_on || args.resume.is_some()) && args.prompt.is_none() {
        // The conversation knows its model: a word alone goes on with it.
        let word = args.model.take_if(|name| which::is_word(name));
        args.prompt = word.map(|word| word.to_string_lossy().into_owned());
    }
    let (which, text) = Which::with_prompt(args.model.as_deref(), args.prompt.as_deref())?;
    let resumed = Resumed::find(&args)?;
    // MODEL alone may have been a prompt.
    let given = args.model.as_deref().filter(|_| args.prompt.is_some() || text.is_none());
    let which = match &resumed {
        Some(resumed) => resumed.model(given, which),
        None => which,
    };
    args.check(&which)?;
    let grammar = args.shape.grammar()?;
    let mut prompt = Prompt::read(text, &args.file)?;
    let interactive = prompt.text.is_none() && io::stdin().is_terminal();
    if interactive && args.json {
        return Err(usage("--json gives one document for one answer; add a PROMPT or pipe one in"));
    }
    if !interactive {
        prompt.read_pipe()?;
        if prompt.is_empty() {
            return Err(usage("no prompt: give one as an argument, or pipe one into standard input"));
        }
    }
    signals::catch()?;
    let mut options = args.run.options();
    options.lock = args.lock;
    if interactive {
        options.prefill_chunk = INTERACTIVE_CHUNK;
    }
    let settings = stored::settings(&which);
    options.template = settings.jinja().map(str::to_owned);
    let model = open::with_options(&which, &options)?;
    stored::follow(&mut args, &settings, model.template().is_some());
    let mut desk = Desk::new(model, &args, grammar, resumed.as_ref())?;
    if resumed.is_none() {
        desk.begin_with(&settings);
    }
    if (interactive || args.keep || resumed.is_some()) && !args.temporary && !desk.is_raw {
        let keeper = Keeper::new(&which, desk.talk.system().as_deref(), resumed.as_ref());
        desk.keeper = keeper.unwrap_or_else(|error| {
            note(&format!("{error}; this conversation is not kept"));
            Keeper::none()
        });
    }
    if !interactive {
        if which.is_builtin() {
            builtin::note_once(&args);
        }
        return desk.answer_once(&prompt, &args, started).map_err(|e| args.shape.explain(e));
    }
    if let Some(grammar) = &desk.grammar {
        // Nothing that is said could be answered with a grammar that cannot be used.
        desk.model.check_grammar(grammar).map_err(|e| args.shape.explain(e.into()))?;
    }
    repl::run(&mut desk, prompt, &args, &which, resumed.as_ref())
}

impl Desk {
    fn new(
        model: LanguageModel,
        args: &ChatArgs,
        grammar: Option<Grammar>,
        resumed: Option<&Resumed>,
    ) -> anyhow::Result<Self> {
        if !model.engine().model().spec().is_generative() {
            bail!("this model makes vectors and writes no text; use `hob embed` with it");
        }
        model.tokenizer()?;
        let is_raw = args.raw || model.template().is_none();
        if is_raw && !args.raw {
            note(
                "this model has no chat template, so it continues your text as it stands (--raw says that this is meant)",
            );
        }
        let seed = args.answer.sampling.seed.unwrap_or_else(platform::seed_from_clock);
        // Checked before the prompt is computed, which can take long.
        args.answer.sampling.config(&model, seed)?;
        let context = context::choose(&model, args.context.positions);
        context::warnings(&model, context).iter().for_each(|w| note(w));
        let system = args.system.as_deref().or(resumed.and_then(Resumed::system));
        let on_full = talk::on_full(&model, system, is_raw, args.context.shift)?;
        let now = (!is_raw).then(platform::now);
        let think = args.answer.think().or(resumed.and_then(Resumed::think));
        let options = ChatOptions { context: Some(context.positions), on_full, think, now };
        let mut talk = Talk::new(&model, options, is_raw);
        if let Some(system) = system {
            talk.set_system(Some(system)).map_err(|e| usage(format!("--system: {e}")))?;
        }
        if let Some(resumed) = resumed {
            talk.append(resumed.messages())?;
        }
        let (answer, logprobs, speculation) = (args.answer.clone(), args.logprobs, args.speculation(&model)?);
        let desk = Self {
            model,
            talk,
            context,
            grammar,
            answer,
            logprobs,
            speculation,
            is_raw,
            keeper: Keeper::none(),
            seed,
            answers: 0,
        };
        desk.check_think();
        Ok(desk)
    }

    /// Says so when a wish about thinking has no effect.
    fn check_think(&self) {
        let knows = self.model.template().is_some_and(|t| t.has_thinking_switch());
        if self.answer.think().is_some() && (self.is_raw || !knows) {
            note("think has no effect: this model's template has no switch for thinking");
        }
    }

    /// Seed of the answer given next.
    fn next_seed(&self) -> u64 {
        self.seed.wrapping_add(self.answers)
    }

    /// Lets the model answer; `take` gets each piece.
    fn turn(&mut self, take: &mut dyn FnMut(&Piece) -> anyhow::Result<()>) -> anyhow::Result<Turn> {
        let mut sampler = self.answer.sampling.config(&self.model, self.next_seed())?;
        sampler.logprobs = self.logprobs;
        let request = Request {
            sampler,
            grammar: self.grammar.clone(),
            max_tokens: self.answer.max_tokens,
            stop: self.answer.stop.clone(),
            speculation: self.speculation.clone(),
        };
        let gauge = Gauge::begin();
        let mut turn = turn::run(&mut self.talk, request, take)?;
        let threads = self.model.engine().config().threads;
        turn.energy = Some(gauge.end(turn.prefill + turn.decode, threads));
        self.answers += 1;
        Ok(turn)
    }

    /// Figures about the last turn, whose wait began at `since`.
    fn facts(&self, since: Instant) -> Facts<'_> {
        let used = self.talk.session().tokens().len();
        let seed = self.next_seed().wrapping_sub(1);
        Facts { model: &self.model, since, context: self.context, used, seed }
    }

    /// Takes in what the user says.
    fn say(&mut self, prompt: &Prompt) {
        self.talk.say(&if self.is_raw { prompt.raw() } else { prompt.message() });
        self.keeper.said(prompt);
    }

    /// Keeps what came of a turn whose wait began at `since`.
    fn keep(&mut self, turn: &Turn, since: Instant) {
        if turn.is_answer() {
            self.keeper.answered(turn, stats::kept(turn, since));
        } else {
            self.keeper.took_back();
        }
    }

    fn answer_once(&mut self, prompt: &Prompt, args: &ChatArgs, started: Instant) -> anyhow::Result<()> {
        self.say(prompt);
        let mut printer = Printer::new(args.show_thoughts);
        let mut take = |piece: &Piece| if args.json { Ok(()) } else { printer.piece(piece) };
        let result = self.turn(&mut take);
        // An error must not be written behind half a line.
        printer.end()?;
        let turn = match result {
            Ok(turn) => turn,
            Err(error) => {
                self.keeper.took_back();
                return Err(self.explain(error, prompt));
            }
        };
        self.keep(&turn, started);
        if args.json {
            out::json(&stats::document(&turn, &self.facts(started))?)?;
        }
        print::notices(&turn, self.context.positions, self.grammar.is_some());
        if args.stats {
            writeln!(io::stderr(), "{}", stats::lines(&turn, &self.facts(started)))?;
        }
        if !turn.is_answer() && !turn.interrupted {
            note("the model ended its answer at once, so there is no output");
        }
        if let Some(id) = self.keeper.id() {
            note(&format!("kept as {} (hob chat --resume {0} \"...\")", chats::short(id)));
        }
        if turn.interrupted {
            return Err(Stop::Interrupted.into());
        }
        if self.grammar.is_some() && turn.reply.finish != Some(FinishReason::Stop) {
            // Whoever asked for a shape parses the output; half of it must not look like success.
            bail!(
                "the output ends before it has the shape asked for; give it more room (--max-tokens, --context) or a tighter shape"
            );
        }
        Ok(())
    }

    /// Adds to an error what the library cannot know: which part of the prompt was how long.
    fn explain(&self, error: anyhow::Error, prompt: &Prompt) -> anyhow::Error {
        match error.downcast_ref::<hob::Error>() {
            Some(hob::Error::Engine(hob_engine::Error::PromptTooLong { .. })) => {
                anyhow!("{error}: --context N or --context shift{}", prompt.sizes(&self.model))
            }
            _ => error,
        }
    }
}
