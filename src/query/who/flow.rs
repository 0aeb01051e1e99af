//! Flows as `who` sees them: who is inside, what is public, who is the peer, and when the flow may have been alive.

use std::net::SocketAddr;

use ctrecorder_format::record::flags::{END_AT_LATEST, END_FROM_KERNEL, START_FROM_KERNEL};
use ctrecorder_format::{Address, Note, Record, Tuple};

use super::readings::Readings;
use crate::protocol::has_queries;
use crate::query::coverage::Span;

/// The two endpoints of one direction. Of a query, both have its id for their port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Sides {
    pub(super) src: SocketAddr,
    pub(super) dst: SocketAddr,
}

impl Sides {
    fn of<A: Address>(tuple: &Tuple<A>, protocol: u8) -> Self {
        let sport = tuple.sport.get();
        let dport = if has_queries(protocol) { sport } else { tuple.dport.get() };
        let src = SocketAddr::new(tuple.src.to_ip(), sport);
        Self { src, dst: SocketAddr::new(tuple.dst.to_ip(), dport) }
    }
}

/// What tells a flow from every other one of its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Identity {
    pub(super) original: Sides,
    pub(super) reply: Sides,
    pub(super) id: u32,
    pub(super) zone: u16,
    pub(super) protocol: u8,
    /// Type and code of a query and of its reply; of other protocols zeros.
    pub(super) types: [u16; 2],
}

impl Identity {
    pub(super) fn of<A: Address>(record: &Record<A>) -> Self {
        let protocol = record.protocol;
        Self {
            original: Sides::of(&record.original, protocol),
            reply: Sides::of(&record.reply, protocol),
            id: record.id.get(),
            zone: record.zone.get(),
            protocol,
            types: if has_queries(protocol) { [record.original.dport.get(), record.reply.dport.get()] } else { [0; 2] },
        }
    }

    /// The same as version 2 has it.
    pub(super) fn nameless(self) -> Self {
        Self { id: 0, zone: 0, ..self }
    }
}

/// When a flow began, or when it ended. Moments are ns since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Told {
    /// At this moment.
    At {
        /// ns since the epoch.
        moment: u64,
        /// By the kernel's stamp; else by the recorder's clock when the event arrived.
        kernel: bool,
    },
    /// By this moment, and nobody heard it: the kernel's table told it later.
    By {
        /// Not before this moment, if that is known.
        after: Option<u64>,
        /// At this moment at the latest.
        latest: u64,
    },
    /// Nobody knows.
    Unknown,
}

impl Told {
    /// The moment, or the latest that it can have been; `None` if nobody knows.
    pub const fn latest(self) -> Option<u64> {
        match self {
            Self::At { moment, .. } => Some(moment),
            Self::By { latest, .. } => Some(latest),
            Self::Unknown => None,
        }
    }

    /// The moment, or the earliest that it can have been; `None` if nobody knows.
    pub const fn earliest(self) -> Option<u64> {
        match self {
            Self::At { moment, .. } => Some(moment),
            Self::By { after, .. } => after,
            Self::Unknown => None,
        }
    }
}

/// On which side of all that a journal tells of a window lies. Whether a flow that the journal knows was alive there, it cannot say of
/// one that began, or ended, at a time that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    Before,
    Behind,
}

impl Beyond {
    /// Whether a flow with this start and this end, that may have been alive there, is known to have been.
    pub(super) fn is_answered_by(self, start: Told, end: Told) -> bool {
        match self {
            Self::Before => start.earliest().is_some(),
            Self::Behind => end != Told::Unknown,
        }
    }
}

/// The last moment that a time may stand for. Records of version 2, and what is squeezed of them, have no id, and of their
/// times what is below the microsecond was cut off.
pub(super) const fn reaches_to(time: u64, id: u32) -> u64 {
    if id == 0 && time.is_multiple_of(1_000) { time.saturating_add(999) } else { time }
}

/// A whole flow, or what is known of one, of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Known {
    pub(super) identity: Identity,
    pub(super) start: Told,
    pub(super) end: Told,
    /// Its first and its last moment, as far as both can be. The last one may be before the first where the clock was set back; not of what
    /// [`Known::lives`] gives.
    pub(super) life: Span,
}

