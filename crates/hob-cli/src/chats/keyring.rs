//! The key of the conversations in the system's keyring.

use crate::fail::note;
use crate::{keyring, platform};
use anyhow::{Context, bail};
use hob_chats::{Secret, Wrapping};

/// Makes a key and puts it into the keyring.
pub fn make() -> anyhow::Result<(Secret, Wrapping)> {
    let (key, account) = (Secret::new_key()?, format!("chats-{}", platform::new_id()));
    let digits = key.digits().unwrap_or_default();
    keyring::store(&account, &digits).context("no key can be kept there; use --passphrase or --key-file")?;
    // What doesn't come back now won't later either.
    if look_up(&account)?.digits() != key.digits() {
        bail!("the keyring gave another key than was put into it; nothing was changed");
    }
    Ok((key, Wrapping::Keyring { account }))
}

/// The key of an account.
pub fn look_up(account: &str) -> anyhow::Result<Secret> {
    let digits = keyring::find(account).context("the key of the conversations is in the system's keyring")?;
    Secret::from_digits(&digits).context("the keyring")
}

/// Takes a key out of the keyring that nothing needs any more. That it stays there does no harm.
pub fn clear(wrapping: &Wrapping) {
    if let Wrapping::Keyring { account } = wrapping
        && let Err(error) = keyring::forget(account)
    {
        note(&format!("the key of before stays in the keyring: {error:#}"));
    }
}
