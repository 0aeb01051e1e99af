//! All that a journal has to say to some questions.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

use super::flow::Known;
use super::gather::gather;
use super::plan;
use super::scope::Scope;
use super::{Answer, Asked, Doubt, Finding, Question, Wanted};
use crate::journal::Journal;
use crate::query::Coverage;
use crate::query::coverage::{Extent, Gap, Look, Reading, Several, Span};

/// What a journal says of a span of time. Of flows of other times it may know a half.
#[derive(Debug)]
struct Part {
    span: Span,
    /// The flows that have each endpoint.
    flows: HashMap<SocketAddr, Vec<Known>>,
    /// When flows may have been alive of which lost records told.
    lost: Vec<Span>,
    /// When the kernel's table was last read.
    last_reading: Option<u64>,
}

/// What a journal says.
#[derive(Debug)]
pub(super) struct Evidence {
    /// What was read for spans of time that lie apart, in their order.
    parts: Vec<Part>,
    /// What the files cover; `None` if there are none.
    coverage: Option<Coverage>,
    spans: Vec<Span>,
    reading: Reading,
    /// Files are there that nobody could read.
    has_unread: bool,
    /// What was recorded in each file, and its place in time.
    scopes: Vec<(Extent, Scope)>,
    /// What was recorded in all of them.
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
        let mut scopes = Vec::new();
        for file in journal.files() {
            let read = file.open().and_then(|source| {
                let version = source.parse()?;
                let extent = reading.add(&source, &version, Look::Directory, &mut |_| ());
                Ok((extent, Scope::of(&version)))
            });
            scopes.push(match read {
                Ok((Some(extent), scope)) => (extent, scope),
                Ok((None, scope)) => {
                    asked.shapeless.push(file.path().to_owned());
                    (Extent::UNKNOWN, scope)
                }
                Err(error) => {
                    asked.failures.push(error);
                    (Extent::UNKNOWN, Scope::default())
                }
            });
        }
        let scope = scopes.iter().fold(Scope::default(), |all, (_, scope)| all.joined(scope));
        let coverage = reading.clone().coverage()?;
        let wanted = Wanted::by(questions);
        let windows = questions.iter().flat_map(Question::windows).collect();
        // A run that recorded less than others does not tell of all flows that these left open.
        let extents: Vec<_> = scopes
            .iter()
            .map(|(extent, own)| Extent {
                has_whole_keyframe: extent.has_whole_keyframe && own.is_as_wide_as(&scope),
                ..*extent
            })
            .collect();
        let mut parts = Vec::new();
        for (plan, span) in plan::parts(&extents, windows, scope.has_version_2) {
            let gathered = gather(journal, &wanted, &plan, span, threads);
            asked.damage.extend(gathered.damage);
            // What could be read a moment ago, and cannot any more.
            let known: Vec<_> = asked.failures.iter().map(|error| error.path.clone()).collect();
            asked.failures.extend(gathered.failures.into_iter().filter(|error| !known.contains(&error.path)));
            let flows = by_endpoint(&gathered.flows, &wanted);
            parts.push(Part { span, flows, lost: gathered.lost, last_reading: gathered.last_reading });
        }
        let evidence = Self {
            parts,
            spans: coverage.as_ref().map(Coverage::whole_spans).unwrap_or_default(),
            coverage,
            reading,
            has_unread: !all_found || !asked.failures.is_empty() || !asked.shapeless.is_empty(),
            scopes,
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
        let part = self.part(window);
        let candidates = part.and_then(|part| part.flows.get(&question.endpoint)).into_iter().flatten();
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

    /// What was read for a window: each lies in one part.
    fn part(&self, window: Span) -> Option<&Part> {
        let behind = self.parts.partition_point(|part| part.span.from <= window.from);
        let part = self.parts.get(behind.checked_sub(1)?)?;
        (window.to <= part.span.to).then_some(part)
    }

    /// What was recorded in a window; if no file reaches into it, what was recorded at all.
    fn scope_of(&self, window: Span) -> Scope {
        let reach = |extent: &Extent| Span { from: extent.least, to: extent.greatest };
        let there = self.scopes.iter().filter(|(extent, _)| reach(extent).meets(window));
        let joined = there.map(|(_, scope)| scope.clone()).reduce(|all, scope| all.joined(&scope));
        joined.unwrap_or_else(|| self.scope.clone())
    }

    /// Whether flows that began unheard, before the journal or in a gap, may have been alive in the window without a word:
    /// until the kernel's table is read, nobody knows of those that go on. Of what files of version 2 tell, and squeezed ones,
    /// that cannot be asked.
    fn is_unheard_of(&self, part: &Part, window: Span) -> bool {
        let Some(coverage) = self.coverage.as_ref().filter(|_| self.scope.is_of_events) else { return false };
        let gaps = coverage.gaps.iter().filter(|gap| gap.lost != Some(0) && gap.to <= window.to);
        let unheard_until = gaps.map(|gap| gap.to).fold(coverage.from, u64::max);
        part.last_reading.is_none_or(|read| read < unheard_until)
    }

    /// Why a flow may be missing among those of a span.
    fn doubts(&self, question: &Question, window: Span) -> Vec<Doubt> {
        let mut doubts: Vec<_> = self.missing(window).into_iter().map(Doubt::Gap).collect();
        if self.coverage.is_none() {
            doubts.push(Doubt::NoFile);
        }
        let part = self.part(window);
        if part.is_none_or(|part| part.lost.iter().any(|lost| lost.meets(window))) {
            doubts.push(Doubt::Damage);
        }
        if self.has_unread && !self.reading.is_numbered_in(window) {
            doubts.push(Doubt::Unread);
        }
        let scope = self.scope_of(window);
        if self.coverage.is_some() && !scope.has_all_of(question) {
            doubts.push(Doubt::NotRecorded);
        }
        if scope.is_filtered {
            doubts.push(Doubt::Filtered);
        }
        if part.is_some_and(|part| self.is_unheard_of(part, window)) {
            doubts.push(Doubt::NoReading);
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
        self.coverage.as_ref().and_then(|_| self.scope.limits(question))
    }

    /// The host that recorded, if that is known.
    pub(super) fn host(&self) -> Option<&str> {
        self.reading.host()
    }
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
