//! Which system calls are refused, and why each is on the list.

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};
use std::collections::BTreeMap;

/// Refused whatever their arguments.
const REFUSED: &[i64] = &[
    // New ways to anybody. Pairs of sockets within the program stay, see below.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    // Descriptors of others, passed or taken; addresses hidden in a structure that a filter cannot read.
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_pidfd_getfd,
    // Does all of the above without a system call for each.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // The insides of other programs, which may have a network.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_perf_event_open,
    // Other namespaces, and file systems as they see them.
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_open_by_handle_at,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    // Keys that other programs of this user share, a mailbox of sorts.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
];

/// Kinds of namespaces that `clone` would make.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// Bit of the numbers by which programs for x32 call.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Installs the filters, for good; how many calls they refuse. Calls of another architecture (32-bit programs) end the program
/// that makes them.
pub(crate) fn apply() -> Result<usize, Error> {
    let rules = rules()?;
    let count = rules.len();
    // Its flags are in memory, where a filter cannot look. "No such call" makes C libraries take `clone` instead.
    install(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)?;
    install(rules, libc::EPERM)?;
    Ok(count)
}

fn install(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<(), Error> {
    let refuse = SeccompAction::Errno(errno.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into()?;
    let program: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()?;
    apply_filter(&program)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, Error> {
    let rule = |argument, length, op, value: u64| -> Result<SeccompRule, Error> {
        Ok(SeccompRule::new(vec![SeccompCondition::new(argument, length, op, value)?])?)
    };
    let word = |value: i32| u64::from(value.unsigned_abs());
    let (dword, qword) = (SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    // Pairs of sockets connect a program with itself; runtimes wake themselves through one.
    rules.insert(libc::SYS_socketpair, vec![rule(0, dword.clone(), SeccompCmpOp::Ne, word(libc::AF_UNIX))?]);
    // Sending on a connection that is there is answering; sending to an address is not.
    rules.insert(libc::SYS_sendto, vec![rule(4, qword.clone(), SeccompCmpOp::Ne, 0)?]);
    let namespaces = NAMESPACES.iter().map(|flag| {
        let bit = word(*flag);
        rule(0, qword.clone(), SeccompCmpOp::MaskedEq(bit), bit)
    });
    rules.insert(libc::SYS_clone, namespaces.collect::<Result<_, _>>()?);
    // Typing into the terminal, for the shell to read afterwards.
    let typing = [libc::TIOCSTI, libc::TIOCLINUX];
    let typing = typing.iter().map(|call| rule(1, dword.clone(), SeccompCmpOp::Eq, *call));
    rules.insert(libc::SYS_ioctl, typing.collect::<Result<_, _>>()?);
    #[cfg(target_arch = "x86_64")]
    {
        let doubled: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(doubled);
        // Those that x32 has under numbers of its own.
        rules.extend((512..=547).map(|call| (call | X32, Vec::new())));
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_become_a_program_that_the_kernel_takes_for_one() {
        let rules = rules().unwrap();
        assert!(rules.len() > REFUSED.len());
        let arch = std::env::consts::ARCH.try_into().unwrap();
        let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(1), arch).unwrap();
        let program: BpfProgram = filter.try_into().unwrap();
        assert!((100..4096).contains(&program.len()), "{}", program.len());
    }
}
