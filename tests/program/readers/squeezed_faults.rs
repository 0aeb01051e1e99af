//! A squeeze into a directory, and what may go wrong meanwhile.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use ctrecorder_format::{Closing, Header, Kind, Segment as Read};
use ctrecorder_synth::Version;

use super::sample::{BEGIN, Segment, blocks, header, run, v4};
use super::squeezed_place::{Place, files, flows, incidents, same_lines, synthetic};
use crate::program::PATH;

/// What a directory holds but for leftovers, which nobody reads.
fn named(place: &Place, name: &str) -> Vec<(String, Vec<u8>)> {
    files(&place.path(name)).into_iter().filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Killed again and again, a little later each time, until nothing is left to be done.
#[test]
fn a_squeeze_that_is_killed_leaves_nothing_half_and_comes_to_the_same_end() {
    let place = synthetic(Version::Three, incidents(), false);
    place.squeeze("whole", &[], &place.journal());
    let whole = named(&place, "whole");
    let (mut kills, mut leftovers) = (0, 0);
    for delay in (0..).map(|round| Duration::from_millis(5 + 3 * round)) {
        let mut child = Command::new(PATH)
            .args(["squeeze", "-o"])
            .args([place.path("killed"), place.path("journal")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if kills == 0 {
            // It is a directory only once it is there.
            fs::create_dir(place.path("killed")).unwrap();
        }
        thread::sleep(delay);
        let _ = child.kill();
        let ended = child.wait().unwrap();
        for (name, bytes) in named(&place, "killed") {
            assert!(whole.contains(&(name.clone(), bytes)), "{name} is not what it should be");
        }
        leftovers += files(&place.path("killed")).len() - named(&place, "killed").len();
        if ended.code().is_some() && named(&place, "killed").len() == whole.len() {
            break;
        }
        kills += 1;
    }
    assert!(kills > 1, "it was never killed");
    let again = place.squeeze("killed", &[], &place.journal());
    assert!(again.stderr.contains(&format!("/killed/: 0 written, {} there already", whole.len())), "{}", again.stderr);
    assert!(files(&place.path("killed")).into_iter().eq(whole), "it is not the same, or something is left over");
    assert!(leftovers > 0 || kills < 5, "no kill was ever in time: {kills}");
}

/// Somebody else's file that is on its way stays, as long as it is locked.
#[test]
fn only_what_nobody_writes_any_more_is_cleaned_up() {
    let place = synthetic(Version::Three, Vec::new(), false);
    fs::create_dir(place.path("sq")).unwrap();
    let [left, locked, other] = [".ctrecorder-squeeze-left", ".ctrecorder-squeeze-locked", ".ctrecorder-other"];
    for name in [left, locked, other] {
        fs::write(place.path("sq").join(name), "half").unwrap();
    }
    // Between its creation and its lock: but who writes into directories has locked that before.
    let [fresh, empty] = [".ctrecorder-squeeze-fresh", ".ctrecorder-segment-left"];
    [fresh, empty].iter().for_each(|name| fs::write(place.path("sq").join(name), "").unwrap());
    let held = File::open(place.path("sq").join(locked)).unwrap();
    held.lock().unwrap();
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let names = files(&place.path("sq"));
    let are_there = [left, locked, other, fresh, empty].map(|name| names.contains_key(name));
    assert_eq!(are_there, [false, true, true, true, false]);

    // And two at the same time would be in each other's way.
    let directory = File::open(place.path("sq")).unwrap();
    directory.lock().unwrap();
    let refused = place.squeeze("sq", &[], &place.journal());
    assert_eq!(refused.status, 5);
    assert!(refused.stderr.ends_with("/sq/: another squeeze is at work in this directory\n"), "{}", refused.stderr);
}

/// The second of three segments may be damaged: it is squeezed as far as it goes, and stays when others are removed.
#[test]
fn a_damaged_input_is_squeezed_and_never_removed() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    let path = place.path("journal").join(&names[1]);
    let mut bytes = fs::read(&path).unwrap();
    let block = blocks(&bytes)[3];
    bytes[block + 70] ^= 1;
    fs::write(&path, bytes).unwrap();
    let before = flows(&place.path("journal"));
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    let damage = format!("{}: offset {block}: block 3 does not match its checksum", path.display());
    assert!(squeezed.stderr.contains(&damage), "{}", squeezed.stderr);
    let kept = format!("{}: not removed: offset {block}: block 3 does not match its checksum", path.display());
    assert!(squeezed.stderr.contains(&kept), "{}", squeezed.stderr);
    let removed = names.len() - 2;
    assert!(squeezed.stderr.ends_with(&format!(" left for another time, {removed} inputs removed\n")));
    let left: Vec<_> = files(&place.path("journal")).into_keys().collect();
    assert_eq!(left, [names[1].clone(), names[names.len() - 1].clone()]);
    same_lines(&flows(&place.path("sq")), &before);
    let tested = run(["test".as_ref(), place.path("sq").as_os_str()]);
    assert_eq!(tested.status, 0, "{}", tested.stdout);
    // The gap is there, and goes on up to the next reading of the table.
    let covered = run(["coverage".as_ref(), place.path("sq").as_os_str()]);
    assert!(covered.stdout.contains("source damaged or incomplete"), "{}", covered.stdout);
}

#[test]
fn inputs_are_removed_once_their_outputs_were_read_back_and_the_work_goes_on_with_the_last() {
    let place = synthetic(Version::Three, incidents(), false);
    place.squeeze("whole", &[], &place.journal());
    let inputs: Vec<_> = files(&place.path("journal")).into_iter().collect();
    let journal = place.path("journal");
    for (name, _) in &inputs {
        fs::remove_file(journal.join(name)).unwrap();
    }
    for (step, (name, bytes)) in inputs.iter().enumerate() {
        fs::write(journal.join(name), bytes).unwrap();
        place.squeeze("sq", &["--remove"], &place.journal());
        // One that was killed has no footer and ends in the middle of a block: it waits, and then it is damaged.
        let left = files(&journal).len();
        assert!(left <= 3, "{left} inputs left at {step}");
    }
    assert!(named(&place, "sq") == named(&place, "whole"), "it is not the same");

    // An output that is not whole keeps its input.
    let place = synthetic(Version::Three, Vec::new(), false);
    place.squeeze("sq", &[], &place.journal());
    let first = files(&place.path("sq")).into_keys().next().unwrap();
    let path = place.path("sq").join(&first);
    let mut bytes = fs::read(&path).unwrap();
    let block = blocks(&bytes)[0];
    bytes[block + 70] ^= 1;
    fs::write(&path, bytes).unwrap();
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("/00.ct: not removed: its output is not whole: "), "{}", squeezed.stderr);
    assert_eq!(files(&place.path("journal")).len(), 2);
}

/// Somebody else can put one there, and would wait at its other end for ever.
#[test]
fn where_nothing_is_to_be_squeezed_no_directory_is_made() {
    let place = synthetic(Version::Three, incidents(), false);
    let answer = place.squeeze("none", &[], &[place.path("nothing")]);
    assert!(answer.status == 5 && !place.path("none").exists(), "{}", answer.stderr);
}

#[test]
fn a_pipe_that_is_called_like_a_leftover_holds_nobody_up() {
    let place = synthetic(Version::Three, Vec::new(), false);
    fs::create_dir(place.path("sq")).unwrap();
    let pipe = place.path("sq/.ctrecorder-squeeze-pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 0, "{}", squeezed.stderr);
    assert!(pipe.symlink_metadata().is_ok());
}

#[test]
fn a_file_named_hold_stops_the_removal_of_inputs_until_it_is_gone() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let inputs = files(&place.path("journal"));
    // Beside them, and above.
    for hold in [place.path("journal/HOLD"), place.path("HOLD")] {
        fs::write(&hold, "").unwrap();
        let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
        assert_eq!(squeezed.status, 5);
        let told = format!("/00.ct: not removed: {}: nothing is removed while this file is there\n", hold.display());
        assert!(squeezed.stderr.contains(&told), "{}", squeezed.stderr);
        assert!(squeezed.stderr.ends_with(", 0 inputs removed\n"), "{}", squeezed.stderr);
        fs::remove_file(&hold).unwrap();
        assert!(files(&place.path("journal")) == inputs, "something is gone");
    }
    assert_eq!(place.squeeze("sq", &["--remove"], &place.journal()).status, 0);
    assert_eq!(files(&place.path("journal")).len(), 1);
}

/// What a recorder writes, or nobody knows to be complete, is for another time; and with it all that comes after it.
#[test]
fn what_may_grow_waits() {
    let place = Place::new();
    let (first, digest) = Segment::new(&header(0, None)).push(&v4(Kind::Start, 1, 1)).closed_at(Closing::WentOn, 600);
    let (second, digest) =
        Segment::new(&header(1, Some(digest))).push(&v4(Kind::End, 1, 601)).closed_at(Closing::WentOn, 1200);
    let third = Segment::new(&header(2, Some(digest))).push(&v4(Kind::Start, 2, 1201));
    place.put("0.ct", &first);
    place.put("1.ct", &second);
    place.put("2.ct", &third.cut_off());
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 0);
    let waits = "/journal/2.ct: left for another time: more may be written to it\n";
    assert!(squeezed.stderr.contains(waits), "{}", squeezed.stderr);
    assert!(squeezed.stderr.ends_with("/sq/: 2 written, 0 there already, 1 left for another time\n"));

    // Somebody writes the second one.
    let writer = File::open(place.path("journal").join("1.ct")).unwrap();
    writer.lock().unwrap();
    let squeezed = place.squeeze("other", &[], &place.journal());
    assert!(squeezed.stderr.ends_with("/other/: 1 written, 0 there already, 2 left for another time\n"));
    drop(writer);

    // The recorder was killed, and is there again: it will not go on with the third one.
    let mut later = header(0, None);
    (later.recorder_started, later.created) = (later.recorder_started + 1, later.created + 1_300_000_000_000);
    place.put("3.ct", &Segment::new(&later).push(&v4(Kind::Start, 3, 1301)).stopped());
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert!(squeezed.stderr.ends_with("/sq/: 2 written, 2 there already, 0 left for another time\n"));
}

