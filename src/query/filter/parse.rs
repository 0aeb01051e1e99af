//! The language of `--where`. docs/reading.md, section "--where", has its grammar.

use std::ops::Range;
use std::str::FromStr;

use super::hint::hint;
use super::values::{parse_id, parse_protocol, parse_zone_number};
use super::words::{Form, WhereError, Word, words};
use super::{Condition, Filter, Places, Ports};
use crate::query::who::parse_endpoint;
use crate::query::{Clock, Moment, parse_duration, parse_network};

/// Parentheses and *not* may be nested so deep. It keeps the stack small, here and wherever a filter is gone through.
const DEPTH_MAX: usize = 64;

/// No time has more words. What is longer is not tried in all ways to part it into two times.
const TIME_WORDS_MAX: usize = 16;

/// All words of the language, the first three between conditions, the others at the beginning of one.
const LANGUAGE: [&str; 20] = [
    "and", "or", "not", "pre", "post", "src", "dst", "ip", "port", "endpoint", "before", "after", "at", "between",
    "proto", "zone", "mark", "id", "nat", "lasts",
];

/// What a condition can begin with, for a person.
const BEGINNINGS: &str =
    "pre, post, src, dst, ip, port, endpoint, before, after, at, between, proto, zone, mark, id, nat or lasts";

/// What can be said of some places.
const OF_PLACES: [&str; 3] = ["ip", "port", "endpoint"];

/// The words that join conditions.
const JOINTS: [&str; 2] = ["and", "or"];

/// A time that was taken as local time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumed {
    /// As it was typed.
    pub text: String,
    /// How it was read, ns since the epoch.
    pub ns: u64,
}

/// A `--where` that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Where {
    /// What it says.
    pub filter: Filter,
    /// The times in it that were taken as local time.
    pub assumed: Vec<Assumed>,
}

impl Where {
    /// Reads a `--where`; its times are read by this clock.
    ///
    /// # Errors
    /// [`WhereError`], which shows the place.
    pub fn parse(text: &str, clock: &Clock) -> Result<Self, WhereError> {
        let words = words(text)?;
        let mut parser = Parser { text, words: &words, clock, assumed: Vec::new(), depth: 0 };
        let filter = parser.any()?;
        match parser.words.first() {
            None => Ok(Self { filter, assumed: parser.assumed }),
            Some(word) if word.form == Form::Close => Err(parser.error(&word.at, "no parenthesis is open here")),
            Some(word) => Err(parser.joint_is_missing(word)),
        }
    }
}

impl FromStr for Filter {
    type Err = WhereError;

    /// Reads a `--where`; times in it that name no zone are in the machine's own.
    fn from_str(text: &str) -> Result<Self, WhereError> {
        Where::parse(text, &Clock::new(None)).map(|parsed| parsed.filter)
    }
}

/// The words that are left, and what it takes to understand them.
struct Parser<'p, 't> {
    text: &'t str,
    words: &'p [Word<'t>],
    clock: &'p Clock,
    assumed: Vec<Assumed>,
    depth: usize,
}

/// Conditions and what joins them.
impl<'p, 't> Parser<'p, 't> {
    /// Parts with `or` between.
    fn any(&mut self) -> Result<Filter, WhereError> {
        let mut parts = vec![self.all()?];
        while self.takes("or") {
            parts.push(self.all()?);
        }
        Ok(Filter::any(parts))
    }

    /// Parts with `and` between.
    fn all(&mut self) -> Result<Filter, WhereError> {
        let mut parts = vec![self.part()?];
        while self.takes("and") {
            parts.push(self.part()?);
        }
        Ok(Filter::all(parts))
    }

