//! Any bytes as a version 2 file: every byte comes up once, and a record written again is the same bytes.
#![no_main]

use ctrecorder_format::legacy::{Content, File, Header, Piece, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = File::open(bytes) else {
        return;
    };
    let size = match file.header().content {
        Content::Events => 33,
        Content::Combined => 40,
    };
    let mut again = Writer::new(Vec::new(), file.header()).expect("memory takes all");
    let mut expected = file.header().encode().to_vec();
    let mut position = Header::LENGTH as u64;
    for piece in file.pieces() {
        match piece {
            Piece::Record { offset, record } => {
                assert_eq!(offset, position);
                position += size;
                again.push(&record).expect("what was read can be written");
                expected.extend_from_slice(&bytes[offset as usize..position as usize]);
            }
            Piece::Damage(damage) => {
                assert_eq!(damage.offset, position);
                assert!(damage.length > 0);
                position += damage.length;
            }
        }
    }
    assert_eq!(position, bytes.len() as u64);
    assert_eq!(again.finish().expect("memory takes all"), expected);
});