#[test]
fn what_stands_in_the_way_is_told_and_stays() {
    let place = synthetic(Version::Three, Vec::new(), false);
    fs::create_dir(place.path("sq")).unwrap();
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    let path = place.path("sq").join(&names[2]);
    fs::write(&path, "precious").unwrap();
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 5);
    let told = format!("/sq/{}: not written, nor what comes after it: ", names[2]);
    assert!(squeezed.stderr.contains(&told), "{}", squeezed.stderr);
    assert_eq!((fs::read(&path).unwrap(), named(&place, "sq").len()), (b"precious".to_vec(), 3));

    // Made with a filter, it is not what is asked for.
    fs::remove_file(&path).unwrap();
    let squeezed = place.squeeze("sq", &["-p", "443"], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("is not what this input becomes: nothing is overwritten"), "{}", squeezed.stderr);

    // Outputs have the names of their inputs.
    let same =
        run(["squeeze".as_ref(), "-o".as_ref(), place.path("journal").as_os_str(), place.path("journal").as_os_str()]);
    assert_eq!((same.status, same.stderr.contains("would have its output's name")), (2, true), "{}", same.stderr);
    let legacy = place.squeeze("old", &["--legacy"], &place.journal());
    assert_eq!((legacy.status, legacy.stderr.contains("--legacy makes one file")), (2, true), "{}", legacy.stderr);
}