    /// A condition, a *not* and what it is of, or something in parentheses.
    fn part(&mut self) -> Result<Filter, WhereError> {
        let word = self.first(&format!("a condition is missing here: {BEGINNINGS}"))?;
        if self.takes("not") {
            let part = self.deeper(word, Self::part)?;
            return Ok(Filter::Not(Box::new(part)));
        }
        if word.form != Form::Open {
            return self.condition();
        }
        self.next();
        let inside = self.deeper(word, Self::any)?;
        match self.next() {
            Some(close) if close.form == Form::Close => Ok(inside),
            Some(other) => {
                let hint = hint(other.text, &JOINTS);
                let message = format!("\"and\", \"or\" or a parenthesis is missing before this{hint}");
                Err(self.error(&other.at, &message))
            }
            None => Err(self.error(&word.at, "this parenthesis is not closed")),
        }
    }

    /// Something one level deeper, which this word begins.
    fn deeper(
        &mut self,
        word: &Word<'t>,
        inner: impl FnOnce(&mut Self) -> Result<Filter, WhereError>,
    ) -> Result<Filter, WhereError> {
        if self.depth == DEPTH_MAX {
            return Err(self.error(&word.at, &format!("this is nested deeper than {DEPTH_MAX} levels")));
        }
        self.depth += 1;
        let filter = inner(self)?;
        self.depth -= 1;
        Ok(filter)
    }

    fn condition(&mut self) -> Result<Filter, WhereError> {
        if let Some(places) = self.places() {
            return self.at(places);
        }
        let word = self.first("a condition is missing here")?;
        self.next();
        let known = LANGUAGE.into_iter().find(|known| word.is(known));
        Ok(Filter::If(match known {
            Some("before") => Condition::Before(self.time()?),
            Some("after") => Condition::After(self.time()?),
            Some("at") => Condition::At(self.time()?),
            // Two conditions in one: as deep as the parentheses that it is printed with.
            Some("between") => return self.deeper(word, Self::between),
            Some("proto") => Condition::Protocol(self.value("a protocol", parse_protocol)?),
            Some("zone") => Condition::Zone(self.value("a conntrack zone", parse_zone_number)?),
            Some("mark") => Condition::Mark(self.value("a mark", str::parse)?),
            Some("id") => Condition::Id(self.value("a conntrack id", parse_id)?),
            Some("nat") => Condition::Translated,
            Some("lasts") => Condition::Lasted(self.span()?),
            _ => {
                let [_, _, beginnings @ ..] = &LANGUAGE;
                let message = format!("a condition begins with {BEGINNINGS}{}", hint(word.text, beginnings));
                return Err(self.error(&word.at, &message));
            }
        }))
    }

    /// The places that an `ip`, `port` or `endpoint` is said of, if one follows.
    fn places(&mut self) -> Option<Places> {
        let begins = |words: &[Word<'_>], name: &str| {
            name.split_whitespace().count() <= words.len()
                && words.iter().zip(name.split_whitespace()).all(|(word, name)| word.is(name))
        };
        // The longest name that fits.
        let named = Places::NAMES.iter().rev().find(|(name, _)| begins(self.words, name));
        let (name, places) = named?;
        let rest = self.words.get(name.split_whitespace().count()..)?;
        let is_said = rest.first().is_some_and(|word| OF_PLACES.iter().any(|what| word.is(what)));
        (!name.is_empty() || is_said).then(|| {
            self.words = rest;
            *places
        })
    }

    /// What is said of some places.
    fn at(&mut self, places: Places) -> Result<Filter, WhereError> {
        const WANTED: &str = "\"ip\", \"port\" or \"endpoint\"";
        let word = self.first(&format!("{WANTED} is missing here"))?;
        if self.takes("ip") {
            let network = self.value("an address or a network", parse_network)?;
            return Ok(Condition::Address(places, network.into()).into());
        }
        if self.takes("port") {
            return Ok(Condition::Port(places, self.value("a port", str::parse::<Ports>)?).into());
        }
        if self.takes("endpoint") {
            // As deep as the parentheses that it is printed with.
            return self.deeper(word, |parser| parser.endpoint(places));
        }
        let is_either_side = ["pre", "post"].iter().any(|name| Places::NAMES.contains(&(*name, places)));
        let sides: &[_] = if is_either_side { &["src", "dst"] } else { &[] };
        let hint = hint(word.text, &[&OF_PLACES[..], sides].concat());
        Err(self.error(&word.at, &format!("{WANTED} is expected here{hint}")))
    }

