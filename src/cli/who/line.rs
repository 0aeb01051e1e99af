//! A line of `ctrecorder who -`: an endpoint, a time, and a peer where it is known.

use crate::query::who::{EndpointError, Peer, Question, Terms};
use crate::query::{Clock, TimeError, ZoneError};

/// What a line is.
const FORM: &str = "say ADDRESS:PORT TIME [PEER], as 203.0.113.6:36782 2027-01-15T08:02:00Z 198.51.100.8";

/// A time in front of other words is looked for among the first ones of a line: it has no more.
const TIME_WORDS_MAX: usize = 16;

/// The question in a line: `ADDRESS:PORT TIME [PEER]`; `None` if it is empty or a comment.
pub(super) fn parse(line: &str, terms: &Terms) -> Option<Result<Question, String>> {
    let line = without_comment(line).trim();
    if line.is_empty() {
        return None;
    }
    let (endpoint, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // As tables of spreadsheets have it. In a time there may be a comma.
    if endpoint.contains([',', ';', '|', '"']) {
        return Some(Err(format!("{endpoint}: between its parts a line has spaces: {FORM}")));
    }
    Some(
        time_and_peer(rest.trim(), &terms.clock)
            .and_then(|(at, peer)| Question::parse(endpoint, at, peer, terms).map_err(|error| error.to_string())),
    )
}

/// What stands before a comment: a `#` at the begin of the line, or behind a space. Nothing that is asked has one.
fn without_comment(line: &str) -> &str {
    let is_comment =
        |at: &usize| line.get(..*at).is_some_and(|before| before.chars().next_back().is_none_or(char::is_whitespace));
    let begin = line.match_indices('#').map(|(at, _)| at).find(is_comment);
    begin.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// Parts the time from the peer. An error: a word is neither.
fn time_and_peer<'t>(text: &'t str, clock: &Clock) -> Result<(&'t str, Option<&'t str>), String> {
    // No time ends with a word that is an address.
    let with_peer = text.rsplit_once(char::is_whitespace).filter(|(_, last)| Peer::parse(last).is_ok());
    let (at, peer) = with_peer.map_or((text, None), |(at, peer)| (at.trim_end(), Some(peer)));
    let Some(time) = is_formless(at, clock).then(|| time_before(text, clock)).flatten() else { return Ok((at, peer)) };
    let mut behind = text.get(time.len()..).unwrap_or_default().split_whitespace();
    let Some(word) = behind.next() else { return Ok((time, None)) };
    match (Peer::parse(word), behind.next()) {
        (Err(EndpointError::Address(_)), _) => Err(format!("{word} is neither of the time nor a peer: {FORM}")),
        (Ok(_), Some(more)) => Err(format!("{more} is one word too many, behind the peer: {FORM}")),
        (Ok(_) | Err(_), _) => Ok((time, Some(word))),
    }
}

/// Whether a text is in none of the forms of a time: else what is wrong with it is of the time, as two zones that contradict each other.
fn is_formless(text: &str, clock: &Clock) -> bool {
    use TimeError::{Form, Half, Zone};
    matches!(clock.read(text), Err(Form(_) | Half(_) | Zone { error: ZoneError::Unknown(_), .. }))
}

/// The longest time of a known zone that a text begins with.
fn time_before<'t>(text: &'t str, clock: &Clock) -> Option<&'t str> {
    let is_time = |text: &&str| !Clock::is_date(text) && clock.read(text).is_ok_and(|moment| !moment.zone_assumed);
    let ends = text.match_indices(char::is_whitespace).map(|(end, _)| end).take(TIME_WORDS_MAX);
    ends.filter_map(|end| text.get(..end)).filter(is_time).last()
}

#[cfg(test)]
mod tests {
    use chrono_tz::Tz;

    use super::*;

    const AT: &str = "2027-01-15T08:02:00Z";

    /// What is wrong with what stands behind the endpoint, where times without a zone are of none, or of Warsaw.
    fn wrong(rest: &str, zone: Option<Tz>) -> Option<String> {
        let terms = Terms { clock: Clock::new(zone.map(Into::into)), slack: 0, protocols: None };
        parse(&format!("203.0.113.6:36782 {rest}"), &terms).unwrap().err()
    }