/// A disk that is full in the middle of an output: what is whole stays, the rest comes when there is room.
#[cfg(all(target_os = "linux", feature = "capture"))]
#[test]
fn a_full_disk_leaves_whole_outputs_and_the_rest_for_another_time() {
    use crate::small_disk::SmallDisk;

    let place = synthetic(Version::Three, Vec::new(), false);
    for name in files(&place.path("journal")).into_keys().skip(5) {
        fs::remove_file(place.path("journal").join(name)).unwrap();
    }
    place.squeeze("whole", &[], &place.journal());
    let whole = named(&place, "whole");
    let (_disk, inside) = SmallDisk::mount();
    let ballast = inside.path().join(".ballast");
    fs::write(&ballast, vec![0; 850 * 1024]).unwrap();
    let squeeze =
        || run(["squeeze".as_ref(), "-o".as_ref(), inside.path().as_os_str(), place.path("journal").as_os_str()]);
    let squeezed = squeeze();
    assert_eq!(squeezed.status, 5);
    assert!(
        squeezed.stderr.contains("not written, nor what comes after it: No space left on device"),
        "{}",
        squeezed.stderr
    );
    let made = files(inside.path());
    let made: Vec<_> = made.into_iter().filter(|(name, _)| name != ".ballast").collect();
    assert!(!made.is_empty() && made.len() < whole.len() && made.iter().all(|file| whole.contains(file)));
    fs::remove_file(&ballast).unwrap();
    assert_eq!(squeeze().status, 0);
    assert!(files(inside.path()).into_iter().eq(whole), "it is not the same");
}

