//! Any bytes as a datagram from the kernel.
#![no_main]

use ctrecorder::netlink::messages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| {
    for message in messages(datagram) {
        if let Err(malformed) = message {
            assert!(malformed.offset <= datagram.len());
        }
    }
});
