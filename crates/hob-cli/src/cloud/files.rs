//! Texts of files that go to a model elsewhere, or are asked about there: none of a private folder.

use crate::{input, platform};
use hob_cloud::{Cloud, Error};
use std::path::Path;

/// The text of a file, `-` being standard input.
pub fn text(cloud: &Cloud, file: &Path) -> anyhow::Result<String> {
    if file.as_os_str() == "-" {
        return stdin(cloud);
    }
    // What was looked at is what is read, wherever a link may point to a moment later.
    input::text(&cloud.may_read(file, platform::home().as_deref())?)
}

/// Standard input, which may be a file of such a folder as well. What another program reads and passes on cannot be told.
pub fn stdin(cloud: &Cloud) -> anyhow::Result<String> {
    if let Some(file) = redirected() {
        cloud.may_read(file, platform::home().as_deref()).map_err(|error| match error {
            // People know it by another name than the system.
            Error::PrivateFolder { folder, .. } => {
                Error::PrivateFolder { file: "standard input".into(), folder }
            }
            other => other,
        })?;
    }
    input::stdin()
}

/// The name of standard input, where it is a file whose place the system tells.
fn redirected() -> Option<&'static Path> {
    let name = Path::new("/proc/self/fd/0");
    // A file that was removed after it was opened, as shells do for texts in scripts, lies in no folder any more.
    let has_place = || std::fs::canonicalize(name).is_ok();
    (std::fs::metadata(name).is_ok_and(|found| found.is_file()) && has_place()).then_some(name)
}
