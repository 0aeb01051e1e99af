//! All that some recorders have to say to some questions, put together.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::recorder::{Heard, Recorder};
use super::survey::recorders;
use super::unread::{Directories, Unread};
use super::{Around, Asked, Doubt, Finding, Question, Wanted, Why};
use crate::journal::{Error, Journal};
use crate::query::coverage::Span;

/// What is known of some endpoints.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    recorders: Vec<Recorder>,
    unread: Unread,
}

impl Evidence {
    /// Reads what the questions need of the files. What happens on the way is told in `asked`.
    pub(super) fn gather(
        journal: &Journal,
        questions: &[Question],
        unfound: &[Error],
        threads: NonZeroUsize,
        asked: &mut Asked,
    ) -> Self {
        let recorded = recorders(journal, asked);
        let directories = Directories::of(journal, &recorded);
        let wanted = Wanted::by(questions);
        // At the same times, and about the same endpoints.
        let wider: Vec<_> = questions.iter().flat_map(Question::wider).map(|(_, wider)| wider).collect();
        let read = |recorded| Recorder::read(journal, recorded, [questions, &wider], &wanted, threads, asked);
        let recorders = recorded.into_iter().map(read).collect();
        let failures = unfound.iter().chain(&asked.failures).map(|error| error.path.as_path());
        let unread = Unread::of(failures.chain(asked.shapeless.iter().map(PathBuf::as_path)), &directories);
        Self { recorders, unread }
    }

    /// What was found for a question, or for the same one with another time and another slack; without the flows, unless these
    /// are wanted.
    pub(super) fn find(&self, question: &Question, at: u64, slack: u64, with_flows: bool) -> Finding {
        let window = Span::around(at, slack);
        let recorders = self.recorders.iter().enumerate();
        let heard = recorders.map(|(number, recorder)| recorder.find(question, window, number, with_flows));
        let mut heard: Vec<_> = heard.collect();
        // Where none is near, what they tell is all that there is.
        if heard.iter().all(|heard| heard.is_away) {
            heard.iter_mut().for_each(|heard| heard.is_away = false);
        }
        let mut doubts = Vec::new();
        for (number, Heard { doubts: why, .. }) in heard.iter_mut().enumerate().filter(|(_, heard)| !heard.is_away) {
            doubts.extend(why.drain(..).map(|why| Doubt { recorder: Some(number), why }));
        }
        let unread = self.unread.may_tell_of(window, &self.recorders).then_some(Why::Unread);
        let why = if self.recorders.is_empty() { Some(Why::NoFile) } else { unread };
        doubts.extend(why.map(|why| Doubt { recorder: None, why }));
        let names: Vec<_> = self.recorders.iter().map(Recorder::name).collect();
        Finding::new(question.endpoint.ip(), heard, &names, doubts)
    }

    /// The public endpoints of the flows that had the endpoint of a question on the inside, each once, in order.
    pub(super) fn inside_as(&self, question: &Question) -> Vec<SocketAddr> {
        let window = question.window();
        let recorders = self.recorders.iter();
        let public: BTreeSet<_> = recorders.flat_map(|recorder| recorder.inside_as(question, window)).collect();
        public.into_iter().collect()
    }

    /// What was recorded around the time of a question. `away` says of each recorder whether it had no part in that.
    pub(super) fn around(&self, question: &Question, near: Span, away: &[bool]) -> Vec<Around> {
        let recorders = self.recorders.iter().zip(away);
        recorders.map(|(recorder, is_away)| recorder.around(question, near, *is_away)).collect()
    }
}
