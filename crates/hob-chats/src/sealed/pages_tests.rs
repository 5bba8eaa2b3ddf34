use super::super::cipher::KeyId;
use super::super::key::DataKey;
use super::*;

/// Bytes in memory.
#[derive(Clone, Default)]
struct Memory(Vec<u8>);

impl Disk for Memory {
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Fault> {
        let from = (at as usize).min(self.0.len());
        let count = into.len().min(self.0.len() - from);
        into[..count].copy_from_slice(&self.0[from..from + count]);
        Ok(count)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let end = at as usize + bytes.len();
        self.0.resize(self.0.len().max(end), 0);
        self.0[at as usize..end].copy_from_slice(bytes);
        Ok(())
    }
}

fn keys(id: u8) -> Keys {
    Keys::new(&DataKey::new().unwrap(), KeyId([id; 8]))
}

/// A page as SQLite writes it; the first one says its size.
fn page(fill: u8, is_first: bool) -> Vec<u8> {
    let mut page = vec![fill; USABLE];
    page.resize(PAGE, 0);
    if is_first {
        page[..16].copy_from_slice(SQLITE_MARK);
        page[16..18].copy_from_slice(&(PAGE as u16).to_be_bytes());
        page[20] = RESERVED as u8;
    }
    page
}

fn read(kind: Kind, keys: &Keys, disk: &mut Memory, at: u64, length: usize) -> Result<Vec<u8>, Fault> {
    let mut into = vec![1; length];
    Sealed::new(kind).read(keys, disk, at, &mut into).map(|()| into)
}

fn database(keys: &Keys) -> Memory {
    let mut disk = Memory::default();
    for number in 0..3 {
        let bytes = page(0x50 + number, number == 0);
        Sealed::new(Kind::Database).write(keys, &mut disk, u64::from(number) * PAGE as u64, &bytes).unwrap();
    }
    disk
}

#[test]
fn a_database_is_read_as_it_was_written() {
    let keys = keys(1);
    assert_eq!(read(Kind::Database, &keys, &mut Memory::default(), 0, 100), Err(Fault::Short));
    assert_eq!(read(Kind::Database, &keys, &mut Memory::default(), 0, PAGE), Err(Fault::Short));
    let mut disk = database(&keys);
    assert_eq!(disk.0.len(), 3 * PAGE);
    for number in 0..3_u8 {
        let bytes = page(0x50 + number, number == 0);
        let at = u64::from(number) * PAGE as u64;
        assert_eq!(read(Kind::Database, &keys, &mut disk, at, PAGE).unwrap(), bytes);
        assert_eq!(read(Kind::Database, &keys, &mut disk, at + 24, 16).unwrap(), bytes[24..40]);
        assert!(!disk.0[at as usize..][..PAGE].windows(8).any(|window| window == [0x50 + number; 8]));
    }
    let start = read(Kind::Database, &keys, &mut disk, 0, 100).unwrap();
    assert_eq!((&start[..16], &start[16..18], start[20]), (&SQLITE_MARK[..], &[0x10, 0][..], 56));
    assert_eq!(read(Kind::Database, &self::keys(2), &mut disk, 0, 100), Err(Fault::Foreign));
}

#[test]
fn a_changed_bit_a_moved_page_and_a_cut_are_noticed() {
    let keys = keys(1);
    let whole = database(&keys);
    for at in (0..3 * PAGE).step_by(97) {
        let (number, within) = (at / PAGE, at % PAGE);
        // The last bytes of a page are used in the journal only.
        if within >= HEADER_SEAL {
            continue;
        }
        let mut disk = whole.clone();
        disk.0[at] ^= 1 << (at % 8);
        let found = read(Kind::Database, &keys, &mut disk, (number * PAGE) as u64, PAGE);
        assert_eq!(found, Err(Fault::Damaged), "byte {at}");
    }
    let mut moved = whole.clone();
    moved.0.copy_within(PAGE..2 * PAGE, 2 * PAGE);
    assert_eq!(read(Kind::Database, &keys, &mut moved, 2 * PAGE as u64, PAGE), Err(Fault::Damaged));
    for end in [2 * PAGE + 5, 2 * PAGE] {
        let mut cut = whole.clone();
        cut.0.truncate(end);
        assert_eq!(read(Kind::Database, &keys, &mut cut, 2 * PAGE as u64, PAGE), Err(Fault::Damaged));
    }
}

#[test]
fn nothing_is_written_that_would_not_come_back() {
    let keys = keys(1);
    let mut disk = Memory::default();
    let (whole, mut used, mut other) = (page(7, true), page(7, true), page(7, true));
    used[PAGE - 1] = 1;
    other[20] = 0;
    for (kind, at, bytes) in [
        (Kind::Database, 0, &whole[..100]),
        (Kind::Database, 1, &whole[..]),
        (Kind::Database, 0, &used[..]),
        (Kind::Database, 0, &other[..]),
        (Kind::Journal, 0, &whole[..]),
        (Kind::Journal, 32, &whole[..8]),
        (Kind::Journal, 33, &whole[..24]),
        (Kind::Journal, 56, &used[..]),
        // A page without its header.
        (Kind::Journal, 56, &whole[..]),
    ] {
        let written = Sealed::new(kind).write(&keys, &mut disk, at, bytes);
        assert_eq!(written, Err(Fault::Unexpected), "{kind:?} {at} {}", bytes.len());
    }
    assert!(disk.0.is_empty());
}

