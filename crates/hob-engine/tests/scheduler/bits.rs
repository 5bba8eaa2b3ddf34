//! What an answer is does not depend on the others.

use super::*;

/// Short, long and middling prompts, greedy and seeded, under a grammar, to the end of the context, beyond it.
fn jobs(vocab: usize) -> Vec<Job> {
    let greedy = SamplerConfig::greedy;
    let mut jobs = vec![
        job(prompt(5), greedy(), 60),
        job(prompt(130), warm(1), 30),
        job(prompt(61), warm(2), 40),
        job(prompt(200), greedy(), 20),
        job(prompt(30), warm(3), 50),
        job(prompt(120), warm(4), 25),
        job(prompt(40), warm(5), 60),
    ];
    jobs[2].request.constraint = Some(constraint(vocab, "(([a-z]{2}[a-d]){2}[a-z]{2}[n-p]){4,30}"));
    jobs[4].session.context = 60;
    jobs[6].session = SessionConfig { context: 64, on_full: OnFull::Shift { keep: 4 } };
    jobs
}

fn check_bits(engine: &Arc<Engine>, what: &str) {
    let jobs = jobs(engine.model().spec().vocab);
    let expected: Vec<Answer> = jobs.iter().map(|job| alone(engine, job)).collect();
    assert_eq!(expected[4].finish, Some(FinishReason::ContextFull));
    assert!(expected[6].dropped > 0);
    for cancelled in [None, Some(1), Some(3)] {
        let mut running = Running::new(engine, SMALL);
        let mut ids = Vec::new();
        for job in &jobs {
            ids.push(running.submit(job.clone()));
            running.steps(2);
        }
        if let Some(job) = cancelled {
            assert!(running.scheduler.cancel(ids[job]));
        }
        running.finish();
        for (i, (id, expected)) in ids.iter().zip(&expected).enumerate() {
            let got = &running.answers[id];
            if cancelled == Some(i) {
                assert_eq!(
                    got.tokens,
                    expected.tokens[..got.tokens.len()],
                    "{what}, job {i} until cancelled"
                );
                assert_eq!(got.finish, None);
            } else {
                assert_eq!(got, expected, "{what}, job {i}, cancelled {cancelled:?}");
            }
        }
    }
}

#[test]
fn an_answer_among_others_is_the_answer_alone() {
    let files = [
        "models/stories260K-f32.gguf",
        "models/stories260K-q8_0.gguf",
        "fixtures/models/gemma3_1b/gemma3_1b-Q4_0.gguf",
        "fixtures/models/gemma4_26b_a4b/gemma4_26b_a4b-Q4_0.gguf",
        "fixtures/models/gemma4_mobile_e2b/ct",
        "fixtures/models/llama_kquant/llama_kquant-Q4_K.gguf",
        "fixtures/models/llama_kquant/llama_kquant-BF16.gguf",
        "fixtures/models/phi3_mini_128k/phi3_mini_128k-Q4_0.gguf",
    ];
    for (file, kv) in files.into_iter().zip([KvType::F16, KvType::Q8, KvType::F32].into_iter().cycle()) {
        for compute in [Compute::Fast, Compute::Exact] {
            let Some(engine) = engine(file, |c| {
                (c.compute, c.kv, c.prefill_chunk) = (compute, kv, 64);
            }) else {
                return;
            };
            check_bits(&engine, &format!("{file} {compute:?}"));
        }
    }
}

#[test]
fn more_answers_than_fit_a_pass_are_still_alike() {
    let Some(engine) = engine("fixtures/models/llama3_2/llama3_2-Q4_0.gguf", |_| ()) else { return };
    let config = SchedulerConfig { running_max: 100, waiting_max: 0, prefill_tokens: 10_000 };
    let mut running = Running::new(&engine, config);
    let jobs: Vec<Job> = (0..60).map(|i| job(prompt(3 + i % 7), warm(i as u64), 6)).collect();
    let ids: Vec<JobId> = jobs.iter().map(|job| running.submit(job.clone())).collect();
    running.step();
    assert_eq!(running.step().answers, 60);
    running.finish();
    for (job, id) in jobs.iter().zip(ids) {
        assert_eq!(running.answers[&id], alone(&engine, job));
    }
}

#[test]
fn guessing_ahead_changes_nothing() {
    let Some(engine) = engine("models/stories260K-q8_0.gguf", |_| ()) else { return };
    let mut guessing = job(prompt(60), SamplerConfig::greedy(), 80);
    guessing.request.speculation = eager();
    let expected = alone(&engine, &guessing);
    let mut running = Running::new(&engine, SMALL);
    let first = running.submit(guessing.clone());
    running.steps(20);
    let short = running.submit(job(prompt(9), warm(1), 10));
    running.finish();
    assert_eq!(running.answers[&first], expected);
    assert_eq!(running.answers[&short], alone(&engine, &job(prompt(9), warm(1), 10)));
}
