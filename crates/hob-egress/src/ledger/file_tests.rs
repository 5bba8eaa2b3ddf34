use super::*;
use crate::Address;
use crate::ledger::Purpose;
use crate::policy::Terms;
use proptest::prelude::*;
use std::sync::atomic::{AtomicI64, Ordering};

static NOW: AtomicI64 = AtomicI64::new(1_800_000_000_000);

fn clock() -> i64 {
    NOW.fetch_add(1, Ordering::Relaxed)
}

fn still() -> i64 {
    1_800_000_000_000
}

fn sending(bytes: u64, cost_max_micro: u64) -> Sending {
    let address = Address::parse("https://big.example/v1/chat?key=planted").unwrap();
    let hidden = [("EMAIL".to_owned(), 2)].into();
    let target = Some("big".into());
    let sha256 = Some(Hash::of(b"body"));
    Sending {
        bytes,
        cost_max_micro,
        hidden,
        target,
        sha256,
        ..Sending::plain(&address, "POST", Purpose::Ask, Terms::Public)
    }
}

/// A ledger with three requests, of which the last has no outcome: five entries.
fn small() -> (tempfile::TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(folder.path().join("ledger"), clock);
    for index in 0..3 {
        let of = ledger.send(sending(10, 0), &[], None).unwrap();
        if index < 2 {
            ledger.outcome(Outcome { of, status: Some(200), received: 7, ..Outcome::default() }).unwrap();
        }
    }
    (folder, ledger)
}

/// The same files, read by somebody who has not seen them yet.
fn anew(ledger: &Ledger) -> Ledger {
    Ledger::at(ledger.folder().unwrap(), clock)
}

fn paths(ledger: &Ledger) -> (PathBuf, PathBuf) {
    let folder = ledger.folder().unwrap();
    (folder.join(LEDGER), folder.join(HEAD))
}

/// Both reading and sending notice.
fn is_noticed(ledger: &Ledger) -> bool {
    let before = fs::read(paths(ledger).0).unwrap();
    let noticed = anew(ledger).verify(None).is_err() && anew(ledger).send(sending(1, 0), &[], None).is_err();
    // What was refused has not been touched either.
    noticed && fs::read(paths(ledger).0).unwrap() == before
}

#[test]
fn entries_follow_one_another_and_say_no_secrets() {
    let (_folder, ledger) = small();
    let verified = ledger.verify(None).unwrap();
    assert_eq!((verified.entries, verified.torn_bytes), (5, 0));
    let mut seen = Vec::new();
    ledger.read(&mut |entry, hash| seen.push((entry.clone(), hash))).unwrap();
    assert_eq!(seen.iter().map(|(entry, _)| entry.n).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(seen.windows(2).all(|two| two[1].0.prev == two[0].1 && two[1].0.time_ms > two[0].0.time_ms));
    let text = fs::read_to_string(paths(&ledger).0).unwrap();
    assert!(!text.contains("planted") && text.contains("\"path\":\"/v1/chat\""), "{text}");
    // What was written down elsewhere is found; what never was is not.
    assert_eq!(ledger.verify(Some(seen[2].1)).unwrap(), verified);
    assert!(matches!(ledger.verify(Some(Hash::of(b"x"))), Err(LedgerError::Anchor { .. })));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(ledger.folder().unwrap()), mode(&paths(&ledger).0)), (0o700, 0o600));
        assert_eq!(mode(&paths(&ledger).1), 0o600);
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let (_folder, ledger) = small();
    let (lines, head) = paths(&ledger);
    for path in [lines, head] {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            // One bit of each byte, now this and now that.
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            assert!(anew(&ledger).verify(None).is_err(), "{} at {at}", path.display());
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(anew(&ledger).verify(None).is_ok());
}

