//! The few system calls that the standard library does not offer: epoll, connecting from a chosen
//! source address, the listen backlog, the limit of open files, and a fast byte search.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Connections that may wait for `accept`; the kernel lowers it to `net.core.somaxconn`.
const BACKLOG: libc::c_int = 16_384;
/// How long one connection attempt may take.
const CONNECT_TIMEOUT_SECS: libc::time_t = 10;

/// An epoll instance. Everything is registered edge-triggered, for reading and writing at once, so
/// that the steady state needs no `epoll_ctl`: owners read until a short read and write until
/// `WouldBlock`.
pub struct Epoll {
    fd: OwnedFd,
}

/// What `Epoll::wait` fills.
pub struct Events {
    raw: Vec<libc::epoll_event>,
    filled: usize,
}

impl Events {
    /// Room for `capacity` events per wait.
    pub fn with_capacity(capacity: usize) -> Events {
        Events {
            raw: vec![libc::epoll_event { events: 0, u64: 0 }; capacity],
            filled: 0,
        }
    }

    /// The token of event `index`, or `None` past the last.
    pub fn token(&self, index: usize) -> Option<usize> {
        self.raw[..self.filled].get(index).map(|event| {
            let token = event.u64;
            usize::try_from(token).expect("tokens come from usize")
        })
    }
}

impl Epoll {
    /// Opens an instance.
    #[allow(unsafe_code)]
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; the descriptor returned is new and owned by nobody else.
        let fd = unsafe {
            let fd = check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Epoll { fd })
    }

    /// Watches `fd` until it is closed.
    #[allow(unsafe_code)]
    pub fn add(&self, fd: &impl AsRawFd, token: usize) -> io::Result<()> {
        let interest = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event {
            events: interest as u32,
            u64: token as u64,
        };
        // SAFETY: `event` outlives the call, which copies it.
        unsafe {
            check(libc::epoll_ctl(
                self.fd.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            ))?;
        }
        Ok(())
    }

    /// Waits for events, at most `timeout_ms` (−1: for ever).
    #[allow(unsafe_code)]
    pub fn wait(&self, events: &mut Events, timeout_ms: i32) -> io::Result<()> {
        let room = i32::try_from(events.raw.len()).expect("event buffers are small");
        // SAFETY: the kernel writes at most `room` events into a buffer of that length.
        let filled = unsafe {
            check(libc::epoll_wait(
                self.fd.as_raw_fd(),
                events.raw.as_mut_ptr(),
                room,
                timeout_ms,
            ))
        };
        events.filled = match filled {
            Ok(count) => usize::try_from(count).expect("a checked result is not negative"),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        Ok(())
    }
}

/// A non-blocking listener with a deep backlog (the standard library's is 128).
#[allow(unsafe_code)]
pub fn listen(addr: SocketAddrV4) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    // SAFETY: a second `listen` on a listening socket only changes its backlog.
    unsafe {
        check(libc::listen(listener.as_raw_fd(), BACKLOG))?;
    }
    Ok(listener)
}

/// Connects from `source`, so that many connections do not run short of ports, and makes the
/// stream non-blocking.
#[allow(unsafe_code)]
pub fn connect(source: Ipv4Addr, target: SocketAddrV4) -> io::Result<TcpStream> {
    // SAFETY: the descriptor is new and passes at once to an owner; the addresses and the timeout
    // outlive the calls that read them, and their lengths are those of their types.
    let stream = unsafe {
        let fd = check(libc::socket(
            libc::AF_INET,
            libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
            0,
        ))?;
        let stream = TcpStream::from_raw_fd(fd);
        let timeout = libc::timeval {
            tv_sec: CONNECT_TIMEOUT_SECS,
            tv_usec: 0,
        };
        check(libc::setsockopt(
            fd,
            libc::SOL_SOCKET,
            libc::SO_SNDTIMEO,
            (&raw const timeout).cast(),
            size_of_val(&timeout),
        ))?;
        let from = socket_address(SocketAddrV4::new(source, 0));
        check(libc::bind(fd, (&raw const from).cast(), size_of_val(&from)))?;
        let to = socket_address(target);
        check(libc::connect(fd, (&raw const to).cast(), size_of_val(&to)))?;
        stream
    };
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Raises the soft limit of open files to the hard one and returns it.
#[allow(unsafe_code)]
pub fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take a valid pointer to a structure of their type.
    unsafe {
        check(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit))?;
        limit.rlim_cur = limit.rlim_max;
        check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
    }
    Ok(limit.rlim_cur)
}

/// Index of the first `byte`: the C library's vectorised search, as the tools scan every head.
#[allow(unsafe_code)]
pub fn find_byte(byte: u8, bytes: &[u8]) -> Option<usize> {
    // SAFETY: reads at most `bytes.len()` bytes; a pointer that is returned lies inside `bytes`.
    unsafe {
        let found =
            libc::memchr(bytes.as_ptr().cast(), libc::c_int::from(byte), bytes.len()).cast::<u8>();
        if found.is_null() {
            None
        } else {
            Some(found.offset_from_unsigned(bytes.as_ptr()))
        }
    }
}

fn socket_address(addr: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: addr.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes(addr.ip().octets()),
        },
        sin_zero: [0; 8],
    }
}

fn size_of_val<T>(value: &T) -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of_val(value)).expect("socket structures are small")
}

fn check(result: libc::c_int) -> io::Result<RawFd> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_at_its_first_place_or_not_at_all() {
        assert_eq!(find_byte(b'c', b"abcabc"), Some(2));
        assert_eq!(find_byte(b'x', b"abcabc"), None);
        assert_eq!(find_byte(b'x', b""), None);
    }
}
