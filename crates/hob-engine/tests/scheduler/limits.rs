//! Who runs when, and what the bounds are.

use super::*;

#[test]
fn a_failing_job_harms_no_other() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |c| c.prefill_chunk = 16) else { return };
    let vocab = engine.model().spec().vocab;
    let fine = [job(prompt(20), warm(1), 30), job(prompt(50), SamplerConfig::greedy(), 20)];
    let mut choiceless = job(prompt(10), SamplerConfig::greedy(), 20);
    choiceless.request.constraint = Some(constraint(vocab, "[a-z]{90}"));
    choiceless.request.sampler.banned = (0..vocab as u32).collect();
    let mut late = choiceless.clone();
    late.request.constrain_after = Some(alone(&engine, &fine[1]).tokens[4].id);
    (late.tokens, late.request.sampler.banned) = (fine[1].tokens.clone(), vec![2]);
    late.request.constraint = Some(constraint(vocab, "aab"));
    let unknown = job([prompt(20), vec![vocab as u32]].concat(), SamplerConfig::greedy(), 20);

    let mut running = Running::new(&engine, SchedulerConfig { running_max: 8, ..SMALL });
    let all = [fine[0].clone(), choiceless, unknown, late, fine[1].clone()];
    let ids: Vec<JobId> = all.iter().map(|job| running.submit(job.clone())).collect();
    running.finish();
    for (job, id) in all.iter().zip(&ids) {
        assert_eq!(running.answers[id], alone(&engine, job));
    }
    let errors: Vec<bool> = ids.iter().map(|id| running.answers[id].error.is_some()).collect();
    assert_eq!(errors[..3], [false, true, true]);
    assert!(matches!(running.answers[&ids[1]].error, Some(Error::NoTokenLeft { .. })));
    assert!(matches!(running.answers[&ids[2]].error, Some(Error::Step(_))));
}

#[test]
fn what_cannot_run_is_refused_at_once() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let mut scheduler = Scheduler::new(engine, SMALL);
    let greedy = SamplerConfig::greedy;
    assert_eq!(scheduler.submit(job(vec![], greedy(), 5)), Err(Error::EmptyPrompt));
    let long = scheduler.submit(job(prompt(500), greedy(), 5));
    assert_eq!(long, Err(Error::PromptTooLong { found: 500, limit: 500 }));
    let odd = job(prompt(5), SamplerConfig { temperature: -1.0, ..greedy() }, 5);
    assert!(matches!(scheduler.submit(odd), Err(Error::SamplerOption { .. })));
    assert!(scheduler.is_idle());
}

#[test]
fn cancelling_frees_every_page() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |c| c.prefill_chunk = 32) else { return };
    let mut running = Running::new(&engine, SchedulerConfig { running_max: 3, ..SMALL });
    let ids: Vec<JobId> =
        (0..5).map(|_| running.submit(job(prompt(200), SamplerConfig::greedy(), 100))).collect();
    // The first answers, the second is within its prompt, the third has not begun, the others wait.
    running.steps(5);
    let both = running.scheduler.kv_bytes();
    assert!(running.scheduler.cancel(ids[1]));
    let first = running.scheduler.kv_bytes();
    assert!(0 < first && first < both);
    assert!(ids[2..].iter().all(|id| running.scheduler.cancel(*id)));
    assert_eq!(running.scheduler.kv_bytes(), first);
    assert!(running.scheduler.cancel(ids[0]));
    assert_eq!(running.scheduler.kv_bytes(), 0);
    assert!(running.scheduler.is_idle());
    assert!(ids.iter().all(|id| !running.scheduler.cancel(*id)));
    assert_eq!(running.step(), Stepped::default());
}

