//! Which files of a repository belong together, and what their names say of their weights.

/// A model among the files of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The type of its weights, in capitals, if its name says so.
    pub quant: Option<String>,
    /// Its files, in order, as indices into the listing.
    pub files: Vec<usize>,
    /// Name of the file, without part and ending.
    pub stem: String,
}

/// What to take when nothing was said, best first: four bits with important tensors in more are nearly lossless and half
/// the size of eight.
const USUAL: [&str; 14] = [
    "Q4_K_M",
    "UD-Q4_K_XL",
    "Q4_K_S",
    "Q4_0",
    "IQ4_XS",
    "IQ4_NL",
    "MXFP4",
    "Q5_K_M",
    "Q5_K_S",
    "Q6_K",
    "Q8_0",
    "BF16",
    "F16",
    "F32",
];

/// The models among files of these paths.
pub(crate) fn variants<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    for (index, path) in paths.into_iter().enumerate() {
        let Some(stem) = path.strip_suffix(".gguf").or_else(|| path.strip_suffix(".GGUF")) else { continue };
        let file = stem.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        // Projectors and importance matrices accompany models; they are none.
        if ["mmproj", "imatrix", "ggml-vocab"].iter().any(|word| file.contains(word)) {
            continue;
        }
        let stem = without_part(stem).unwrap_or(stem);
        match found.iter_mut().find(|v| v.stem == stem) {
            Some(variant) => variant.files.push(index),
            None => found.push(Variant { quant: quant_of(stem), files: vec![index], stem: stem.to_owned() }),
        }
    }
    found
}

/// The one to take when nothing was said.
pub(crate) fn usual(variants: &[Variant]) -> Option<&Variant> {
    let named = |wanted: &str| variants.iter().find(|v| v.quant.as_deref() == Some(wanted));
    USUAL.iter().find_map(|wanted| named(wanted)).or(variants.first())
}

/// The stem without `-00001-of-00003`.
fn without_part(stem: &str) -> Option<&str> {
    let (rest, count) = stem.rsplit_once("-of-")?;
    let (rest, number) = rest.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(count) && is_number(number)).then_some(rest)
}

/// The type of weights that a file's name ends in, in capitals.
pub(crate) fn quant_of(stem: &str) -> Option<String> {
    let name = stem.rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
    let words: Vec<&str> = name.split(['-', '.']).collect();
    let at = words.iter().rposition(|word| is_quant(word))?;
    let word = match words[at] {
        "FP16" => "F16",
        "FP32" => "F32",
        word => word,
    };
    let is_ud = at > 0 && words[at - 1] == "UD";
    Some(if is_ud { format!("UD-{word}") } else { word.to_owned() })
}

fn is_quant(word: &str) -> bool {
    if matches!(word, "F16" | "BF16" | "F32" | "FP16" | "FP32" | "MXFP4" | "MXFP4_MOE" | "NVFP4") {
        return true;
    }
    let rest = word.strip_prefix("IQ").or_else(|| word.strip_prefix("TQ")).or_else(|| word.strip_prefix('Q'));
    rest.is_some_and(|rest| {
        let mut letters = rest.chars();
        letters.next().is_some_and(|c| c.is_ascii_digit())
            && letters.next() == Some('_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_weights_are() {
        for (stem, quant) in [
            ("Qwen3-0.6B-Q8_0", Some("Q8_0")),
            ("llama-2-7b-chat.Q4_K_M", Some("Q4_K_M")),
            ("gemma-3-1b-it-q4_0", Some("Q4_0")),
            ("Phi-3-mini-4k-instruct-fp16", Some("F16")),
            ("Llama-3.2-1B-Instruct-UD-Q4_K_XL", Some("UD-Q4_K_XL")),
            ("BF16/model-BF16", Some("BF16")),
            ("smollm2-135m-IQ3_XXS", Some("IQ3_XXS")),
            ("Qwen3-4B", None),
            ("model", None),
        ] {
            assert_eq!(quant_of(stem).as_deref(), quant, "{stem}");
        }
    }

    #[test]
    fn parts_are_one_model_and_projectors_none() {
        let paths = [
            "README.md",
            "m-Q8_0-00001-of-00002.gguf",
            "m-Q8_0-00002-of-00002.gguf",
            "mmproj-m-F16.gguf",
            "m-Q4_K_M.gguf",
            "m-BF16.gguf",
            "m.imatrix.gguf",
        ];
        let found = variants(paths);
        let files: Vec<_> = found.iter().map(|v| (v.quant.as_deref().unwrap(), v.files.clone())).collect();
        assert_eq!(files, [("Q8_0", vec![1, 2]), ("Q4_K_M", vec![4]), ("BF16", vec![5])]);
        assert_eq!(usual(&found).unwrap().files, [4]);
        assert_eq!(usual(&found[..1]).unwrap().files, [1, 2]);
        assert_eq!(usual(&variants(["a.gguf", "b.gguf"])).unwrap().stem, "a");
        assert!(usual(&[]).is_none());
    }
}
