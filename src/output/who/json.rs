//! An answer as one JSON object: docs/who.md, "JSON", has every name.

use std::net::{IpAddr, SocketAddr};

use ctrecorder_format::header::split;
use serde::Serialize;

use super::hint::hint;
use super::{translation, verdict};
use crate::output::coverage::{JsonGap, JsonSpan, moment};
use crate::protocol::Protocol;
use crate::query::coverage::{Gap, Span};
use crate::query::who::{Answer, Around, Change, Flow, Name, Question, Told, What};

/// The object of an answer, on one line; of a question among many, with the number of its line.
///
/// # Errors
/// None that anything here could make.
pub fn json(answer: &Answer, line: Option<u64>) -> serde_json::Result<String> {
    let Answer { question, finding, near, around, inside_as, sensitivity } = answer;
    serde_json::to_string(&Json {
        verdict: verdict(finding.verdict),
        inside: &finding.insides,
        query: JsonQuery::of(question),
        flows: finding.flows.iter().map(|flow| JsonFlow::of(flow, around)).collect(),
        inside_as: inside_as.iter().copied().map(Endpoint::from).collect(),
        doubts: answer.reasons(),
        hint: hint(answer),
        coverage: JsonCoverage::of(*near, around, question.window()),
        sensitivity: sensitivity.iter().map(JsonChange::of).collect(),
        line,
    })
}

/// The fields in the order in which they are written.
#[derive(Serialize)]
struct Json<'a> {
    verdict: &'static str,
    inside: &'a [IpAddr],
    query: JsonQuery,
    flows: Vec<JsonFlow<'a>>,
    inside_as: Vec<Endpoint>,
    doubts: Vec<String>,
    hint: Option<&'static str>,
    coverage: JsonCoverage<'a>,
    sensitivity: Vec<JsonChange<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
}

#[derive(Serialize)]
struct Endpoint {
    ip: IpAddr,
    port: Option<u16>,
}

impl From<SocketAddr> for Endpoint {
    fn from(endpoint: SocketAddr) -> Self {
        Self { ip: endpoint.ip(), port: Some(endpoint.port()) }
    }
}

#[derive(Serialize)]
struct JsonQuery {
    public: Endpoint,
    at: String,
    slack_ns: u64,
    from: String,
    to: String,
    proto: Option<Vec<String>>,
    peer: Option<Endpoint>,
}

impl JsonQuery {
    fn of(question: &Question) -> Self {
        let Question { endpoint, at, slack, protocols, peer, .. } = question;
        let window = question.window();
        let names = |numbers: &[u8]| numbers.iter().map(|number| Protocol(*number).to_string()).collect();
        Self {
            public: (*endpoint).into(),
            at: moment(*at),
            slack_ns: *slack,
            from: moment(window.from),
            to: moment(window.to),
            proto: protocols.as_ref().map(|protocols| names(protocols.numbers())),
            peer: peer.map(|peer| Endpoint { ip: peer.address, port: peer.port }),
        }
    }
}

#[derive(Serialize)]
struct JsonFlow<'a> {
    answer: bool,
    sure: bool,
    start: Option<String>,
    end: Option<String>,
    proto: String,
    inside: Endpoint,
    public: Endpoint,
    peer: Endpoint,
    translation: &'static str,
    clock: JsonClock,
    began_after: Option<String>,
    began_by: Option<String>,
    ended_after: Option<String>,
    ended_by: Option<String>,
    zone: u16,
    #[serde(flatten)]
    recorder: JsonRecorder<'a>,
}

/// Who recorded.
#[derive(Default, Serialize)]
struct JsonRecorder<'a> {
    host: Option<&'a str>,
    namespace: Option<u32>,
    /// The id of that namespace, of one that is not the recorder's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
}

impl<'a> From<&'a Name> for JsonRecorder<'a> {
    fn from(name: &'a Name) -> Self {
        let (namespace, netns) = name.namespace.map(split).unzip();
        Self { host: name.host.as_deref(), namespace, netns: netns.flatten() }
    }
}

