//! Datagrams in batches: `recvmmsg` and `sendmmsg`, into and out of memory that is allocated once.
//!
//! [`Incoming`] holds what one call received, [`Outgoing`] what the next sends in reply: each reply
//! goes to the address that its query came from, and leaves from the address that was asked, which
//! matters on a socket that is bound to all addresses of a machine. Read these two first.
//!
//! All `unsafe` of this crate is here. What it rests on:
//! - slots are allocated together and stay where they are until `Incoming` is dropped; the headers
//!   point into them, and nothing makes a reference to all slots at once;
//! - the system writes to them within `receive` only, which has `&mut self`;
//! - a slot is zero from the start, so its bytes are readable whatever was received.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};

use socket2::{Domain, Protocol, Socket, Type};

use super::limits::{
    BATCH_COUNT_MAX, OUTGOING_BYTES, STOP_CHECK_MS, UDP_QUERY_BYTES_MAX, UDP_RECEIVE_BUFFER_BYTES,
    UDP_RESPONSE_BYTES_MAX,
};

/// A UDP socket for batches.
#[derive(Debug)]
pub struct BatchSocket {
    socket: Socket,
    /// Replies name the address that they leave from: the socket is bound to all.
    is_unspecified: bool,
}

impl BatchSocket {
    /// Binds one; others may bind the same address, and the system shares the queries among them
    /// by the asker's address and port.
    pub fn bind(address: SocketAddr) -> io::Result<BatchSocket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_reuse_port(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        let batch_socket = BatchSocket {
            socket,
            is_unspecified: address.ip().is_unspecified(),
        };
        batch_socket.set_path_options(address.is_ipv6())?;
        let socket = &batch_socket.socket;
        // Best effort: a smaller queue drops earlier under a burst.
        let _ = socket.set_recv_buffer_size(UDP_RECEIVE_BUFFER_BYTES);
        let wait = std::time::Duration::from_millis(STOP_CHECK_MS);
        socket.set_read_timeout(Some(wait))?;
        socket.set_write_timeout(Some(wait))?;
        socket.bind(&address.into())?;
        Ok(batch_socket)
    }

