//! The UDP sockets of the workers, and which of them a packet goes to.
//!
//! All workers have a socket on the same address. The kernel would choose one of them by both ends'
//! addresses; but a QUIC connection goes on when the viewer's address changes, and its packets must
//! still come to the worker that has its keys. So the ids that a worker gives its connections tell
//! whose they are, and a program in the kernel reads them:
//!
//! ```text
//! short header   byte 0: 0xxx_xxxx   byte 1: first byte of the connection's id
//! long header    byte 0: 1xxx_xxxx   bytes 1-4: version   byte 5: length of the id
//!                byte 6: first byte of the connection's id
//! worker         that byte modulo the number of workers
//! ```
//!
//! The first packets of a viewer carry an id that it made up itself: it is as good as any to choose
//! a worker by, and they all go to the same one. All ids after that are the worker's own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use quinn::{ConnectionId, ConnectionIdGenerator};
use rustls::crypto::SecureRandom;
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits;

/// The socket of one worker among those of an address.
#[derive(Debug)]
pub(crate) struct WorkerSocket {
    pub socket: std::net::UdpSocket,
    pub share: Share,
}

/// Which packets are a worker's: those whose id's first byte is `index` modulo `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    index: u8,
    /// 1 to [`limits::QUIC_WORKERS_MAX`].
    count: u16,
}

impl Share {
    /// One byte out of those that are this worker's; `dice` chooses which.
    fn byte(self, dice: u8) -> u8 {
        let count = u32::from(self.count);
        let choices = (u32::from(u8::MAX) - u32::from(self.index)) / count + 1;
        let byte = u32::from(self.index) + u32::from(dice) % choices * count;
        u8::try_from(byte).expect("the largest of the choices is at most 255")
    }
}

/// Sockets on one address for that many workers, in the workers' order; more than
/// [`limits::QUIC_WORKERS_MAX`] get none. An IPv6 address takes IPv4 as well. With port 0 all share
/// the one that the system chooses.
///
/// The kernel counts the sockets in the order in which they were bound, so no other process may
/// have any there: an address that is taken is refused.
pub(crate) fn listen(mut address: SocketAddr, workers: usize) -> io::Result<Vec<WorkerSocket>> {
    if address.port() != 0 {
        drop(std::net::UdpSocket::bind(address)?);
    }
    let count = workers.clamp(1, limits::QUIC_WORKERS_MAX) as u16;
    let mut sockets = Vec::with_capacity(usize::from(count));
    for index in 0..count {
        let socket = bind(address)?;
        address = socket.local_addr()?;
        let index = u8::try_from(index).expect("there are at most 256 workers");
        let share = Share { index, count };
        sockets.push(WorkerSocket { socket, share });
    }
    if count > 1 {
        steer(&sockets[0].socket, count)?;
    }
    Ok(sockets)
}

fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_port(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // As much as the system allows: a burst that finds no room is lost and sent again.
    let _ = socket.set_recv_buffer_size(limits::QUIC_SOCKET_BUFFER_BYTES);
    let _ = socket.set_send_buffer_size(limits::QUIC_SOCKET_BUFFER_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// The program of this module's first comment. Reading beyond a packet's end gives worker 0.
fn program(count: u16) -> [libc::sock_filter; 7] {
    const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const IF_BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const GO: u32 = libc::BPF_JMP | libc::BPF_JA;
    const MODULO: u32 = libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_A;
    let step = |code: u32, k: u32| libc::sock_filter {
        code: code as u16,
        jt: 0,
        jf: 0,
        k,
    };
    let is_long = libc::sock_filter {
        jt: 2,
        ..step(IF_BITS, 0x80)
    };
    [
        step(LOAD_BYTE, 0),
        is_long,
        step(LOAD_BYTE, 1),
        step(GO, 1),
        step(LOAD_BYTE, 6),
        step(MODULO, u32::from(count)),
        step(RETURN, 0),
    ]
}

/// Has the kernel choose among the sockets that share this one's address.
fn steer(socket: &std::net::UdpSocket, count: u16) -> io::Result<()> {
    let mut program = program(count);
    let filter = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    // SAFETY: the descriptor is open, since `socket` is borrowed; `filter` is what this option
    // takes, its length is its own, and it points at `len` instructions of `program`, which lives
    // to the end of this function. The kernel copies them, and keeps neither pointer.
    #[allow(unsafe_code)]
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const filter).cast(),
            length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes the ids of a worker's connections: eight bytes, the first of which tells the worker, and
/// which nobody can foresee.
pub(super) struct WorkerIds {
    pub share: Share,
    pub random: &'static dyn SecureRandom,
}

const ID_BYTES: usize = 8;

impl ConnectionIdGenerator for WorkerIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        self.random
            .fill(&mut id)
            .expect("a generator that made the keys of a connection does not fail");
        id[0] = self.share.byte(id[0]);
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::UdpSocket;

    use super::*;

    fn ids(index: u8, count: u16) -> WorkerIds {
        WorkerIds {
            share: Share { index, count },
            random: rustls::crypto::aws_lc_rs::default_provider().secure_random,
        }
    }

    #[test]
    fn an_id_tells_its_worker_and_is_like_no_other() {
        for count in [1, 2, 3, 7, 255, 256] {
            for index in 0..count {
                let mut ids = ids(index as u8, count);
                let id = ids.generate_cid();
                assert_eq!(id.len(), ids.cid_len());
                assert_eq!(u16::from(id[0]) % count, index);
                assert_ne!(id, ids.generate_cid());
            }
        }
    }

    #[test]
    fn every_byte_of_a_worker_is_used() {
        let share = Share { index: 2, count: 3 };
        let bytes: HashSet<_> = (0..=u8::MAX).map(|dice| share.byte(dice)).collect();
        let own: HashSet<_> = (0..=u8::MAX).filter(|byte| byte % 3 == 2).collect();
        assert_eq!(bytes, own);
    }

    /// Sends that from a new address each time, and tells which of the sockets it came to.
    fn comes_to(sockets: &[WorkerSocket], packet: &[u8]) -> usize {
        let to = sockets[0].socket.local_addr().unwrap();
        let from = UdpSocket::bind((to.ip(), 0)).unwrap();
        from.send_to(packet, to).unwrap();
        // A packet to this machine itself is in the receiver's queue when it has been sent.
        let mut got = Vec::new();
        for (index, worker) in sockets.iter().enumerate() {
            let mut buffer = [0; 64];
            if let Ok(length) = worker.socket.recv(&mut buffer) {
                assert_eq!(&buffer[..length], packet);
                got.push(index);
            }
        }
        assert_eq!(got.len(), 1, "one packet comes to one socket");
        got[0]
    }

    #[test]
    fn a_packet_comes_to_the_worker_that_its_id_tells_from_whatever_address() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let sockets = listen(address.parse().unwrap(), 3).unwrap();
            for first in [0, 1, 2, 3, 100, 254, 255] {
                let worker = usize::from(first % 3);
                let short = [0x40, first, 1, 2, 3, 4, 5, 6, 7, 0, 0];
                let long = [0xc0, 0, 0, 0, 1, 8, first, 1, 2, 3, 4, 5, 6, 7, 0];
                assert_eq!(comes_to(&sockets, &short), worker);
                assert_eq!(comes_to(&sockets, &long), worker);
            }
        }
    }

    #[test]
    fn a_packet_that_is_too_short_to_tell_comes_to_the_first() {
        let sockets = listen("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        assert_eq!(comes_to(&sockets, &[0x40]), 0);
        assert_eq!(comes_to(&sockets, &[0xc0, 0, 0, 0, 1, 8]), 0);
    }

    #[test]
    fn one_socket_takes_ipv4_and_ipv6() {
        let sockets = listen("[::]:0".parse().unwrap(), 2).unwrap();
        let port = sockets[0].socket.local_addr().unwrap().port();
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(&[0x40, 1, 0, 0], ("127.0.0.1", port)).unwrap();
        assert!(sockets[1].socket.recv(&mut [0; 8]).is_ok());
    }

    #[test]
    fn an_address_that_is_taken_is_refused() {
        let sockets = listen("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = sockets[0].socket.local_addr().unwrap();
        let error = listen(address, 2).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn there_are_no_more_sockets_than_the_first_byte_can_tell_apart() {
        let sockets = listen("127.0.0.1:0".parse().unwrap(), 300).unwrap();
        assert_eq!(sockets.len(), 256);
        assert_eq!(comes_to(&sockets, &[0x40, 255, 0]), 255);
    }
}
