//! A plan carried out: room, files, description, and the move that makes a model of them.

use super::limit::Limit;
use super::transfer::{Means, Place, Step, fetch};
use super::{Phase, Plan, PullProgress, Puller, Reference, RemoteFile, unfinished};
use crate::store::PARTIAL;
use crate::{Error, Manifest, Model, ModelName, Store, StoredFile, details, disk};
use hob_base::Bytes;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

/// Room that stays free on the disk.
const ROOM_LEFT: u64 = 64 << 20;
/// Largest model taken: a hub's number, believed within reason.
const MODEL_BYTES_MAX: u64 = 4 << 40;
/// How often a pull begins anew because the repository changed under it.
const PLANS_MAX: usize = 3;

/// Where the files of a pull become a model, in its folder.
pub(super) const FILES: &str = "files";

impl Puller {
    /// Fetches what `plan` says and makes it a model of `store`. Stopped or killed at any moment, the same call goes on
    /// where it was. `watch` hears how far it is, several times a second.
    ///
    /// # Errors
    /// [`Error::NoRoom`] before anything is written, [`Error::WrongDigest`], [`Error::Changed`], [`Error::GivenUp`],
    /// [`Error::Busy`], [`Error::Stopped`] when `cancel` became true, and what hub, network and disk do. No model appears
    /// or changes then.
    pub fn pull(
        &self,
        store: &Store,
        reference: &Reference,
        plan: Plan,
        cancel: &AtomicBool,
        watch: &mut dyn FnMut(&PullProgress<'_>),
    ) -> Result<Model, Error> {
        let (name, license) = (plan.name.clone(), plan.license.clone());
        let mut plan = plan;
        for left in (0..PLANS_MAX).rev() {
            match self.pull_once(store, reference, &plan, cancel, watch) {
                Err(Error::Changed { .. }) if left > 0 => {}
                other => return other,
            }
            plan = Plan { name: name.clone(), ..self.plan(reference, cancel)? };
            if plan.license != license {
                // It was agreed to under other terms.
                let file = format!("the licence of {name}");
                return Err(Error::Changed { file, host: "the hub".into() });
            }
        }
        unreachable!("the last round returns")
    }

    fn pull_once(
        &self,
        store: &Store,
        reference: &Reference,
        plan: &Plan,
        cancel: &AtomicBool,
        watch: &mut dyn FnMut(&PullProgress<'_>),
    ) -> Result<Model, Error> {
        if let Some(model) = store.get(&plan.name)?.filter(|m| is_same(m, plan)) {
            // Whoever was killed at its very end left an empty pull behind, which would count as unfinished for ever.
            return match store.discard(&plan.name) {
                Ok(()) | Err(Error::Busy { .. }) => Ok(model),
                Err(e) => Err(e),
            };
        }
        let home = store.hidden(PARTIAL)?.join(plan.name.folder());
        disk::make_folder(&home)?;
        let _lock = lock(&home, &plan.name)?;
        unfinished::note(&home, reference, plan)?;
        let ready = home.join(FILES);
        disk::make_folder(&ready)?;
        let place = |file: &RemoteFile| Place {
            data: file.path.below(&ready),
            journal: home.join(format!("{}.journal", file.path.flat())),
        };
        remove_others(&ready, &ready, plan)?;
        self.check_room(store, plan, &place)?;
        let means = Means {
            egress: &self.egress,
            options: &self.options,
            limit: &Limit::new(self.options.bytes_per_second),
            cancel,
        };
        let total = plan.bytes();
        let (mut before, mut received) = (0, 0);
        let mut files = Vec::new();
        for remote in &plan.files {
            let mut here = 0;
            let digest = fetch(&means, remote, &place(remote), &mut |step: Step| {
                here = here.max(step.received);
                let is_verifying = step.phase == Phase::Verifying;
                watch(&PullProgress {
                    phase: step.phase,
                    file: remote.path.as_str(),
                    done: if is_verifying { step.done } else { before + step.done },
                    total: if is_verifying { remote.bytes } else { total },
                    received: received + here,
                    failure: step.failure,
                });
            })?;
            before += remote.bytes;
            received += here;
            let (path, sha256) = (remote.path.clone(), Some(digest));
            files.push(StoredFile { path, outside: None, bytes: remote.bytes, sha256, is_verified: true });
        }
        let model = finish(store, plan, files, &ready)?;
        disk::remove(&home)?;
        Ok(model)
    }

    /// Whether there is room for what is still to come.
    fn check_room(
        &self,
        store: &Store,
        plan: &Plan,
        place: &dyn Fn(&RemoteFile) -> Place,
    ) -> Result<(), Error> {
        let total = plan.bytes();
        if plan.files.is_empty() || total > MODEL_BYTES_MAX {
            let found = format!("{} files of {}", plan.files.len(), Bytes(total));
            return Err(Error::Answer {
                what: plan.name.to_string(),
                expected: "a model of some bytes",
                found,
            });
        }
        let taken: u64 = plan.files.iter().map(|f| taken_bytes(&place(f).data).min(f.bytes)).sum();
        let needed = total - taken;
        match (self.options.free_bytes)(store.root()) {
            Some(free) if needed > 0 && free < needed.saturating_add(ROOM_LEFT) => Err(Error::NoRoom {
                path: store.root().to_path_buf(),
                needed: Bytes(needed.saturating_add(ROOM_LEFT)),
                free: Some(Bytes(free)),
            }),
            _ => Ok(()),
        }
    }
}

/// Whether the model is here already, as planned.
fn is_same(model: &Model, plan: &Plan) -> bool {
    let is_here = |remote: &RemoteFile| {
        model.manifest.files.iter().any(|file| {
            let same = file.sha256.is_some() && (remote.sha256.is_none() || remote.sha256 == file.sha256);
            let there = fs::metadata(model.path_of(file)).is_ok_and(|m| m.len() == file.bytes);
            file.path == remote.path && file.bytes == remote.bytes && same && there
        })
    };
    // Without a digest from the hub, only the same commit is the same content.
    let is_told = plan.files.iter().all(|f| f.sha256.is_some()) || model.manifest.source == plan.source;
    is_told && model.manifest.files.len() == plan.files.len() && plan.files.iter().all(is_here)
}

fn finish(store: &Store, plan: &Plan, files: Vec<StoredFile>, ready: &Path) -> Result<Model, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut manifest = Manifest::new(plan.name.clone(), plan.source.clone(), files, now);
    // A right file of a kind that this Hob does not know is kept: a newer one may.
    manifest.details = details::read(&manifest.opens_at(ready)).unwrap_or_default();
    if plan.license.is_some() {
        manifest.details.license.clone_from(&plan.license);
    }
    manifest.settings = plan.settings.clone();
    manifest.save(ready)?;
    store.install(ready, &plan.name)
}

/// Only one process fetches a model.
pub(super) fn lock(home: &Path, name: &ModelName) -> Result<File, Error> {
    let path = home.join("lock");
    let file = disk::open_writable(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::Busy { name: name.to_string() }),
        Err(fs::TryLockError::Error(e)) => Err(Error::io(&path, "lock", e)),
    }
}

/// Removes files of an older plan, which would otherwise become part of the model.
fn remove_others(folder: &Path, ready: &Path, plan: &Plan) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io(folder, "list", e))?;
    for entry in entries {
        let path = entry.map_err(|e| Error::io(folder, "list", e))?.path();
        let is_wanted = |wanted: &PathBuf| *wanted == path || wanted.starts_with(&path);
        let wanted: Vec<PathBuf> = plan.files.iter().map(|f| f.path.below(ready)).filter(is_wanted).collect();
        let is_folder = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
        match (wanted.is_empty(), is_folder) {
            (true, _) => disk::remove(&path)?,
            (false, true) => remove_others(&path, ready, plan)?,
            (false, false) => {}
        }
    }
    Ok(())
}

/// Room that a file takes on the disk already.
fn taken_bytes(path: &Path) -> u64 {
    let Ok(found) = fs::symlink_metadata(path) else { return 0 };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        found.blocks().saturating_mul(512)
    }
    #[cfg(not(unix))]
    {
        found.len()
    }
}