    fn endpoint(&mut self, places: Places) -> Result<Filter, WhereError> {
        let endpoint = self.value("an address with a port", parse_endpoint)?;
        Ok(Filter::endpoint(places, endpoint))
    }
}

/// Values.
impl<'p, 't> Parser<'p, 't> {
    /// The value that the next word is.
    fn value<T, E: ToString>(&mut self, what: &str, parse: impl FnOnce(&str) -> Result<T, E>) -> Result<T, WhereError> {
        let word = self.first(&format!("{what} is missing here"))?;
        if !matches!(word.form, Form::Bare | Form::Quoted) {
            return Err(self.error(&word.at, &format!("{what} is missing here")));
        }
        self.next();
        parse(word.text).map_err(|error| self.error(&word.at, &error.to_string()))
    }

    fn time(&mut self) -> Result<u64, WhereError> {
        let clock = self.clock;
        let (text, moment) = self.of_words("a time", |text| clock.read(text))?;
        Ok(self.accept(text, moment))
    }

    fn span(&mut self) -> Result<u64, WhereError> {
        self.of_words("a span of time", parse_duration).map(|(_, span)| span)
    }

    /// The value that some words are together, and its text.
    fn of_words<T, E: ToString>(
        &mut self,
        what: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<(&'t str, T), WhereError> {
        let run = self.run();
        let (text, at) = self.phrase(what)?;
        parse(text).map(|value| (text, value)).map_err(|error| {
            // Some of the words may be it, and the next one a joint with a wrong letter.
            self.misspelt_joint(run, |words| parse(self.joined(words).0).is_ok())
                .unwrap_or_else(|| self.error(&at, &error.to_string()))
        })
    }

    /// What to say if those of the words are right that stand before one which is nearly an *and* or an *or*.
    fn misspelt_joint(&self, run: &[Word<'t>], is_right: impl Fn(&[Word<'t>]) -> bool) -> Option<WhereError> {
        let counts = 1..run.len().min(TIME_WORDS_MAX);
        let parted = counts.filter_map(|count| Some((run.get(..count)?, run.get(count)?)));
        let mut joints = parted.filter(|(_, joint)| !hint(joint.text, &JOINTS).is_empty());
        joints.find(|(words, _)| is_right(words)).map(|(_, joint)| self.joint_is_missing(joint))
    }

    fn joint_is_missing(&self, word: &Word<'_>) -> WhereError {
        let hint = hint(word.text, &JOINTS);
        self.error(&word.at, &format!("\"and\" or \"or\" is missing before this{hint}"))
    }

    /// Two times: each in quotes, or, if there is but one way to understand them, without.
    fn between(&mut self) -> Result<Filter, WhereError> {
        let begin = self.first("two times are missing here")?.at.start;
        let run = self.run();
        let follows = self.words.get(run.len()).map(|word| word.form);
        let (first, second) = if run.is_empty() || follows == Some(Form::Quoted) {
            let first = self.time()?;
            if let Some(and) = self.words.first().filter(|word| word.is("and")) {
                return Err(self.error(&and.at, "the second time stands behind the first one, without \"and\""));
            }
            (first, self.time()?)
        } else {
            self.words = self.words.get(run.len()..).unwrap_or_default();
            self.two_times(run)?
        };
        if first > second {
            let end = self.words.first().map_or(self.text.len(), |word| word.at.start);
            let at = begin..self.text.get(..end).map_or(end, |text| text.trim_end().len());
            return Err(self.error(&at, "the first of the two times is later than the second"));
        }
        Ok(Filter::All(vec![Condition::After(first).into(), Condition::Before(second).into()]))
    }

