//! The calls that no safe library has: each is one call of the kernel with its reason. Those of the second half are only used to
//! try to break out.

#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `struct landlock_ruleset_attr`, as of version 6.
#[repr(C)]
struct Ruleset {
    files: u64,
    network: u64,
    scopes: u64,
}

/// Binding and connecting TCP.
const TCP: u64 = 0b11;
/// Abstract sockets and signals.
const SCOPES: u64 = 0b11;
const LANDLOCK_CREATE_RULESET_VERSION: libc::c_long = 1;

fn done(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Leaves namespaces for new ones.
pub(crate) fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: takes no pointer; flags that do not fit are an error.
    done(unsafe { libc::unshare(flags) }.into()).map(drop)
}

/// Whose rights the process has.
pub(crate) fn user_and_group() -> (u32, u32) {
    // SAFETY: neither takes anything or can fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Which version of Landlock the kernel has.
pub(crate) fn landlock_version() -> io::Result<i32> {
    let (nothing, flag) = (std::ptr::null::<Ruleset>(), LANDLOCK_CREATE_RULESET_VERSION);
    // SAFETY: with this flag the kernel reads no structure and wants none.
    let version = done(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, flag) })?;
    i32::try_from(version).map_err(io::Error::other)
}

/// Gives up TCP, and abstract sockets and signals of others, for good.
pub(crate) fn landlock(with_scopes: bool) -> io::Result<()> {
    let rules = Ruleset { files: 0, network: TCP, scopes: if with_scopes { SCOPES } else { 0 } };
    // Kernels that know no scopes want the structure without them.
    let bytes = if with_scopes { size_of::<Ruleset>() } else { size_of::<u64>() * 2 };
    // SAFETY: a structure of at least so many bytes, which lives through the call.
    let ruleset =
        done(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const rules, bytes, 0) })?;
    let ruleset = i32::try_from(ruleset).map_err(io::Error::other)?;
    // SAFETY: a descriptor that the call before just made and nobody else has.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset) };
    // SAFETY: takes no pointer. Programs that are started cannot have more rights than this one.
    done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // SAFETY: a descriptor that is open, and no flags.
    done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) }).map(drop)
}

/// Whether a descriptor is a socket of a network that does not only listen.
pub(crate) fn is_connection_out(descriptor: i32) -> bool {
    let option = |name| -> Option<libc::c_int> {
        let mut value: libc::c_int = 0;
        let mut bytes = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: both pointers lead to numbers that live through the call, the second says how large the first is. A
        // descriptor that is no socket is an error.
        let result = unsafe {
            libc::getsockopt(descriptor, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut bytes)
        };
        (result == 0).then_some(value)
    };
    let is_local = option(libc::SO_DOMAIN).is_none_or(|domain| domain == libc::AF_UNIX);
    !is_local && option(libc::SO_ACCEPTCONN) != Some(1)
}

// From here on: trying to break out.

/// A socket of any kind.
pub(crate) fn socket(family: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let made = done(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) }.into())?;
    // SAFETY: the call just made it and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(made as i32) })
}

/// A TCP socket by the numbers of x32 programs.
#[cfg(target_arch = "x86_64")]
pub(crate) fn socket_x32() -> io::Result<OwnedFd> {
    let call = libc::SYS_socket | 0x4000_0000;
    // SAFETY: takes no pointer.
    let made = done(unsafe { libc::syscall(call, libc::AF_INET, libc::SOCK_STREAM, 0) })?;
    // SAFETY: the call just made it and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(made as i32) })
}

/// A ring of requests to the kernel.
pub(crate) fn io_uring() -> io::Result<OwnedFd> {
    let mut parameters = [0u8; 120];
    // SAFETY: the structure has 120 bytes, and zeros stand for all defaults.
    let made = done(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })?;
    // SAFETY: the call just made it and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(made as i32) })
}

fn address_of(to: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: a structure of numbers, for which zeros are values.
    let mut address: libc::sockaddr_in = unsafe { zeroed() };
    address.sin_family = libc::AF_INET as libc::sa_family_t;
    address.sin_port = to.port().to_be();
    address.sin_addr.s_addr = u32::from(*to.ip()).to_be();
    address
}

/// Connects a socket that came with the start.
pub(crate) fn connect(socket: BorrowedFd<'_>, to: SocketAddrV4) -> io::Result<()> {
    let address = address_of(to);
    let bytes = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: an address of so many bytes that lives through the call.
    done(unsafe { libc::connect(socket.as_raw_fd(), (&raw const address).cast(), bytes) }.into()).map(drop)
}

