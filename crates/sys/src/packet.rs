//! Packets between the suite's programs: SEQPACKET sockets, descriptors riding along.
//!
//! The kernel keeps packets apart, so there is no framing to parse and none to attack.

use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    self, AddressFamily, Backlog, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    UnixAddr, sockopt,
};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;

/// Largest packet, in octets.
pub const MAX: usize = 65_536;
/// Most descriptors that ride on one packet.
pub const MAX_FDS: usize = 8;

thread_local! {
    /// Where a thread receives its packets: made and cleared once, not for each.
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A packet that came in.
#[derive(Debug, Default)]
pub struct Packet {
    /// What it says.
    pub bytes: Vec<u8>,
    /// The descriptors it brought; closed when dropped.
    pub fds: Vec<OwnedFd>,
}

/// Who is at the other end, by the kernel's word, at the time of the connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id.
    pub pid: u32,
}

/// One end of a SEQPACKET connection.
#[derive(Debug)]
pub struct Packets {
    fd: OwnedFd,
    /// This handle has said that calls don't wait. Another may have, too: where it is not set the kernel is asked.
    nonblocking: AtomicBool,
}

impl Packets {
    fn of(fd: OwnedFd) -> Packets {
        Packets { fd, nonblocking: AtomicBool::new(false) }
    }

