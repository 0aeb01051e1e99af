//! Into a directory some of whose outputs are gone, or damaged, or something else.

use std::fs;
use std::process::Command;

use ctrecorder_synth::Version;

use super::squeezed_place::{Place, files, flows, incidents, synthetic};

/// A journal of which all but the last ones were squeezed and removed; what comes later waits in `later`. Beside it, in `whole`, what
/// all of it is squeezed into.
fn squeezed_in_part(version: Version) -> Place {
    let place = synthetic(version, incidents(), false);
    place.squeeze("whole", &[], &place.journal());
    fs::create_dir(place.path("later")).unwrap();
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    for name in &names[6..] {
        fs::rename(place.path("journal").join(name), place.path("later").join(name)).unwrap();
    }
    place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(files(&place.path("sq")).len(), 6);
    for name in &names[6..] {
        fs::rename(place.path("later").join(name), place.path("journal").join(name)).unwrap();
    }
    place
}

fn damage_header(place: &Place, output: &str) {
    let path = place.path("sq").join(output);
    let mut bytes = fs::read(&path).unwrap();
    bytes[80..82].copy_from_slice(b"XX");
    fs::write(path, bytes).unwrap();
}

/// All of what is squeezed is the same as if it had been there, but for what is gone.
fn goes_on(place: &Place, gone: &[&str]) {
    place.squeeze("sq", &["--remove"], &place.journal());
    let mut whole = files(&place.path("whole"));
    gone.iter().for_each(|name| drop(whole.remove(*name)));
    let mut made = files(&place.path("sq"));
    made.retain(|name, _| !gone.contains(&name.as_str()));
    assert!(made == whole, "{gone:?}: {:?} of {:?}", made.keys(), whole.keys());
    assert!(files(&place.path("journal")).len() <= 3, "inputs were not removed");
}

#[test]
fn outputs_before_the_last_one_may_be_gone() {
    for version in [Version::Three, Version::Two] {
        for gone in [&["00.ct"][..], &["00.ct", "01.ct", "02.ct", "03.ct", "04.ct"]] {
            let place = squeezed_in_part(version);
            gone.iter().for_each(|name| fs::remove_file(place.path("sq").join(name)).unwrap());
            goes_on(&place, gone);
        }
    }
    for gone in [&["04.ct"][..], &["02.ct", "03.ct"]] {
        let place = squeezed_in_part(Version::Three);
        gone.iter().for_each(|name| fs::remove_file(place.path("sq").join(name)).unwrap());
        goes_on(&place, gone);
    }
}

#[test]
fn a_damaged_output_with_which_another_one_goes_on_is_told_and_no_obstacle() {
    let place = squeezed_in_part(Version::Three);
    damage_header(&place, "03.ct");
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("/sq/03.ct: an output that cannot be read: "), "{}", squeezed.stderr);
    goes_on(&place, &["03.ct"]);
}

/// Nobody knows what it left open, or of which line it is.
#[test]
fn nothing_is_made_behind_a_damaged_output_that_may_be_the_last() {
    let place = squeezed_in_part(Version::Three);
    for left in files(&place.path("journal")).into_keys().filter(|name| name.as_str() <= "05.ct") {
        fs::remove_file(place.path("journal").join(left)).unwrap();
    }
    damage_header(&place, "05.ct");
    let (inputs, outputs) = (files(&place.path("journal")), files(&place.path("sq")));
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    let told = "/sq/05.ct may be what it goes on with, and cannot be read: ";
    assert!(squeezed.stderr.contains(told), "{}", squeezed.stderr);
    assert!(files(&place.path("journal")) == inputs && files(&place.path("sq")) == outputs, "something was done");
    // Cut off, it is not whole either.
    let bytes = &outputs["04.ct"];
    fs::write(place.path("sq/05.ct"), &bytes[..bytes.len() / 2]).unwrap();
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert!(squeezed.stderr.contains(&format!("{told}it is not whole")), "{}", squeezed.stderr);
    assert!(files(&place.path("journal")) == inputs, "something was removed");
}

/// Somebody else can put one there, and would wait at its other end for ever.
#[test]
fn a_pipe_that_is_called_like_an_output_holds_nobody_up() {
    let place = synthetic(Version::Three, Vec::new(), false);
    fs::create_dir(place.path("sq")).unwrap();
    let pipe = place.path("sq/01.ct");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let squeezed = place.squeeze("sq", &[], &place.journal());
    assert_eq!(squeezed.status, 5);
    let told = "/sq/01.ct: not written, nor what comes after it: it exists already, and is not what this input becomes";
    assert!(squeezed.stderr.contains(told), "{}", squeezed.stderr);
}

/// What they point to would stay, and be held by other files than those beside the links.
#[cfg(unix)]
#[test]
fn inputs_that_are_symbolic_links_are_not_removed() {
    use std::os::unix::fs::symlink;

    let place = synthetic(Version::Three, Vec::new(), false);
    let links = place.path("links");
    fs::create_dir(&links).unwrap();
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    names.iter().for_each(|name| symlink(place.path("journal").join(name), links.join(name)).unwrap());
    let squeezed = place.squeeze("sq", &["--remove"], std::slice::from_ref(&links));
    assert_eq!(squeezed.status, 5);
    assert!(squeezed.stderr.contains("/00.ct: not removed: it is a symbolic link: "), "{}", squeezed.stderr);
    assert!(squeezed.stderr.ends_with(", 0 inputs removed\n"), "{}", squeezed.stderr);
    assert_eq!((files(&links).len(), files(&place.path("journal")).len()), (names.len(), names.len()));
}

/// Of version 2, begin and length may be the same of two files; nobody is to lose the one that was not squeezed.
#[test]
fn an_input_of_version_2_is_not_removed_for_the_output_of_another_one() {
    let place = synthetic(Version::Two, Vec::new(), false);
    place.squeeze("sq", &[], &place.journal());
    let before = flows(&place.path("sq"));
    let path = place.path("journal/01.ct");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let squeezed = place.squeeze("sq", &["--remove"], &place.journal());
    assert_eq!(squeezed.status, 5);
    assert!(
        squeezed.stderr.contains("/01.ct: not removed: its output was made from another file"),
        "{}",
        squeezed.stderr
    );
    assert!(path.exists() && !place.path("journal/00.ct").exists());
    assert_eq!(flows(&place.path("sq")), before);
}
