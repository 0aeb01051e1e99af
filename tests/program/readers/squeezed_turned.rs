//! `ctrecorder squeeze -o DIRECTORY/` of a clock that was set back while nobody recorded.

use std::fs;

use ctrecorder_format::NS_PER_SECOND;
use ctrecorder_synth::{Incident, Version};

use super::squeezed_place::{at, files, flows, same_lines, synthetic};

/// It was, by so many seconds.
fn set_back(seconds: i64) -> Incident {
    Incident::ClockStep { at: at(135), by: -seconds * NS_PER_SECOND.cast_signed() }
}

/// The clock was set back between two runs, and the files are gone that tell behind which the second one came.
#[test]
fn runs_of_one_start_of_the_machine_have_one_order_in_however_many_runs() {
    let place = synthetic(Version::Three, vec![Incident::Stop { at: at(130), back: at(140) }, set_back(200)], false);
    for name in ["04.ct", "05.ct"] {
        fs::remove_file(place.path("journal").join(name)).unwrap();
    }
    let names: Vec<_> = files(&place.path("journal")).into_keys().collect();
    let first: Vec<_> = names.iter().take(4).map(|name| place.path("journal").join(name)).collect();
    let made = place.squeeze("at once", &[], &place.journal());
    assert_eq!((made.status, files(&place.path("at once")).len()), (0, names.len()), "{}", made.stderr);
    for options in [&[][..], &["--remove"]] {
        let directory = format!("in two {options:?}");
        for inputs in [&first[..], &place.journal()] {
            let made = place.squeeze(&directory, options, inputs);
            assert_eq!(made.status, 0, "{}", made.stderr);
        }
        assert!(files(&place.path(&directory)) == files(&place.path("at once")), "{options:?}");
    }
}

/// It was set back by less than the time for which nobody recorded, and before that in the time of other outputs: these do not tell up to
/// when it had gone, and how long the machine had been up does.
#[test]
fn an_output_knows_that_the_clock_was_set_back_though_it_shows_a_later_time() {
    let earlier =
        [Incident::Stop { at: at(40), back: at(50) }, Incident::ClockStep { at: at(45), by: -20_000_000_000 }];
    let later = [Incident::Stop { at: at(130), back: at(140) }, set_back(8)];
    let place = synthetic(Version::Three, [earlier, later].concat(), true);
    place.squeeze("sq", &[], &place.journal());
    same_lines(&flows(&place.path("sq")), &flows(&place.path("journal")));
}

/// What the kernel stamped while nobody recorded seems to be still to come when the next run begins.
#[test]
fn an_output_knows_up_to_when_the_clock_may_have_gone_behind_the_one_before() {
    for away in [Incident::Stop { at: at(130), back: at(140) }, Incident::Crash { at: at(130), back: at(140) }] {
        let place = synthetic(Version::Three, vec![away, set_back(20)], true);
        place.squeeze("sq", &[], &place.journal());
        same_lines(&flows(&place.path("sq")), &flows(&place.path("journal")));
    }
}
