//! Seals over pages and over frames of the journal: AES-256-GCM with a random nonce for each write.
//!
//! A page on the disk, `PAGE` bytes:
//!
//! ```text
//! 0..4040     the page's content, encrypted (of page 1 only from byte 16 on; before that a mark and the key's id)
//! 4040..4056  tag
//! 4056..4068  nonce
//! 4068..4096  tag and nonce of the frame's header; only in the journal
//! ```
//!
//! SQLite leaves the last `RESERVED` bytes of each page to us. A frame of the journal is a header of 24 bytes and a page. The
//! header holds a sum over the page's content, which would tell guesses from truth; it is encrypted as well. What a page is
//! (its number, or the frame and the journal it belongs to) goes into its tag, so that sealed pages cannot change places.

use super::key::DataKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Bytes at the end of each page that SQLite doesn't use.
pub(crate) const RESERVED: usize = 56;
/// Bytes of a page that SQLite uses.
pub(crate) const USABLE: usize = PAGE - RESERVED;
/// Bytes of a frame's header.
pub(crate) const HEADER: usize = 24;
/// Bytes of a frame.
pub(crate) const FRAME: usize = HEADER + PAGE;
/// Bytes of the header that are not encrypted: the page's number, the size after it, the journal's salts.
pub(crate) const PLAIN_HEADER: usize = 16;
/// Bytes of the salts that tell a journal from the one that lay there before.
pub(crate) const SALTS: usize = 8;
/// How the first page begins on the disk, before the key's id.
pub(crate) const MARK: &[u8; 8] = b"HobSeal1";
/// How the first page begins for SQLite.
pub(crate) const SQLITE_MARK: &[u8; 16] = b"SQLite format 3\0";
/// Where the header's tag and nonce lie in a frame's page: at its end, so that a frame with a header is as long as SQLite
/// expects it.
pub(crate) const HEADER_SEAL: usize = USABLE + TAG + NONCE_LEN;
/// Bytes of them.
pub(crate) const HEADER_SEAL_BYTES: usize = TAG + NONCE_LEN;

const TAG: usize = 16;
const NONCE: usize = USABLE + TAG;
const SUM: usize = HEADER - PLAIN_HEADER;

/// Which key a file was sealed with. It is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(pub(crate) [u8; 8]);

impl KeyId {
    /// The id that a text is.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        super::hex::array(text).map(Self)
    }
}

impl std::fmt::Display for KeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&super::hex::text(&self.0))
    }
}

/// What a frame's page is. The salts are those at the journal's beginning: a frame's header has none yet while a transaction goes
/// on that has written some page twice, and gets them, as it gets the size after it, when the transaction ends.
pub(crate) struct FramePage {
    /// Which frame of the journal it is, counted from 0.
    pub(crate) frame: u64,
    /// Which page of the database, as the frame's header says it.
    pub(crate) page: [u8; 4],
    /// The salts of the journal.
    pub(crate) salts: [u8; SALTS],
}

impl FramePage {
    fn bytes(&self) -> [u8; 12 + SALTS] {
        let mut what = [0; 12 + SALTS];
        what[..8].copy_from_slice(&self.frame.to_be_bytes());
        what[8..12].copy_from_slice(&self.page);
        what[12..].copy_from_slice(&self.salts);
        what
    }
}

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It isn't what was written, not with this key, or not here.
    Seal,
    /// The system gives no random numbers.
    Random,
}

/// The keys of one file's pages. Each kind of seal has its own, so that none uses up the nonces of another.
pub(crate) struct Keys {
    id: KeyId,
    pages: LessSafeKey,
    frames: LessSafeKey,
    headers: LessSafeKey,
    random: SystemRandom,
}