/// An input that comes late would have its output go on with one with which another goes on already: nothing is made of it, or
/// removed, before the outputs that do not know it are gone.
#[test]
fn an_input_that_comes_late_is_told_and_forks_nothing() {
    let place = synthetic(Version::Three, incidents(), false);
    place.squeeze("whole", &[], &place.journal());
    let all = files(&place.path("journal"));
    let (late, bytes) = all.iter().nth(3).unwrap();
    let path = place.path("journal").join(late);
    fs::remove_file(&path).unwrap();
    place.squeeze("sq", &[], &place.journal());
    let made = named(&place, "sq");
    fs::write(&path, bytes).unwrap();
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    let told = "/sq/03.ct: not written, nor what comes after it: ";
    assert!(squeezed.stderr.contains(told), "{}", squeezed.stderr);
    assert!(squeezed.stderr.contains("/sq/04.ct was made without what comes before it now: "), "{}", squeezed.stderr);
    assert!(named(&place, "sq") == made, "something was made");
    let left: Vec<_> = files(&place.path("journal")).into_keys().collect();
    assert!(left.ends_with(&all.keys().skip(3).cloned().collect::<Vec<_>>()), "{left:?}");
    // Once those that do not know it are gone, all is as if it had never been late.
    made.iter().skip(3).for_each(|(name, _)| fs::remove_file(place.path("sq").join(name)).unwrap());
    place.squeeze("sq", &[], &place.journal());
    assert!(named(&place, "sq") == named(&place, "whole"), "it is not the same");

    // So is an output that goes on with another one than is there.
    all.iter().for_each(|(name, bytes)| fs::write(place.path("journal").join(name), bytes).unwrap());
    let first = place.path("sq").join(all.keys().next().unwrap());
    place.squeeze("alone", &[], &all.keys().skip(1).map(|name| place.path("journal").join(name)).collect::<Vec<_>>());
    fs::copy(&first, place.path("alone").join(all.keys().next().unwrap())).unwrap();
    let refused = place.squeeze("alone", &["--remove"], &place.journal());
    assert!(refused.stderr.contains("/alone/01.ct was made without what comes before it now: "), "{}", refused.stderr);
}

/// Two outputs that go on with the same one, as they could be made once.
#[test]
fn outputs_that_go_on_with_the_same_one_fail_the_test() {
    let place = synthetic(Version::Three, incidents(), false);
    let inputs = files(&place.path("journal"));
    place.squeeze("sq", &[], &place.journal());
    // The first segment behind a crash, as if the one before it had not been there.
    let crashed: Vec<_> = inputs.iter().filter(|(_, bytes)| Read::open(bytes).unwrap().footer().is_none()).collect();
    let crashed = crashed[0].0;
    let next = inputs.keys().skip_while(|name| *name != crashed).nth(1).unwrap();
    let without: Vec<_> = inputs
        .keys()
        .take_while(|name| *name != crashed)
        .chain([next])
        .map(|name| place.path("journal").join(name))
        .collect();
    place.squeeze("without", &[], &without);
    fs::copy(place.path("without").join(next), place.path("sq").join(next)).unwrap();
    let tested = run(["test".as_ref(), place.path("sq").as_os_str()]);
    assert_eq!(tested.status, 1);
    let told =
        format!("{next}: FAILED: it goes on with the same segment as {}", place.path("sq").join(crashed).display());
    assert!(tested.stdout.contains(&told), "{}", tested.stdout);
    // A copy is another name of the same.
    let copy = place.path("without").join("copy.ct");
    fs::copy(place.path("without").join(next), &copy).unwrap();
    let tested = run(["test".as_ref(), place.path("without").join(next).as_os_str(), copy.as_os_str()]);
    assert!(!tested.stdout.contains("it goes on with the same"), "{}", tested.stdout);
}

/// What a filter does not keep would be gone with the inputs.
#[test]
fn inputs_of_which_some_flows_only_are_kept_are_not_removed() {
    let place = synthetic(Version::Three, Vec::new(), false);
    let inputs = files(&place.path("journal"));
    for choice in [&["--nat"][..], &["--proto", "udp"], &["--family", "ipv4"], &["--since", "2026-11-20T14:01Z"]] {
        let refused = place.squeeze("sq", &[&["--remove"], choice].concat(), &place.journal());
        assert_eq!((refused.status, refused.stderr.contains("--remove with a choice of flows ")), (2, true));
    }
    assert!(files(&place.path("journal")) == inputs && !place.path("sq").exists());
}

/// Machines may have one name, and one number for the network namespace that each begins with; a recorder may not tell its machine.
#[test]
fn machines_of_one_name_are_lines_of_their_own() {
    let place = Place::new();
    for (number, machine) in [0, 1, 2, 1].into_iter().enumerate() {
        let number = number as u64;
        let header = Header { machine: [machine; 16], recorder_started: BEGIN + number, ..header(number, None) };
        let segment = Segment::new(&header).push(&v4(Kind::Start, number as u16, number * 600 + 1));
        place.put(&format!("{number}.ct"), &segment.closed_at(Closing::Stopped, (number + 1) * 600).0);
    }
    assert_eq!(place.squeeze("sq", &[], &place.journal()).status, 0);
    let outputs: Vec<_> = files(&place.path("sq")).into_values().collect();
    let outputs: Vec<_> = outputs.iter().map(|bytes| Read::open(bytes).unwrap()).collect();
    let place_of = |digest| outputs.iter().position(|output| output.footer().unwrap().digest == digest);
    let goes_on = |output: &Read<'_>| output.header().unwrap().previous.map(place_of);
    assert_eq!(outputs.iter().map(goes_on).collect::<Vec<_>>(), [None, Some(Some(0)), None, Some(Some(1))]);
}