impl Known {
    /// What a flow's record says, and what the readings of the kernel's table do. `since`: one that was found did not begin
    /// before this moment, if that is known.
    pub(super) fn of<A: Address>(record: &Record<A>, since: Option<u64>, readings: &Readings) -> Self {
        let has = |flag| record.flags & flag != 0;
        let start = match record.start.get() {
            0 => Told::Unknown,
            latest if record.began_earlier() => Told::By { after: since.filter(|since| *since <= latest), latest },
            moment => Told::At { moment, kernel: has(START_FROM_KERNEL) },
        };
        let end = match record.end.get() {
            0 => Told::Unknown,
            // A clock that was set back since it began does not tell after which of the times that it shows by then.
            latest if has(END_AT_LATEST) && latest < start.latest().unwrap_or(0) => Told::By { after: None, latest },
            latest if has(END_AT_LATEST) => Told::By { after: readings.since_end(latest), latest },
            moment => Told::At { moment, kernel: has(END_FROM_KERNEL) },
        };
        let identity = Identity::of(record);
        let to = end.latest().map_or(u64::MAX, |end| reaches_to(end, identity.id));
        Self { identity, start, end, life: Span { from: start.earliest().unwrap_or(0), to } }
    }

    /// It was gone by this moment, which another flow shows that has taken its place; `reach` is the last one that this
    /// may stand for.
    pub(super) fn gone_by(&mut self, latest: u64, reach: u64) {
        self.end = Told::By { after: None, latest };
        self.life.to = reach;
    }

    /// The same flow for each span of what the clock showed while it was alive: it was set meanwhile, and showed these before and after that.
    /// What it was set over counts, too: others have the right time then. If it was set back and none of these tells of that, it may have shown
    /// anything behind the begin, and before the end.
    pub(super) fn lives(self, set: &[[u64; 2]]) -> impl Iterator<Item = Self> {
        let Span { from, to } = self.life;
        let spans = if self.is_turned_by_none(set) {
            vec![Span { from: 0, to }, Span { from, to: u64::MAX }]
        } else {
            Span::apart(self.shown(set))
        };
        spans.into_iter().map(move |life| Self { life, ..self })
    }

    /// Whether it ended before it began, though none of these times at which the clock was set was one at which it was set back.
    pub(super) fn is_turned_by_none(&self, set: &[[u64; 2]]) -> bool {
        let is_turned = self.life.to.saturating_add(Note::CLOCK_STEP_MIN_NS) < self.life.from;
        is_turned && !set.iter().any(|[before, after]| after < before)
    }

    /// What the clock showed while it was alive, in its order.
    fn shown(&self, set: &[[u64; 2]]) -> Vec<Span> {
        let moment = |moment| Span { from: moment, to: moment };
        let mut own = moment(self.life.from);
        let mut spans = Vec::with_capacity(1);
        for [before, after] in set {
            own = own.joined(moment(*before));
            if after < before {
                spans.push(std::mem::replace(&mut own, moment(*after)));
            }
            own = own.joined(moment(*after));
        }
        spans.push(own.joined(moment(self.life.to)));
        spans
    }

    /// From when to when it was surely alive, by its records and the readings of the kernel's table; `None` if of no moment that is
    /// known. Where its end was not heard, it may be sure of a longer time, for what was recorded without gap.
    pub(super) fn sure(&self) -> Option<Span> {
        // One that has an id may have its start of version 2.
        let began = self.start.latest().map(|start| reaches_to(start, 0));
        let to = match self.end {
            Told::At { moment, .. } => Some(moment),
            // What told of its end may be lost, whatever a later reading says: the gaps tell how long that cannot be.
            Told::By { .. } | Told::Unknown => began,
        }?;
        // One that ended before it began did so by a clock that was set back.
        let is_turned = self.start.latest().is_some_and(|start| to < start);
        (!is_turned).then(|| Span { from: began.unwrap_or(to).min(to), to })
    }