fn header(page: u8, sum: u8) -> Vec<u8> {
    let mut header = vec![0; PLAIN_HEADER];
    (header[3], header[8]) = (page, 0x77);
    header.resize(HEADER, sum);
    header
}

#[test]
fn a_journal_is_read_as_it_was_written() {
    let keys = keys(1);
    let mut disk = Memory::default();
    let mut sealed = Sealed::new(Kind::Journal);
    let mut write = |at, bytes: &[u8]| sealed.write(&keys, &mut disk, at, bytes).unwrap();
    write(0, &[9; 32]);
    let frames = [(header(4, 0xaa), page(0x61, false)), (header(5, 0xbb), page(0x62, false))];
    let at = |number: usize| (32 + number * FRAME) as u64;
    for (number, (header, page)) in frames.iter().enumerate() {
        write(at(number), header);
        write(at(number) + 24, page);
    }
    // A page is written once more, and then its header gets another sum: both happen within a transaction. Frames that are
    // added between the two have neither salts nor a sum before the end of it.
    let (again, sum) = (page(0x63, false), header(4, 0xcc));
    write(at(0) + 24, &again);
    let bare = [&[0, 0, 0, 6][..], &[0; 20]].concat();
    let (added, full) = (page(0x64, false), header(6, 0xdd));
    write(at(2), &bare);
    write(at(2) + 24, &added);
    write(at(0), &sum);
    write(at(2), &full);
    assert_eq!(disk.0.len() as u64, at(3));
    assert!(
        ![0x61, 0x62, 0x63, 0x64, 0xaa, 0xbb, 0xcc, 0xdd]
            .iter()
            .any(|b| disk.0.windows(8).any(|w| w == [*b; 8]))
    );
    let mut get = |at, length| read(Kind::Journal, &keys, &mut disk, at, length).unwrap();
    assert_eq!(get(0, 32), [9; 32]);
    assert_eq!(get(at(0), FRAME), [sum.clone(), again.clone()].concat());
    assert_eq!(get(at(0) + 24, PAGE), again);
    assert_eq!(get(at(0), 24), sum);
    assert_eq!(get(at(1) + 16, 8), [0xbb; 8]);
    assert_eq!(get(at(1) + 24, PAGE), frames[1].1);
    assert_eq!(get(at(2), FRAME), [full, added.clone()].concat());
    assert_eq!(get(at(2) + 24, PAGE), added);
    assert_eq!(read(Kind::Journal, &keys, &mut disk, at(3), FRAME), Err(Fault::Short));
}

#[test]
fn a_broken_frame_ends_the_journal_and_is_never_read() {
    let keys = keys(1);
    let mut disk = Memory::default();
    let mut sealed = Sealed::new(Kind::Journal);
    let (header, page) = (header(4, 0xaa), page(0x61, false));
    sealed.write(&keys, &mut disk, 0, &[9; 32]).unwrap();
    for number in 0..2 {
        sealed.write(&keys, &mut disk, 32 + number * FRAME as u64, &header).unwrap();
        sealed.write(&keys, &mut disk, 56 + number * FRAME as u64, &page).unwrap();
    }
    let whole = disk.0.clone();
    let check = |disk: &mut Memory, what: &str| {
        let frame = read(Kind::Journal, &keys, disk, 32, FRAME).unwrap();
        assert!(frame[8] != header[8] && frame[24..].iter().all(|byte| *byte == 0), "{what}");
    };
    for at in (0..FRAME).step_by(31) {
        let mut disk = Memory(whole.clone());
        disk.0[32 + at] ^= 0x10;
        // Salts that were changed are what they are: SQLite compares them with the journal's.
        check(&mut disk, &format!("byte {at}"));
        let of_the_header = (4..24).contains(&at) || at >= HEADER + HEADER_SEAL;
        if !of_the_header {
            assert_eq!(read(Kind::Journal, &keys, &mut disk, 56, PAGE), Err(Fault::Damaged), "byte {at}");
        }
    }
    // Frames of another journal, or of one that has gone.
    let mut other = Memory(whole.clone());
    other.0[16] ^= 1;
    check(&mut other, "another journal's");
    assert_eq!(read(Kind::Journal, &keys, &mut other, 56, PAGE), Err(Fault::Damaged));
    let mut cut = Memory(whole[..20].to_vec());
    assert_eq!(read(Kind::Journal, &keys, &mut cut, 56, PAGE), Err(Fault::Short));
    // A frame that was whole in another place.
    let mut moved = Memory(whole);
    moved.0.copy_within(32 + FRAME..32 + 2 * FRAME, 32);
    check(&mut moved, "moved");
    assert_eq!(read(Kind::Journal, &keys, &mut moved, 56, PAGE), Err(Fault::Damaged));
}
