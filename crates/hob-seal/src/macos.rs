//! macOS: a Seatbelt profile. Written from the documentation of the call and not tested on a Mac.

use crate::{Error, Layer, Layers, Level, State};
use std::ffi::{CStr, CString, c_char, c_int};

/// Everything but outgoing connections (names are looked up through one, too) and new listeners.
const PROFILE: &str = "(version 1)(allow default)(deny network-outbound)(deny network-bind)";

#[link(name = "System")]
#[allow(unsafe_code)]
unsafe extern "C" {
    fn sandbox_init(profile: *const c_char, flags: u64, error: *mut *mut c_char) -> c_int;
    fn sandbox_free_error(error: *mut c_char);
}

#[allow(unsafe_code)]
pub(crate) fn seal(_layers: Layers) -> Result<Level, Error> {
    let profile = CString::new(PROFILE).map_err(std::io::Error::from)?;
    let mut error: *mut c_char = std::ptr::null_mut();
    // SAFETY: the profile is a C string that outlives the call; `error` is a place for one pointer.
    let result = unsafe { sandbox_init(profile.as_ptr(), 0, &raw mut error) };
    let state = if result == 0 {
        State::On("no outgoing connections".into())
    } else if error.is_null() {
        State::Off("the system refused".into())
    } else {
        // SAFETY: where the call fails it leaves a C string there, which lives until it is freed below.
        let why = unsafe { CStr::from_ptr(error) }.to_string_lossy().into_owned();
        // SAFETY: the string came from the call and is freed once.
        unsafe { sandbox_free_error(error) };
        State::Off(why)
    };
    Ok(Level { layers: vec![(Layer::Seatbelt, state)] })
}
