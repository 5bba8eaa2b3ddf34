//! The command line as a whole: commands, and what every help text says about exit codes.

use crate::{
    app, bench, chat, chats, cloud, desktop, doctor, embed, eval, export, key, logits, privacy,
    prompt_template, route, serve, service, show, shrink, stats, store, tokenize, train,
};
use clap::{Parser, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

const AFTER_HELP: &str = "\
Start with `hob chat`: Ember, a very small model, is built in. `hob chat MODEL` takes another; `hob help COMMAND` says more.
MODEL is a GGUF file (any part of a split one), a Hugging Face directory, a directory with one GGUF file in it, or a name
that `hob list` shows (`hob search` lists what can be pulled); `ember` is the built-in model. On a terminal, `hob` alone opens
the page in the browser, or chats where there is none. Only `hob pull`, the page when asked for a model, and targets that you named
with `hob cloud`, once you let anything leave, use the network.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
Environment: HOB_HOME (folder for data), HOB_OFFLINE (1 forbids the network), HF_TOKEN, HF_ENDPOINT, HTTPS_PROXY and NO_PROXY
(for pulling), HOB_API_KEY (for `hob serve`), HOB_ISA (pins an instruction set, see `hob doctor`), NO_COLOR.";

/// Small language models on this machine, offline.
#[derive(Debug, Parser)]
#[command(name = "hob", version, after_help = AFTER_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    /// Let nothing leave: the system refuses the network to this command and what it starts [also: HOB_OFFLINE=1]
    #[arg(long)]
    pub offline: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Chat with a model, or get one answer when a prompt or standard input is given
    Chat(Box<chat::ChatArgs>),
    /// List, show, search, export, import and delete the conversations that are kept
    #[command(disable_help_subcommand = true)]
    Chats {
        /// What to do with them.
        #[command(subcommand)]
        what: chats::Command,
    },
    /// Answer programs over HTTP: the OpenAI, Anthropic, Ollama and llama-server interfaces
    Serve(serve::ServeArgs),
    /// Make, list and revoke the keys with which programs and other machines use the server
    #[command(disable_help_subcommand = true)]
    Key {
        /// What to do.
        #[command(subcommand)]
        what: key::Command,
    },
    /// Open the page in the browser; starts the server if none runs
    Open(app::OpenArgs),
    /// Keep the server running: set that up, take it away, say how it stands
    #[command(disable_help_subcommand = true)]
    Service {
        /// What to do.
        #[command(subcommand)]
        what: service::What,
    },
    /// Put Hob into the menu of the desktop, or take it out
    #[command(disable_help_subcommand = true)]
    Desktop {
        /// What to do.
        #[command(subcommand)]
        what: desktop::Desktop,
    },
    /// Fetch a model from Hugging Face or Ollama's registry
    Pull(Box<store::PullArgs>),
    /// Adopt a model that is on this machine: a file, a folder, other programs' models
    Import(store::ImportArgs),
    /// List the models that are here
    List(store::ListArgs),
    /// Remove models
    Rm(store::RmArgs),
    /// Give a model a second name
    Cp(store::CpArgs),
    /// Search the catalogue of well-known models, offline
    Search(store::SearchArgs),
    /// Read every byte of the models that are here and compare
    Verify(store::VerifyArgs),
    /// Say how much room models take
    Du(store::DuArgs),
    /// Show what a model is: family, size, settings, tensors, memory it needs
    Show(show::ShowArgs),
    /// Turn text into a vector
    Embed(embed::EmbedArgs),
    /// Print the token ids of a text
    Tokenize(tokenize::TokenizeArgs),
    /// Print the text of token ids
    Detokenize(tokenize::DetokenizeArgs),
    /// Print the exact text that a model's chat template makes of a conversation
    Template(prompt_template::TemplateArgs),
    /// Print the scores of every next token, for testing
    Logits(logits::LogitsArgs),
    /// Measure quality: perplexity, divergence from another model, right answers
    #[command(disable_help_subcommand = true)]
    Eval {
        /// What to measure.
        #[command(subcommand)]
        what: eval::Eval,
    },
    /// Measure speed, and how close it is to this machine's limits
    Bench(bench::BenchArgs),
    /// Train a model from text, as a recipe says
    Train(train::TrainArgs),
    /// Learn a vocabulary from text
    TrainTokenizer(train::TrainTokenizerArgs),
    /// Train a model on another's predictions
    Distill(train::DistillArgs),
    /// Make a model smaller: the best file that fits into so many bytes
    Shrink(shrink::ShrinkArgs),
    /// Make a model's layers narrower
    Prune(shrink::PruneArgs),
    /// Write a model's matrices in another type
    Quantize(shrink::QuantizeArgs),
    /// Write a model as the directory of safetensors that other programs read
    Export(export::ExportArgs),
    /// Add what an adapter learned to a model's matrices
    MergeLora(shrink::MergeArgs),
    /// Measure which columns of a model's matrices matter, for `hob quantize`
    Imatrix(shrink::ImatrixArgs),
    /// Find what a text says about people, hide it, and put it back
    #[command(disable_help_subcommand = true)]
    Privacy {
        /// What to do.
        #[command(subcommand)]
        what: privacy::Privacy,
    },
    /// Say what the answers of kept conversations took: tokens, time, energy, and that of others for as many
    Stats(stats::StatsArgs),
    /// Name bigger models elsewhere, and say whether anything may be sent to them
    #[command(disable_help_subcommand = true)]
    Cloud {
        /// What to do.
        #[command(subcommand)]
        what: cloud::Command,
    },
    /// Say whether the local answer suffices and where a request would go; nothing is sent
    #[command(disable_help_subcommand = true)]
    Route {
        /// What to do.
        #[command(subcommand)]
        what: route::Route,
    },
    /// Say what this machine offers, what is used of it and why
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, or write all pages into a folder
    Man {
        /// Folder for the pages of all commands; made if absent
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// Print this help, or that of a command (`hob help chat`)
    Help {
        /// Name of a command, and of one inside it (`eval kl`)
        #[arg(value_name = "COMMAND")]
        command: Vec<String>,
    },
}

impl Command {
    /// Whether its own arguments say that nothing may leave.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Serve(args) => args.hubs.offline,
            Self::Pull(args) => args.network.offline,
            _ => false,
        }
    }

    /// Whether something has to be opened before the network is gone: a socket that listens, or what a proof tries to reach.
    pub fn seals_itself(&self) -> bool {
        matches!(
            self,
            Self::Serve(_)
                | Self::Open(_)
                | Self::Doctor(_)
                | Self::Privacy { what: privacy::Privacy::Seal(_) }
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
