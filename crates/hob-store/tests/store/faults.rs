//! Pulls that something happens to.

use crate::{Bench, assert_holds, lfs, noise};
use hob_store::{Digest, Error, Reference};
use hob_testhub::{Fault, Place};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Everything that passes if it is tried again.
fn passing() -> Vec<Fault> {
    vec![
        Fault::Hangup,
        Fault::Cut(0),
        Fault::Cut(20_000),
        Fault::Stall(0, Duration::from_secs(1)),
        Fault::Stall(20_000, Duration::from_secs(1)),
        Fault::Status(429, None),
        Fault::Status(429, Some(0)),
        Fault::Status(500, None),
        Fault::Status(503, Some(0)),
        Fault::Long,
    ]
}

#[test]
fn whatever_request_fails_once_the_model_arrives() {
    let mut bench = Bench::new();
    (bench.read_timeout, bench.options.failures_max) = (Duration::from_millis(300), 30);
    let content = bench.one_file(400_000);
    bench.pull("hf.co/o/r").unwrap();
    let requests = bench.hub.take_seen().len();
    assert!(requests >= 8, "{requests}");
    bench.store().remove("r").unwrap();
    for fault in passing() {
        for nth in 0..requests {
            let (fault, mut index) = (fault.clone(), 0);
            bench.hub.script(move |_| {
                index += 1;
                (index == nth + 1).then(|| fault.clone())
            });
            let model = bench.pull("hf.co/o/r").unwrap_or_else(|e| panic!("request {nth}: {e}"));
            assert_holds(&model.path, &content);
            bench.store().remove("r").unwrap();
            assert!(bench.partials().is_empty());
        }
    }
}

#[test]
fn many_failures_at_random_cost_time_only() {
    let mut bench = Bench::new();
    (bench.read_timeout, bench.options.failures_max) = (Duration::from_millis(300), 50);
    let content = bench.one_file(1 << 20);
    for seed in 0..5 {
        let mut random = hob_base::Random::new(seed, 3);
        let faults = passing();
        bench.hub.script(move |_| (random.below(3) == 0).then(|| faults[random.index(faults.len())].clone()));
        assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
        bench.store().remove("r").unwrap();
    }
}

#[test]
fn a_pull_that_gives_up_goes_on_where_it_was() {
    let bench = Bench::new();
    let content = bench.one_file(1 << 20);
    bench.hub.script(|s| (s.place == Place::Storage && s.index > 6).then_some(Fault::Hangup));
    let error = bench.pull("hf.co/o/r").unwrap_err();
    assert!(matches!(error, Error::GivenUp { attempts: 6, .. }), "{error}");
    bench.assert_empty();
    bench.hub.heal();
    bench.hub.take_seen();
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
    let fetched: u64 = bench.hub.take_seen().iter().filter_map(|s| s.header("range")).map(range_bytes).sum();
    // Both hosts see each range.
    assert!(fetched / 2 <= (1 << 20) - 2 * (128 << 10), "{fetched} bytes asked for again");
}

fn range_bytes(range: &str) -> u64 {
    let (start, end) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    end.parse::<u64>().unwrap() + 1 - start.parse::<u64>().unwrap()
}

#[test]
fn a_server_that_takes_one_connection_only_is_enough() {
    let mut bench = Bench::new();
    let content = bench.one_file(20 << 20);
    (bench.options.failures_max, bench.options.run_bytes) = (4, 1 << 20);
    bench.hub.script(|s| {
        let fault = if s.busy > 0 { Fault::Status(429, None) } else { Fault::Slow(20 << 20) };
        (s.place == Place::Storage).then_some(fault)
    });
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
}

#[test]
fn waits_are_as_long_as_the_server_asks() {
    let bench = Bench::new();
    bench.one_file(1000);
    bench.hub.script(|s| (s.index == 2).then_some(Fault::Status(429, Some(1))));
    let start = Instant::now();
    bench.pull("hf.co/o/r").unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn wrong_bytes_are_refused_and_nothing_of_them_is_kept() {
    let bench = Bench::new();
    let content = bench.one_file(300_000);
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Flip(7)));
    let error = bench.pull("hf.co/o/r").unwrap_err();
    assert!(
        matches!(error, Error::WrongDigest { expected, .. } if expected == Digest::of(&content)),
        "{error}"
    );
    bench.assert_empty();
    let left: Vec<_> = bench.partials().iter().map(|p| p.join("files").join("m-Q4_K_M.gguf")).collect();
    assert!(left.iter().all(|file| !file.exists()));
    bench.hub.heal();
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
}

