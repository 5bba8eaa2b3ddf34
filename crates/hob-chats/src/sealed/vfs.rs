//! The VFS through which SQLite reads and writes sealed files: the system's own one, with seals between.
//!
//! Locks, shared memory, syncs and sizes go straight to the system's VFS: sealed files are as large as open ones, and several
//! processes share them in the same way. Only the database and its journal (WAL) get to the disk. A rollback journal would hold
//! pages in the clear; SQLite wants one only while it makes a new file, which is thrown away where that fails, so it gets one in
//! memory. For files to sort in it gets an error. Memory maps are not offered.

#![allow(unsafe_code, reason = "SQLite calls a VFS through pointers")]

use super::cipher::Keys;
use super::pages::{Disk, Fault, Kind, Sealed};
use crate::Error;
use rusqlite::ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

/// A VFS that SQLite knows by name, until this is dropped. Connections through it have to be closed before.
pub(crate) struct Registered {
    /// From [`Box::into_raw`], as SQLite keeps and changes it.
    vfs: *mut ffi::sqlite3_vfs,
    /// The same; `pAppData` of the VFS.
    context: *mut Context,
}

/// What the functions below find through `pAppData`.
struct Context {
    name: CString,
    keys: Keys,
    system: *mut ffi::sqlite3_vfs,
}

// SAFETY: the context is only read after it was made, `Keys` may be used by many threads, the system's VFS is SQLite's own static,
// which may be called from every thread, and registering is under SQLite's lock.
unsafe impl Send for Registered {}
// SAFETY: as above; nothing is changed through a shared reference.
unsafe impl Sync for Registered {}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Registered").field(&self.name()).finish()
    }
}

impl Registered {
    /// Registers a VFS for files that are sealed with these keys.
    pub(crate) fn new(keys: Keys) -> Result<Self, Error> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("hob-sealed-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("letters and digits have no zeros");
        // SAFETY: without a name SQLite gives its default VFS, which lives as long as the process, or null.
        let system = unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) };
        // SAFETY: null or SQLite's own, which nobody changes.
        let Some(found) = (unsafe { system.as_ref() }) else { return Err(Error::NoVfs) };
        // What a string points at stays where it is when the string moves.
        let z_name = name.as_ptr();
        let context = Box::into_raw(Box::new(Context { name, keys, system }));
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            szOsFile: found.szOsFile + SPACE as c_int,
            mxPathname: found.mxPathname,
            zName: z_name,
            pAppData: context.cast(),
            ..FUNCTIONS
        }));
        let registered = Self { vfs, context };
        // SAFETY: the box is at its address until it is unregistered in `drop`.
        match unsafe { ffi::sqlite3_vfs_register(vfs, 0) } {
            ffi::SQLITE_OK => Ok(registered),
            _ => Err(Error::NoVfs),
        }
    }

    /// What SQLite calls it.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: `new` made it, it lives as long as this, and nobody changes it.
        unsafe { &(*self.context).name }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: no connection uses it any more; taking away what was never registered does nothing.
        unsafe { ffi::sqlite3_vfs_unregister(self.vfs) };
        // SAFETY: `new` made both boxes, and SQLite knows neither any more.
        drop(unsafe { (Box::from_raw(self.vfs), Box::from_raw(self.context)) });
    }
}

/// What SQLite calls the system's VFS.
pub(crate) fn system_name() -> Result<CString, Error> {
    // SAFETY: as in `Registered::new`.
    let Some(system) = (unsafe { ffi::sqlite3_vfs_find(std::ptr::null()).as_ref() }) else {
        return Err(Error::NoVfs);
    };
    // SAFETY: every VFS has a name that ends with a zero and lives as long as the VFS.
    Ok(unsafe { CStr::from_ptr(system.zName) }.to_owned())
}

/// A file as SQLite knows it. The system's file follows it in the memory that SQLite gives us.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Ours, from [`Box::into_raw`].
    sealed: *mut Sealed,
    context: *const Context,
}

/// Where the system's file begins: 16 bytes are more than its type can want.
const SPACE: usize = size_of::<File>().next_multiple_of(16);

/// The system's file behind one of ours.
fn system_file(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gave `szOsFile` bytes, which are `SPACE` more than the system's file needs.
    unsafe { file.byte_add(SPACE) }
}

