//! The key of the pages, and what it is wrapped by.

use super::cipher::KeyId;
use super::hex;
use super::state::{LockedBy, Seal, Wrapping};
use crate::{Error, limits};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;
use zeroize::Zeroizing;

/// Bytes of every key here.
pub const KEY_BYTES: usize = 32;
const SALT_BYTES: usize = 16;
/// A key, its nonce and its tag.
const WRAPPED_BYTES: usize = NONCE_LEN + KEY_BYTES + 16;

/// The key of a file's pages. It is overwritten in memory when it is dropped, and never printed.
pub(crate) struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

/// What opens conversations: a passphrase, or a key that is kept elsewhere. Overwritten in memory when it is dropped.
pub enum Secret {
    /// What somebody types.
    Passphrase(Zeroizing<String>),
    /// A key from the system's keyring or from a file.
    Key(Zeroizing<[u8; KEY_BYTES]>),
}

impl Secret {
    /// A passphrase that opens what is encrypted, or doesn't.
    pub fn passphrase(text: &str) -> Self {
        Self::Passphrase(Zeroizing::new(text.to_owned()))
    }

    /// A passphrase that is set.
    ///
    /// # Errors
    /// [`Error::Field`] for one that is too short to be one, or too long.
    pub fn new_passphrase(text: &str) -> Result<Self, Error> {
        let letters = text.chars().count();
        if letters < limits::PASSPHRASE_LETTERS_MIN || text.len() > limits::PASSPHRASE_BYTES_MAX {
            return Err(Error::Field {
                field: "passphrase",
                expected: format!(
                    "at least {} letters and at most {} bytes",
                    limits::PASSPHRASE_LETTERS_MIN,
                    limits::PASSPHRASE_BYTES_MAX
                ),
                found: format!("{letters} letters"),
            });
        }
        Ok(Self::passphrase(text))
    }

    /// A new key.
    ///
    /// # Errors
    /// [`Error::NoRandom`].
    pub fn new_key() -> Result<Self, Error> {
        random().map(|bytes| Self::Key(Zeroizing::new(bytes)))
    }

    /// The key that a text of digits is, as [`Secret::digits`] writes it.
    ///
    /// # Errors
    /// [`Error::Field`].
    pub fn from_digits(text: &str) -> Result<Self, Error> {
        hex::array(text.trim()).map(|key| Self::Key(Zeroizing::new(key))).ok_or_else(|| Error::Field {
            field: "key",
            expected: format!("{} hexadecimal digits", 2 * KEY_BYTES),
            found: format!("{} bytes of something else", text.len()),
        })
    }

    /// A key as digits, for the keyring or a file; nothing for a passphrase.
    pub fn digits(&self) -> Option<Zeroizing<String>> {
        match self {
            Self::Passphrase(_) => None,
            Self::Key(key) => Some(Zeroizing::new(hex::text(&key[..]))),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passphrase(_) => "Passphrase",
            Self::Key(_) => "Key",
        })
    }
}

impl DataKey {
    /// A new one.
    pub(crate) fn new() -> Result<Self, Error> {
        random().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::NoRandom)?;
    Ok(bytes)
}

/// Why a key stays wrapped.
pub(crate) enum Refused {
    /// It is wrapped by something else, or somebody changed it.
    Wrong,
    /// What is kept makes no sense.
    Unreadable(&'static str),
}

impl Refused {
    pub(crate) fn told(self, path: &Path, by: LockedBy) -> Error {
        match self {
            Self::Wrong => Error::WrongSecret { path: path.to_path_buf(), by },
            Self::Unreadable(expected) => Error::key_file(path, expected),
        }
    }
}

impl Seal {
    /// Wraps a key by a secret.
    pub(crate) fn wrap(id: KeyId, key: &DataKey, secret: &Secret, wrapping: Wrapping) -> Result<Self, Error> {
        let (salt, rounds) = match secret {
            Secret::Passphrase(_) => (random::<SALT_BYTES>()?.to_vec(), limits::PASSPHRASE_ROUNDS),
            Secret::Key(_) => (Vec::new(), 0),
        };
        let (salt, nonce) = (hex::text(&salt), random::<NONCE_LEN>()?);
        let mut seal = Self { id: id.to_string(), wrapping, salt, rounds, wrapped: String::new() };
        let mut bytes = Zeroizing::new(Vec::with_capacity(WRAPPED_BYTES));
        bytes.extend_from_slice(key.bytes());
        let outer = seal.outer_key(secret).map_err(|_| Error::NoRandom)?;
        outer
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(seal.bound()),
                &mut *bytes,
            )
            .map_err(|_| Error::NoRandom)?;
        seal.wrapped = hex::text(&nonce) + &hex::text(&bytes);
        Ok(seal)
    }