    /// Its endpoints, each once.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = SocketAddr> + use<> {
        let Identity { original, reply, .. } = self.identity;
        let all = [reply.dst, original.dst, original.src, reply.src];
        let is_new = move |(number, end): &(usize, SocketAddr)| !all.iter().take(*number).any(|other| other == end);
        all.into_iter().enumerate().filter(is_new).map(|(_, end)| end)
    }

    /// The flow as it is seen from an endpoint of it that others may have seen: at most twice, where both its sides are
    /// that. `recorder` is the number of who recorded it; the time that is asked for may lie `beyond` what that one tells of; and
    /// whether it was alive then may be sure.
    pub(super) fn seen_from(
        &self,
        endpoint: SocketAddr,
        recorder: usize,
        beyond: Option<Beyond>,
        is_sure: bool,
    ) -> impl Iterator<Item = Flow> + use<> {
        let Identity { original, reply, protocol, zone, .. } = self.identity;
        let flow = |inside: SocketAddr, peer, translation| Flow {
            protocol,
            zone,
            inside,
            public: endpoint,
            peer,
            translation: if inside == endpoint { Translation::None } else { translation },
            start: self.start,
            end: self.end,
            recorder,
            is_answer: beyond.is_none_or(|beyond| beyond.is_answered_by(self.start, self.end)),
            is_sure,
        };
        let source = (reply.dst == endpoint).then(|| {
            // Without translation it is itself on both sides of the router, and calls its peer by that one's public name.
            let peer = if original.src == endpoint { original.dst } else { reply.src };
            flow(original.src, peer, Translation::Source)
        });
        let destination = (original.dst == endpoint || self.was_called_as(endpoint)).then(|| {
            let peer = if reply.src == endpoint { reply.dst } else { original.src };
            let translation = if self.was_called_as(reply.src) { Translation::None } else { Translation::Destination };
            flow(reply.src, peer, translation)
        });
        let other = destination.filter(|flow| source.is_none_or(|source| source.inside != flow.inside));
        source.into_iter().chain(other)
    }

    /// By which endpoint others have seen one that is on the inside of the flow; `None` if it is no such one.
    pub(super) fn public_of(&self, inside: SocketAddr) -> Option<SocketAddr> {
        let Identity { original, reply, .. } = self.identity;
        let public = if original.src == inside { reply.dst } else { original.dst };
        let is_inside = original.src == inside || (reply.src == inside && !self.was_called_as(inside));
        (is_inside && public != inside).then_some(public)
    }

    /// Whether this is the called side by its own address. The id of a query is the caller's: where that is translated, the
    /// called side hears the other one, and was not translated itself.
    fn was_called_as(&self, endpoint: SocketAddr) -> bool {
        let Identity { original, reply, protocol, .. } = self.identity;
        reply.src == endpoint
            && (original.dst == endpoint || (has_queries(protocol) && original.dst.ip() == endpoint.ip()))
    }
}

/// How the public endpoint became the inside one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Translation {
    /// Source NAT: the inside host began the flow.
    Source,
    /// Destination NAT: the peer began the flow.
    Destination,
    /// None: the endpoint is the host's own.
    None,
}

/// A flow that answers a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// Who it was.
    pub inside: SocketAddr,
    /// When it began.
    pub start: Told,
    /// When it ended.
    pub end: Told,
    /// The endpoint that was asked for.
    pub public: SocketAddr,
    /// The other side, as it is seen from the public endpoint.
    pub peer: SocketAddr,
    /// How the public endpoint became the inside one.
    pub translation: Translation,
    /// The layer-4 protocol.
    pub protocol: u8,
    /// The conntrack zone.
    pub zone: u16,
    /// Who recorded it: the number of that recorder in [`Answer::around`](super::Answer::around).
    pub recorder: usize,
    /// Whether it is an answer. One that was open where the journal ends, or found where that begins, is none about a time beyond that.
    pub is_answer: bool,
    /// Whether it was surely alive at some moment of the time that was asked for, for all that is known; else it may have been.
    pub is_sure: bool,
}

impl Flow {
    /// How far a moment is from the time for which the flow is known to have been alive, in ns; 0 within it.
    pub fn distance(&self, moment: u64) -> u64 {
        let from = self.start.latest().unwrap_or(0);
        let to = self.end.earliest().or(self.end.latest()).unwrap_or(u64::MAX);
        from.saturating_sub(moment).max(moment.saturating_sub(to))
    }
}

#[cfg(test)]
mod tests {
    use ctrecorder_format::record::flags::RECOVERED;
    use ctrecorder_format::{Kind, V4};

    use super::*;
    use crate::sample::record;

