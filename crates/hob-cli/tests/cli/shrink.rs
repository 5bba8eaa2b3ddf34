//! A model that the test trains is made smaller in every way the program offers, and judged by another command.

use crate::{hob, program, shared, train};
use std::path::Path;
use tempfile::TempDir;

/// A trained model whose rows are whole blocks of 32, and its text.
fn parent() -> (TempDir, String, String) {
    parent_with(&[])
}

/// The same with other settings in its recipe.
fn parent_with(changes: &[(&str, &str)]) -> (TempDir, String, String) {
    let folder = train::prepared();
    let recipe = train::recipe(folder.path(), 60);
    let text = std::fs::read_to_string(&recipe).unwrap();
    let changes = [&[("hidden = 32", "hidden = 64"), ("head_dim = 16", "head_dim = 32")], changes].concat();
    let changed = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    std::fs::write(&recipe, changed).unwrap();
    hob(&["train", &recipe], b"").ok();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (model, data) = (at("run/model.gguf"), at("text.txt"));
    (folder, model, data)
}

fn bytes(path: &str) -> u64 {
    std::fs::metadata(path).unwrap().len()
}

fn divergence(parent: &str, child: &str, data: &str) -> f64 {
    let args =
        ["eval", "kl", parent, child, "--file", data, "--context", "64", "--compute", "exact", "--json"];
    hob(&args, b"").json()["mean"].as_f64().unwrap()
}

#[test]
fn a_model_shrinks_to_the_size_asked_for_and_training_makes_it_better() {
    let (folder, model, data) = parent();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let shrink = |fit: &str, out: &str, more: &[&str]| {
        let (out, more) = (at(out), [more, &["--json"]].concat());
        let args = ["shrink", &model, "--fit", fit, "--data", &data, "--out", &out, "--tokens", "6000"];
        (hob(&[&args[..], &more].concat(), b"").json(), out)
    };
    let mut last = f64::INFINITY;
    for (fit, budget) in [("58KB", 58_000), ("70KB", 70_000)] {
        let (report, file) = shrink(fit, "small.gguf", &[]);
        assert!(bytes(&file) <= budget && bytes(&file) > budget * 95 / 100, "{fit}: {}", bytes(&file));
        assert_eq!(report["bytes"].as_u64(), Some(bytes(&file)));
        let said = report["divergence"]["mean"].as_f64().unwrap();
        let measured = divergence(&model, &file, &data);
        assert!(said > 0.0 && measured < 3.0 * said && said < 3.0 * measured, "{fit}: {said}, {measured}");
        assert!(said < last, "{fit}: {said} after {last}");
        last = said;
    }
    let page = at("report.html");
    let (report, _) = shrink("58KB", "small.gguf", &["--report", &page]);
    let [page, figures] = [&page, &at("report.json")].map(|path| std::fs::read_to_string(path).unwrap());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&figures).unwrap(), report);
    assert!(page.contains("<svg") && page.contains("small.gguf") && page.ends_with("</html>\n"), "{page}");
    // What ships is what was measured: the figures of both ways agree but for the arithmetic.
    let shipped = report["measured"]["divergence"]["mean"].as_f64().unwrap();
    let said = report["divergence"]["mean"].as_f64().unwrap();
    assert!(shipped < 3.0 * said && said < 3.0 * shipped, "{shipped}, {said}");
    let flips = report["measured"]["flips"].as_array().unwrap();
    assert!(!flips.is_empty() && flips.iter().all(|flip| flip["reference"] != flip["other"]), "{flips:?}");
    assert!(page.contains("Where the two differ most"));
    let frontier: Vec<(u64, f64)> = serde_json::from_value(report["frontier"].clone()).unwrap();
    assert!(frontier.len() > 50 && frontier.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 >= w[1].1));
    // Several sizes from one reading are the files that each would be alone.
    let folder_of = |fit: &str, more: &[&str]| {
        let args = ["shrink", &model, "--fit", fit, "--data", &data, "--tokens", "6000", "--json"];
        hob(&[&args[..], more].concat(), b"")
    };
    let reports = folder_of("58KB,70kB", &["--out", folder.path().to_str().unwrap()]).json();
    let alone = shrink("58KB", "alone.gguf", &[]).1;
    let [first, second] = [0, 1].map(|i| reports[i]["file"].as_str().unwrap().to_owned());
    assert!(first.ends_with("model-58.0kB.gguf") && bytes(&second) <= 70_000, "{reports}");
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&alone).unwrap());
    for (fit, more, expected) in [
        ("58KB,70KB", &["--out", &alone][..], "a folder that is there"),
        ("58KB,58.0KB", &[], "the same file"),
        ("58KB,70KB", &["--report", "r.html"], "about one size"),
    ] {
        let run = folder_of(fit, more);
        assert!(run.code == Some(2) && run.stderr.contains(expected), "{}", run.stderr);
    }
    // No row is a whole block of this type: the matrices then stay halves.
    let (halves, _) = shrink("1MB", "halves.gguf", &["--types", "Q4_K"]);
    assert_eq!(halves["types"]["F16"], 15, "{halves}");
    let (plain, _) = shrink("58KB", "plain.gguf", &[]);
    let (trained, file) = shrink("58KB", "trained.gguf", &["--train", "24000"]);
    let mean = |report: &serde_json::Value, which: &str| report[which]["mean"].as_f64().unwrap();
    assert_eq!(mean(&trained, "divergence_untrained"), mean(&plain, "divergence"));
    assert!(mean(&trained, "divergence") <= mean(&plain, "divergence"));
    assert!(bytes(&file) <= 58_000);
}

