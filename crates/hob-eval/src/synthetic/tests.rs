use super::*;

fn spec_of(name: &str) -> ModelSpec {
    let shape = SHAPES.iter().find(|s| s.name == name).unwrap();
    settings::describe(shape, &settings::metadata(shape)).unwrap()
}

/// Published totals: the models' pages on their hub, of BERT without the pooler that no embedding uses.
#[test]
fn shapes_have_the_published_number_of_parameters() {
    let pooler = 384 * 384 + 384;
    for (name, total) in [
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-3.2-3b", 3_212_749_824),
        ("llama-3-8b", 8_030_261_248),
        ("phi-3-mini", 3_821_079_552),
        ("phi-4-mini", 3_836_021_760),
        ("qwen2.5-0.5b", 494_032_768),
        ("qwen3-0.6b", 596_049_920),
        ("qwen3-4b", 4_022_468_096),
        ("smollm2-135m", 134_515_008),
        ("gemma-3-1b", 999_885_952),
        ("bge-small", 33_360_000 - pooler),
        ("minilm-l6", 22_713_216 - pooler),
    ] {
        assert_eq!(spec_of(name).parameters(), total, "{name}");
    }
}

/// The parts of E2B as `../shared/reference/gemma4_mobile.md` lists them, in millions, and its tied head.
#[test]
fn gemma_4_e2b_has_the_parts_of_the_published_model() {
    let spec = spec_of("gemma-4-e2b");
    let sum = |part: &dyn Fn(&str) -> bool| {
        let count = |shape: &[usize]| shape.iter().product::<usize>() as f64 / 1e6;
        spec.tensors().iter().filter(|t| part(&t.name)).map(|t| count(&t.shape)).sum::<f64>()
    };
    for (millions, part) in [
        (
            264.2,
            &(|n: &str| n.ends_with("attn_q.weight") || n.ends_with("attn_output.weight"))
                as &dyn Fn(&str) -> bool,
        ),
        (14.2, &|n: &str| n.ends_with("attn_k.weight") || n.ends_with("attn_v.weight")),
        (424.7 + 1132.5, &|n: &str| n.contains("ffn_") && !n.contains("norm")),
        (402.7, &|n: &str| n == "token_embd.weight"),
        (27.5, &|n: &str| n.ends_with("inp_gate.weight") || n.ends_with(".proj.weight")),
        (13.8, &|n: &str| n == "per_layer_model_proj.weight"),
        (2348.8, &|n: &str| n == "per_layer_token_embd.weight"),
    ] {
        let found = sum(part);
        assert!((found - millions).abs() < 0.11, "expected {millions}, found {found}");
    }
}

/// Bytes that decoding a token reads of GGUF mixes, in millions, as measured files have them.
#[test]
fn mixes_have_the_sizes_of_real_files() {
    for (name, weights, megabytes) in [
        ("llama-3.2-1b", "Q4_0", 762.8),
        ("llama-3.2-1b", "Q4_K_M", 799.6),
        ("llama-3.2-1b", "Q8_0", 1313.0),
        ("llama-3.2-1b", "Q6_K", 1013.7),
        ("llama-3.2-1b", "Q2_K", 572.8),
        ("llama-3.2-1b", "BF16", 2471.5),
        ("llama-3-8b", "Q4_0", 4356.8),
        ("llama-3-8b", "Q4_K_M", 4616.3),
        ("llama-3-8b", "Q8_0", 7973.7),
        ("phi-3-mini", "Q4_0", 2119.0),
        ("phi-3-mini", "Q4_K_M", 2336.0),
        ("gemma-4-e2b", "Q4_0", 1405.8),
    ] {
        let plan = plan(name, weights).unwrap();
        let untied = plan.tensors.iter().any(|t| t.name == "output.weight");
        let tables = ["per_layer_token_embd.weight", if untied { "token_embd.weight" } else { "" }];
        let read: u64 =
            plan.tensors.iter().filter(|t| !tables.contains(&t.name.as_str())).map(Entry::bytes).sum();
        let found = read as f64 / 1e6;
        assert!(
            (found / megabytes - 1.0).abs() < 1e-3,
            "{name}:{weights}: expected {megabytes}, found {found}"
        );
    }
}

#[test]
fn unknown_names_list_what_there_is() {
    let message = |name, weights| plan(name, weights).err().unwrap().to_string();
    assert!(message("llama-9", "Q4_0").contains("llama-3.2-1b"));
    assert!(message("llama-3.2-1b", "Q9").contains("Q4_K_M"));
    assert!(message("llama-3.2-1b", "mobile").contains("Gemma 4"));
}

/// The mobile checkpoint's parts in decimal megabytes, from the same page.
#[test]
fn the_mobile_form_has_its_published_parts() {
    let plan = plan("gemma-4-e2b", "mobile").unwrap();
    let sum = |part: &dyn Fn(&str) -> bool| {
        plan.tensors.iter().filter(|t| part(&t.name)).map(Entry::bytes).sum::<u64>() as f64 / 1e6
    };
    let is = |name: &'static str| move |n: &str| n == format!("model.language_model.{name}");
    for (megabytes, found) in [
        (1174.4, sum(&is("embed_tokens_per_layer.embedding_quantized"))),
        (36.7, sum(&is("embed_tokens_per_layer.embedding_scale"))),
        (100.7, sum(&is("embed_tokens.embedding_quantized"))),
        (100.7, sum(&|n| n == "lm_head.weight")),
        (27.5, sum(&is("per_layer_model_projection.weight"))),
        (212.3 + 283.1, sum(&|n| n.contains(".mlp.") && n.ends_with(".weight"))),
        (27.5, sum(&|n| n.contains(".per_layer_") && n.contains("layers.") && n.ends_with(".weight"))),
        (132.1, sum(&|n| n.ends_with("q_proj.weight") || n.ends_with("o_proj.weight"))),
    ] {
        assert!((found - megabytes).abs() < 0.1, "expected {megabytes}, found {found}");
    }
}