    const A: ([u8; 4], u16) = ([10, 0, 0, 1], 1024);
    const B: ([u8; 4], u16) = ([10, 0, 0, 2], 80);
    const PUBLIC: ([u8; 4], u16) = ([203, 0, 113, 6], 36782);
    const FORWARDED: ([u8; 4], u16) = ([203, 0, 113, 6], 8080);
    const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 443);

    fn known(endpoints: [([u8; 4], u16); 4]) -> Known {
        Known::of(&record::<V4>(Kind::Flow, 5, 9, endpoints), None, &Readings::default())
    }

    /// Inside, peer and translation, as seen from an endpoint.
    fn seen(endpoints: [([u8; 4], u16); 4], from: ([u8; 4], u16)) -> Vec<(SocketAddr, SocketAddr, Translation)> {
        let flows = known(endpoints).seen_from(from.into(), 0, None, true);
        flows.map(|flow| (flow.inside, flow.peer, flow.translation)).collect()
    }

    #[test]
    fn each_side_has_its_view() {
        let view = |inside: ([u8; 4], u16), peer: ([u8; 4], u16), how| vec![(inside.into(), peer.into(), how)];
        let source = [A, SERVER, SERVER, PUBLIC];
        assert_eq!(seen(source, PUBLIC), view(A, SERVER, Translation::Source));
        assert_eq!(seen(source, SERVER), view(SERVER, PUBLIC, Translation::None));
        assert_eq!(seen(source, A), []);
        let destination = [SERVER, FORWARDED, B, SERVER];
        assert_eq!(seen(destination, FORWARDED), view(B, SERVER, Translation::Destination));
        assert_eq!(seen(destination, SERVER), view(SERVER, FORWARDED, Translation::None));
        assert_eq!(seen(destination, B), []);
        let none = [A, SERVER, SERVER, A];
        assert_eq!(seen(none, A), view(A, SERVER, Translation::None));
        assert_eq!(seen(none, SERVER), view(SERVER, A, Translation::None));
        // One inside host calls another by its public name.
        let both = [A, FORWARDED, B, PUBLIC];
        assert_eq!(seen(both, PUBLIC), view(A, B, Translation::Source));
        assert_eq!(seen(both, FORWARDED), view(B, A, Translation::Destination));
        // Both sides go by the same public name: nobody can say which of them is meant.
        let same = [A, PUBLIC, B, PUBLIC];
        assert_eq!(seen(same, PUBLIC).len(), 2);
    }

    #[test]
    fn an_inside_endpoint_has_a_public_one() {
        let public = |endpoints, inside: ([u8; 4], u16)| known(endpoints).public_of(inside.into());
        assert_eq!(public([A, SERVER, SERVER, PUBLIC], A), Some(PUBLIC.into()));
        assert_eq!(public([SERVER, FORWARDED, B, SERVER], B), Some(FORWARDED.into()));
        assert_eq!(public([A, FORWARDED, B, PUBLIC], B), Some(FORWARDED.into()));
        assert_eq!(public([A, SERVER, SERVER, PUBLIC], PUBLIC), None);
        assert_eq!(public([A, SERVER, SERVER, PUBLIC], SERVER), None);
        assert_eq!(public([A, SERVER, SERVER, A], A), None, "it is public itself");
    }

    #[test]
    fn a_query_has_its_id_on_both_sides() {
        let mut ping = record::<V4>(Kind::Flow, 5, 9, [(A.0, 77), (SERVER.0, 0x800), (SERVER.0, 99), (PUBLIC.0, 0)]);
        ping.protocol = 1;
        let flow = Known::of(&ping, None, &Readings::default())
            .seen_from((PUBLIC.0, 99).into(), 0, None, true)
            .next()
            .unwrap();
        assert_eq!((flow.inside, flow.peer), ((A.0, 77).into(), (SERVER.0, 99).into()));
    }

    /// The id is the caller's, and so is its translation.
    #[test]
    fn who_is_called_by_a_query_is_no_inside_endpoint() {
        let mut ping = record::<V4>(Kind::Flow, 5, 9, [(A.0, 77), (SERVER.0, 0x800), (SERVER.0, 99), (PUBLIC.0, 0)]);
        ping.protocol = 1;
        let known = Known::of(&ping, None, &Readings::default());
        let (inside, server): (SocketAddr, SocketAddr) = ((A.0, 77).into(), (SERVER.0, 99).into());
        assert_eq!((known.public_of(inside), known.public_of(server)), (Some((PUBLIC.0, 99).into()), None));
        let seen: Vec<_> = known.seen_from(server, 0, None, true).collect();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].inside, seen[0].peer, seen[0].translation),
            (server, (PUBLIC.0, 99).into(), Translation::None)
        );
    }

    #[test]
    fn what_is_not_known_is_as_far_away_as_can_be() {
        let found = |since, start, end, flags| {
            let mut flow = record::<V4>(Kind::Flow, start, end, [A, SERVER, SERVER, PUBLIC]);
            flow.flags = flags;
            let mut readings = Readings::default();
            readings.add(Span { from: 40, to: 50 }, 0);
            let known = Known::of(&flow, since, &readings);
            known.lives(&[]).map(|known| (known.life.from, known.life.to)).next().unwrap()
        };
        let life = |start, end, flags| found(None, start, end, flags);
        assert_eq!(life(5, 9, 0), (5, 9));
        assert_eq!(life(0, 9, 0), (0, 9));
        assert_eq!(life(5, 0, 0), (5, u64::MAX));
        assert_eq!(found(Some(40), 45, 60, RECOVERED), (40, 60));
        assert_eq!(found(Some(46), 45, 60, RECOVERED), (0, 60), "the clock was set back");
        assert_eq!(life(50, 60, RECOVERED), (0, 60));
        assert_eq!(life(50, 60, RECOVERED | START_FROM_KERNEL), (50, 60));
        assert_eq!(life(5, 50, END_AT_LATEST), (5, 50));
        assert_eq!(life(9, 5, 0), (5, 9), "the clock was set back");
    }

    #[test]
    fn a_flow_that_ended_long_before_it_began_had_all_times_that_the_clock_may_have_shown() {
        let lives = |[start, end]: [u64; 2], set: &[[u64; 2]]| {
            let [start, end] = [start, end].map(|second| second * Note::CLOCK_STEP_MIN_NS);
            let flow = record::<V4>(Kind::Flow, start, end, [A, SERVER, SERVER, PUBLIC]);
            let lives =
                Known::of(&flow, None, &Readings::default()).lives(set).map(|known| [known.life.from, known.life.to]);
            lives.map(|life| life.map(|moment| moment / Note::CLOCK_STEP_MIN_NS)).collect::<Vec<_>>()
        };
        let last = u64::MAX / Note::CLOCK_STEP_MIN_NS;
        assert_eq!(lives([9, 5], &[]), [[0, 5], [9, last]]);
        assert_eq!(lives([9, 8], &[]), [[8, 9]], "what a clock is set by without being told of");
        let by = |[before, after]: [u64; 2]| [before, after].map(|second| second * Note::CLOCK_STEP_MIN_NS);
        assert_eq!(lives([9, 5], &[by([10, 4])]), [[4, 5], [9, 10]]);
    }

    #[test]
    fn what_a_clock_did_not_show_while_the_flow_was_alive_is_no_time_of_it() {
        let lives = |start, end, set: &[[u64; 2]]| {
            let flow = record::<V4>(Kind::Flow, start, end, [A, SERVER, SERVER, PUBLIC]);
            let known = Known::of(&flow, None, &Readings::default());
            known.lives(set).map(|known| (known.life.from, known.life.to)).collect::<Vec<_>>()
        };
        assert_eq!(lives(50, 12, &[[60, 10]]), [(10, 12), (50, 60)]);
        assert_eq!(lives(50, 55, &[[60, 10]]), [(10, 60)]);
        assert_eq!(lives(50, 0, &[[60, 10]]), [(10, u64::MAX)]);
        assert_eq!(lives(0, 12, &[[60, 10]]), [(0, 60)]);
        assert_eq!(lives(50, 95, &[[60, 90]]), [(50, 95)], "set over");
        assert_eq!(lives(50, 12, &[[55, 90], [92, 10]]), [(10, 12), (50, 92)]);
        assert_eq!(lives(50, 22, &[[60, 10], [15, 20]]), [(10, 22), (50, 60)]);
        assert_eq!(lives(70, 5, &[[60, 10]]), [(5, 10), (60, 70)], "not as it was told to be set");
    }

    #[test]
    fn a_time_without_what_is_below_the_microsecond_may_be_a_later_one() {
        let life = |start, end, id: u32| {
            let mut flow = record::<V4>(Kind::Flow, start, end, [A, SERVER, SERVER, PUBLIC]);
            flow.id = id.into();
            let mut known = Known::of(&flow, None, &Readings::default());
            let told = (known.life.from, known.life.to);
            known.gone_by(end, reaches_to(end, 0));
            (told, known.life.to)
        };
        assert_eq!(life(1_000, 3_000, 0), ((1_000, 3_999), 3_999));
        assert_eq!(life(1_000, 3_001, 0), ((1_000, 3_001), 3_001));
        assert_eq!(life(1_000, 3_000, 9), ((1_000, 3_000), 3_999));
        assert_eq!(reaches_to(u64::MAX / 1_000 * 1_000, 0), u64::MAX);
    }
}
