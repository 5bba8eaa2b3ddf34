//! Models of the store as they are told.

use super::catalogue::{entry_of, expected_speed, memory};
use super::report::{DiskReport, KeptModel, SettingsReport, SourceReport};
use crate::App;
use crate::engine::Listed;
use hob_store::{Model, Source, Usage, UsageOf};

/// What is known of a model and what it is doing.
pub fn model(app: &App, model: &Model, usage: Option<&UsageOf>, gb_s: Option<f64>) -> KeptModel {
    let (name, details) = (model.name.to_string(), &model.manifest.details);
    let free = app.machine.free_memory();
    let entry = match &model.manifest.source {
        Source::HuggingFace { repo, .. } => entry_of(repo),
        _ => None,
    };
    let loaded = app.manager.loaded().into_iter().find(|loaded| loaded.listed.name == name);
    let read = entry.map_or(model.bytes, |entry| (model.bytes as f64 * entry.read_share()) as u64);
    let settings = &model.manifest.settings;
    KeptModel {
        bytes: model.bytes,
        own_bytes: usage.map(|usage| usage.own_bytes),
        shared_bytes: usage.map(|usage| usage.shared_bytes),
        outside_bytes: usage.map(|usage| usage.outside_bytes),
        format: details.format.clone(),
        architecture: details.architecture.clone(),
        quantization: details.quantization.clone(),
        parameters: details.parameters,
        context: details.context,
        license: details.license.clone(),
        capabilities: capabilities(app, &name, entry),
        source: source(model),
        is_reference: model.is_outside(),
        added_at: model.manifest.added_at,
        is_loaded: loaded.is_some(),
        is_in_use: loaded.is_some_and(|loaded| loaded.is_in_use()),
        memory: memory(entry, model.bytes, free),
        tokens_per_second_about: expected_speed(read, gb_s),
        settings: SettingsReport {
            system: settings.system.clone(),
            parameters: settings.parameters.clone(),
            messages: settings.messages.len(),
            has_template: settings.template.is_some(),
        },
        error: None,
        name,
    }
}

/// What it can do: known once it was opened, and of models of the catalogue.
fn capabilities(app: &App, name: &str, entry: Option<&hob_store::Entry>) -> Option<Vec<String>> {
    let listed: Option<Listed> = app.manager.catalogue().find(name);
    let about = listed.and_then(|listed| app.manager.known(&listed));
    let known = about.map(|about| {
        let all = [
            ("chat", about.chat.is_some()),
            ("thinking", about.chat.is_some_and(|chat| chat.thinking)),
            ("tools", about.chat.is_some_and(|chat| chat.tools)),
            ("embed", !about.generates),
        ];
        all.into_iter().filter(|(_, can)| *can).map(|(name, _)| name.to_owned()).collect()
    });
    known.or_else(|| entry.map(|entry| entry.capabilities.clone()))
}

/// Where it came from, in a few words.
fn source(model: &Model) -> SourceReport {
    let (from, text, revision) = match &model.manifest.source {
        Source::HuggingFace { repo, revision } => ("hugging_face", repo.clone(), Some(revision.clone())),
        Source::Ollama { model } => ("ollama", model.clone(), None),
        Source::Adopted { path, program } => {
            ("adopted", program.clone().unwrap_or_else(|| path.display().to_string()), None)
        }
        Source::Found => ("found", "this folder".to_owned(), None),
    };
    SourceReport { from, text, revision }
}

/// All models with the room they take.
pub fn list(app: &App, models: &[Model], usage: &Usage, gb_s: Option<f64>) -> Vec<KeptModel> {
    let of = |found: &Model| usage.models.iter().find(|usage| usage.name == found.name);
    models.iter().map(|found| model(app, found, of(found), gb_s)).collect()
}

/// The room they take together; `free` bytes are left beside them.
pub fn disk(usage: &Usage, free: Option<u64>) -> DiskReport {
    DiskReport {
        partial_bytes: usage.partial_bytes,
        freed_by_removing_all_bytes: usage.freed_bytes,
        free_bytes: free,
    }
}