#[test]
fn a_model_writes_what_it_is_measured_on_where_no_text_is_given() {
    let (folder, model, data) = parent();
    let shrink = |name: &str, more: &[&str]| {
        let out = folder.path().join(name).display().to_string();
        let args = ["shrink", &model, "--fit", "58KB", "--tokens", "3000", "--out", &out, "--json"];
        (hob(&[&args[..], more].concat(), b""), out)
    };
    let (run, own) = shrink("own.gguf", &[]);
    assert!(run.stderr.contains("the model wrote"), "{}", run.stderr);
    assert_eq!(run.json()["data"], serde_json::json!([]));
    let [first, again] = [&own, &shrink("again.gguf", &[]).1].map(|path| std::fs::read(path).unwrap());
    assert!(first == again, "the same seed writes the same text");
    let told = shrink("told.gguf", &["--data", &data]).1;
    let [own, told] = [own, told].map(|file| divergence(&model, &file, &data));
    assert!(own < 1.5 * told, "{own} without text, {told} with it");
}

/// Ctrl-C ends the training; the model that is there by then is whole, and the report says how good it is.
#[cfg(unix)]
#[test]
fn an_interrupted_training_leaves_a_model_and_its_report() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};
    let (folder, model, data) = parent();
    let out = folder.path().join("small.gguf").display().to_string();
    let mut command = program();
    command.args(["shrink", &model, "--fit", "58KB", "--data", &data, "--tokens", "3000", "--out", &out]);
    command.args(["--train", "900m", "--json"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"training\"") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it ended before it trained");
    }
    assert!(bytes(&out) <= 58_000, "the untrained file is there");
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    said.read_to_string(&mut line).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.code() == Some(130) && line.contains("training was stopped after"), "{line}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["bytes"].as_u64(), Some(bytes(&out)));
    assert!(divergence(&model, &out, &data) > 0.0);
}

#[test]
fn what_cannot_be_shrunk_is_said_and_nothing_is_left_behind() {
    let (folder, model, data) = parent();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let out = at("small.gguf");
    let damaged = at("damaged.gguf");
    let whole = std::fs::read(&model).unwrap();
    std::fs::write(&damaged, &whole[..whole.len() / 2]).unwrap();
    let latin = at("latin.txt");
    std::fs::write(&latin, b"caf\xe9").unwrap();
    // Four sequences: none would be left to judge by.
    let four = at("four.txt");
    std::fs::write(&four, &std::fs::read_to_string(&data).unwrap()[..1400]).unwrap();
    let short = at("short.txt");
    std::fs::write(&short, "Too short.").unwrap();
    for (model, fit, data, code, expected) in [
        (&model, "10KB", &data, 1, "the smallest possible file takes"),
        (&model, "ten", &data, 2, "expected a size such as"),
        (&model, "60KB", &latin, 1, "expected UTF-8 text"),
        (&model, "60KB", &short, 1, "tokens of text, found"),
        (&model, "60KB", &four, 1, "is kept aside; give a longer text"),
        (&model, "60KB", &at("absent.txt"), 1, "absent.txt"),
        (&damaged, "60KB", &data, 1, "damaged.gguf"),
        (&at("absent.gguf"), "60KB", &data, 1, "absent.gguf"),
        (&data, "60KB", &data, 1, "text.txt"),
    ] {
        let run = hob(&["shrink", model, "--fit", fit, "--data", data, "--out", &out], b"");
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
        assert!(!Path::new(&out).exists(), "{expected}");
    }
    let run = hob(&["shrink", &model, "--fit", "60KB", "--data", &data, "--out", &model], b"");
    assert!(run.code == Some(2) && run.stderr.contains("replace its parent"), "{}", run.stderr);
    assert_eq!(std::fs::read(&model).unwrap(), whole);
}