#[test]
fn prompts_keep_to_their_budget_and_answers_go_on() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |c| c.prefill_chunk = 16) else { return };
    let config = SchedulerConfig { prefill_tokens: 40, ..SMALL };
    let mut running = Running::new(&engine, config);
    let quick = running.submit(job(prompt(5), SamplerConfig::greedy(), 100));
    assert_eq!(running.step(), Stepped { answers: 0, prompt_tokens: 5 });
    let slow = running.submit(job(prompt(200), SamplerConfig::greedy(), 5));
    for step in 0..5 {
        assert_eq!(running.step(), Stepped { answers: 1, prompt_tokens: 32 });
        assert_eq!(running.scheduler.load().prompt_tokens, 200 - 32 * (step + 1));
        assert_eq!(running.answers[&quick].tokens.len(), 2 + step);
    }
    assert!(running.answers[&slow].tokens.is_empty());
    // The last chunk is short, so three fit.
    assert_eq!(running.step(), Stepped { answers: 1, prompt_tokens: 40 });
    assert_eq!(running.answers[&slow].tokens.len(), 1);
    assert_eq!(running.step().answers, 2);
}

#[test]
fn the_queue_is_bounded_and_ordered() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let mut running = Running::new(&engine, SchedulerConfig { running_max: 1, waiting_max: 3, ..SMALL });
    let mut ids = vec![running.submit(job(prompt(8), SamplerConfig::greedy(), 4))];
    running.step();
    for priority in [0, 5, 0] {
        let job = Job { priority, ..job(prompt(8), SamplerConfig::greedy(), 4) };
        ids.push(running.submit(job));
    }
    let refused = running.scheduler.submit(job(prompt(8), SamplerConfig::greedy(), 4)).unwrap_err();
    let Error::QueueFull { load } = refused else { panic!("{refused:?}") };
    assert_eq!((load.running, load.waiting, load.prompt_tokens), (1, 3, 24));
    let mut ended = Vec::new();
    while !running.scheduler.is_idle() {
        running.step();
        let done = |id: &&JobId| running.answers[id].finish.is_some() && !ended.contains(*id);
        let new: Vec<JobId> = ids.iter().filter(done).copied().collect();
        ended.extend(new);
    }
    assert_eq!(ended, [ids[0], ids[2], ids[1], ids[3]]);
}

#[test]
fn a_deadline_ends_a_job_wherever_it_is() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let mut running = Running::new(&engine, SchedulerConfig { running_max: 2, ..SMALL });
    let deadline = |seconds| Some(Duration::from_secs(seconds));
    let plain = job(prompt(8), SamplerConfig::greedy(), 20);
    let kept = running.submit(plain.clone());
    let begun = running.submit(Job { deadline: deadline(3), ..plain.clone() });
    let waiting = running.submit(Job { deadline: deadline(2), ..plain.clone() });
    for now in 0..5 {
        running.step_at(now);
    }
    assert_eq!(running.answers[&waiting].error, Some(Error::DeadlinePassed));
    assert_eq!(running.answers[&begun].error, Some(Error::DeadlinePassed));
    assert_eq!(running.answers[&begun].tokens.len(), 3);
    running.finish();
    assert_eq!(running.answers[&kept], alone(&engine, &plain));
}

#[test]
fn a_beginning_that_was_computed_is_not_computed_again() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |c| c.prefix_bytes_max = 1 << 20) else {
        return;
    };
    let mut running = Running::new(&engine, SMALL);
    let second = [prompt(100), vec![7, 8, 9]].concat();
    let ids = [prompt(100), second].map(|p| running.submit(job(p, SamplerConfig::greedy(), 3)));
    running.finish();
    assert_eq!(ids.map(|id| running.cached[&id]), [0, 100]);
}

#[test]
fn an_answer_of_no_tokens_ends_after_its_prompt() {
    let Some(engine) = engine("models/stories260K-f32.gguf", |_| ()) else { return };
    let mut running = Running::new(&engine, SMALL);
    let id = running.submit(job(prompt(9), SamplerConfig::greedy(), 0));
    running.step();
    assert_eq!(running.answers[&id].finish, Some(FinishReason::Length));
    assert!(running.scheduler.is_idle());
}