/// Sends a byte to an address, on a socket that came with the start.
pub(crate) fn send_to(socket: BorrowedFd<'_>, to: SocketAddrV4) -> io::Result<()> {
    let address = address_of(to);
    let bytes = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: one byte, and an address of so many bytes, which both live through the call.
    let sent = unsafe {
        libc::sendto(socket.as_raw_fd(), b"x".as_ptr().cast(), 1, 0, (&raw const address).cast(), bytes)
    };
    done(sent as libc::c_long).map(drop)
}

/// The same with the address inside of a structure.
pub(crate) fn send_message_to(socket: BorrowedFd<'_>, to: SocketAddrV4) -> io::Result<()> {
    let mut address = address_of(to);
    let mut part = libc::iovec { iov_base: b"x".as_ptr().cast_mut().cast(), iov_len: 1 };
    // SAFETY: a structure of numbers and pointers, for which zeros mean that there is nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = (&raw mut address).cast();
    message.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    // SAFETY: everything that the structure leads to lives through the call, and the byte is only read.
    done(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, 0) } as libc::c_long).map(drop)
}

/// Room for one descriptor on its way, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Way([u8; 24]);

fn with_message<T>(call: impl FnOnce(&mut libc::msghdr) -> T) -> T {
    let (mut byte, mut way) = ([b'x'], Way([0; 24]));
    let mut part = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: a structure of numbers and pointers, for which zeros mean that there is nothing.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = way.0.as_mut_ptr().cast();
    message.msg_controllen = way.0.len() as _;
    call(&mut message)
}

/// Passes a descriptor to whoever has the other end.
pub(crate) fn pass(socket: BorrowedFd<'_>, passed: BorrowedFd<'_>) -> io::Result<()> {
    with_message(|message| {
        // SAFETY: there is room for a header and one descriptor behind `msg_control`.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(4) as _;
            libc::CMSG_DATA(header).cast::<i32>().write_unaligned(passed.as_raw_fd());
        }
        // SAFETY: everything that the structure leads to lives through the call.
        done(unsafe { libc::sendmsg(socket.as_raw_fd(), message, 0) } as libc::c_long).map(drop)
    })
}

/// Takes a descriptor that was passed.
pub(crate) fn take(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    with_message(|message| {
        // SAFETY: everything that the structure leads to lives through the call and may be written.
        done(unsafe { libc::recvmsg(socket.as_raw_fd(), message, libc::MSG_DONTWAIT) } as libc::c_long)?;
        // SAFETY: the kernel has filled the structure in; a header is only looked at where one is.
        let taken = unsafe {
            let header = libc::CMSG_FIRSTHDR(message);
            let is_one = !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS;
            is_one.then(|| libc::CMSG_DATA(header).cast::<i32>().read_unaligned())
        };
        let taken = taken.ok_or_else(|| io::Error::other("nothing was passed"))?;
        // SAFETY: the kernel just made the descriptor and nobody else has it.
        Ok(unsafe { OwnedFd::from_raw_fd(taken) })
    })
}

/// Begins to follow another process.
pub(crate) fn seize(process: u32) -> io::Result<()> {
    // SAFETY: this request takes no memory of ours.
    done(unsafe { libc::syscall(libc::SYS_ptrace, libc::PTRACE_SEIZE, process, 0, 0) }).map(drop)
}

/// Reads a byte at an address that no process has. "Bad address" means that it would have been allowed.
pub(crate) fn read_memory(process: u32) -> io::Result<()> {
    let mut byte = [0u8];
    let ours = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: 1 };
    let theirs = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 1 };
    // SAFETY: one byte of ours may be written; the other side is another process's concern, and the kernel's.
    let read = unsafe { libc::process_vm_readv(process as i32, &raw const ours, 1, &raw const theirs, 1, 0) };
    match done(read as libc::c_long) {
        Err(error) if error.raw_os_error() == Some(libc::EFAULT) => Ok(()),
        other => other.map(drop),
    }
}

/// Takes a descriptor out of another process.
pub(crate) fn steal(process: u32, descriptor: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let handle = done(unsafe { libc::syscall(libc::SYS_pidfd_open, process, 0) })?;
    // SAFETY: the call just made it and nobody else has it.
    let handle = unsafe { OwnedFd::from_raw_fd(handle as i32) };
    // SAFETY: takes no pointer.
    let taken = done(unsafe { libc::syscall(libc::SYS_pidfd_getfd, handle.as_raw_fd(), descriptor, 0) })?;
    // SAFETY: the call just made it and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(taken as i32) })
}

/// Enters another namespace of networks.
pub(crate) fn enter(namespace: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) }.into()).map(drop)
}
