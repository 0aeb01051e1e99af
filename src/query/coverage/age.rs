//! How old files are in truth. A clock that was wrong for a while makes what was recorded then seem older, or younger, than it is.

use std::collections::HashMap;

use ctrecorder_format::Content;

use super::part::Part;
use crate::journal::Recorder;

/// From when each of these files tells, in their order: by the clock as their run had it at last, at a time that is not still to come
/// at `now` (both ns since the epoch). A run in which the clock was not set is as old as it says; `None` is what does not tell.
pub(super) fn begun(parts: &[Part], now: u64) -> Vec<Option<u64>> {
    let mut runs: HashMap<Option<&Recorder>, Vec<(usize, &Part)>> = HashMap::new();
    let mut begun = vec![None; parts.len()];
    for (place, part) in parts.iter().enumerate() {
        let alone = part.run.is_none().then(|| of_run(&[(place, part)], now));
        alone.into_iter().flatten().for_each(|(place, least)| set(&mut begun, place, least));
        if part.run.is_some() {
            runs.entry(part.run.as_ref()).or_default().push((place, part));
        }
    }
    for mut run in runs.into_values() {
        run.sort_by_key(|(_, part)| part.number);
        of_run(&run, now).into_iter().for_each(|(place, least)| set(&mut begun, place, least));
    }
    begun
}

fn set(begun: &mut [Option<u64>], place: usize, least: u64) {
    if let Some(begun) = begun.get_mut(place) {
        *begun = Some(least).filter(|least| *least > 0);
    }
}

/// Likewise the files of one run, in their order; 0 for what does not tell.
fn of_run(run: &[(usize, &Part)], now: u64) -> Vec<(usize, u64)> {
    // By how much the clock had been set since the run began, and then at the last moment that is not still to come.
    let (mut set, mut at_last) = (0, 0);
    let mut begins = Vec::new();
    for (place, part) in run {
        let mut settings = vec![(part.began, set)];
        for step in &part.steps {
            set += i128::from(step.after) - i128::from(step.before);
            settings.push((step.after, set));
        }
        at_last = settings.iter().rev().find(|(from, _)| *from <= now).map_or(at_last, |(_, set)| *set);
        begins.push((*place, *part, settings));
    }
    let by_then = |moment: u64, set: i128| {
        let moment = i128::from(moment) - set + at_last;
        u64::try_from(moment.max(1)).unwrap_or(u64::MAX)
    };
    let least = |(place, part, settings): (usize, &Part, Vec<(u64, i128)>)| {
        let told = part.extent.least;
        if settings.iter().all(|(_, set)| *set == at_last) || told == 0 {
            return (place, told);
        }
        let began = settings.first().map_or(told, |(from, set)| by_then(*from, *set));
        // A flow that began before the file did so by the clock of whatever the file begins with next behind it.
        let next = settings.iter().filter(|(from, _)| told <= *from).min_by_key(|(from, _)| *from);
        let is_before =
            part.content == Content::Flows && !part.shown.spans.iter().any(|span| span.from <= told && told <= span.to);
        let flow = next.filter(|_| is_before).map(|(_, set)| by_then(told, *set));
        (place, flow.map_or(began, |flow| flow.min(began)))
    };
    begins.into_iter().map(least).collect()
}