#[test]
fn every_dropped_doubled_or_moved_line_is_noticed() {
    let (_folder, ledger) = small();
    let path = paths(&ledger).0;
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let write = |lines: &[&str]| fs::write(&path, lines.concat()).unwrap();
    for i in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(i);
        write(&fewer);
        assert!(is_noticed(&ledger), "without line {i}");
        let mut doubled = lines.clone();
        doubled.insert(i, lines[i]);
        write(&doubled);
        assert!(is_noticed(&ledger), "line {i} twice");
        for j in 0..i {
            let mut moved = lines.clone();
            moved.swap(i, j);
            write(&moved);
            assert!(is_noticed(&ledger), "lines {i} and {j} swapped");
        }
    }
    // Cut at every byte: the head knows better.
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        assert!(anew(&ledger).verify(None).is_err(), "cut at {end}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        anew(&ledger).send(sending(1, 0), &[], None),
        Err(LedgerError::Dropped { expected: 5, found: 0 })
    ));
    fs::write(&path, &whole).unwrap();
    fs::remove_file(paths(&ledger).1).unwrap();
    assert!(is_noticed(&ledger), "without its head");
}

#[test]
fn half_an_entry_is_what_a_killed_program_leaves() {
    let (_folder, ledger) = small();
    let (path, head) = paths(&ledger);
    let (whole, older) = (fs::read(&path).unwrap(), fs::read(&head).unwrap());
    let of = ledger.send(sending(3, 0), &[], None).unwrap();
    let longer = fs::read(&path).unwrap();
    // Killed between the entry and the head: the entry counts.
    fs::write(&head, &older).unwrap();
    assert_eq!(anew(&ledger).verify(None).unwrap().entries, of);
    for end in (whole.len() + 1..longer.len()).step_by(9).chain([longer.len() - 1]) {
        fs::write(&path, &longer[..end]).unwrap();
        fs::write(&head, &older).unwrap();
        let torn_bytes = (end - whole.len()) as u64;
        assert_eq!(anew(&ledger).verify(None).unwrap().torn_bytes, torn_bytes);
        // The next entry takes its place and says so.
        let next = anew(&ledger);
        assert_eq!(next.send(sending(4, 0), &[], None).unwrap(), 7);
        let mut repaired = None;
        assert_eq!(
            next.read(&mut |entry, _| if entry.n == 6 {
                repaired = Some(entry.what.clone())
            })
            .unwrap()
            .torn_bytes,
            0
        );
        let sha256 = Hash::of(&longer[whole.len()..end]);
        assert_eq!(repaired, Some(What::Repaired(Repaired { torn_bytes, sha256 })));
    }
}

#[test]
fn several_writers_share_one_chain() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("ledger");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                // Each has its own view, as programs have.
                let ledger = Ledger::at(&at, clock);
                for _ in 0..8 {
                    let of = ledger.send(sending(1, 0), &[], None).unwrap();
                    ledger.outcome(Outcome { of, ..Outcome::default() }).unwrap();
                }
            });
        }
    });
    assert_eq!(Ledger::at(&at, clock).verify(None).unwrap().entries, 64);
}

#[test]
fn who_has_read_some_of_it_reads_the_rest() {
    let (_folder, ledger) = small();
    let mut place = Place::default();
    let read = |place: &mut Place| {
        let mut numbers = Vec::new();
        anew(&ledger)
            .read_on(place, &mut |entry, _| numbers.push(entry.n))
            .map(|verified| (numbers, verified))
    };
    assert_eq!(read(&mut place).unwrap().0, [1, 2, 3, 4, 5]);
    assert!(read(&mut place).unwrap().0.is_empty());
    ledger.send(sending(10, 0), &[], None).unwrap();
    let (numbers, verified) = read(&mut place).unwrap();
    assert_eq!((numbers, verified), (vec![6], ledger.verify(None).unwrap()));
    // Another ledger, be it longer or shorter, is not gone on with.
    let (path, head) = paths(&ledger);
    for entries in [0, 2, 9] {
        fs::remove_file(&path).unwrap();
        assert!(read(&mut { place }).is_err());
        fs::remove_file(&head).unwrap();
        for _ in 0..entries {
            anew(&ledger).send(sending(11, 0), &[], None).unwrap();
        }
        let mut before = place;
        assert!(read(&mut before).is_err(), "{entries}");
        assert_eq!(read(&mut Place::default()).unwrap().0.len(), entries);
        if entries == 0 {
            anew(&ledger).send(sending(11, 0), &[], None).unwrap();
        }
    }
}

