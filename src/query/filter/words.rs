//! The words of a `--where`, and what to say where one of them is wrong.

use std::fmt;
use std::ops::Range;

/// What is wrong with a `--where`: the message, and below it the text with a mark under the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}\n{}", Marked { text, at })]
pub struct WhereError {
    /// What is wrong.
    pub message: String,
    /// The text as it was typed.
    pub text: String,
    /// The bytes of it that are wrong; empty at its end.
    pub at: Range<usize>,
}

/// A text on a line, indented, and a line below it that marks some of its bytes.
struct Marked<'t> {
    text: &'t str,
    at: &'t Range<usize>,
}

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("  ")?;
        self.text.chars().try_for_each(|c| fmt::Write::write_char(f, shown(c)))?;
        let columns = |end: usize| -> usize {
            self.text.char_indices().take_while(|(at, _)| *at < end).map(|(_, c)| width(shown(c))).sum()
        };
        let (begin, end) = (columns(self.at.start), columns(self.at.end));
        write!(f, "\n  {:begin$}{:^<length$}", "", "", length = (end - begin.min(end)).max(1))
    }
}

/// How a character is shown, so that it takes a place of its own: a line break or a colour would put the mark elsewhere and is
/// nothing for a terminal, and what cannot be seen (spaces without width that come along with what is pasted) may be what is wrong.
fn shown(c: char) -> char {
    match c {
        '"' | '\'' | '\\' => c,
        _ if c.is_whitespace() || c == '\0' => ' ',
        _ if c.escape_debug().len() > 1 => char::REPLACEMENT_CHARACTER,
        _ => c,
    }
}

/// How many columns of a terminal a character takes: two, if it is wide or full width (Unicode, UAX #11), as far as its block tells.
const fn width(c: char) -> usize {
    match c as u32 {
        0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
        0xff01..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1f64f | 0x1f900..=0x1f9ff | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// What a word is, as far as its own letters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `(`
    Open,
    /// `)`
    Close,
    /// What stands in quotes.
    Quoted,
    /// Anything else up to a space, a parenthesis or a quote.
    Bare,
}

/// One word, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word<'t> {
    pub(super) form: Form,
    /// Without the quotes.
    pub(super) text: &'t str,
    /// With the quotes, in bytes of the whole text.
    pub(super) at: Range<usize>,
}

impl Word<'_> {
    /// Whether it is this word of the language; letters of either case will do.
    pub(super) fn is(&self, word: &str) -> bool {
        self.form == Form::Bare && self.text.eq_ignore_ascii_case(word)
    }
}

/// The words of a text.
pub(super) fn words(text: &str) -> Result<Vec<Word<'_>>, WhereError> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let spaces = rest.len() - rest.trim_start().len();
        if spaces > 0 {
            at += spaces;
            continue;
        }
        let word = word(text, rest, at)?;
        at = word.at.end;
        words.push(word);
    }
    Ok(words)
}

/// The word that `rest` begins with, which is not empty and begins with no space.
fn word<'t>(text: &str, rest: &'t str, at: usize) -> Result<Word<'t>, WhereError> {
    let word = |form, text: &'t str, length| Word { form, text, at: at..at + length };
    match rest.chars().next() {
        Some('(') => Ok(word(Form::Open, "(", 1)),
        Some(')') => Ok(word(Form::Close, ")", 1)),
        Some(quote @ ('"' | '\'')) => match rest.get(1..).and_then(|inside| inside.split_once(quote)) {
            Some((inside, _)) => Ok(word(Form::Quoted, inside, inside.len() + 2)),
            None => {
                let message = "this quote is not closed".to_owned();
                Err(WhereError { message, text: text.to_owned(), at: at..at + 1 })
            }
        },
        _ => {
            let end = |c: char| c.is_whitespace() || "()\"'".contains(c);
            let bare = rest.split(end).next().unwrap_or(rest);
            Ok(word(Form::Bare, bare, bare.len()))
        }
    }
}
