//! Trying to break out of a seal. A process outside sets up what could be reached; one inside seals itself and tries everything.
//! Nothing of it leaves the machine: whatever could be reached is at loopback.

use super::kernel;
use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The system refused, with this reason.
    Refused(String),
    /// It worked.
    Through,
    /// It could not be tried.
    Untried(String),
}

impl Outcome {
    fn of<T>(result: io::Result<T>) -> Self {
        match result {
            Ok(_) => Self::Through,
            Err(error) => Self::Refused(reason(&error)),
        }
    }
}

/// A way out that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What a process outside holds open for one inside to reach.
pub struct Outside {
    tcp4: TcpListener,
    tcp6: Option<TcpListener>,
    udp4: UdpSocket,
    udp6: Option<UdpSocket>,
    _abstract: UnixListener,
    abstract_name: String,
    _path: UnixListener,
    path: PathBuf,
}

impl Outside {
    /// Opens it all; a socket lies in `folder`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let tcp4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let abstract_name = format!("hob-prove-{}-{}", std::process::id(), tcp4.local_addr()?.port());
        let path = folder.join("outside.sock");
        Ok(Self {
            // Machines without IPv6 exist.
            tcp6: TcpListener::bind("[::1]:0").ok(),
            udp4: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
            udp6: UdpSocket::bind("[::1]:0").ok(),
            _abstract: UnixListener::bind_addr(&UnixAddr::from_abstract_name(&abstract_name)?)?,
            abstract_name,
            _path: UnixListener::bind(&path)?,
            path,
            tcp4,
        })
    }

    /// Where everything is, as text for [`Inside::parse`].
    ///
    /// # Errors
    /// The system's.
    pub fn places(&self) -> io::Result<String> {
        let mut text = format!(
            "tcp4={}\nudp4={}\nabstract={}\npath={}\nprocess={}\ndescriptor={}\n",
            self.tcp4.local_addr()?,
            self.udp4.local_addr()?,
            self.abstract_name,
            self.path.display(),
            std::process::id(),
            self.tcp4.as_raw_fd(),
        );
        if let Some(tcp6) = &self.tcp6 {
            let _ = writeln!(text, "tcp6={}", tcp6.local_addr()?);
        }
        if let Some(udp6) = &self.udp6 {
            let _ = writeln!(text, "udp6={}", udp6.local_addr()?);
        }
        Ok(text)
    }

    /// Gives `command` a standard input through which a connection is passed, and a standard error that is a socket: what an
    /// inside process could have come with.
    ///
    /// # Errors
    /// The system's.
    pub fn equip(&self, command: &mut Command) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        let connection = TcpStream::connect(self.tcp4.local_addr()?)?;
        kernel::pass(ours.as_fd(), connection.as_fd())?;
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        command.stdin(OwnedFd::from(theirs)).stderr(OwnedFd::from(datagrams));
        Ok(ours)
    }
}

/// What a process inside knows of the one outside.
#[derive(Clone, Debug, Default)]
pub struct Inside {
    places: Vec<(String, String)>,
}

impl Inside {
    /// Reads what [`Outside::places`] wrote.
    pub fn parse(text: &str) -> Self {
        let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { places: text.lines().filter_map(pair).collect() }
    }