#[test]
fn a_server_without_ranges_is_enough() {
    let bench = Bench::new();
    let content = bench.one_file(20 << 20);
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::NoRange));
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
    bench.store().remove("r").unwrap();
    // It also resumes, though what came before comes again.
    bench.hub.script(|s| (s.place == Place::Storage && s.index > 5).then_some(Fault::Hangup));
    bench.pull("hf.co/o/r").unwrap_err();
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::NoRange));
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
}

#[test]
fn a_file_that_changes_during_the_pull_is_fetched_anew() {
    for (is_lfs, bytes) in [(true, 300_000), (false, 300_000), (true, 310_000), (false, 310_000)] {
        let bench = Bench::new();
        bench.one_file(300_000);
        let make = move |content: &[u8]| {
            let file = lfs("m-Q4_K_M.gguf", content);
            hob_testhub::File { sha256: file.sha256.clone().filter(|_| is_lfs), ..file }
        };
        let (old, new) = (noise(300_000, 5), noise(bytes, 6));
        bench.hub.change("o/r", |r| r.files[0] = make(&old));
        // The first attempt gets some pieces of the old file and is cut off.
        bench.hub.script(|s| (s.index > 5).then_some(Fault::Hangup));
        bench.pull("hf.co/o/r").unwrap_err();
        bench.hub.heal();
        let reference = Reference::parse("hf.co/o/r").unwrap();
        let (puller, cancel) = (bench.puller(), AtomicBool::new(false));
        let plan = puller.plan(&reference, &cancel).unwrap();
        // It changes between the plan and the second attempt.
        bench.hub.change("o/r", |r| r.files[0] = make(&new));
        let model = puller.pull(&bench.store(), &reference, plan, &cancel, &mut |_| {}).unwrap();
        assert_holds(&model.path, &new);
    }
}

#[test]
fn stopping_leaves_what_came_and_no_model() {
    let bench = Bench::new();
    let content = bench.one_file(2 << 20);
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Slow(200_000)));
    let reference = Reference::parse("hf.co/o/r").unwrap();
    let (puller, cancel) = (bench.puller(), AtomicBool::new(false));
    let plan = puller.plan(&reference, &cancel).unwrap();
    let start = Instant::now();
    let result = puller.pull(&bench.store(), &reference, plan, &cancel, &mut |progress| {
        if progress.received > 100_000 {
            cancel.store(true, Ordering::Relaxed);
        }
    });
    assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
    assert!(start.elapsed() < Duration::from_secs(8));
    bench.assert_empty();
    bench.hub.heal();
    bench.hub.take_seen();
    assert_holds(&bench.pull("hf.co/o/r").unwrap().path, &content);
    let fetched: u64 = bench.hub.take_seen().iter().filter_map(|s| s.header("range")).map(range_bytes).sum();
    assert!(fetched / 2 < 2 << 20, "everything was fetched again");
}

#[test]
fn a_full_disk_is_found_out_before_anything_is_written() {
    let mut bench = Bench::new();
    bench.one_file(300_000);
    bench.options.free_bytes = |_| Some(1 << 20);
    let error = bench.pull("hf.co/o/r").unwrap_err();
    assert!(
        matches!(error, Error::NoRoom { .. }) && error.to_string().contains("1.05 MB are free"),
        "{error}"
    );
    assert!(bench.hub.take_seen().iter().all(|s| s.place == Place::Hub));
}

#[test]
fn two_pulls_of_one_model_do_not_meet() {
    let bench = Bench::new();
    bench.one_file(1 << 20);
    bench.hub.script(|s| (s.place == Place::Storage).then_some(Fault::Slow(500_000)));
    let reference = Reference::parse("hf.co/o/r").unwrap();
    let (puller, cancel) = (bench.puller(), AtomicBool::new(false));
    let plan = puller.plan(&reference, &cancel).unwrap();
    let mut second = None;
    puller
        .pull(&bench.store(), &reference, plan, &cancel, &mut |p| {
            if second.is_none() && p.received > 0 {
                second = Some(bench.pull("hf.co/o/r"));
            }
        })
        .unwrap();
    assert!(matches!(second, Some(Err(Error::Busy { .. }))), "{second:?}");
}

#[test]
fn links_planted_in_the_store_are_not_written_through() {
    let bench = Bench::new();
    bench.one_file(300_000);
    let victim = bench.dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let home = bench.models().join(".partial").join("hf.co--o--r@Q4_K_M");
    for planted in ["files/m-Q4_K_M.gguf", "m-Q4_K_M.gguf.journal", "lock", "files"] {
        fs::create_dir_all(home.join("files")).unwrap();
        let link = home.join(planted);
        let _ = fs::remove_dir_all(&link);
        #[cfg(unix)]
        std::os::unix::fs::symlink(&victim, &link).unwrap();
        let result = bench.pull("hf.co/o/r");
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{planted}: {result:?}");
        fs::remove_dir_all(&home).unwrap_or_default();
        let _ = bench.store().remove("r");
    }
}