#[derive(Serialize)]
struct JsonClock {
    start: Option<&'static str>,
    end: Option<&'static str>,
}

impl<'a> JsonFlow<'a> {
    fn of(flow: &Flow, around: &'a [Around]) -> Self {
        let Flow { inside, start, end, public, peer, translation: how, protocol, zone, recorder, is_answer, is_sure } =
            *flow;
        let at = |told| if let Told::At { moment: ns, .. } = told { Some(moment(ns)) } else { None };
        let after = |told| if let Told::By { after, .. } = told { after.map(moment) } else { None };
        let by = |told| if let Told::By { latest, .. } = told { Some(moment(latest)) } else { None };
        Self {
            answer: is_answer,
            sure: is_sure,
            start: at(start),
            end: at(end),
            proto: Protocol(protocol).to_string(),
            inside: inside.into(),
            public: public.into(),
            peer: peer.into(),
            translation: translation(how),
            clock: JsonClock { start: clock(start), end: clock(end) },
            began_after: after(start),
            began_by: by(start),
            ended_after: after(end),
            ended_by: by(end),
            zone,
            recorder: around.get(recorder).map(|around| (&around.name).into()).unwrap_or_default(),
        }
    }
}

/// Whose clock told a time.
const fn clock(told: Told) -> Option<&'static str> {
    match told {
        Told::At { kernel: true, .. } => Some("kernel"),
        Told::At { .. } | Told::By { .. } => Some("recorder"),
        Told::Unknown => None,
    }
}

/// What was recorded in a span, by each recorder.
#[derive(Serialize)]
struct JsonCoverage<'a> {
    #[serde(flatten)]
    span: JsonSpan,
    recorders: Vec<JsonAround<'a>>,
}

/// What one recorder recorded.
#[derive(Serialize)]
struct JsonAround<'a> {
    #[serde(flatten)]
    recorder: JsonRecorder<'a>,
    given: Option<JsonSpan>,
    counted: bool,
    recorded: Option<JsonSpan>,
    gaps: Vec<JsonNear>,
    version_2: bool,
    protocols: Option<Vec<String>>,
}

/// A gap, and whether the time asked for touches it.
#[derive(Serialize)]
struct JsonNear {
    #[serde(flatten)]
    gap: JsonGap,
    touches: bool,
}

impl<'a> JsonCoverage<'a> {
    fn of(near: Span, around: &'a [Around], window: Span) -> Self {
        Self { span: (&near).into(), recorders: around.iter().map(|around| JsonAround::of(around, window)).collect() }
    }
}

impl<'a> JsonAround<'a> {
    fn of(around: &'a Around, window: Span) -> Self {
        let near = |gap: &Gap| JsonNear { gap: gap.into(), touches: gap.touches(window) };
        let names = |numbers: &Vec<u8>| numbers.iter().map(|number| Protocol(*number).to_string()).collect();
        Self {
            recorder: (&around.name).into(),
            given: around.given.as_ref().map(JsonSpan::from),
            counted: !around.is_away,
            recorded: around.recorded.as_ref().map(JsonSpan::from),
            gaps: around.gaps.iter().map(near).collect(),
            version_2: around.has_version_2,
            protocols: around.protocols.as_ref().map(names),
        }
    }
}

#[derive(Serialize)]
struct JsonChange<'a> {
    change: &'static str,
    at: String,
    slack_ns: u64,
    verdict: &'static str,
    inside: &'a [IpAddr],
    differs: bool,
}

impl<'a> JsonChange<'a> {
    fn of(change: &'a Change) -> Self {
        let Change { what, at, slack, verdict: found, insides, differs } = change;
        let what = match what {
            What::AnyPeer => "without --peer",
            What::AnyProtocol => "without --proto",
            What::Slack => "slack",
            What::Local => "local time",
            What::Utc => "UTC",
            What::Earlier => "12 hours earlier",
            What::Later => "12 hours later",
        };
        let (at, inside, differs) = (moment(*at), insides.as_slice(), *differs);
        Self { change: what, at, slack_ns: *slack, verdict: verdict(*found), inside, differs }
    }
}
