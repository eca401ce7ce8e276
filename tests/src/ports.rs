//! Free ports below 32768: above, the sockets of clients take ports at random.

use std::{
    net::TcpListener,
    process,
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A port on 127.0.0.1 at which nobody listens, and which this program has not given to anybody before.
pub fn free() -> u16 {
    // Programs that run at the same time begin at different places.
    static NEXT: LazyLock<AtomicU32> = LazyLock::new(|| AtomicU32::new(process::id().wrapping_mul(61)));
    (0..COUNT)
        .map(|_| FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}
