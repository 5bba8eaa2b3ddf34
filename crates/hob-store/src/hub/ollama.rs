//! Ollama's registry: a manifest names layers by digest; one is the model, others are short texts about it.

use crate::hub::ask::{ask, json};
use crate::pull::backoff::Backoff;
use crate::pull::{Plan, RemoteFile};
use crate::{Digest, Error, FilePath, ModelName, Settings, Source};
use hob_egress::{Address, Egress};
use serde::Deserialize;

/// What the registry's answer is in.
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// What every layer's media type begins with.
const LAYER: &str = "application/vnd.ollama.image.";
/// Longest template, licence or system prompt taken.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// Most layers of a model.
const LAYERS_MAX: usize = 200;

/// What to plan.
pub(crate) struct Wish<'a> {
    pub endpoint: &'a Address,
    pub namespace: &'a str,
    pub model: &'a str,
    pub tag: &'a str,
}

#[derive(Deserialize)]
pub(crate) struct Manifest {
    pub layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layer {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
}

impl Layer {
    /// What it holds: `model`, `template`, `params`, ...
    pub fn kind(&self) -> &str {
        self.media_type.strip_prefix(LAYER).unwrap_or_default()
    }
}

/// Plans the pull of a model.
pub(crate) fn plan(egress: &Egress, wish: &Wish<'_>, wait: &mut Backoff<'_>) -> Result<Plan, Error> {
    let what = format!("{}/{}:{}", wish.namespace, wish.model, wish.tag);
    let at = |kind: &str, key: &str| {
        wish.endpoint.at(&format!("/v2/{}/{}/{kind}/{key}", wish.namespace, wish.model))
    };
    let manifest = ask(egress, &at("manifests", wish.tag)?, MANIFEST, &what, wait)?;
    let manifest: Manifest = json(&manifest.text, &what, "a manifest")?;
    let refuse = |expected, found: String| Error::Answer { what: what.clone(), expected, found };
    if manifest.layers.len() > LAYERS_MAX {
        return Err(refuse("a model of a few layers", format!("{} layers", manifest.layers.len())));
    }
    let models: Vec<&Layer> = manifest.layers.iter().filter(|l| l.kind() == "model").collect();
    let [layer] = models.as_slice() else {
        let kinds: Vec<&str> = manifest.layers.iter().map(Layer::kind).collect();
        let expected = "one layer with a GGUF model (models in other forms are not pulled; look for them at Hugging Face)";
        return Err(refuse(expected, kinds.join(", ")));
    };
    let digest = Digest::parse(&layer.digest)?;
    let file = RemoteFile {
        path: FilePath::parse(&format!("{}-{}.gguf", wish.model, wish.tag))?,
        address: at("blobs", &format!("sha256:{digest}"))?,
        bytes: layer.size,
        sha256: Some(digest),
    };
    let mut settings = Settings::default();
    for layer in &manifest.layers {
        if matches!(layer.kind(), "template" | "system" | "params" | "license" | "messages")
            && layer.size <= TEXT_BYTES_MAX
        {
            let digest = Digest::parse(&layer.digest)?;
            let text = ask(egress, &at("blobs", &format!("sha256:{digest}"))?, "", &what, wait)?.text;
            if Digest::of(text.as_bytes()) != digest {
                let (file, found) = (format!("{what} {}", layer.kind()), Digest::of(text.as_bytes()));
                return Err(Error::WrongDigest { file, expected: digest, found });
            }
            note(&mut settings, layer.kind(), text);
        }
    }
    let path = if wish.namespace == "library" {
        wish.model.to_owned()
    } else {
        format!("{}/{}", wish.namespace, wish.model)
    };
    Ok(Plan {
        name: ModelName::parse(&format!("ollama/{path}:{}", wish.tag))?,
        source: Source::Ollama { model: what.clone() },
        license: settings.license_text.as_deref().and_then(first_line),
        is_gated: false,
        files: vec![file],
        settings,
    })
}

/// Writes down what a layer says about using the model.
pub(crate) fn note(settings: &mut Settings, kind: &str, text: String) {
    match kind {
        "template" => settings.template = Some(text),
        "system" => settings.system = Some(text),
        "license" => match &mut settings.license_text {
            Some(all) => *all += &format!("\n\n{text}"),
            None => settings.license_text = Some(text),
        },
        "messages" => {
            let messages: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
            let text = |message: &serde_json::Value, key: &str| message[key].as_str().map(str::to_owned);
            settings.messages =
                messages.iter().filter_map(|m| Some((text(m, "role")?, text(m, "content")?))).collect();
        }
        "params" => {
            let values: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(&text).unwrap_or_default();
            for (name, value) in values {
                let values = match value {
                    serde_json::Value::Array(values) => values,
                    value => vec![value],
                };
                for value in values {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    settings.parameters.push((name.clone(), text));
                }
            }
        }
        _ => {}
    }
}

/// The first line of a licence, which is its name.
pub(crate) fn first_line(text: &str) -> Option<String> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().filter(|c| !c.is_control()).take(100).collect())
}