#[test]
fn without_a_place_nothing_is_written_down_and_nothing_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let refuses = |ledger: Ledger| ledger.send(sending(1, 0), &[], None).unwrap_err();
    assert!(matches!(refuses(Ledger::at(file.join("ledger"), clock)), LedgerError::Io { .. }));
    assert!(refuses(Ledger::nowhere("no folder is known")).to_string().contains("no folder is known"));
    assert_eq!(Ledger::at(folder.path().join("none"), clock).verify(None).unwrap().entries, 0);
    assert!(!folder.path().join("none").exists(), "looking makes nothing");
}

#[test]
fn caps_count_what_the_ledger_says() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Ledger::at(folder.path(), still);
    let cap = |target: Option<&str>, bytes_max, cost_max_micro| Cap {
        target: target.map(str::to_owned),
        period: Period::Day,
        bytes_max,
        cost_max_micro,
    };
    let ledger = open();
    let of = ledger.send(sending(60, 900), &[cap(None, Some(100), Some(1000))], None).unwrap();
    // Another program counts the same; until the outcome is known the most counts.
    let refused = |caps: &[Cap], bytes, cost| match open().send(sending(bytes, cost), caps, None) {
        Err(LedgerError::Cap { .. }) => true,
        Ok(_) => false,
        Err(other) => panic!("{other}"),
    };
    assert!(refused(&[cap(None, Some(100), None)], 41, 0));
    assert!(refused(&[cap(Some("big"), None, Some(1000))], 1, 101));
    assert!(!refused(&[cap(Some("other"), Some(1), Some(1))], 10, 0), "another target's limit");
    ledger.outcome(Outcome { of, cost_micro: 100, ..Outcome::default() }).unwrap();
    assert!(!refused(&[cap(Some("big"), None, Some(1000))], 0, 900));
    assert!(refused(&[cap(Some("big"), None, Some(1000))], 0, 1));
    let spent = open().spent(Some("big"), Period::Month).unwrap();
    assert_eq!((spent.bytes, spent.cost_micro), (70, 1000));
    assert_eq!(open().spent(Some("nobody"), Period::Day).unwrap(), Spent::default());
}

#[test]
fn a_body_is_kept_under_its_digest_when_wanted() {
    let (folder, ledger) = small();
    let wanted = Sending { is_kept: true, ..sending(4, 0) };
    ledger.send(wanted, &[], Some(b"body")).unwrap();
    let kept = folder.path().join("ledger").join(KEPT).join(Hash::of(b"body").to_string());
    assert_eq!(fs::read(kept).unwrap(), b"body");
}

/// Not a test but a measurement: `cargo test --release -p hob-egress verifying_takes -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn verifying_takes() {
    const ENTRIES: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::at(folder.path(), clock);
    let (lines, mut known) = (folder.path().join(LEDGER), Known::default());
    let mut text = String::new();
    for n in 1..=ENTRIES {
        let what = match n % 2 {
            0 => What::Outcome(Outcome { of: n - 1, status: Some(200), received: n, ..Outcome::default() }),
            _ => What::Send(sending(n, n)),
        };
        let (line, hash) =
            chain::written(&Entry { n, prev: known.tip.hash, time_ms: clock(), what }).unwrap();
        known.tip = Tip { n, hash, bytes: known.tip.bytes + line.len() as u64 };
        text.push_str(&line);
    }
    fs::write(lines, &text).unwrap();
    write_head(folder.path(), known.tip).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(ledger.verify(None).unwrap().entries, ENTRIES);
    println!("{ENTRIES} entries of {} bytes verified in {:?}", text.len(), start.elapsed());
    let mut place = Place::default();
    ledger.read_on(&mut place, &mut |_, _| {}).unwrap();
    let start = std::time::Instant::now();
    ledger.read_on(&mut place, &mut |_, _| {}).unwrap();
    println!("read on from their end in {:?}", start.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the file holds, reading it ends with an answer.
    #[test]
    fn garbage_is_refused(bytes in prop::collection::vec(any::<u8>(), 1..300), is_head in any::<bool>()) {
        let (_folder, ledger) = small();
        let (lines, head) = paths(&ledger);
        fs::write(if is_head { head } else { lines }, &bytes).unwrap();
        prop_assert!(anew(&ledger).verify(None).is_err());
    }
}