/// A method of the system's file, or an error for SQLite where it has none.
macro_rules! system {
    ($file:expr, $method:ident ( $($argument:expr),* )) => {{
        let file = system_file($file);
        // SAFETY: SQLite calls methods only between a successful `xOpen` and `xClose`, while the system's file is open.
        match unsafe { (*file).pMethods.as_ref() }.and_then(|methods| methods.$method) {
            // SAFETY: the system's method gets the system's file and what SQLite gave us for it.
            Some(method) => unsafe { method(file, $($argument),*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// The system's file as a disk.
struct System(*mut ffi::sqlite3_file);

impl Disk for System {
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<usize, Fault> {
        let (offset, length) = (signed(at)?, c_int::try_from(into.len()).map_err(|_| Fault::Unexpected)?);
        match system!(self.0, xRead(into.as_mut_ptr().cast(), length, offset)) {
            ffi::SQLITE_OK => Ok(into.len()),
            ffi::SQLITE_IOERR_SHORT_READ => {
                let mut size = 0;
                match system!(self.0, xFileSize(&raw mut size)) {
                    ffi::SQLITE_OK => Ok(usize::try_from(size - offset).unwrap_or(0).min(into.len())),
                    code => Err(Fault::Disk(code)),
                }
            }
            code => Err(Fault::Disk(code)),
        }
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Fault> {
        let (offset, length) = (signed(at)?, c_int::try_from(bytes.len()).map_err(|_| Fault::Unexpected)?);
        match system!(self.0, xWrite(bytes.as_ptr().cast(), length, offset)) {
            ffi::SQLITE_OK => Ok(()),
            code => Err(Fault::Disk(code)),
        }
    }
}

fn signed(at: u64) -> Result<i64, Fault> {
    i64::try_from(at).map_err(|_| Fault::Unexpected)
}

fn code(result: Result<(), Fault>, unexpected: c_int) -> c_int {
    match result {
        Ok(()) => ffi::SQLITE_OK,
        Err(Fault::Disk(code)) => code,
        Err(Fault::Short) => ffi::SQLITE_IOERR_SHORT_READ,
        Err(Fault::Damaged) => ffi::SQLITE_IOERR_DATA,
        Err(Fault::Foreign) => ffi::SQLITE_NOTADB,
        Err(Fault::Unexpected) => unexpected,
    }
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives memory of `szOsFile` bytes. Without methods it doesn't call `xClose`.
    unsafe { (*file).pMethods = std::ptr::null() };
    let kind = match flags {
        flags if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 => Kind::Database,
        flags if flags & ffi::SQLITE_OPEN_WAL != 0 => Kind::Journal,
        flags if flags & ffi::SQLITE_OPEN_MAIN_JOURNAL != 0 => {
            return open_in_memory(vfs, file, flags, out_flags);
        }
        _ => return ffi::SQLITE_CANTOPEN,
    };
    let context = context(vfs);
    let real = system_file(file);
    // SAFETY: the system's VFS is SQLite's, and every VFS has `xOpen`.
    let Some(open) = (unsafe { (*context.system).xOpen }) else { return ffi::SQLITE_CANTOPEN };
    // SAFETY: the memory behind `File` is as large as the system's VFS wants it; the rest comes from SQLite as it is.
    let opened = unsafe { open(context.system, name, real, flags, out_flags) };
    if opened != ffi::SQLITE_OK {
        // SAFETY: a file with methods has to be closed even when opening failed; the memory is the one just given.
        if let Some(close) = unsafe { (*real).pMethods.as_ref() }.and_then(|methods| methods.xClose) {
            // SAFETY: as above.
            unsafe { close(real) };
        }
        return opened;
    }
    let sealed = Box::into_raw(Box::new(Sealed::new(kind)));
    let ours = File { base: ffi::sqlite3_file { pMethods: &METHODS }, sealed, context };
    // SAFETY: the memory is at least as large as `File` and aligned for pointers.
    unsafe { file.cast::<File>().write(ours) };
    ffi::SQLITE_OK
}

/// A file of SQLite's VFS for databases in memory, without a name, so that it is nobody else's.
fn open_in_memory(
    vfs: *mut ffi::sqlite3_vfs,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with the VFS that `Registered` holds.
    let room = unsafe { (*vfs).szOsFile };
    // SAFETY: the name ends with a zero; what is found lives as long as the process.
    let memory = unsafe { ffi::sqlite3_vfs_find(c"memdb".as_ptr()) };
    // SAFETY: null or SQLite's own.
    match unsafe { memory.as_ref() } {
        // SAFETY: there is room for one of its files, and from here on the memory is one.
        Some(ffi::sqlite3_vfs { xOpen: Some(open), szOsFile, .. }) if *szOsFile <= room => unsafe {
            open(memory, std::ptr::null(), file, flags, out_flags)
        },
        _ => ffi::SQLITE_CANTOPEN,
    }
}

fn context<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a Context {
    // SAFETY: SQLite calls with the VFS that `Registered` holds, whose `pAppData` lives as long.
    unsafe { &*(*vfs).pAppData.cast::<Context>() }
}

/// Our parts of a file that is open.
fn ours<'a>(file: *mut ffi::sqlite3_file) -> (&'a mut Sealed, &'a Context) {
    // SAFETY: `open` wrote a `File` there; SQLite uses a file from one thread at a time, and a context outlives its files.
    unsafe {
        let file = &*file.cast::<File>();
        (&mut *file.sealed, &*file.context)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let closed = system!(file, xClose());
    // SAFETY: `open` made the box, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).sealed) });
    closed
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, into: *mut c_void, length: c_int, at: i64) -> c_int {
    let (sealed, context) = ours(file);
    let (Ok(length), Ok(at)) = (usize::try_from(length), u64::try_from(at)) else {
        return ffi::SQLITE_IOERR_READ;
    };
    // SAFETY: SQLite gives a buffer of that length, which nobody else uses meanwhile.
    let into = unsafe { std::slice::from_raw_parts_mut(into.cast::<u8>(), length) };
    code(sealed.read(&context.keys, &mut System(file), at, into), ffi::SQLITE_IOERR_READ)
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    length: c_int,
    at: i64,
) -> c_int {
    let (sealed, context) = ours(file);
    let (Ok(length), Ok(at)) = (usize::try_from(length), u64::try_from(at)) else {
        return ffi::SQLITE_IOERR_WRITE;
    };
    // SAFETY: SQLite gives that many bytes, which don't change meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) };
    code(sealed.write(&context.keys, &mut System(file), at, bytes), ffi::SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn traits_of_device(file: *mut ffi::sqlite3_file) -> c_int {
    // Others promise things about parts of pages, or about writes of several pages, that don't hold with seals.
    const KEPT: c_int = ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN;
    system!(file, xDeviceCharacteristics()) & KEPT
}

unsafe extern "C" fn barrier(file: *mut ffi::sqlite3_file) {
    let file = system_file(file);
    // SAFETY: as in `system!`; this one returns nothing.
    if let Some(barrier) = unsafe { (*file).pMethods.as_ref() }.and_then(|methods| methods.xShmBarrier) {
        // SAFETY: the system's method gets the system's file.
        unsafe { barrier(file) };
    }
}

/// Methods that are the system's.
macro_rules! as_the_system {
    ($($name:ident = $method:ident ( $($argument:ident : $of:ty),* );)*) => {$(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $of)*) -> c_int {
            system!(file, $method($($argument),*))
        }
    )*};
}

as_the_system! {
    truncate = xTruncate(size: i64);
    sync = xSync(flags: c_int);
    file_size = xFileSize(size: *mut i64);
    lock = xLock(level: c_int);
    unlock = xUnlock(level: c_int);
    check_lock = xCheckReservedLock(found: *mut c_int);
    control = xFileControl(what: c_int, argument: *mut c_void);
    sector_size = xSectorSize();
    shm_map = xShmMap(page: c_int, size: c_int, extend: c_int, place: *mut *mut c_void);
    shm_lock = xShmLock(first: c_int, count: c_int, flags: c_int);
    shm_unmap = xShmUnmap(delete: c_int);
}

/// The second version of methods: shared memory, and no maps of the file.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(traits_of_device),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Functions of the VFS that are the system's, called with the system's VFS.
macro_rules! as_the_systems_vfs {
    ($($name:ident = $function:ident ( $($argument:ident : $of:ty),* );)*) => {$(
        unsafe extern "C" fn $name(vfs: *mut ffi::sqlite3_vfs $(, $argument: $of)*) -> c_int {
            let system = context(vfs).system;
            // SAFETY: the system's VFS is SQLite's own and gets what SQLite gave us for it.
            match unsafe { (*system).$function } {
                // SAFETY: as above.
                Some(function) => unsafe { function(system $(, $argument)*) },
                None => ffi::SQLITE_ERROR,
            }
        }
    )*};
}

as_the_systems_vfs! {
    system_delete = xDelete(name: *const c_char, sync: c_int);
    access = xAccess(name: *const c_char, flags: c_int, found: *mut c_int);
    full_path = xFullPathname(name: *const c_char, length: c_int, into: *mut c_char);
    randomness = xRandomness(length: c_int, into: *mut c_char);
    sleep = xSleep(microseconds: c_int);
    now = xCurrentTime(time: *mut f64);
    last_error = xGetLastError(length: c_int, into: *mut c_char);
    now_ms = xCurrentTimeInt64(time: *mut i64);
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    // SAFETY: SQLite's arguments as they are.
    match unsafe { system_delete(vfs, name, sync) } {
        // A journal in memory has no name.
        ffi::SQLITE_IOERR_DELETE_NOENT => ffi::SQLITE_OK,
        code => code,
    }
}

/// The second version of functions: the time in milliseconds. Extensions cannot be loaded through it.
const FUNCTIONS: ffi::sqlite3_vfs = ffi::sqlite3_vfs {
    iVersion: 2,
    szOsFile: 0,
    mxPathname: 0,
    pNext: std::ptr::null_mut(),
    zName: std::ptr::null(),
    pAppData: std::ptr::null_mut(),
    xOpen: Some(open),
    xDelete: Some(delete),
    xAccess: Some(access),
    xFullPathname: Some(full_path),
    xDlOpen: None,
    xDlError: None,
    xDlSym: None,
    xDlClose: None,
    xRandomness: Some(randomness),
    xSleep: Some(sleep),
    xCurrentTime: Some(now),
    xGetLastError: Some(last_error),
    xCurrentTimeInt64: Some(now_ms),
    xSetSystemCall: None,
    xGetSystemCall: None,
    xNextSystemCall: None,
};