impl Keys {
    /// Keys from the one that is kept.
    pub(crate) fn new(key: &DataKey, id: KeyId) -> Self {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, &id.0).extract(key.bytes());
        let of = |what: &[u8]| {
            let what = [what];
            let derived = root.expand(&what, &AES_256_GCM).expect("a key is shorter than 255 digests");
            LessSafeKey::new(UnboundKey::from(derived))
        };
        Self {
            id,
            pages: of(b"hob chats page"),
            frames: of(b"hob chats frame"),
            headers: of(b"hob chats frame header"),
            random: SystemRandom::new(),
        }
    }

    /// Whether a file begins as one that was sealed with these keys.
    pub(crate) fn is_marked(&self, start: &[u8]) -> bool {
        start.len() >= 16 && &start[..8] == MARK && start[8..16] == self.id.0
    }

    /// Seals page `number` of the database, counted from 0.
    pub(crate) fn seal_page(&self, number: u64, page: &mut [u8; PAGE]) -> Result<(), Broken> {
        let start = clear_start(number);
        self.seal(&self.pages, &number.to_be_bytes(), start, page)?;
        if start > 0 {
            page[..8].copy_from_slice(MARK);
            page[8..16].copy_from_slice(&self.id.0);
        }
        Ok(())
    }

    /// Opens page `number` of the database.
    pub(crate) fn open_page(&self, number: u64, page: &mut [u8; PAGE]) -> Result<(), Broken> {
        let start = clear_start(number);
        if start > 0 && !self.is_marked(&page[..start]) {
            return Err(Broken::Seal);
        }
        open(&self.pages, &number.to_be_bytes(), start, page)?;
        if start > 0 {
            page[..start].copy_from_slice(SQLITE_MARK);
        }
        Ok(())
    }

    /// Seals the page of a frame.
    pub(crate) fn seal_frame(&self, what: &FramePage, page: &mut [u8; PAGE]) -> Result<(), Broken> {
        self.seal(&self.frames, &what.bytes(), 0, page)
    }

    /// Opens the page of a frame.
    pub(crate) fn open_frame(&self, what: &FramePage, page: &mut [u8; PAGE]) -> Result<(), Broken> {
        open(&self.frames, &what.bytes(), 0, page)
    }

    /// Seals the header of frame `number`; what is returned belongs at [`HEADER_SEAL`] of its page.
    pub(crate) fn seal_header(
        &self,
        number: u64,
        header: &mut [u8; HEADER],
    ) -> Result<[u8; HEADER_SEAL_BYTES], Broken> {
        let nonce = self.nonce()?;
        let (plain, sum) = header.split_at_mut(PLAIN_HEADER);
        let tag = self.headers.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(of_header(number, plain)),
            sum,
        );
        let tag = tag.map_err(|_| Broken::Seal)?;
        let mut seal = [0; HEADER_SEAL_BYTES];
        seal[..TAG].copy_from_slice(tag.as_ref());
        seal[TAG..].copy_from_slice(&nonce);
        Ok(seal)
    }

    /// Opens the header of frame `number` with what lies in its page.
    pub(crate) fn open_header(
        &self,
        number: u64,
        header: &mut [u8; HEADER],
        seal: &[u8; HEADER_SEAL_BYTES],
    ) -> Result<(), Broken> {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&seal[TAG..]);
        let mut sealed = [0; SUM + TAG];
        sealed[..SUM].copy_from_slice(&header[PLAIN_HEADER..]);
        sealed[SUM..].copy_from_slice(&seal[..TAG]);
        let aad = Aad::from(of_header(number, &header[..PLAIN_HEADER]));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sum = self.headers.open_in_place(nonce, aad, &mut sealed).map_err(|_| Broken::Seal)?;
        header[PLAIN_HEADER..].copy_from_slice(sum);
        Ok(())
    }

    fn seal(
        &self,
        key: &LessSafeKey,
        what: &[u8],
        start: usize,
        page: &mut [u8; PAGE],
    ) -> Result<(), Broken> {
        let nonce = self.nonce()?;
        let sealed = key.seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(what),
            &mut page[start..USABLE],
        );
        let tag = sealed.map_err(|_| Broken::Seal)?;
        page[USABLE..NONCE].copy_from_slice(tag.as_ref());
        page[NONCE..NONCE + NONCE_LEN].copy_from_slice(&nonce);
        Ok(())
    }

    fn nonce(&self) -> Result<[u8; NONCE_LEN], Broken> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| Broken::Random)?;
        Ok(nonce)
    }
}

/// Opens a page in place; the bytes that are ours become zeros, as SQLite wrote them.
fn open(key: &LessSafeKey, what: &[u8], start: usize, page: &mut [u8; PAGE]) -> Result<(), Broken> {
    let mut nonce = [0; NONCE_LEN];
    nonce.copy_from_slice(&page[NONCE..NONCE + NONCE_LEN]);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let opened = key.open_in_place(nonce, Aad::from(what), &mut page[start..NONCE]);
    opened.map_err(|_| Broken::Seal)?;
    page[USABLE..].fill(0);
    Ok(())
}

/// Bytes at the beginning of a page that are not encrypted.
fn clear_start(number: u64) -> usize {
    if number == 0 { SQLITE_MARK.len() } else { 0 }
}

fn of_header(number: u64, plain: &[u8]) -> [u8; 24] {
    let mut what = [0; 24];
    what[..8].copy_from_slice(&number.to_be_bytes());
    what[8..].copy_from_slice(&plain[..PLAIN_HEADER]);
    what
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("id", &self.id).finish_non_exhaustive()
    }
}
