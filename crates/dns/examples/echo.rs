//! The limit of any DNS server on these sockets: receives batches, turns each query into a
//! response by one bit, sends batches. `echo ADDRESS:PORT`, ended by a signal.

use dns::server::mmsg::{BatchSocket, Incoming, Outgoing};

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).expect("echo ADDRESS:PORT");
    let socket = BatchSocket::bind(address.parse().expect("an address and a port"))?;
    println!("listening on {}", socket.address()?);
    let (mut incoming, mut outgoing) = (Incoming::new(), Outgoing::new());
    loop {
        let received = incoming.receive(&socket)?;
        for index in 0..received {
            let Some(query) = incoming.datagram(index) else {
                continue;
            };
            let length = query.bytes.len();
            if length < 12 {
                continue;
            }
            if !outgoing.has_room() {
                outgoing.send(&socket, &incoming);
            }
            outgoing.room()[..length].copy_from_slice(query.bytes);
            outgoing.room()[2] |= 0x80;
            outgoing.reply(index, length);
        }
        outgoing.send(&socket, &incoming);
    }
}
