//! All that a journal has to say to some questions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use super::flow::Known;
use super::gather::{Gathered, gather};
use super::plan;
use super::scope::Scope;
use super::{Answer, Asked, Doubt, Finding, Question, Wanted};
use crate::journal::Journal;
use crate::query::Coverage;
use crate::query::coverage::{Extent, Gap, Look, Reading, Several, Span};

/// What a journal says.
#[derive(Debug)]
pub(super) struct Evidence {
    /// The flows that have each endpoint.
    flows: HashMap<SocketAddr, Vec<Known>>,
    /// When flows may have been alive of which lost records told.
    lost: Vec<Span>,
    /// What the files cover; `None` if there are none.
    coverage: Option<Coverage>,
    spans: Vec<Span>,
    reading: Reading,
    /// Files are there that nobody could read.
    has_unread: bool,
    scope: Scope,
}

impl Evidence {
    /// Reads what the questions need of a journal. The second part is what happened on the way; its answers are yet to come.
    pub(super) fn gather(
        journal: &Journal,
        questions: &[Question],
        all_found: bool,
        threads: NonZeroUsize,
    ) -> Result<(Self, Asked), Several> {
        let mut asked = Asked { answers: Vec::new(), damage: Vec::new(), failures: Vec::new(), shapeless: Vec::new() };
        let mut reading = Reading::default();
        let mut scope = Scope::default();
        let mut extents = Vec::new();
        for file in journal.files() {
            let extent = file.open().and_then(|source| {
                let version = source.parse()?;
                scope.join(&Scope::of(&version));
                Ok(reading.add(&source, &version, Look::Directory, &mut |_| ()))
            });
            extents.push(match extent {
                Ok(Some(extent)) => extent,
                Ok(None) => {
                    asked.shapeless.push(file.path().to_owned());
                    Extent::UNKNOWN
                }
                Err(error) => {
                    asked.failures.push(error);
                    Extent::UNKNOWN
                }
            });
        }
        let coverage = reading.clone().coverage()?;
        let wanted = Wanted::by(questions);
        let mut gathered = Gathered::default();
        let windows = questions.iter().flat_map(Question::windows).collect();
        for (plan, span) in plan::parts(&extents, windows, scope.has_version_2) {
            gathered.join(gather(journal, &wanted, &plan, span, threads));
        }
        asked.damage = gathered.damage;
        // What could be read a moment ago, and cannot any more.
        let known: Vec<_> = asked.failures.iter().map(|error| error.path.clone()).collect();
        asked.failures.extend(gathered.failures.into_iter().filter(|error| !known.contains(&error.path)));
        let evidence = Self {
            flows: by_endpoint(&gathered.flows, &wanted),
            lost: gathered.lost,
            spans: coverage.as_ref().map(whole_spans).unwrap_or_default(),
            coverage,
            reading,
            has_unread: !all_found || !asked.failures.is_empty() || !asked.shapeless.is_empty(),
            scope,
        };
        Ok((evidence, asked))
    }

    pub(super) fn answer(&self, question: Question) -> Answer {
        Answer::new(question, self)
    }

    /// The same question for another time and another slack.
    pub(super) fn find(&self, question: &Question, at: u64, slack: u64) -> Finding {
        let window = Span::around(at, slack);
        let candidates = self.flows.get(&question.endpoint).into_iter().flatten();
        let candidates = candidates
            .filter(|known| question.asks_for(known.identity.protocol))
            .filter(|known| known.life.meets(window))
            .flat_map(|known| known.seen_from(question.endpoint))
            .filter(|flow| question.peer.is_none_or(|peer| peer.is(flow.peer)));
        let mut flows: Vec<_> = candidates.collect();
        flows.sort_unstable();
        flows.dedup();
        let is_behind = self.coverage.as_ref().is_some_and(|coverage| coverage.to < window.from);
        Finding::new(flows, is_behind, self.doubts(question, window))
    }

    /// Why a flow may be missing among those of a span.
    fn doubts(&self, question: &Question, window: Span) -> Vec<Doubt> {
        let mut doubts: Vec<_> = self.missing(window).into_iter().map(Doubt::Gap).collect();
        if self.coverage.is_none() {
            doubts.push(Doubt::NoFile);
        }
        if self.lost.iter().any(|lost| lost.meets(window)) {
            doubts.push(Doubt::Damage);
        }
        if self.has_unread && !self.reading.is_numbered_in(window) {
            doubts.push(Doubt::Unread);
        }
        if self.coverage.is_some() && !self.scope.has_all_of(question) {
            doubts.push(Doubt::NotRecorded);
        }
        if self.scope.is_filtered {
            doubts.push(Doubt::Filtered);
        }
        doubts
    }

    /// The gaps that a span touches, and what of it is outside the journal.
    pub(super) fn missing(&self, span: Span) -> Vec<Gap> {
        self.coverage.as_ref().map(|coverage| coverage.missing(span)).unwrap_or_default()
    }

    /// The recorded span that holds a moment.
    pub(super) fn recorded_at(&self, moment: u64) -> Option<Span> {
        self.spans.iter().find(|span| span.from <= moment && moment <= span.to).copied()
    }

    /// Whether files of version 2 are among those that were asked.
    pub(super) const fn has_version_2(&self) -> bool {
        self.scope.has_version_2
    }

    /// The protocols that were recorded, if some that are asked for were not.
    pub(super) fn limits(&self, question: &Question) -> Option<Vec<u8>> {
        self.scope.limits(question)
    }

    /// The host that recorded, if that is known.
    pub(super) fn host(&self) -> Option<&str> {
        self.reading.host()
    }
}

/// The spans in which nothing is missing.
fn whole_spans(coverage: &Coverage) -> Vec<Span> {
    let mut coverage = coverage.clone();
    coverage.gaps.retain(|gap| gap.lost != Some(0));
    coverage.spans()
}

/// Each flow under each of its endpoints that is asked for.
fn by_endpoint(flows: &[Known], wanted: &Wanted) -> HashMap<SocketAddr, Vec<Known>> {
    let mut by_endpoint: HashMap<_, Vec<Known>> = HashMap::new();
    for flow in flows {
        let (source, destination) = (flow.identity.reply.dst, flow.identity.original.dst);
        let other = (destination != source).then_some(destination);
        for endpoint in [Some(source), other].into_iter().flatten().filter(|endpoint| wanted.has(*endpoint)) {
            by_endpoint.entry(endpoint).or_default().push(*flow);
        }
    }
    by_endpoint
}