#[test]
fn matrices_get_the_type_asked_for() {
    let (folder, model, data) = parent();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (out, matrix) = (at("small.gguf"), at("matrix.gguf"));
    let said = hob(&["imatrix", &model, "--data", &data, "--out", &matrix, "--tokens", "4000"], b"").ok();
    assert!(said.contains("15 matrices"), "{said}");
    let mut plain = 0.0;
    for (ty, more) in [("Q4_0", &[][..]), ("Q4_0", &["--imatrix", &matrix]), ("Q8_0", &[]), ("bf16", &[])] {
        let args = [&["quantize", &model, &out, ty, "--json"], more].concat();
        let report = hob(&args, b"").json();
        assert_eq!(report["types"][ty.to_uppercase()], 15, "{report}");
        let now = divergence(&model, &out, &data);
        if ty == "Q4_0" && more.is_empty() {
            plain = now;
        }
        assert!(now > 0.0 && now <= plain, "{ty}: {now} after {plain}");
    }
    // As a directory it is the same model, and a place that is taken stays as it is.
    let directory = at("directory");
    hob(&["export", &model, &directory], b"").ok();
    assert!(divergence(&model, &directory, &data) < 1e-6);
    let run = hob(&["export", &model, &directory], b"");
    assert!(run.code == Some(1) && run.stderr.contains("is there already"), "{}", run.stderr);
    let run = hob(&["quantize", &model, &out, "Q4_K"], b"");
    assert!(run.stderr.contains("no whole blocks of Q4_K"), "{}", run.stderr);
    assert!(run.ok().contains("15 Q8_0"));
    // Types as in that file, whatever was made of them.
    let like = at("like.gguf");
    hob(&["quantize", &model, &like, "--like", &out], b"").ok();
    assert!(
        std::fs::read(&like).unwrap() == std::fs::read(&out).unwrap(),
        "the same types give the same file"
    );
    for (args, code, expected) in [
        ([&model, &out, "Q9_K"], 2, "expected a type"),
        ([&model, &model, "Q4_0"], 2, "would replace the one"),
        ([&data, &out, "Q4_0"], 1, "text.txt"),
    ] {
        let run = hob(&[&["quantize"][..], &args].concat(), b"");
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

#[test]
fn layers_become_narrower_and_training_wins_back_what_that_cost() {
    let (folder, model, data) = parent_with(&[("heads = 2\nkv_heads = 1", "heads = 4\nkv_heads = 2")]);
    let out = folder.path().join("narrow.gguf").display().to_string();
    let prune = |more: &[&str]| {
        let args = ["prune", &model, &out, "--data", &data, "--tokens", "6000"];
        hob(&[&args[..], more].concat(), b"")
    };
    let shown = hob(&["show", &model, "--json"], b"").json();
    let mut last = 0.0;
    for (more, ffn) in
        [(&["--ffn", "40"][..], 40), (&["--ffn", "8"], 8), (&["--kv-heads", "1", "--ffn", "8"], 8)]
    {
        let report = prune(&[more, &["--json"]].concat()).json();
        let mean = report["divergence"]["mean"].as_f64().unwrap();
        assert!(mean > last, "{more:?}: {mean} after {last}");
        last = mean;
        let narrow = hob(&["show", &out, "--json"], b"").json();
        assert_eq!(narrow["parameters"], report["parameters"], "{ffn}");
        assert!(narrow["parameters"].as_u64() < shown["parameters"].as_u64());
        // The program runs it, and finds what was said of it.
        let measured = divergence(&model, &out, &data);
        assert!(measured < 3.0 * mean && mean < 3.0 * measured, "{more:?}: {mean}, {measured}");
    }
    let report = prune(&["--kv-heads", "1", "--ffn", "8", "--train", "40000", "--json"]).json();
    assert_eq!(report["divergence_untrained"]["mean"].as_f64(), Some(last));
    assert!(report["divergence"]["mean"].as_f64() < Some(0.7 * last), "{report} after {last}");
    let report = prune(&["--ffn", "8", "--train", "1s", "--json"]).json();
    assert!(report["divergence"]["mean"].as_f64() <= report["divergence_untrained"]["mean"].as_f64());
    for (more, code, expected) in [
        (&[][..], 2, "required"),
        (&["--ffn", "8", "--train", "soon"], 2, "expected a time such as 30min"),
        (&["--ffn", "0"], 1, "at least one, found 0"),
        (&["--ffn", "4096"], 1, "expected fewer neurons"),
        (&["--kv-heads", "2"], 1, "expected fewer key-value heads than the 2"),
    ] {
        let run = prune(more);
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

#[test]
fn a_narrower_model_is_made_where_it_is_closer_within_the_size() {
    let (folder, model, data) = parent();
    let out = folder.path().join("small.gguf").display().to_string();
    let shrink = |fit: &str, more: &[&str]| {
        let args = ["shrink", &model, "--fit", fit, "--data", &data, "--out", &out];
        let tokens: &[&str] = if more.contains(&"--tokens") { &[] } else { &["--tokens", "8000"] };
        hob(&[&args[..], tokens, more].concat(), b"")
    };
    // No type is small enough for the whole model; of a narrower one the report says how far it is.
    let refused = shrink("43KB", &[]);
    assert!(refused.code == Some(1) && refused.stderr.contains("smallest possible"), "{}", refused.stderr);
    for more in [&["--prune", "--json"][..], &["--prune", "--json", "--train", "20000"]] {
        let report = shrink("43KB", more).json();
        assert!(bytes(&out) <= 43_000, "{report}");
        let parameters = |file: &str| hob(&["show", file, "--json"], b"").json()["parameters"].as_u64();
        assert!(parameters(&out) < parameters(&model), "{report}");
        assert_eq!((&report["narrowed"]["ffn"], &report["narrowed"]["of"]), (&32.into(), &64.into()));
        let said = report["divergence"]["mean"].as_f64().unwrap();
        let measured = divergence(&model, &out, &data);
        assert!(measured < 3.0 * said && said < 3.0 * measured, "{said}, {measured}");
    }
    // With room for the whole model there is nothing to win.
    let report = shrink("200KB", &["--prune", "--json"]).json();
    assert_eq!(report["narrowed"]["ffn"], 64, "{report}");
    assert_eq!(report["narrowed"]["tried"].as_array().unwrap().len(), 2);
    for (fit, more, code, expected) in [
        ("5KB", &["--prune"][..], 1, "smallest possible"),
        ("43KB,60KB", &["--prune"], 2, "several sizes"),
        ("43KB", &["--prune", "--mobile"], 2, "cannot be used with"),
        ("43KB", &["--prune", "--tokens", "2500"], 1, "give a longer text"),
        ("43KB", &["--prune", "--memory", "1MB"], 1, "training or narrowing"),
    ] {
        let run = shrink(fit, more);
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

#[test]
fn a_student_learns_from_a_teacher_of_the_same_vocabulary() {
    let (folder, model, _) = parent();
    let recipe = train::recipe(folder.path(), 40);
    let text = std::fs::read_to_string(&recipe).unwrap();
    std::fs::write(&recipe, text.replace("out = 'run'", "out = 'student'")).unwrap();
    let run = hob(&["distill", "--teacher", &model, "--student", &recipe, "--json"], b"").ok();
    let losses: Vec<f64> = run
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["loss"].as_f64())
        .collect();
    // Divergence from the teacher, whose own entropy is not in it.
    assert!(losses.len() == 40 && losses[39] < 0.3 * losses[0], "{} to {}", losses[0], losses[39]);
    let other = folder.path().join("other.gguf").display().to_string();
    let text = folder.path().join("text.txt").display().to_string();
    hob(&["train-tokenizer", &text, "--out", &other, "--size", "290"], b"").ok();
    let changed = std::fs::read_to_string(&recipe).unwrap().replace("vocab.gguf", "other.gguf");
    std::fs::write(&recipe, changed.replace("'student'", "'second'")).unwrap();
    let run = hob(&["distill", "--teacher", &model, "--student", &recipe], b"");
    assert!(run.code == Some(1) && run.stderr.contains("the student's vocabulary"), "{}", run.stderr);
}

/// Checkpoints as they are published become the files that everything else here starts from.
#[test]
fn a_directory_of_safetensors_is_quantised_and_shrunk_like_a_file() {
    let Some(models) = shared("fixtures/models") else { return };
    let (folder, _, data) = parent();
    let out = |name: &str| folder.path().join(name).display().to_string();
    for name in ["gemma3_1b", "gemma4_e2b", "qwen3", "llama3_2"] {
        let (directory, same) = (format!("{models}/{name}"), out("same.gguf"));
        hob(&["quantize", &directory, &same, "F32"], b"").ok();
        assert!(divergence(&directory, &same, &data) < 1e-6, "{name}");
    }
    // Llama 3's rotary embedding hangs on a small tensor that is no weight: files without it diverge by far more than is said.
    let (directory, small) = (format!("{models}/llama3_2"), out("small.gguf"));
    let text = ["--data", &data, "--tokens", "6000", "--json"];
    for command in [
        &["shrink", &directory, "--out", &small, "--fit", "6bpw"][..],
        &["prune", &directory, &small, "--ffn", "96"],
    ] {
        let report = hob(&[command, &text].concat(), b"").json();
        assert_eq!(report["bytes"].as_u64(), Some(bytes(&small)));
        let said = report["divergence"]["mean"].as_f64().unwrap();
        let measured = divergence(&directory, &small, &data);
        assert!(measured < 3.0 * said && said < 3.0 * measured, "{command:?}: {said}, {measured}");
    }
    // Layers with inputs of their own, some of which read others' keys.
    let (directory, small) = (format!("{models}/gemma4_e2b"), out("small-e2b.gguf"));
    let args = ["shrink", &directory, "--out", &small, "--fit", "8bpw"];
    let said = hob(&[&args[..], &text].concat(), b"").json()["divergence"]["mean"].as_f64().unwrap();
    let measured = divergence(&directory, &small, &data);
    assert!(measured < 3.0 * said && said < 3.0 * measured, "{said}, {measured}");
    for (name, expected) in [("bert_bge", "WordPiece"), ("gemma4_mobile_e2b/ct", "packed codes")] {
        let (directory, out) = (format!("{models}/{name}"), folder.path().join("never.gguf"));
        let run = hob(&["quantize", &directory, out.to_str().unwrap(), "Q8_0"], b"");
        assert!(run.code == Some(1) && run.stderr.contains(expected) && !out.exists(), "{}", run.stderr);
    }
}

/// What does not fit is read layer by layer; the file is the same to the byte.
#[test]
fn a_model_that_does_not_fit_into_memory_becomes_the_same_file() {
    let (folder, model, data) = parent();
    let shrink = |name: &str, more: &[&str]| {
        let out = folder.path().join(name).display().to_string();
        let args =
            ["shrink", &model, "--fit", "58KB", "--data", &data, "--tokens", "6000", "--out", &out, "--json"];
        (hob(&[&args[..], more].concat(), b""), out)
    };
    let (whole, file) = shrink("whole.gguf", &[]);
    // Twice the weights as numbers would be too much, what reading takes is not.
    let (parts, same) = shrink("parts.gguf", &["--memory", "8.2MB"]);
    assert!(
        parts.stderr.contains("layer by layer") && !parts.stderr.contains("there is room"),
        "{}",
        parts.stderr
    );
    assert!(std::fs::read(&file).unwrap() == std::fs::read(&same).unwrap());
    // Killed in the middle, it goes on with the next layer.
    let out = folder.path().join("killed.gguf");
    let mut command = program();
    command.args([
        "shrink", &model, "--fit", "58KB", "--data", &data, "--tokens", "6000", "--memory", "8.2MB", "--out",
    ]);
    let quiet = std::process::Stdio::null;
    let mut child = command.arg(&out).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    while !out.with_extension("work").join("state").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it turned");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists());
    let (again, killed) = shrink("killed.gguf", &["--memory", "8.2MB"]);
    assert!(again.stderr.contains("going on where an earlier run was interrupted"), "{}", again.stderr);
    assert!(std::fs::read(&file).unwrap() == std::fs::read(&killed).unwrap());
    assert!(!out.with_extension("work").exists());
    let mean = |run: crate::Run| run.json()["divergence"]["mean"].as_f64().unwrap();
    let (whole, parts) = (mean(whole), mean(parts));
    // The engine reads on from document to document, where the pass in memory begins anew.
    assert!(whole < 3.0 * parts && parts < 3.0 * whole, "{whole} {parts}");
    let (less, _) = shrink("less.gguf", &["--memory", "5.9MB"]);
    assert!(less.stderr.contains("there is room for"), "{}", less.stderr);
    for (more, code, expected) in [
        (&["--memory", "100kB"][..], 1, "at least"),
        (&["--memory", "4bpw"], 2, "expected a size"),
        (&["--memory", "8.2MB", "--train", "1000"], 1, "without --train"),
    ] {
        let (run, out) = shrink("never.gguf", more);
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{more:?}: {}", run.stderr);
        assert!(!Path::new(&out).exists());
    }
}

/// Codes of whole rows and activations with fixed steps, in both published containers.
#[test]
fn a_mobile_checkpoint_is_one_model_in_both_containers() {
    let built = "architecture = 'gemma4'\nwindow = 64\nfull_every = 2\nper_layer = 16\nshared_kv_layers = 2\nshared_ffn = 128";
    let changes = [("layers = 2", "layers = 4"), ("architecture = 'qwen3'", built)];
    let (folder, model, data) = parent_with(&changes);
    let at = |name: &str| folder.path().join(name).display().to_string();
    let shrink = |out: &str, more: &[&str]| {
        let args = ["shrink", &model, "--data", &data, "--tokens", "6000", "--json", "--out", out];
        hob(&[&args[..], more].concat(), b"")
    };
    let (plain, compressed, trained) = (at("mobile"), at("mobile-ct"), at("trained"));
    let report = shrink(&plain, &["--mobile"]).json();
    assert_eq!(
        report["types"],
        serde_json::json!({"BF16": 1, "int2": 7, "int4": 18, "int4/4": 1, "int8": 8})
    );
    assert!(report["resident_bytes"].as_u64() < report["bytes"].as_u64(), "{report}");
    shrink(&compressed, &["--mobile=compressed-tensors"]).ok();
    let logits =
        |model: &str| hob(&["logits", model, "--ids", "5,9,70,41,8", "--compute", "exact"], b"").ok();
    assert_eq!(logits(&plain), logits(&compressed));
    let said = report["divergence"]["mean"].as_f64().unwrap();
    let measured = divergence(&model, &plain, &data);
    assert!(said > 0.0 && measured < 3.0 * said && said < 3.0 * measured, "{said}, {measured}");
    let after =
        shrink(&trained, &["--mobile", "--train", "40000"]).json()["divergence"]["mean"].as_f64().unwrap();
    let shipped = divergence(&model, &trained, &data);
    assert!(
        after < 0.7 * said && shipped < 0.8 * measured,
        "{after} after {said}, {shipped} after {measured}"
    );
    // A size chooses the widths.
    let report = shrink(&at("small"), &["--mobile", "--fit", "150kB"]).json();
    let size = bytes(&at("small/model.safetensors"));
    assert!(size <= 150_000 && size > 120_000 && report["bytes"].as_u64() == Some(size), "{size}: {report}");
    for (out, more, code, expected) in [
        (&plain, &["--mobile"][..], 1, "is there already"),
        (&trained, &["--mobile", "--types", "Q4_0"], 2, "leave --types out"),
        (&at("never"), &["--mobile", "--memory", "1MB"], 1, "of memory"),
        (&at("never"), &["--mobile", "--fit", "9kB"], 1, "the smallest possible"),
    ] {
        let run = shrink(out, more);
        assert!(run.code == Some(code) && run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
    assert!(!Path::new(&at("never")).exists());
}
