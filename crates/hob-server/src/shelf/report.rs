//! What the shelf answers: types that say what they are.

use super::job::State;
use crate::described::{Shape, described};
use serde_json::{Map, Value, json};

described! {
    /// What a model needs of memory, and whether it is there.
    pub struct MemoryReport {
        /// For weights, the cache of a conversation of `context` tokens, and work.
        needed_bytes: u64,
        /// Tokens of the conversation that is counted with.
        context: u64,
        /// Memory that can be had now, where the system tells.
        free_bytes: Option<u64>,
        /// `fits`, `tight` or `too_large`, where that can be said.
        fit: Option<&'static str>,
        /// Always `estimated`.
        method: &'static str,
    }

    /// Where a model came from.
    pub struct SourceReport {
        /// `hugging_face`, `ollama`, `adopted` or `found`.
        from: &'static str,
        /// The repository, the model there, the program or the file.
        text: String,
        /// The commit, of a repository.
        revision: Option<String>,
    }

    /// How a model wants to be used, as far as its source says.
    pub struct SettingsReport {
        /// Instructions that stand before conversations.
        system: Option<String>,
        /// Parameters, each as its name and its value.
        parameters: Vec<(String, String)>,
        /// How many messages conversations begin with.
        messages: usize,
        /// Whether it brings a template of its own.
        has_template: bool,
    }

    /// A model that is kept.
    pub struct KeptModel {
        /// As requests name it.
        name: String,
        /// Of its files.
        bytes: u64,
        /// Those that removing it alone would free; told in the list.
        own_bytes: Option<u64>,
        /// Those that others share; told in the list.
        shared_bytes: Option<u64>,
        /// Those that lie elsewhere; told in the list.
        outside_bytes: Option<u64>,
        /// `gguf` or `safetensors`.
        format: Option<String>,
        /// The family, in the file's words.
        architecture: Option<String>,
        /// The type of most of the weights.
        quantization: Option<String>,
        /// Elements of all tensors.
        parameters: Option<u64>,
        /// Tokens that it was trained for.
        context: Option<u64>,
        /// As the source says.
        license: Option<String>,
        /// What it can do: `chat`, `thinking`, `tools`, `vision`, `embed`; known once it was opened, or of the catalogue.
        capabilities: Option<Vec<String>>,
        /// Where it came from.
        source: SourceReport,
        /// Whether its files lie outside of the store.
        is_reference: bool,
        /// When, in seconds since 1970.
        added_at: u64,
        /// Whether it is in memory.
        is_loaded: bool,
        /// Whether it is answering.
        is_in_use: bool,
        /// What it needs.
        memory: MemoryReport,
        /// What its size and this machine's memory let expect.
        tokens_per_second_about: Option<f64>,
        /// How it wants to be used.
        settings: SettingsReport,
        /// Why it cannot be opened; told where one model is asked for.
        error: Option<String>,
    }

    /// The room that models take.
    pub struct DiskReport {
        /// Downloads that are not complete.
        partial_bytes: u64,
        /// What removing everything would free.
        freed_by_removing_all_bytes: u64,
        /// What is free where models are kept, where the system tells.
        free_bytes: Option<u64>,
    }

    /// The models that are kept, and the room they take.
    pub struct ShelfReport {
        /// By name.
        models: Vec<KeptModel>,
        /// On the disk.
        disk: DiskReport,
        /// How fast this machine reads memory.
        read_gb_per_second: Option<f64>,
        /// Folders of the store that hold no model, and why.
        problems: Vec<String>,
    }

    /// A model that is gone.
    pub struct ModelRemoved {
        /// What it was called.
        name: String,
        /// Of its files.
        bytes: u64,
        /// Whether they are still there, since they are somebody else's.
        files_stay: bool,
    }

    /// A name that a model has now.
    pub struct ModelNamed {
        /// The name.
        name: String,
    }

    /// A second name that is wanted.
    pub struct CopyWanted {
        /// A name that the model has.
        from: String,
        /// The one that it gets.
        to: String,
    }

    /// A file of a well-known model.
    pub struct VariantReport {
        /// What it is asked for by.
        name: String,
        /// The type of most of the weights.
        quantization: String,
        /// Where it is.
        repo: String,
        /// From its parameters and type, where they are known.
        bytes_about: Option<u64>,
        /// Whether it is kept here.
        is_here: bool,
        /// What it needs.
        memory: Option<MemoryReport>,
        /// What its size and this machine's memory let expect.
        tokens_per_second_about: Option<f64>,
    }

    /// A well-known model.
    pub struct EntryReport {
        /// What it is asked for by.
        name: String,
        /// What its makers call it.
        title: String,
        /// The family.
        architecture: String,
        /// How many, as its makers count them.
        parameters: f64,
        /// The longest.
        context: u64,
        /// SPDX name, or the makers' own.
        license: String,
        /// `chat`, `thinking`, `tools`, `vision`, `embed`.
        capabilities: Vec<String>,
        /// Its files, the one most people want first.
        variants: Vec<VariantReport>,
    }

    /// Well-known models.
    pub struct CatalogueReport {
        /// All of them.
        models: Vec<EntryReport>,
        /// How fast this machine reads memory.
        read_gb_per_second: Option<f64>,
    }

    /// A file that would be fetched.
    pub struct PlannedFile {
        /// Its place in the model's folder.
        path: String,
        /// Its size.
        bytes: u64,
    }

    /// What fetching a model would bring.
    pub struct PlanReport {
        /// What it would be called.
        name: String,
        /// As the hub or the catalogue says.
        license: Option<String>,
        /// Whether its terms have to be accepted first.
        is_gated: bool,
        /// Of all files.
        bytes: u64,
        /// Each of them.
        files: Vec<PlannedFile>,
        /// What is free where it would go, where the system tells.
        disk_free_bytes: Option<u64>,
        /// What it needs.
        memory: MemoryReport,
        /// What its size and this machine's memory let expect.
        tokens_per_second_about: Option<f64>,
    }

    /// A model that is wanted.
    pub struct ModelWanted {
        /// A name of the catalogue, or where it is: `hf.co/OWNER/NAME:QUANT`, `ollama.com/NAME:TAG`.
        model: String,
    }

    /// Why a pull could not go on.
    pub struct PullTrouble {
        /// What happened.
        message: String,
        /// What to do.
        advice: &'static str,
        /// For programs.
        code: Option<&'static str>,
    }

    /// A pull or an adoption.
    pub struct PullReport {
        /// Its name for programs.
        id: String,
        /// `pull` or `adopt`.
        kind: &'static str,
        /// What the model is or will be called.
        name: String,
        /// Where it comes from.
        reference: String,
        /// Where it stands.
        state: State,
        /// `checking`, `downloading` or `verifying`, while it runs.
        phase: Option<&'static str>,
        /// Bytes that are here.
        done_bytes: u64,
        /// Bytes that there will be; 0 until that is known.
        total_bytes: u64,
        /// Over the last seconds, while bytes come.
        bytes_per_second: Option<f64>,
        /// At that speed.
        seconds_left: Option<f64>,
        /// As the hub says.
        license: Option<String>,
        /// The failure after which it is being tried again.
        retry: Option<String>,
        /// Why it could not go on.
        error: Option<PullTrouble>,
    }

    /// Pulls and adoptions.
    pub struct PullsReport {
        /// Newest first.
        pulls: Vec<PullReport>,
    }

    /// A pull that is forgotten.
    pub struct PullGone {
        /// What it was called.
        id: String,
        /// Always true.
        deleted: bool,
    }

    /// A model of another program.
    pub struct FoundModel {
        /// What it would be called.
        name: String,
        /// Whose it is, if that is known.
        program: Option<&'static str>,
        /// The file or folder.
        place: String,
        /// Of its files.
        bytes: u64,
        /// Whether a model of this name is kept here.
        is_here: bool,
    }

    /// Models of other programs.
    pub struct FoundReport {
        /// All that a look brought.
        models: Vec<FoundModel>,
    }

    /// A model of another program that is wanted.
    pub struct AdoptionWanted {
        /// As it was found.
        name: String,
        /// Which, where several have that name.
        place: Option<String>,
    }
}

impl Shape for State {
    fn schema(_named: &mut Map<String, Value>) -> Value {
        json!({"type": "string", "enum": Self::ALL.map(Self::name)})
    }
}

impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}
