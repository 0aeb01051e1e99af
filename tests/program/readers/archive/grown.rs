//! An archive that is made of a journal part by part: by exports each of which goes on with the one before it, or on their own.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use ctrecorder_format::{Closing, Kind};

use crate::program::Answer;
use crate::readers::parts::{make, read, stamped, told, two_runs};
use crate::readers::sample::{Segment, header, run, v4};
use crate::readers::squeezed_place::{Place, files, flows};

#[test]
fn parts_that_were_exported_one_by_one_tell_of_each_flow_once() {
    let place = two_runs();
    let inputs = ["1.ct", "2.ct", "3.ct"].map(|name| place.path("journal").join(name));
    let archive = place.path("archive");
    fs::create_dir(&archive).unwrap();
    for (number, inputs) in inputs.chunks(1).enumerate() {
        let part = place.path(&format!("part{number}"));
        make("export", &["-o".as_ref(), part.as_os_str()], inputs);
        files(&part).into_iter().for_each(|(name, bytes)| fs::write(archive.join(name), bytes).unwrap());
    }
    assert_eq!(told(&[archive]), told(&place.journal()));
}

/// The flows of each file of an archive alone, and how many files there are.
fn rows(archive: &Path) -> (Vec<String>, usize) {
    let files: Vec<_> = files(archive).into_keys().collect();
    let mut rows: Vec<_> = files.iter().flat_map(|name| flows(&archive.join(name))).collect();
    rows.sort_unstable();
    (rows, files.len())
}

/// Exports with `--add` what is in a directory by now.
fn add(archive: &Path, growing: &Path) -> Answer {
    run([OsStr::new("export"), "--add".as_ref(), "-o".as_ref(), archive.as_os_str(), growing.as_os_str()])
}

/// Each flow has one row, whatever program reads them; what is still open has one in a file that the next run takes away.
#[test]
fn an_archive_of_a_directory_that_grows_has_each_flow_once() {
    let (place, stamped) = (two_runs(), stamped());
    for place in [place, stamped] {
        let (growing, archive) = (place.path("growing"), place.path("archive"));
        fs::create_dir(&growing).unwrap();
        for (number, name) in files(&place.path("journal")).into_keys().enumerate() {
            fs::copy(place.path("journal").join(&name), growing.join(&name)).unwrap();
            for is_there in [false, true] {
                let added = add(&archive, &growing);
                assert_eq!(added.status, 0, "{}", added.stderr);
                assert_eq!(added.stderr.contains("exported already"), is_there || number > 0);
                assert_eq!(rows(&archive).0, flows(&growing), "{name}");
            }
            assert_eq!(told(std::slice::from_ref(&archive)), told(std::slice::from_ref(&growing)), "{name}");
        }
        let open = files(&archive).into_keys().filter(|name| name.ends_with("-open.parquet")).count();
        assert_eq!(open, 1);
    }
}

/// They are exported again by the next one.
#[test]
fn how_many_flows_are_left_open_is_said() {
    let place = two_runs();
    let (archive, journal) = (place.path("archive"), place.path("journal"));
    let first = add(&archive, &journal.join("1.ct"));
    assert!(first.stderr.contains(": 3 flows exported into 2 files of "), "{}", first.stderr);
    assert!(first.stderr.ends_with(" bytes together, 3 of them left open\n"), "{}", first.stderr);
}

/// More may be written to the last one.
#[test]
fn what_is_not_complete_waits_for_another_export() {
    let place = Place::new();
    let segment = |number, previous| Segment::new(&header(number, previous)).note(&read(number * 600 + 1));
    let (first, digest) = segment(0, None).push(&v4(Kind::Start, 1, 100)).closed_at(Closing::WentOn, 600);
    let second = || segment(1, Some(digest)).push(&v4(Kind::End, 1, 700));
    place.put("0.ct", &first);
    place.put("1.ct", &second().cut_off());
    let (journal, archive) = (place.path("journal"), place.path("archive"));
    let waits = add(&archive, &journal);
    assert!(waits.status == 0 && waits.stderr.contains("1.ct: left for another time"), "{}", waits.stderr);
    place.put("1.ct", &second().closed_at(Closing::Stopped, 1200).0);
    assert_eq!(add(&archive, &journal).status, 0);
    // Beside the two there is what tells that no flow was open behind them.
    assert_eq!(rows(&archive), (flows(&journal), 3));

    // Exported as it was, it would be there twice.
    place.put("1.ct", &second().cut_off());
    let early = place.path("early");
    make("export", &["-o".as_ref(), early.as_os_str()], &place.journal());
    place.put("1.ct", &second().closed_at(Closing::Stopped, 1200).0);
    let refused = add(&early, &journal);
    assert_eq!((refused.status, files(&early).len()), (5, 1), "{}", refused.stderr);
}

/// What it wrote is made again, and nothing is there twice.
#[test]
fn an_export_that_was_killed_goes_on_where_it_had_begun() {
    let place = two_runs();
    let (growing, archive) = (place.path("growing"), place.path("archive"));
    fs::create_dir(&growing).unwrap();
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    let grow = |name: &String| {
        fs::copy(place.path("journal").join(name), growing.join(name)).unwrap();
    };
    grow(&names[0]);
    add(&archive, &growing);
    let first = files(&archive);
    names[1..].iter().for_each(grow);
    add(&archive, &growing);
    let whole = files(&archive);
    // Before it had taken away what it goes on with; and before it had more than its own open flows.
    let is_left = |name: &String| name.ends_with("-open.parquet");
    for killed in [|_: &String| true, is_left] {
        whole.keys().filter(|name| !first.contains_key(*name) && !killed(name)).for_each(|name| {
            fs::remove_file(archive.join(name)).unwrap();
        });
        first.iter().for_each(|(name, bytes)| fs::write(archive.join(name), bytes).unwrap());
        assert!(files(&archive) != whole);
        let again = add(&archive, &growing);
        assert_eq!(again.status, 0, "{}", again.stderr);
        assert!(files(&archive) == whole, "{:?}", files(&archive).keys());
    }
}