    /// Where it is bound, with the port that the system chose.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.ok_or_else(|| io::Error::other("a UDP socket has an address of the internet"))
    }

    /// Another handle of the same socket.
    pub fn try_clone(&self) -> io::Result<BatchSocket> {
        Ok(BatchSocket {
            socket: self.socket.try_clone()?,
            is_unspecified: self.is_unspecified,
        })
    }

    /// Wakes whoever waits in `receive`, for ever.
    pub fn shut_down(&self) {
        // The system says that it is not connected, and wakes its readers all the same.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }

    /// Which address was asked; and that fragments are made here rather than by what a forged
    /// ICMP message says of the path.
    fn set_path_options(&self, is_ipv6: bool) -> io::Result<()> {
        let (level, asked, discover, omit) = if is_ipv6 {
            (
                libc::IPPROTO_IPV6,
                libc::IPV6_RECVPKTINFO,
                libc::IPV6_MTU_DISCOVER,
                libc::IPV6_PMTUDISC_OMIT,
            )
        } else {
            (
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                libc::IP_MTU_DISCOVER,
                libc::IP_PMTUDISC_OMIT,
            )
        };
        if self.is_unspecified {
            self.set_option(level, asked, 1)?;
        }
        self.set_option(level, discover, omit)
    }

    #[allow(unsafe_code)]
    fn set_option(&self, level: i32, name: i32, value: i32) -> io::Result<()> {
        let length = size_of::<i32>() as libc::socklen_t;
        // SAFETY: the descriptor is open as long as `self`, and the value is an int of `length`.
        let result = unsafe {
            libc::setsockopt(
                self.socket.as_raw_fd(),
                level,
                name,
                ptr::from_ref(&value).cast(),
                length,
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// What the system fills for one datagram: where it came from, which address was asked, its bytes.
/// An odd number of cache lines, so that slots do not compete for the same part of the cache.
#[repr(C, align(64))]
struct Slot {
    iovec: libc::iovec,
    /// `struct sockaddr_in` or `sockaddr_in6`.
    address: [u8; ADDRESS_BYTES],
    control: Control,
    bytes: [u8; UDP_QUERY_BYTES_MAX],
}

/// One control message: a header, then `struct in_pktinfo` or `in6_pktinfo`.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

const ADDRESS_BYTES: usize = size_of::<libc::sockaddr_in6>();
const CONTROL_BYTES: usize = 48;
/// Where the data of a control message begins.
const CONTROL_DATA_AT: usize = size_of::<libc::cmsghdr>().next_multiple_of(size_of::<usize>());

const _: () = assert!(
    CONTROL_DATA_AT + size_of::<libc::in6_pktinfo>().next_multiple_of(size_of::<usize>())
        <= CONTROL_BYTES
);
const _: () = assert!(size_of::<Slot>() / 64 % 2 == 1);

/// What one call received.
pub struct Incoming {
    /// [`BATCH_COUNT_MAX`] of them.
    slots: NonNull<Slot>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

/// A query as it came.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'i> {
    /// Its bytes.
    pub bytes: &'i [u8],
    /// Where it came from.
    pub from: SocketAddr,
}

impl Default for Incoming {
    fn default() -> Self {
        Incoming::new()
    }
}

impl Incoming {
    /// The memory for a batch.
    #[allow(unsafe_code)]
    pub fn new() -> Incoming {
        let layout = Incoming::layout();
        // SAFETY: the layout is not empty.
        let slots = NonNull::new(unsafe { alloc_zeroed(layout) }.cast::<Slot>());
        let slots = slots.unwrap_or_else(|| handle_alloc_error(layout));
        let headers = (0..BATCH_COUNT_MAX)
            .map(|index| {
                // SAFETY: the slot lies within the allocation, zero is a valid value of all its
                // fields and of a header's, and no reference to it exists yet.
                unsafe {
                    let slot = slots.add(index).as_ptr();
                    (*slot).iovec = libc::iovec {
                        iov_base: (&raw mut (*slot).bytes).cast(),
                        iov_len: UDP_QUERY_BYTES_MAX,
                    };
                    let mut header: libc::mmsghdr = std::mem::zeroed();
                    header.msg_hdr.msg_name = (&raw mut (*slot).address).cast();
                    header.msg_hdr.msg_iov = &raw mut (*slot).iovec;
                    header.msg_hdr.msg_iovlen = 1;
                    header.msg_hdr.msg_control = (&raw mut (*slot).control).cast();
                    header
                }
            })
            .collect();
        let mut incoming = Incoming {
            slots,
            headers,
            received: BATCH_COUNT_MAX,
        };
        incoming.renew();
        incoming
    }

    /// Waits for a datagram, and takes those that are there by then: how many. None may mean that
    /// there were none for a while, or that the socket is shut down.
    #[allow(unsafe_code)]
    pub fn receive(&mut self, socket: &BatchSocket) -> io::Result<usize> {
        self.renew();
        // SAFETY: there are as many headers; what they point to is as said at the top.
        let received = unsafe {
            libc::recvmmsg(
                socket.socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH_COUNT_MAX as u32,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        if let Ok(received) = usize::try_from(received) {
            self.received = received;
            return Ok(received);
        }
        let error = io::Error::last_os_error();
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
            _ => Err(error),
        }
    }

    /// One of those received, unless it is longer than a query may be, or of no address.
    #[inline]
    #[allow(unsafe_code)]
    pub fn datagram(&self, index: usize) -> Option<Datagram<'_>> {
        let header = self.headers[..self.received].get(index)?;
        let length = (header.msg_len as usize).min(UDP_QUERY_BYTES_MAX);
        if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
            return None;
        }
        // SAFETY: the index is below `received`, so the slot is one of ours, and nothing writes
        // to it while `self` is shared.
        let slot = unsafe { self.slots.add(index).as_ref() };
        let from = parse_address(&slot.address, header.msg_hdr.msg_namelen as usize)?;
        Some(Datagram {
            bytes: &slot.bytes[..length],
            from,
        })
    }

    /// Lengths that the last call wrote say how much room there is for the next.
    fn renew(&mut self) {
        for header in &mut self.headers[..self.received] {
            header.msg_hdr.msg_namelen = ADDRESS_BYTES as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        self.received = 0;
    }

    fn layout() -> Layout {
        Layout::array::<Slot>(BATCH_COUNT_MAX).expect("a batch has less than a mebibyte")
    }
}

impl Drop for Incoming {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout; slots need no drop of their own.
        unsafe { dealloc(self.slots.as_ptr().cast(), Incoming::layout()) };
    }
}

/// Replies on their way to one call.
pub struct Outgoing {
    /// Replies lie one behind the other: a batch of short ones stays in the nearest cache.
    bytes: Box<[u8]>,
    filled: usize,
    replies: Vec<Reply>,
    headers: Box<[libc::mmsghdr]>,
    iovecs: Box<[libc::iovec]>,
    controls: Box<[Control]>,
}

/// Which bytes answer which datagram.
#[derive(Clone, Copy)]
struct Reply {
    index: usize,
    start: usize,
    length: usize,
}

impl Default for Outgoing {
    fn default() -> Self {
        Outgoing::new()
    }
}

impl Outgoing {
    /// The memory for a batch.
    #[allow(unsafe_code)]
    pub fn new() -> Outgoing {
        let iovec = libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        };
        // SAFETY: zero is a valid value of all fields of a header.
        let header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        Outgoing {
            bytes: vec![0; OUTGOING_BYTES].into(),
            filled: 0,
            replies: Vec::with_capacity(BATCH_COUNT_MAX),
            headers: vec![header; BATCH_COUNT_MAX].into(),
            iovecs: vec![iovec; BATCH_COUNT_MAX].into(),
            controls: vec![Control([0; CONTROL_BYTES]); BATCH_COUNT_MAX].into(),
        }
    }

    /// Whether another reply has room; if not, `send` makes it.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.replies.len() < BATCH_COUNT_MAX
            && self.bytes.len() - self.filled >= UDP_RESPONSE_BYTES_MAX
    }

    /// Where the next reply is written: [`UDP_RESPONSE_BYTES_MAX`] bytes, if there is room.
    #[inline]
    pub fn room(&mut self) -> &mut [u8] {
        let end = self.bytes.len().min(self.filled + UDP_RESPONSE_BYTES_MAX);
        &mut self.bytes[self.filled..end]
    }

    /// The first `length` bytes of the room answer the datagram with this index.
    #[inline]
    pub fn reply(&mut self, index: usize, length: usize) {
        assert!(length <= self.bytes.len() - self.filled && self.has_room());
        self.replies.push(Reply {
            index,
            start: self.filled,
            length,
        });
        self.filled += length;
    }

    /// Sends the replies to datagrams of `incoming`, and forgets them. How many the system took;
    /// those that it refuses (no route, a filter) are lost, as datagrams may be.
    #[allow(unsafe_code)]
    pub fn send(&mut self, socket: &BatchSocket, incoming: &Incoming) -> usize {
        let count = self.replies.len();
        for at in 0..count {
            self.address(at, socket.is_unspecified, incoming);
        }
        let (mut next, mut taken) = (0, 0);
        while next < count {
            // SAFETY: headers `next..count` were filled just above, with pointers into `self` and
            // to slots of `incoming`, which outlive the call; the system only reads them.
            let sent = unsafe {
                libc::sendmmsg(
                    socket.socket.as_raw_fd(),
                    self.headers[next..count].as_mut_ptr(),
                    (count - next) as u32,
                    0,
                )
            };
            match usize::try_from(sent) {
                Ok(sent @ 1..) => {
                    next += sent;
                    taken += sent;
                }
                // The first one was refused; an interrupted call is not worth another.
                _ => next += 1,
            }
        }
        self.replies.clear();
        self.filled = 0;
        taken
    }

    /// Fills the header of a reply out of its datagram's.
    #[allow(unsafe_code)]
    fn address(&mut self, at: usize, is_unspecified: bool, incoming: &Incoming) {
        let reply = self.replies[at];
        let asked = &incoming.headers[..incoming.received][reply.index].msg_hdr;
        self.iovecs[at] = libc::iovec {
            iov_base: self.bytes[reply.start..][..reply.length]
                .as_mut_ptr()
                .cast(),
            iov_len: reply.length,
        };
        let header = &mut self.headers[at].msg_hdr;
        header.msg_name = asked.msg_name;
        header.msg_namelen = asked.msg_namelen;
        header.msg_iov = &raw mut self.iovecs[at];
        header.msg_iovlen = 1;
        header.msg_control = ptr::null_mut();
        header.msg_controllen = 0;
        #[allow(clippy::unnecessary_cast, reason = "its type depends on the C library")]
        let length = asked.msg_controllen as usize;
        if is_unspecified && (CONTROL_DATA_AT..=CONTROL_BYTES).contains(&length) {
            // SAFETY: the index is below `received`, as it was for its header.
            let slot = unsafe { incoming.slots.add(reply.index).as_ref() };
            self.controls[at] = source_of_reply(slot.control);
            header.msg_control = (&raw mut self.controls[at]).cast();
            header.msg_controllen = length as _;
        }
    }
}

/// The control message of a query turned into its reply's: from the address that was asked, over
/// whichever interface routes say; but an address of one link belongs to its interface.
fn source_of_reply(mut control: Control) -> Control {
    const LEVEL_AT: usize = size_of::<usize>();
    let level = read_i32(&control.0, LEVEL_AT);
    let data = &mut control.0[CONTROL_DATA_AT..];
    let interface_at = if level == libc::IPPROTO_IPV6 {
        let asked = data.first_chunk().copied().map(Ipv6Addr::from);
        if asked.is_some_and(|asked| asked.is_unicast_link_local()) {
            return control;
        }
        size_of::<libc::in6_addr>()
    } else {
        0
    };
    data[interface_at..interface_at + 4].fill(0);
    control
}

/// A socket address as the system writes it; none of another family or length.
#[inline]
fn parse_address(raw: &[u8; ADDRESS_BYTES], length: usize) -> Option<SocketAddr> {
    let family = i32::from(u16::from_ne_bytes([raw[0], raw[1]]));
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    if family == libc::AF_INET && length >= size_of::<libc::sockaddr_in>() {
        let octets: [u8; 4] = *raw[4..].first_chunk()?;
        return Some(SocketAddrV4::new(octets.into(), port).into());
    }
    if family == libc::AF_INET6 && length >= ADDRESS_BYTES {
        let octets: [u8; 16] = *raw[8..].first_chunk()?;
        let scope = read_i32(raw, 24) as u32;
        return Some(SocketAddrV6::new(octets.into(), port, 0, scope).into());
    }
    None
}

fn read_i32(bytes: &[u8], at: usize) -> i32 {
    let field = bytes[at..].first_chunk().copied();
    i32::from_ne_bytes(field.expect("the field lies within the fixed layout"))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    fn asker(address: &str) -> UdpSocket {
        let asker = UdpSocket::bind(address).unwrap();
        asker
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        asker
    }

    /// Receives until there are `count`, and sends each back.
    fn echo(socket: &BatchSocket, count: usize) {
        let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new());
        let mut echoed = 0;
        while echoed < count {
            let received = incoming.receive(socket).unwrap();
            for index in 0..received {
                let datagram = incoming.datagram(index).unwrap();
                if !outgoing.has_room() {
                    outgoing.send(socket, &incoming);
                }
                let length = datagram.bytes.len();
                outgoing.room()[..length].copy_from_slice(datagram.bytes);
                outgoing.reply(index, length);
            }
            assert_eq!(outgoing.send(socket, &incoming), received);
            echoed += received;
        }
    }

    #[test]
    fn each_reply_goes_to_its_asker() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let socket = BatchSocket::bind(address.parse().unwrap()).unwrap();
            let askers: Vec<UdpSocket> = (0..BATCH_COUNT_MAX + 9).map(|_| asker(address)).collect();
            for (n, asker) in askers.iter().enumerate() {
                let sent = vec![n as u8; n];
                asker.send_to(&sent, socket.address().unwrap()).unwrap();
            }
            echo(&socket, askers.len());
            for (n, asker) in askers.iter().enumerate() {
                let mut reply = [0; 2000];
                let (length, from) = asker.recv_from(&mut reply).unwrap();
                assert_eq!(reply[..length], vec![n as u8; n]);
                assert_eq!(from, socket.address().unwrap());
            }
        }
    }

    #[test]
    fn a_reply_leaves_from_the_address_that_was_asked() {
        let socket = BatchSocket::bind("0.0.0.0:0".parse().unwrap()).unwrap();
        let port = socket.address().unwrap().port();
        let asked: SocketAddr = format!("127.0.0.7:{port}").parse().unwrap();
        let asker = asker("127.0.0.1:0");
        asker.send_to(b"query", asked).unwrap();
        echo(&socket, 1);
        assert_eq!(asker.recv_from(&mut [0; 9]).unwrap(), (5, asked));
        let socket = BatchSocket::bind("[::]:0".parse().unwrap()).unwrap();
        let asked = SocketAddr::from((Ipv6Addr::LOCALHOST, socket.address().unwrap().port()));
        let asker = UdpSocket::bind("[::1]:0").unwrap();
        asker.send_to(b"query", asked).unwrap();
        echo(&socket, 1);
        assert_eq!(asker.recv_from(&mut [0; 9]).unwrap(), (5, asked));
    }

    #[test]
    fn what_is_longer_than_a_query_is_none() {
        let socket = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let asker = asker("127.0.0.1:0");
        for length in [UDP_QUERY_BYTES_MAX + 1, UDP_QUERY_BYTES_MAX] {
            let sent = vec![1; length];
            asker.send_to(&sent, socket.address().unwrap()).unwrap();
        }
        let mut incoming = Incoming::new();
        assert_eq!(incoming.receive(&socket).unwrap(), 2);
        assert!(incoming.datagram(0).is_none() && incoming.datagram(2).is_none());
        let whole = incoming.datagram(1).unwrap();
        assert_eq!(whole.bytes, vec![1; UDP_QUERY_BYTES_MAX]);
        assert_eq!(whole.from, asker.local_addr().unwrap());
    }

    #[test]
    fn a_socket_that_is_shut_down_wakes_its_reader() {
        let socket = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let held = socket.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut incoming = Incoming::new();
            let received = incoming.receive(&socket).unwrap();
            (0..received).all(|index| incoming.datagram(index).is_none())
        });
        held.shut_down();
        assert!(reader.join().unwrap());
    }

    #[test]
    fn what_the_system_refuses_is_lost_and_the_rest_goes_out() {
        let socket = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let asker = asker("127.0.0.1:0");
        for _ in 0..3 {
            asker.send_to(b"query", socket.address().unwrap()).unwrap();
        }
        let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new());
        let mut received = 0;
        while received < 3 {
            received = incoming.receive(&socket).unwrap();
        }
        // Nobody has port 0.
        // SAFETY: as in `datagram`; this is the only reference.
        #[allow(unsafe_code)]
        unsafe { incoming.slots.add(1).as_mut() }.address[2..4].fill(0);
        for index in 0..3 {
            outgoing.reply(index, 12);
        }
        assert_eq!(outgoing.send(&socket, &incoming), 2);
        for _ in 0..2 {
            assert_eq!(asker.recv_from(&mut [0; 99]).unwrap().0, 12);
        }
    }

    #[test]
    fn a_full_buffer_says_so() {
        let socket = BatchSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let asker = asker("127.0.0.1:0");
        asker.send_to(b"query", socket.address().unwrap()).unwrap();
        let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new());
        assert_eq!(incoming.receive(&socket).unwrap(), 1);
        let mut replies = 0;
        while outgoing.has_room() {
            assert_eq!(outgoing.room().len(), UDP_RESPONSE_BYTES_MAX);
            outgoing.reply(0, UDP_RESPONSE_BYTES_MAX);
            replies += 1;
        }
        assert_eq!(replies, OUTGOING_BYTES / UDP_RESPONSE_BYTES_MAX);
        assert_eq!(outgoing.send(&socket, &incoming), replies);
    }

    #[test]
    fn an_address_of_a_link_keeps_its_interface_and_others_lose_it() {
        let control = |level: i32, data: &[u8]| {
            let mut control = Control([0; CONTROL_BYTES]);
            control.0[size_of::<usize>()..][..4].copy_from_slice(&level.to_ne_bytes());
            control.0[CONTROL_DATA_AT..][..data.len()].copy_from_slice(data);
            control
        };
        let source = |level, data: &[u8]| {
            let source = source_of_reply(control(level, data));
            source.0[CONTROL_DATA_AT..][..data.len()].to_vec()
        };
        let v4 = [9, 0, 0, 0, 192, 0, 2, 1, 192, 0, 2, 1];
        assert_eq!(
            source(libc::IPPROTO_IP, &v4)[..8],
            [0, 0, 0, 0, 192, 0, 2, 1]
        );
        for (address, interface) in [("2001:db8::1", 0), ("fe80::1", 9)] {
            let address: Ipv6Addr = address.parse().unwrap();
            let mut data = address.octets().to_vec();
            data.extend_from_slice(&9_u32.to_ne_bytes());
            let source = source(libc::IPPROTO_IPV6, &data);
            assert_eq!(source[..16], address.octets());
            assert_eq!(source[16..], u32::to_ne_bytes(interface));
        }
    }
}
