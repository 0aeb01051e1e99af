//! Into a directory: of an input whose header cannot be read nobody knows what goes on with it.

use std::fs;

use ctrecorder_format::{Closing, Header, Kind, Segment as Read};
use ctrecorder_synth::Version;

use super::sample::{BEGIN, Segment, header, v4};
use super::squeezed_place::{Place, files, flows, incidents, same_lines, synthetic};

fn damage_header(place: &Place, name: &str) {
    let path = place.path("journal").join(name);
    let mut bytes = fs::read(&path).unwrap();
    bytes[80..82].copy_from_slice(b"XX");
    assert!(Read::open(&bytes).unwrap().header().is_err());
    fs::write(&path, bytes).unwrap();
}

fn names(place: &Place, directory: &str) -> Vec<String> {
    files(&place.path(directory)).into_keys().collect()
}

#[test]
fn an_input_with_a_damaged_header_ends_its_line_and_nothing_behind_it_is_removed() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let all = names(&place, "journal");
    let whole = files(&place.path("journal")).remove("03.ct").unwrap();
    let before = flows(&place.path("journal"));
    damage_header(&place, "03.ct");
    for _ in 0..2 {
        let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
        assert_eq!(squeezed.status, 5);
        let behind = all.len() - 4;
        let told = format!("/03.ct: not squeezed, nor are {behind} inputs behind it, which may go on with it: ");
        assert!(squeezed.stderr.contains(&told), "{}", squeezed.stderr);
        assert_eq!((names(&place, "sq"), names(&place, "journal")), (all[..3].to_vec(), all[2..].to_vec()));
    }
    // A whole copy is found, and all goes on as if nothing had been.
    fs::write(place.path("journal/03.ct"), whole).unwrap();
    assert_eq!(place.squeeze("sq", &["--remove"], &place.journal()).status, 0);
    same_lines(&flows(&place.path("sq")), &before);
}

/// Behind a crash no header tells what was before it: then its events tell the time.
#[test]
fn without_a_footer_it_ends_what_comes_later() {
    let place = synthetic(Version::Three, incidents(), false);
    let inputs = files(&place.path("journal"));
    let crashed = inputs.iter().position(|(_, bytes)| Read::open(bytes).unwrap().footer().is_none()).unwrap();
    let all = names(&place, "journal");
    damage_header(&place, &all[crashed]);
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains(&format!("/{}: not squeezed, nor are ", all[crashed])), "{}", squeezed.stderr);
    assert_eq!(names(&place, "sq"), all[..crashed]);
    assert_eq!(names(&place, "journal"), all[crashed - 1..]);
}

/// The segment behind it names its digest, and so its line.
#[test]
fn lines_that_it_is_not_of_go_on() {
    let place = Place::new();
    let segment = |machine: u8, number: u64, previous, closing| {
        let header =
            Header { machine: [machine; 16], recorder_started: BEGIN + u64::from(machine), ..header(number, previous) };
        let start = v4(Kind::Start, number as u16, number * 600 + 1);
        Segment::new(&header).push(&start).closed_at(closing, (number + 1) * 600)
    };
    for machine in [1, 2] {
        let mut previous = None;
        for number in 0..3 {
            let closing = if number < 2 { Closing::WentOn } else { Closing::Stopped };
            let (bytes, digest) = segment(machine, number, previous, closing);
            place.put(&format!("{machine}-{number}.ct"), &bytes);
            previous = Some(digest);
        }
    }
    damage_header(&place, "1-1.ct");
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("/1-1.ct: not squeezed, nor is 1 input behind it"), "{}", squeezed.stderr);
    assert_eq!(names(&place, "sq"), ["1-0.ct", "2-0.ct", "2-1.ct", "2-2.ct"]);
}

/// What ends in the middle of its header may be written on, as long as it is the last one: else it is damage.
#[test]
fn an_input_cut_in_its_header_waits_only_if_nothing_is_behind_it() {
    for length in [70, 100] {
        let place = synthetic(Version::Three, Vec::new(), false);
        let all = names(&place, "journal");
        let cut = |name: &str| {
            let path = place.path("journal").join(name);
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..length]).unwrap();
        };
        let last = all.last().unwrap();
        cut(last);
        let squeezed = place.squeeze("last", &[], &place.journal());
        assert_eq!(squeezed.status, 0, "{}", squeezed.stderr);
        assert!(squeezed.stderr.contains(&format!("/{last}: left for another time")), "{}", squeezed.stderr);
        assert_eq!(names(&place, "last"), all[..all.len() - 1]);
        cut("03.ct");
        let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
        assert_eq!(squeezed.status, 5);
        assert!(squeezed.stderr.contains("/03.ct: not squeezed, nor are "), "{}", squeezed.stderr);
        assert!(!squeezed.stderr.contains("/03.ct: left for another time"), "{}", squeezed.stderr);
        assert_eq!((names(&place, "sq"), names(&place, "journal")), (all[..3].to_vec(), all[2..].to_vec()));
    }
}

/// It may be of the network namespace that is asked for.
#[test]
fn where_one_network_namespace_is_asked_for_it_ends_the_line_too() {
    let place = synthetic(Version::Three, Vec::new(), false);
    damage_header(&place, "03.ct");
    let squeezed = place.squeeze("sq", &["--netns", "own", "--remove"], &place.journal());
    assert_eq!((squeezed.status, names(&place, "sq").len()), (5, 3), "{}", squeezed.stderr);
}