    /// Takes the key out.
    pub(crate) fn unwrap(&self, secret: &Secret) -> Result<DataKey, Refused> {
        let outer = self.outer_key(secret)?;
        let wrapped: [u8; WRAPPED_BYTES] =
            hex::array(&self.wrapped).ok_or(Refused::Unreadable("a wrapped key"))?;
        let wrapped = Zeroizing::new(wrapped);
        let (nonce, sealed) = wrapped.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Refused::Wrong)?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let opened = outer.open_in_place(nonce, Aad::from(self.bound()), &mut sealed);
        let opened = opened.map_err(|_| Refused::Wrong)?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        key.copy_from_slice(opened);
        Ok(DataKey(key))
    }

    /// What the wrapping is about; nobody can give the key another id, or a passphrase fewer rounds.
    fn bound(&self) -> Vec<u8> {
        format!("hob chats key {} {:?} {} {}", self.id, self.by(), self.salt, self.rounds).into_bytes()
    }

    fn outer_key(&self, secret: &Secret) -> Result<LessSafeKey, Refused> {
        let mut outer = Zeroizing::new([0; KEY_BYTES]);
        match (secret, self.by()) {
            (Secret::Passphrase(text), LockedBy::Passphrase) => {
                let salt = hex::array::<SALT_BYTES>(&self.salt).ok_or(Refused::Unreadable("a salt"))?;
                let known = limits::PASSPHRASE_ROUNDS..=limits::PASSPHRASE_ROUNDS_MAX;
                let rounds = NonZeroU32::new(self.rounds).filter(|rounds| known.contains(&rounds.get()));
                let rounds = rounds.ok_or(Refused::Unreadable("a number of rounds that is safe"))?;
                pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, text.as_bytes(), &mut outer[..]);
            }
            (Secret::Key(key), LockedBy::Keyring | LockedBy::File) => outer.copy_from_slice(&key[..]),
            _ => return Err(Refused::Wrong),
        }
        let key = UnboundKey::new(&AES_256_GCM, &outer[..]).map_err(|_| Refused::Wrong)?;
        Ok(LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const ID: KeyId = KeyId([7; 8]);

    #[test]
    fn only_the_secret_it_was_wrapped_by_takes_the_key_out() {
        let key = DataKey::new().unwrap();
        let (right, wrong) = (Secret::passphrase("a long one"), Secret::passphrase("a wrong one"));
        let seal = Seal::wrap(ID, &key, &right, Wrapping::Passphrase).unwrap();
        assert_eq!(seal.unwrap(&right).ok().unwrap().bytes(), key.bytes());
        assert!(matches!(seal.unwrap(&wrong), Err(Refused::Wrong)));
        assert!(matches!(seal.unwrap(&Secret::new_key().unwrap()), Err(Refused::Wrong)));
        for changed in [
            Seal { id: KeyId([8; 8]).to_string(), ..seal.clone() },
            Seal { rounds: seal.rounds + 1, ..seal.clone() },
            Seal { wrapped: format!("00{}", &seal.wrapped[2..]), ..seal.clone() },
        ] {
            assert!(matches!(changed.unwrap(&right), Err(Refused::Wrong)));
        }
        for changed in [
            Seal { rounds: 1000, ..seal.clone() },
            Seal { rounds: u32::MAX, ..seal.clone() },
            Seal { salt: "00".into(), ..seal.clone() },
            Seal { wrapped: "zz".into(), ..seal },
        ] {
            assert!(matches!(changed.unwrap(&right), Err(Refused::Unreadable(_))));
        }
    }

    #[test]
    fn keys_travel_as_digits() {
        let key = Secret::new_key().unwrap();
        let digits = key.digits().unwrap();
        assert_eq!(digits.len(), 64);
        let data = DataKey::new().unwrap();
        let wrapping = Wrapping::File { path: PathBuf::from("/stick/hob.key") };
        let seal = Seal::wrap(ID, &data, &key, wrapping).unwrap();
        let again = Secret::from_digits(&format!("{}\n", &*digits)).unwrap();
        assert_eq!(seal.unwrap(&again).ok().unwrap().bytes(), data.bytes());
        assert!(Secret::from_digits("no key").is_err());
        assert!(Secret::new_passphrase("short").is_err() && Secret::new_passphrase("long enough").is_ok());
    }
}