    #[test]
    fn a_time_may_be_of_many_words_and_a_peer_is_one() {
        for time in [
            AT,
            "2027-01-15  08:02 UTC",
            "Fri, 15 Jan 2027 09:02:00 +0100 (CET)",
            "Fri Jan 15 2027 09:02:00 GMT+0100 (Central European Standard Time)",
            "Jan 15, 2027 8:02 AM (UTC)",
            "1 day 2 hours 3 minutes ago",
        ] {
            for peer in ["", " 198.51.100.8", "  [2001:db8::1]:443", "\t198.51.100.8:443  # as of our log"] {
                let error = wrong(&format!("{time}{peer}"), None);
                assert_eq!(error.filter(|error| !error.contains("of the other family")), None, "{time}{peer}");
            }
        }
        assert_eq!(wrong("2027-01-15 09:02 198.51.100.8", Some(Tz::Europe__Warsaw)), None);
    }

    #[test]
    fn the_word_that_is_too_many_is_named() {
        let form = "say ADDRESS:PORT TIME [PEER], as 203.0.113.6:36782 2027-01-15T08:02:00Z 198.51.100.8";
        for (behind, word) in [
            ("tcp", "tcp"),
            ("CET", "CET"),
            ("mail.example", "mail.example"),
            ("tcp 198.51.100.8", "tcp"),
            ("CET 198.51.100.8:443", "CET"),
            ("mail.example of ours", "mail.example"),
            ("\"198.51.100.8\" x", "\"198.51.100.8\""),
        ] {
            let said = Some(format!("{word} is neither of the time nor a peer: {form}"));
            assert_eq!(wrong(&format!("{AT} {behind}"), None), said, "{behind}");
            assert_eq!(wrong(&format!("2027-01-15 09:02 +0100 {behind}"), None), said, "{behind}");
        }
        assert_eq!(
            wrong("2027-01-15 09:02 mail.example", Some(Tz::Europe__Warsaw)),
            Some(format!("mail.example is neither of the time nor a peer: {form}"))
        );
        for (behind, word) in
            [("198.51.100.8 tcp", "tcp"), ("198.51.100.8 443", "443"), ("198.51.100.8 198.51.100.9", "198.51.100.9")]
        {
            let said = Some(format!("{word} is one word too many, behind the peer: {form}"));
            assert_eq!(wrong(&format!("{AT} {behind}"), None), said, "{behind}");
        }
        // It was to be an address.
        assert_eq!(
            wrong(&format!("{AT} 198.51.100.800 tcp"), None),
            Some("peer 198.51.100.800 is not an IP address".into())
        );
    }

    #[test]
    fn what_is_wrong_with_a_time_is_told_of_that() {
        for (time, is) in [
            ("2027-01-15T08:02:00Z (CET)", ": Z is not CET, and the time is another one in each: say one of them"),
            (
                "2027-01-15 08:02 -0500 (UTC+1)",
                ": -0500 is not UTC+1, and the time is another one in each: say one of them",
            ),
            ("2027-01-15 08:02:61 UTC", ": there is no second 61: seconds go from 0 to 59"),
            ("2027-01-15 14:02 PM UTC", ": there is no hour 14 in half a day: before AM and PM, hours go from 1 to 12"),
        ] {
            for peer in ["", " 198.51.100.8"] {
                let said = Some(format!("{time}{is}"));
                assert_eq!(wrong(&format!("{time}{peer}"), None), said, "{time}{peer}");
                assert_eq!(wrong(&format!("{time}{peer}"), Some(Tz::Europe__Warsaw)), said, "{time}{peer}");
            }
        }
        let cet = wrong("2027-01-15 08:02 CET", Some(Tz::Europe__Warsaw)).unwrap();
        assert!(cet.starts_with("2027-01-15 08:02 CET: CET is the short name of a time"), "{cet}");
        for text in ["yesterday evening", "yesterday evening 198.51.100.8", "2027-01-15 25 x"] {
            let error = wrong(text, Some(Tz::Europe__Warsaw)).unwrap();
            assert!(
                error.starts_with(text.trim_end_matches(" 198.51.100.8")) && error.contains(" is no time"),
                "{error}"
            );
        }
        assert_eq!(wrong("", None), Some("the time is missing".into()));
    }
}
