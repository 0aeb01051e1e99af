//! `who` names every flow that had the endpoint then, names none that cannot have had it, and knows what it does not know.

mod lives;
mod question;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::slice;

use proptest::prelude::*;
use proptest::strategy::ValueTree;

use crate::coverage::{self, Gap};
use crate::kept::{Kept, pick};
use crate::pairs;
use crate::tried::runner;
use crate::world::{Span, World};
use lives::{Life, lives};
use question::{Answer, Question, questions};

/// What is known of the world before a question is put.
struct Truth<'t> {
    world: &'t World,
    kept: &'t Kept,
    lives: Vec<Life>,
    gaps: Vec<Gap>,
    outer: (u64, u64),
}

/// Holds the answers to questions by chance against what was true; `also` those that the directory gives.
pub fn check(world: &World, kept: &Kept, seed: u64, also: bool) {
    let (gaps, outer) = coverage::expected(world, kept);
    let truth = Truth { world, kept, lives: lives(world, kept), gaps, outer };
    let (slack, questions) = questions(world, seed, 12);
    if also {
        check_paths(kept, seed, |paths| question::ask(&questions, slack, paths));
    }
    truth.check(&questions, slack, also);
    if world.has_steps_back() {
        let (slack, questions) = question::beside_steps(world, seed);
        truth.check(&questions, slack, also);
    }
}

/// How the files are given changes nothing: by their directory, in any order, some of them twice, or beside what was squeezed from
/// them. That is read in place of them if one of them is not there.
fn check_paths(kept: &Kept, seed: u64, ask: impl Fn(&[PathBuf]) -> Vec<Answer>) {
    let (files, directory) = (kept.paths(), vec![kept.directory.path().to_path_buf()]);
    let answers = ask(&files);
    assert_eq!(ask(&directory), answers, "the directory");
    let twice = [&files[..], &files[..pick((seed % 1000) as u16, files.len())]].concat();
    let mixed = Just(twice).prop_shuffle().new_tree(&mut runner(seed)).map(|tree| tree.current()).unwrap();
    assert_eq!(ask(&mixed), answers, "in the order {mixed:?}");
    let squeezed = pairs::squeezed(kept);
    let both = [&mixed[..], slice::from_ref(&squeezed)].concat();
    assert_eq!(ask(&both), answers, "beside what was squeezed from them: {both:?}");
    let (left_out, rest): (Vec<_>, Vec<_>) =
        mixed.into_iter().partition(|path| *path == files[seed as usize % files.len()]);
    let some = [&rest[..], slice::from_ref(&squeezed)].concat();
    assert_eq!(ask(&some), ask(&[squeezed]), "what was squeezed, beside its sources but {left_out:?}");
}

/// What is said of two journals of one world is the same, however they are rotated.
pub fn check_same(world: &World, [one, other]: [&Kept; 2], seed: u64) {
    let (slack, questions) = questions(world, seed, 12);
    let [one, other] = [one, other].map(|kept| question::ask(&questions, slack, &kept.paths()));
    assert_eq!(one, other, "rotated in two ways: {questions:?}");
}

