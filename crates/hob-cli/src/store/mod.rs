//! Commands about models that are here or could be: pull, import, list, rm, cp, search, verify, du.

mod fit;
mod import;
mod list;
mod network;
mod pull;
mod search;
mod show;
pub mod table;
mod verify;

pub use import::ImportArgs;
pub use list::{CpArgs, DuArgs, ListArgs, RmArgs};
pub use network::{NetworkArgs, gate, is_offline, ledger, variable};
pub use pull::PullArgs;
pub use search::SearchArgs;
pub use verify::VerifyArgs;

pub use import::run as run_import;
pub use list::{run as run_list, run_cp, run_du, run_rm};
pub use pull::run as run_pull;
pub use search::run as run_search;
pub use verify::run as run_verify;

use crate::platform;
use anyhow::anyhow;
use hob_store::Store;

/// The store in the data folder.
pub fn open() -> anyhow::Result<Store> {
    let data = platform::data_dir().ok_or_else(|| {
        anyhow!("there is no place for models: neither HOB_HOME nor the home folder is set")
    })?;
    Ok(Store::in_data(&data.path))
}