    /// The two times that these words are together.
    fn two_times(&mut self, run: &[Word<'t>]) -> Result<(u64, u64), WhereError> {
        let found = self.parted(run);
        match found.as_slice() {
            [[(first, one), (second, other)]] => Ok((self.accept(first, *one), self.accept(second, *other))),
            [] => Err(self.not_two_times(run)),
            _ => {
                let message = "where the second time begins is not clear: put each of them in quotes";
                Err(self.error(&self.joined(run).1, message))
            }
        }
    }

    /// What to say of words that are no two times.
    fn not_two_times(&self, run: &[Word<'t>]) -> WhereError {
        let (whole, at) = self.joined(run);
        if self.clock.read(whole).is_ok() {
            let and = self.words.first().is_some_and(|next| next.is("and"));
            let hint = if and { ": it stands behind the first one, without \"and\"" } else { "" };
            return self.error(&(at.end..at.end), &format!("the second time is missing here{hint}"));
        }
        let misspelt = self.misspelt_joint(run, |words| !self.parted(words).is_empty());
        misspelt.unwrap_or_else(|| {
            self.error(&at, "these are not two times; put each of them in quotes to learn what is wrong")
        })
    }

    /// Each way to part words into two times.
    fn parted(&self, run: &[Word<'t>]) -> Vec<[(&'t str, Moment); 2]> {
        let parted = (1..run.len().min(TIME_WORDS_MAX)).filter_map(|count| run.split_at_checked(count));
        let read = |words: &[Word<'t>]| {
            let text = self.joined(words).0;
            Some((text, self.clock.read(text).ok()?))
        };
        parted.filter_map(|(first, second)| Some([read(first)?, read(second)?])).collect()
    }

    /// Notes whether a zone was assumed for a time.
    fn accept(&mut self, text: &str, moment: Moment) -> u64 {
        if moment.zone_assumed {
            self.assumed.push(Assumed { text: text.to_owned(), ns: moment.ns });
        }
        moment.ns
    }

    /// What stands in quotes next, or all words up to the next one of the language; and where.
    fn phrase(&mut self, what: &str) -> Result<(&'t str, Range<usize>), WhereError> {
        let word = self.first(&format!("{what} is missing here"))?;
        if word.form == Form::Quoted {
            self.next();
            return Ok((word.text, word.at.clone()));
        }
        let run = self.run();
        if run.is_empty() {
            return Err(self.error(&word.at, &format!("{what} is missing before this")));
        }
        self.words = self.words.get(run.len()..).unwrap_or_default();
        Ok(self.joined(run))
    }

    /// The next words that are neither of the language, nor in quotes, nor parentheses.
    fn run(&self) -> &'p [Word<'t>] {
        let of_language = |word: &Word<'_>| LANGUAGE.iter().any(|known| word.is(known));
        let foreign = |word: &&Word<'_>| word.form == Form::Bare && !of_language(word);
        self.words.get(..self.words.iter().take_while(foreign).count()).unwrap_or_default()
    }

    /// The text from the first of some words to the last, and where it stands.
    fn joined(&self, run: &[Word<'_>]) -> (&'t str, Range<usize>) {
        let at = match (run.first(), run.last()) {
            (Some(first), Some(last)) => first.at.start..last.at.end,
            _ => self.text.len()..self.text.len(),
        };
        (self.text.get(at.clone()).unwrap_or_default(), at)
    }
}

/// Words.
impl<'p, 't> Parser<'p, 't> {
    /// The next word, which stays; at the end of the text, an error.
    fn first(&self, missing: &str) -> Result<&'p Word<'t>, WhereError> {
        self.words.first().ok_or_else(|| self.error(&(self.text.len()..self.text.len()), missing))
    }

    /// The next word, which is taken.
    fn next(&mut self) -> Option<&'p Word<'t>> {
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(word)
    }

    /// Takes the next word if it is this one.
    fn takes(&mut self, word: &str) -> bool {
        let is = self.words.first().is_some_and(|next| next.is(word));
        if is {
            self.next();
        }
        is
    }

    fn error(&self, at: &Range<usize>, message: &str) -> WhereError {
        WhereError { message: message.to_owned(), text: self.text.to_owned(), at: at.clone() }
    }
}