#[test]
fn hostile_listings_write_nothing_outside() {
    let bench = Bench::new();
    for path in [
        "../../evil-Q4_0.gguf",
        "/tmp/evil-Q4_0.gguf",
        "a/../../evil.gguf",
        ".hidden/.x.gguf",
        "con.gguf",
        "a\u{0}b.gguf",
        "..\\e.gguf",
    ] {
        bench.hub.put(crate::repo(vec![lfs(path, b"GGUF")]));
        let result = bench.pull("hf.co/o/r");
        let models: Vec<_> =
            fs::read_dir(bench.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(models.iter().all(|n| n == "models"), "{path}: {models:?} {result:?}");
        assert!(matches!(result, Err(Error::FileName { .. })), "{path}: {result:?}");
    }
    for path in ["/etc/a.safetensors", "../b.safetensors", "1_x/../../c.json", "//d.json"] {
        let files = vec![lfs("config.json", b"{}"), lfs("model.safetensors", b"x"), lfs(path, b"x")];
        bench.hub.put(crate::repo(files));
        // What is not needed is not looked at; what would be fetched is refused.
        match bench.plan("hf.co/o/r") {
            Ok(plan) => assert!(
                plan.files.iter().all(|f| ["config.json", "model.safetensors"].contains(&f.path.as_str()))
            ),
            Err(error) => assert!(matches!(error, Error::FileName { .. }), "{path}: {error}"),
        }
    }
    for text in ["", "[]", "{}", "{\"sha\":\"x\"}", "{\"sha\":\"../../../../../../../../../../../../../..\"}"]
    {
        let body = text.to_owned();
        // A hub that answers nonsense, as a login page in a hotel does.
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = server.local_addr().unwrap();
        std::thread::spawn(move || {
            use std::io::{Read, Write};
            let (mut stream, _) = server.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        });
        let address = hob_egress::Address::parse(&format!("http://{at}")).unwrap();
        let hubs = hob_store::Hubs { hugging_face: address.clone(), ollama: address };
        let config = hob_egress::Config { policy: hubs.policy().unwrap(), ..Default::default() };
        let egress = hob_egress::Egress::new(config, bench.ledger()).unwrap();
        let puller = hob_store::Puller::new(egress, hubs, bench.options.clone());
        let error =
            puller.plan(&Reference::parse("hf.co/o/r").unwrap(), &AtomicBool::new(false)).unwrap_err();
        assert!(matches!(error, Error::Answer { .. }), "{text}: {error}");
    }
}

/// The disk says no while room is being made: nobody could ask how much is free. Runs again in a name space of its own with
/// a small file system, where the system lets us make one.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_really_full_keeps_what_came() {
    const INSIDE: &str = "HOB_TEST_SMALL_DISK";
    let Some(small) = std::env::var_os(INSIDE) else {
        let dir = tempfile::tempdir().unwrap();
        let script = "mount -t tmpfs -o size=2m tmpfs \"$HOB_TEST_SMALL_DISK\" || exit 77; exec \"$@\"";
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(std::env::current_exe().unwrap());
        command.args(["--exact", "faults::a_disk_that_is_really_full_keeps_what_came", "--nocapture"]);
        let Ok(output) = command.env(INSIDE, dir.path()).output() else { return };
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(77) || said.contains("not permitted") {
            eprintln!("SKIPPED: no file system can be mounted here");
            return;
        }
        assert!(output.status.success(), "{said}");
        return;
    };
    let mut bench = Bench::new();
    bench.options.free_bytes = |_| None;
    let store = hob_store::Store::in_data(std::path::Path::new(&small));
    let ballast = std::path::Path::new(&small).join("ballast");
    let content = bench.one_file(1 << 20);
    fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let pull = || {
        let reference = Reference::parse("hf.co/o/r").unwrap();
        let (puller, cancel) = (bench.puller(), AtomicBool::new(false));
        let plan = puller.plan(&reference, &cancel).unwrap();
        puller.pull(&store, &reference, plan, &cancel, &mut |_| {})
    };
    let error = pull().unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    assert!(store.list().unwrap().models.is_empty());
    fs::remove_file(ballast).unwrap();
    assert_holds(&pull().unwrap().path, &content);
}