    fn place<T: std::str::FromStr>(&self, name: &str) -> io::Result<T> {
        let value = self.places.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.parse().ok());
        value.ok_or_else(|| io::Error::new(ErrorKind::NotFound, UNTRIED))
    }

    /// Connects to the listener outside, as a program that is started would.
    ///
    /// # Errors
    /// The system's.
    pub fn reach(&self) -> io::Result<()> {
        TcpStream::connect(self.place::<SocketAddr>("tcp4")?).map(drop)
    }

    /// Tries every way. `child` makes the command that calls [`Inside::reach`] in another process and exits with 0 when that worked.
    pub fn attempts(&self, child: impl Fn() -> Command) -> Vec<Attempt> {
        let mut attempts = self.sockets();
        attempts.extend(self.descriptors());
        attempts.extend(self.programs(child));
        attempts.extend(self.kernel());
        attempts
    }

    fn sockets(&self) -> Vec<Attempt> {
        let datagram = |from: &str, to: &str| -> io::Result<usize> {
            let to: SocketAddr = self.place(to)?;
            UdpSocket::bind(from)?.send_to(DNS_QUESTION, to)
        };
        let abstract_name = || -> io::Result<UnixStream> {
            let name: String = self.place("abstract")?;
            UnixStream::connect_addr(&UnixAddr::from_abstract_name(name)?)
        };
        vec![
            attempt("TCP over IPv4", self.reach()),
            attempt("TCP over IPv6", self.place::<SocketAddr>("tcp6").and_then(TcpStream::connect)),
            attempt("UDP over IPv4, as DNS asks", datagram("127.0.0.1:0", "udp4")),
            attempt("UDP over IPv6", datagram("[::1]:0", "udp6")),
            attempt("a raw socket", kernel::socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP)),
            attempt("a packet socket", kernel::socket(libc::AF_PACKET, libc::SOCK_RAW, 0)),
            attempt("a netlink socket", kernel::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0)),
            attempt(
                "a socket to the host of a virtual machine",
                kernel::socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
            ),
            attempt("an abstract Unix socket", abstract_name()),
            attempt("a Unix socket in a folder", self.place::<PathBuf>("path").and_then(UnixStream::connect)),
            attempt("a new listener", TcpListener::bind("127.0.0.1:0")),
        ]
    }

    /// Standard error is a socket here, and a connection waits in standard input.
    fn descriptors(&self) -> Vec<Attempt> {
        let (stdin, stderr) = (io::stdin(), io::stderr());
        let to = || self.place::<SocketAddrV4>("udp4");
        vec![
            attempt(
                "sending on an inherited socket",
                to().and_then(|to| kernel::send_to(stderr.as_fd(), to)),
            ),
            attempt(
                "the same with a message",
                to().and_then(|to| kernel::send_message_to(stderr.as_fd(), to)),
            ),
            attempt(
                "connecting an inherited socket",
                to().and_then(|to| kernel::connect(stderr.as_fd(), to)),
            ),
            attempt("taking a connection that is passed", kernel::take(stdin.as_fd())),
            attempt("passing a descriptor out", kernel::pass(stdin.as_fd(), stderr.as_fd())),
        ]
    }

    fn programs(&self, child: impl Fn() -> Command) -> Vec<Attempt> {
        let started = || -> io::Result<()> {
            let mut child = child();
            child.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            match child.status()?.code() {
                Some(0) => Ok(()),
                // The child says with its code what it was refused with.
                Some(code) => Err(io::Error::from_raw_os_error(code)),
                None => Err(io::Error::other("the child was ended")),
            }
        };
        let thread = || thread::scope(|scope| scope.spawn(|| self.reach()).join());
        let process = || self.place::<u32>("process");
        let memory =
            |process| std::fs::OpenOptions::new().read(true).write(true).open(format!("/proc/{process}/mem"));
        vec![
            attempt("TCP from a program that is started", started()),
            attempt(
                "TCP from another thread",
                thread().unwrap_or_else(|_| Err(io::Error::other("it panicked"))),
            ),
            attempt("following another program", process().and_then(kernel::seize)),
            attempt("reading another program's memory", process().and_then(kernel::read_memory)),
            attempt("writing another program's memory", process().and_then(memory)),
            attempt(
                "taking another program's socket",
                process().and_then(|p| kernel::steal(p, self.place("descriptor")?)),
            ),
        ]
    }

    fn kernel(&self) -> Vec<Attempt> {
        let namespace = || {
            let process: u32 = self.place("process")?;
            let namespace = std::fs::File::open(format!("/proc/{process}/ns/net"))?;
            kernel::enter(namespace.as_fd())?;
            self.reach()
        };
        vec![
            attempt("io_uring", kernel::io_uring()),
            #[cfg(target_arch = "x86_64")]
            attempt("a socket by x32's numbers", kernel::socket_x32()),
            // The last: what it changes would change what comes after.
            attempt("the network namespace outside", namespace()),
        ]
    }
}

/// A question for the address of `hob.invalid`, as it stands in a datagram.
const DNS_QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03hob\x07invalid\x00\x00\x01\x00\x01";
const UNTRIED: &str = "there is nothing outside to try it with";

fn attempt<T>(name: &'static str, result: io::Result<T>) -> Attempt {
    let outcome = match &result {
        Err(error) if error.to_string() == UNTRIED => Outcome::Untried(UNTRIED.into()),
        _ => Outcome::of(result),
    };
    Attempt { name, outcome }
}

/// The error's short name, as manuals have it.
fn reason(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else { return error.to_string() };
    let name = match number {
        libc::EPERM => "EPERM",
        libc::EACCES => "EACCES",
        libc::ENOSYS => "ENOSYS",
        libc::ENETUNREACH => "ENETUNREACH",
        libc::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        libc::EAFNOSUPPORT => "EAFNOSUPPORT",
        libc::ECONNREFUSED => "ECONNREFUSED",
        libc::ENODEV => "ENODEV",
        libc::EINVAL => "EINVAL",
        libc::ESRCH => "ESRCH",
        _ => return format!("error {number}"),
    };
    name.to_owned()
}