    /// Two connected ends; both are closed on exec.
    pub fn pair() -> io::Result<(Packets, Packets)> {
        let kind = SockType::SeqPacket;
        let (one, two) = socket::socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Packets::of(one), Packets::of(two)))
    }

    /// Connects to the socket at `path`. Never waits for a busy listener: a full backlog is an error.
    pub fn connect(path: &Path) -> io::Result<Packets> {
        let fd = new_socket(SockFlag::SOCK_NONBLOCK)?;
        let (_folder, address) = address(path)?;
        socket::connect(fd.as_raw_fd(), &address)?;
        let packets = Packets::of(fd);
        packets.set_blocking()?;
        Ok(packets)
    }

    /// Takes a descriptor that is such a socket; an error if it is anything else.
    pub fn adopt(fd: OwnedFd) -> io::Result<Packets> {
        match socket::getsockopt(&fd, sockopt::SockType)? {
            SockType::SeqPacket => Ok(Packets::of(fd)),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    /// Sends and receives give up with [`ErrorKind::TimedOut`] after `limit`.
    pub fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        let limit = TimeVal::new(limit.as_secs() as i64, i64::from(limit.subsec_micros()));
        socket::setsockopt(&self.fd, sockopt::ReceiveTimeout, &limit)?;
        socket::setsockopt(&self.fd, sockopt::SendTimeout, &limit)?;
        Ok(())
    }

    /// Calls give up at once with [`ErrorKind::WouldBlock`] (reported as `TimedOut` never).
    pub fn set_nonblocking(&self) -> io::Result<()> {
        self.flags(|flags| flags | OFlag::O_NONBLOCK)?;
        self.nonblocking.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Calls wait again.
    pub fn set_blocking(&self) -> io::Result<()> {
        self.flags(|flags| flags - OFlag::O_NONBLOCK)?;
        self.nonblocking.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn flags(&self, change: impl Fn(OFlag) -> OFlag) -> io::Result<()> {
        use nix::fcntl::{FcntlArg, fcntl};
        let flags = OFlag::from_bits_retain(fcntl(&self.fd, FcntlArg::F_GETFL)?);
        fcntl(&self.fd, FcntlArg::F_SETFL(change(flags)))?;
        Ok(())
    }

    /// Sends one packet, at most [`MAX`] octets, with `fds` riding along.
    pub fn send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_parts(&[IoSlice::new(bytes)], fds)
    }

    /// Nothing more will be sent from here; the other end is told, and may still answer.
    pub fn no_more(&self) -> io::Result<()> {
        Ok(socket::shutdown(self.fd.as_raw_fd(), socket::Shutdown::Write)?)
    }

    /// Sends one packet that is gathered from `parts`.
    pub fn send_parts(&self, parts: &[IoSlice<'_>], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > MAX {
            return Err(io::Error::new(ErrorKind::InvalidInput, "packet too long"));
        }
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &[][..] } else { &rights[..] };
        loop {
            match socket::sendmsg::<()>(self.fd.as_raw_fd(), parts, control, MsgFlags::MSG_NOSIGNAL, None) {
                Ok(sent) if sent == length => return Ok(()),
                Ok(_) => return Err(ErrorKind::WriteZero.into()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Receives one packet; `None`: the other end is gone. A packet without octets counts as the end,
    /// since the kernel shows both alike: never send one.
    pub fn recv(&self) -> io::Result<Option<Packet>> {
        ROOM.with_borrow_mut(|room| {
            room.resize(MAX, 0);
            let (length, fds) = self.recv_into(room)?;
            Ok((length > 0).then(|| Packet { bytes: room[..length].to_vec(), fds }))
        })
    }

    /// As [`Packets::recv`], into `buffer` (of [`MAX`] octets); gives the packet's length, 0 at the end.
    /// For hot paths: the buffer is the caller's and no memory is cleared for each packet.
    pub fn recv_into(&self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        let mut control = nix::cmsg_space!([RawFd; MAX_FDS]);
        loop {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let received = socket::recvmsg::<()>(self.fd.as_raw_fd(), &mut parts, Some(&mut control), flags);
            match received.map(|message| (message.bytes, message.flags)) {
                Ok((length, flags)) => {
                    let fds = descriptors(&control);
                    let cut = flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC);
                    return if cut { Err(ErrorKind::InvalidData.into()) } else { Ok((length, fds)) };
                }
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok((0, Vec::new())),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    /// Who sends the next packet, by the kernel's word: its process id. What the packet says does not matter. `None`: the
    /// other end is gone. Only after [`Packets::ask_who_sends`].
    pub(crate) fn who_sends(&self) -> io::Result<Option<u32>> {
        // No room for descriptors: the kernel closes those that somebody sends all the same.
        let mut control = nix::cmsg_space!(nix::libc::ucred);
        let mut byte = [0];
        let mut parts = [IoSliceMut::new(&mut byte)];
        let message = loop {
            let flags = MsgFlags::empty();
            match socket::recvmsg::<()>(self.fd.as_raw_fd(), &mut parts, Some(&mut control), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::ECONNRESET) => return Ok(None),
                other => break other.map_err(|error| self.failed(error))?,
            }
        };
        let sender = message.cmsgs()?.find_map(|part| match part {
            ControlMessageOwned::ScmCredentials(sender) => u32::try_from(sender.pid()).ok(),
            _ => None,
        });
        Ok(sender.filter(|_| message.bytes > 0))
    }

    /// Has the kernel note who sends what comes from now on, or no longer.
    pub(crate) fn ask_who_sends(&self, ask: bool) -> io::Result<()> {
        Ok(socket::setsockopt(&self.fd, sockopt::PassCred, &ask)?)
    }

    /// Asks: sends `bytes`, waits for one packet. A peer that hangs up instead is `UnexpectedEof`.
    pub fn ask(&self, bytes: &[u8]) -> io::Result<Packet> {
        self.send(bytes, &[])?;
        self.recv()?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    /// Who connected.
    pub fn peer(&self) -> io::Result<Peer> {
        let peer = socket::getsockopt(&self.fd, sockopt::PeerCredentials)?;
        Ok(Peer { uid: peer.uid(), gid: peer.gid(), pid: peer.pid() as u32 })
    }

    /// A second handle on the same connection.
    pub fn try_clone(&self) -> io::Result<Packets> {
        Ok(Packets::of(self.fd.try_clone()?))
    }

    /// EAGAIN on a blocking socket is its time limit; on a non-blocking one it is `WouldBlock`.
    fn failed(&self, error: Errno) -> io::Error {
        use nix::fcntl::{FcntlArg, fcntl};
        let waits = || {
            fcntl(&self.fd, FcntlArg::F_GETFL)
                .is_ok_and(|flags| !OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK))
        };
        match error {
            Errno::EAGAIN if self.nonblocking.load(Ordering::Relaxed) => ErrorKind::WouldBlock.into(),
            Errno::EAGAIN if waits() => ErrorKind::TimedOut.into(),
            other => other.into(),
        }
    }
}

impl AsFd for Packets {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Packets> for OwnedFd {
    fn from(packets: Packets) -> OwnedFd {
        packets.fd
    }
}

/// The descriptors in the control message that a receive has put into `control`, which was all zero
/// before. Read by hand: of a message that was cut, crate nix shows none, and those that did come (for
/// lack of room, or of free descriptor numbers) would stay open for ever.
fn descriptors(control: &[u8]) -> Vec<OwnedFd> {
    use nix::libc::{SCM_RIGHTS, SOL_SOCKET};
    const WORD: usize = size_of::<usize>();
    const HEAD: usize = WORD + 8;
    let number = |at: usize| control[at..].first_chunk().map_or(0, |four| RawFd::from_ne_bytes(*four));
    let length = control.first_chunk().map_or(0, |word| usize::from_ne_bytes(*word)).min(control.len());
    if length < HEAD || number(WORD) != SOL_SOCKET || number(WORD + 4) != SCM_RIGHTS {
        return Vec::new();
    }
    let raw = (HEAD..length).step_by(4).map(number);
    // SAFETY: the kernel has just made these descriptors for us and nobody else knows them.
    raw.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect()
}

/// A SEQPACKET socket with a name in the file system.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Binds `path` with permission bits `mode` (who may connect). A left-over socket that nobody
    /// listens on is replaced; one with a living listener is `AddrInUse`; any other file is an error.
    pub fn bind(path: &Path, mode: u32) -> io::Result<Listener> {
        remove_left_over(path)?;
        let fd = new_socket(SockFlag::empty())?;
        let (_folder, address) = address(path)?;
        socket::bind(fd.as_raw_fd(), &address)?;
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))?;
        socket::listen(&fd, Backlog::new(1024)?)?;
        Ok(Listener(fd))
    }

    /// Waits for the next connection.
    pub fn accept(&self) -> io::Result<Packets> {
        loop {
            match socket::accept4(self.0.as_raw_fd(), SockFlag::SOCK_CLOEXEC) {
                // SAFETY: the kernel has just made this descriptor for us.
                Ok(fd) => return Ok(Packets::of(unsafe { OwnedFd::from_raw_fd(fd) })),
                Err(Errno::EINTR | Errno::ECONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn remove_left_over(path: &Path) -> io::Result<()> {
    match Packets::connect(path) {
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // A full backlog is a living listener.
        Err(error) if error.kind() == ErrorKind::WouldBlock => Err(ErrorKind::AddrInUse.into()),
        Err(_) => {
            use std::os::unix::fs::FileTypeExt;
            match std::fs::symlink_metadata(path)?.file_type().is_socket() {
                true => std::fs::remove_file(path),
                false => Err(ErrorKind::AlreadyExists.into()),
            }
        }
    }
}

fn new_socket(flags: SockFlag) -> io::Result<OwnedFd> {
    let flags = flags | SockFlag::SOCK_CLOEXEC;
    Ok(socket::socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)?)
}

/// The address of `path`. One that is too long for a socket address is named by way of its folder,
/// which has to stay open until the address has been used.
fn address(path: &Path) -> io::Result<(Option<OwnedFd>, UnixAddr)> {
    if let Ok(address) = UnixAddr::new(path) {
        return Ok((None, address));
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let folder = open(folder, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((Some(folder), UnixAddr::new(&short)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn who_sends_no_more_is_seen_to_and_still_gets_an_answer() {
        let (one, two) = Packets::pair().unwrap();
        one.send(b"half", &[]).unwrap();
        one.no_more().unwrap();
        assert_eq!(two.recv().unwrap().unwrap().bytes, b"half");
        assert!(two.recv().unwrap().is_none());
        two.send(b"why", &[]).unwrap();
        assert_eq!(one.recv().unwrap().unwrap().bytes, b"why");
    }

    #[test]
    fn packets_keep_their_borders_and_carry_descriptors() {
        let (one, two) = Packets::pair().unwrap();
        let (mut read, mut write) = std::io::pipe().unwrap();
        one.send(b"first", &[]).unwrap();
        one.send(b"second", &[read.as_fd()]).unwrap();
        drop(one);
        assert_eq!(two.recv().unwrap().unwrap().bytes, b"first");
        let packet = two.recv().unwrap().unwrap();
        assert_eq!((&packet.bytes[..], packet.fds.len()), (&b"second"[..], 1));
        assert!(two.recv().unwrap().is_none());
        write.write_all(b"x").unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn a_name_of_any_length_can_be_bound_and_a_left_over_is_replaced() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("x".repeat(120));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("queue");
        drop(Listener::bind(&path, 0o600).unwrap());
        let listener = Listener::bind(&path, 0o600).unwrap();
        assert_eq!(Listener::bind(&path, 0o600).unwrap_err().kind(), ErrorKind::AddrInUse);
        let client = Packets::connect(&path).unwrap();
        listener.accept().unwrap(); // that of the second bind
        let server = listener.accept().unwrap();
        assert_eq!(server.peer().unwrap().uid, crate::uid());
        server.send(b"K", &[]).unwrap();
        assert_eq!(client.recv().unwrap().unwrap().bytes, b"K");
    }

    #[test]
    fn a_file_in_the_place_of_a_socket_is_never_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("queue");
        std::fs::write(&path, "mail").unwrap();
        assert!(Listener::bind(&path, 0o600).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"mail");
    }

    #[test]
    fn a_packet_with_too_many_descriptors_leaves_none_behind() {
        let (one, two) = Packets::pair().unwrap();
        let (read, write) = std::io::pipe().unwrap();
        one.send(b"x", &[write.as_fd(); 2 * MAX_FDS]).unwrap();
        drop(write);
        assert!(two.recv().is_err());
        let over = crate::wait::until(read.as_fd(), crate::wait::Interest::Read, Some(Duration::ZERO));
        assert!(over.unwrap(), "nobody holds the writing end any more");
    }

    #[test]
    fn a_silent_peer_is_a_time_out_and_not_a_hang() {
        let (one, _two) = Packets::pair().unwrap();
        one.set_timeout(Duration::from_millis(10)).unwrap();
        assert_eq!(one.recv().unwrap_err().kind(), ErrorKind::TimedOut);
        one.set_nonblocking().unwrap();
        assert_eq!(one.recv().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}
