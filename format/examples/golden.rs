//! Writes the golden files that tests/data/v3 does not have yet; those that are there are left alone.

#![allow(clippy::expect_used, reason = "for developers only")]

#[path = "../tests/golden/listing.rs"]
mod listing;
#[path = "../tests/golden/samples.rs"]
mod samples;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

fn main() -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/v3");
    for sample in samples::all() {
        let path = directory.join(sample.name).with_extension("ct");
        match File::create_new(&path) {
            Ok(mut file) => {
                file.write_all(&sample.bytes)?;
                fs::write(path.with_extension("txt"), listing::listing(&sample.bytes))?;
                println!("{}: {} bytes", path.display(), sample.bytes.len());
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