impl Truth<'_> {
    /// Holds the answers to these questions against what was true; `also` those that the other forms of the journal give.
    fn check(&self, questions: &[Question], slack: u64, also: bool) {
        let answers = question::ask(questions, slack, &self.kept.paths());
        let window = |question: &Question| (question.at.saturating_sub(slack), question.at + slack);
        for pairs::Form { name: form, paths } in also.then(|| pairs::forms(self.world, self.kept)).into_iter().flatten()
        {
            // What was made part by part does not tell which of them came first where the clock was set back.
            if paths.len() > 1 && self.world.has_steps_back() {
                continue;
            }
            let again = question::ask(questions, slack, &paths);
            for ((question, answer), again) in questions.iter().zip(&answers).zip(&again) {
                if let Some(wrong) = self.wrong_form(question, window(question), answer, (form, again)) {
                    panic!("of the {form}: {wrong}\n{question:?} within {slack}\n{again:?}\n{answer:?}");
                }
            }
        }
        for (question, answer) in questions.iter().zip(&answers) {
            if let Some(wrong) = self.wrong(question, window(question), answer) {
                panic!("{wrong}\n{question:?} within {:?}\n{answer:?}", window(question));
            }
        }
    }

    /// What is wrong with an answer.
    fn wrong(&self, question: &Question, window: (u64, u64), answer: &Answer) -> Option<String> {
        let verdict = self.wrong_verdict(window, answer);
        verdict
            .or_else(|| self.left_out(question, window, answer))
            .or_else(|| self.made_up(question, window, answer, Life::may_have_lived))
            .or_else(|| self.too_sure(question, window, answer))
            .or_else(|| self.inexact(question, window, answer))
    }

    /// What is wrong with an answer of another form of the journal, beside that of the journal itself.
    fn wrong_form(
        &self,
        question: &Question,
        window: (u64, u64),
        answer: &Answer,
        (form, again): (&str, &Answer),
    ) -> Option<String> {
        let is_exact = !self.world.has_steps_back();
        let is_ordered = is_exact || self.order_is_told();
        // What is made part by part does not know of all flows that a run found after which moment they began: it names more.
        let is_part = form.starts_with("parts");
        let is_shown = is_part && answer.insides().is_subset(&again.insides());
        // Nor does it know of what was damaged whether that could hold what is asked for.
        let is_damaged = self.kept.files.iter().any(|file| file.is_damaged);
        let is_shown =
            is_shown || (is_damaged && (answer.is_within(again) || self.adds_the_found(question, answer, again)));
        let is_shown = is_shown || self.adds_the_ambiguous(question, answer, again);
        // An end that was lost while the clock was set back by days has one time of two; the doubt is told.
        let is_doubted = !again.doubts.is_empty() && again.insides().is_subset(&answer.insides());
        let is_shown = is_shown || (is_doubted && self.world.is_set_far_back() && !self.world.deaf.is_empty());
        // Where the ends of a journal are, is not held where the clock was set back.
        let has_verdict = match self.world.has_steps_back() {
            true => self.wrong_verdict(window, again).is_none(),
            false => answer.verdict == again.verdict,
        };
        let is_same = is_shown || (answer.insides() == again.insides() && has_verdict);
        (is_ordered && !is_same)
            .then(|| "it is another answer".to_owned())
            .or_else(|| self.left_out(question, window, again))
            .or_else(|| self.too_sure(question, window, again))
            // When a flow began, another form tells by a clock that may have shown that time twice; and not in which order flows began.
            .or_else(|| {
                let is_held = is_exact && !is_part;
                is_held.then(|| self.made_up(question, window, again, Life::may_have_lived_unordered)).flatten()
            })
    }

    /// Whether another form of the journal names all that this one does, and beyond it only flows whose start nobody heard: which reading
    /// found them is lost where something is damaged between.
    fn adds_the_found(&self, question: &Question, answer: &Answer, again: &Answer) -> bool {
        self.adds_only(question, answer, again, |life| !life.is_begin_heard)
    }

    /// Whether another form of the journal names all that this one does, and beyond it only flows of which their start alone, or their end,
    /// does not tell how often the clock had been set before.
    fn adds_the_ambiguous(&self, question: &Question, answer: &Answer, again: &Answer) -> bool {
        // A kernel's stamp may be older than all files; and what a file tells that was heard where one is missing, or damaged.
        let is_stamped = self.world.plan.stamps;
        let is_bound = self.kept.is_whole(self.world) && !is_stamped;
        let told_from = if is_bound { self.world.clock.shows(self.world.shape.begin) } else { 0 };
        self.adds_only(question, answer, again, |life| {
            life.may_have_begun_before_a_step(self.world, told_from)
                || life.may_have_ended_behind_a_step(self.world)
                // Nor does a stamp tell whether another flow that had its place began before that.
                || (is_stamped && self.world.has_steps_back() && !life.is_exact)
        })
    }

    /// Whether an answer names all that another one does, and beyond it only such flows.
    fn adds_only(&self, question: &Question, answer: &Answer, again: &Answer, is_such: impl Fn(&Life) -> bool) -> bool {
        let is_one = |flow: &&question::Named| {
            let mut same = self.lives.iter().filter(|life| life.seen_from(question.endpoint) == Some(flow.seen));
            same.any(&is_such)
        };
        let is_named = |flow: &&question::Named| answer.flows.iter().any(|known| known.seen == flow.seen);
        let mut further = again.flows.iter().filter(|flow| !is_named(flow)).peekable();
        answer.insides().is_subset(&again.insides()) && further.peek().is_some() && further.all(|flow| is_one(&flow))
    }

    /// The verdict is what the flows say.
    fn wrong_verdict(&self, window: (u64, u64), answer: &Answer) -> Option<String> {
        // Behind the end of the journal a flow that was open there is shown, and is no answer; nor is, before its begin, one of which
        // nobody knows when it began at the earliest. Where these ends are, is not held where the clock was set back.
        let (is_before, is_behind) = (window.1 < self.outer.0, window.0 > self.outer.1);
        let named = |is_before: bool, is_behind: bool| -> BTreeSet<_> {
            let is_answer =
                |flow: &&question::Named| (!is_before || flow.has_earliest) && (!is_behind || flow.has_latest);
            answer.flows.iter().filter(is_answer).map(|flow| flow.seen.inside.ip()).collect()
        };
        let verdict = |insides: BTreeSet<_>| match (insides.len(), answer.doubts.is_empty()) {
            (0, true) => "NONE",
            (0, false) => "UNKNOWN",
            (1, _) => "UNIQUE",
            _ => "AMBIGUOUS",
        };
        let expected = verdict(named(is_before, is_behind));
        let others = [(false, false), (false, true), (true, false), (true, true)];
        let mut others = others.into_iter().map(|(is_before, is_behind)| verdict(named(is_before, is_behind)));
        let may_differ = self.world.has_steps_back() && (answer.flows.is_empty() || answer.verdict != "NONE");
        let is_excused = may_differ && others.any(|other| other == answer.verdict);
        (expected != answer.verdict && !is_excused).then(|| format!("{expected} is what this should be"))
    }

    /// Who truly had it is named; or, if no record of the flow is left, something is said to be missing.
    fn left_out(&self, question: &Question, window: (u64, u64), answer: &Answer) -> Option<String> {
        // The same time may have come twice, and only one of them is one that files tell of.
        let all = || vec![Span { from: 0, to: u64::MAX }];
        let told = if self.world.has_steps_back() { self.told() } else { all() };
        let was_alive = |life: &&Life| told.iter().any(|span| life.was_alive_within(self.world, *span, window));
        let had = self.lives.iter().filter(was_alive);
        had.filter_map(|life| Some((life, life.seen_from(question.endpoint)?))).find_map(|(life, seen)| {
            let is_named = answer.flows.iter().any(|flow| flow.seen == seen);
            // A file of version 2 names no flows that are alive, and tells of no gap.
            let is_told = !answer.doubts.is_empty() || life.is_in(&self.told_by_version_2()) || self.is_untold(life);
            // Of a clock that was set back nobody knows how long a flow lived whose end was not heard, nor any flow if nothing
            // is left that tells of it; that something is missing is said.
            let is_known = life.is_exact && self.order_is_told();
            let is_damaged = self.kept.files.iter().any(|file| file.is_damaged);
            let is_told_missing = !answer.doubts.is_empty() || is_damaged || self.is_set_back_in_version_2();
            let is_turned = self.world.has_steps_back() && !is_known && is_told_missing;
            // It was found later: that it may have begun so early, only the overrun would tell.
            let is_found_later = !life.is_exact && pairs::is_untold(self.world, self.kept, life.began());
            let is_excused = is_turned || is_found_later || (!life.is_recorded && is_told);
            (!is_named && !is_excused).then(|| format!("a flow is left out: {life:?}"))
        })
    }

    /// From the begin of the first file that is left to the end of the last one, without the times of which nobody can know what the clock
    /// showed: between files that are left, if it was set more than once there; and from when it was set to when the recorder noticed
    /// that, if it was set again before, or the recorder killed.
    fn told(&self) -> Vec<Span> {
        let spans: Vec<_> = self.kept.files.iter().map(|file| self.world.files[file.index].span).collect();
        let between = spans.windows(2).map(|pair| Span { from: pair[0].to, to: pair[1].from });
        let was_set_often = |span: &Span| self.world.steps().filter(|(at, _)| span.holds(*at)).count() > 1;
        let unknown: Vec<_> = between.filter(was_set_often).chain(self.unnoticed()).collect();
        let ends = spans.first().zip(spans.last()).map(|(first, last)| Span { from: first.from, to: last.to });
        let mut told: Vec<_> = ends.into_iter().collect();
        for Span { from, to } in unknown {
            let without = |span: Span| {
                let (before, behind) =
                    (Span { to: span.to.min(from), ..span }, Span { from: span.from.max(to), ..span });
                [before, behind].into_iter().filter(|span| span.from < span.to)
            };
            told = told.into_iter().flat_map(without).collect();
        }
        told
    }

    /// From when the clock was set, while the recorder was at work, to when it noticed that, if it was set again before, or the recorder
    /// killed.
    fn unnoticed(&self) -> Vec<Span> {
        let noted = self.world.noted();
        let spans = self.world.steps().filter_map(|(set, by)| {
            let file = self.world.files.iter().find(|file| file.span.holds(set))?;
            match noted.iter().find(|noted| noted.set <= set && set <= noted.at) {
                Some(noted) if (noted.set, noted.by) == (set, by) => None,
                Some(noted) => Some(Span { from: noted.set, to: noted.at }),
                None => Some(Span { from: set, to: file.span.to }),
            }
        });
        spans.collect()
    }

    /// Whether the clock was set back in the time of a file that is left as version 2, which does not tell it.
    fn is_set_back_in_version_2(&self) -> bool {
        let file = |at| self.world.files.iter().position(|file| file.span.holds(at));
        let kept = self.world.steps().filter(|(_, by)| *by < 0).filter_map(|(at, _)| self.kept.file(file(at)?));
        kept.into_iter().any(|file| file.is_version_2)
    }

    /// The times of which only files of version 2 tell, and the overruns that they do not tell of.
    fn told_by_version_2(&self) -> Vec<Span> {
        let files = self.kept.files.iter().filter(|file| file.is_version_2);
        let spans = files.map(|file| self.world.files[file.index].span);
        let with_overruns = |span: Span| {
            let deaf = self.world.deaf.iter().filter(|deaf| span.holds(deaf.to));
            Span { from: deaf.map(|deaf| deaf.from).fold(span.from, u64::min), ..span }
        };
        spans.map(with_overruns).collect()
    }

    /// Whether all files are left that tell when the clock was set back, if it was, and behind which run each later one came. The order of
    /// files of version 2 is then known by their begins alone.
    fn order_is_told(&self) -> bool {
        let files = &self.world.files;
        let is_left = |index| self.kept.file(index).is_some_and(|file| !file.is_version_2 && !file.is_damaged);
        let holds = |at| files.iter().position(|file| file.span.holds(at)).is_some_and(is_left);
        let back: Vec<_> = self.world.steps().filter(|(_, by)| *by < 0).collect();
        // Killed before it notices, a recorder does not tell; nor what the clock showed before it was set again.
        let noted = self.world.noted();
        let is_noted = |step: &(u64, i64)| noted.iter().any(|noted| (noted.set, noted.by) == *step);
        let is_known = |step: &(u64, i64)| is_noted(step) && holds(step.0);
        // A run says when the one before had ended, which is when that one's last file does.
        let links = (1..files.len()).filter(|index| files[*index].number == 0);
        let mut links = links.filter(|index| back.first().is_some_and(|first| first.0 < files[*index].span.from));
        let is_linked = links.all(|index| is_left(index - 1) && is_left(index));
        back.is_empty() || (is_linked && back.iter().all(is_known) && !self.kept.has_version_2())
    }

    /// Nothing tells that this flow may be missing: what would have told of the gap is in a file that was removed.
    fn is_untold(&self, life: &Life) -> bool {
        let told = |gap: &&Gap| gap.cause == "socket buffer full";
        let told = self.gaps.iter().filter(told).count();
        let noted = self.world.deaf.iter().filter(|deaf| {
            self.world
                .flows
                .iter()
                .any(|flow| deaf.holds(flow.start) || (deaf.holds(flow.end) && flow.end <= self.world.last))
        });
        life.is_in(&self.world.deaf) && told < noted.count()
    }

    /// Each flow that is named is a true one, and may have been alive for all that is known.
    fn made_up(
        &self,
        question: &Question,
        window: (u64, u64),
        answer: &Answer,
        may_have_lived: impl Fn(&Life, (u64, u64)) -> bool,
    ) -> Option<String> {
        let is_true = |flow: &question::Named| {
            let same = self.lives.iter().filter(|life| life.seen_from(question.endpoint) == Some(flow.seen));
            let same: Vec<_> = same.filter(|life| life.is_recorded).collect();
            same.iter().any(|life| may_have_lived(life, window))
                // Of files of version 2 nobody knows which end is of which start, if both have the same tuples; nor, where the clock
                // was set back, which of them came behind which.
                || (self.kept.has_version_2()
                    && (Life::may_one_have_lived(&same, window) || (self.world.has_steps_back() && !same.is_empty())))
        };
        // One that was alive when the clock was set over a time may have been alive then, for all that anybody knows.
        // Nor may one be denied of which nobody knows how often the clock had been set back when it ended.
        let is_told = !self.world.has_steps_back() || (self.order_is_told() && self.kept.is_whole(self.world));
        if self.world.was_set_over(window) || !is_told {
            return None;
        }
        let wrong = answer.flows.iter().find(|flow| !is_true(flow))?;
        Some(format!("{wrong:?} cannot have been alive"))
    }

    /// Each flow of which that is said to be sure was truly alive.
    fn too_sure(&self, question: &Question, window: (u64, u64), answer: &Answer) -> Option<String> {
        let was_alive = |flow: &question::Named| {
            let mut same = self.lives.iter().filter(|life| life.seen_from(question.endpoint) == Some(flow.seen));
            same.any(|life| life.was_alive(window) || self.is_untold(life))
        };
        // Nobody knows what the clock did not show if it was set forward and no file that is left tells of it.
        if !self.forward_is_told() {
            return None;
        }
        let wrong = answer.flows.iter().find(|flow| flow.is_sure && !was_alive(flow))?;
        Some(format!("that this was alive is not sure: {wrong:?}"))
    }

    /// Whether files that are left tell of each time that the clock was set forward, as those of version 2 do not.
    fn forward_is_told(&self) -> bool {
        let noted = self.world.noted();
        let tells = |file| self.kept.file(file).is_some_and(|file| !file.is_version_2);
        let is_told = |at| noted.iter().any(|noted| noted.set == at && tells(noted.file));
        self.world.steps().all(|(at, by)| by < 0 || is_told(at))
    }

    /// Where everything was heard, the answer is exact: flows, times and verdict.
    fn inexact(&self, question: &Question, window: (u64, u64), answer: &Answer) -> Option<String> {
        if self.world.has_steps_back() || self.kept.files.iter().any(|file| file.is_damaged) {
            return None;
        }
        let meets = |gap: &Gap, (from, to): (u64, u64)| gap.from <= to && from <= gap.to;
        // Where all is back, but something else is missing, that may be what is back.
        let is_back = |gap: &Gap| {
            gap.lost == Some(0)
                && gap.cause != coverage::SET_FORWARD
                && !self.gaps.iter().any(|other| other.lost.is_none() && meets(other, (gap.from, gap.to)))
        };
        let touches = |gap: &Gap| !is_back(gap) && meets(gap, window);
        let is_sure = self.outer.0 <= window.0 && window.1 <= self.outer.1 && !self.gaps.iter().any(touches);
        // A file of version 2 has but one protocol, and which flows were open may have stood in what is not there any more.
        let has_version_2 = self.kept.files.iter().any(|file| file.is_version_2);
        let is_excused = |doubt: &String| match doubt.as_str() {
            "not every kind of flow that is asked for was recorded" => has_version_2,
            doubt if doubt.starts_with("nobody tells which flows were alive before") => !self.kept.lost.is_empty(),
            _ => false,
        };
        if answer.doubts.iter().all(is_excused) != is_sure {
            return Some(format!("it is {is_sure} that nothing is missing"));
        }
        let seen = || self.lives.iter().filter(|life| life.seen_from(question.endpoint).is_some());
        if !seen().all(|life| life.is_exact) {
            return None;
        }
        let had = seen().filter(|life| life.is_recorded && life.may_have_lived(window));
        let mut expected: Vec<_> =
            had.filter_map(|life| Some((life.times, life.seen_from(question.endpoint)?))).collect();
        let mut named: Vec<_> = answer.flows.iter().map(|flow| (flow.times, flow.seen)).collect();
        expected.sort_unstable();
        named.sort_unstable();
        (expected != named).then(|| format!("exactly these should be named: {expected:?}"))
    }
}
