//! The C program's letters, rewritten into words: `-Lf FILE -p 80` becomes `list --port=80 -- FILE`.
//!
//! This is the only place that knows the letters. As with the C library's getopt, they combine, a value may stand in the
//! same word or be the next one, and options may stand behind operands.

use std::ffi::{OsStr, OsString};

use clap_lex::{ArgCursor, RawArgs};

/// The classic command line.
pub const USAGE: &str = "\
Usage:
  ctrecorder -C -f PATTERN [-t MINUTES] [-p PROTO] [-b KBYTES] [-B ENTRIES]
             [-N NICE] [-U USER] [-G GROUP] [-P PIDFILE] [-F]
  ctrecorder -L -f FILE [-i IP[/MASK]] [-p PORT] [-s] [-H]
  ctrecorder -H -f FILE
  ctrecorder -T -f FILE
  ctrecorder -S -f FILE [-o FILE]
  ctrecorder -h | -V
The same in words, and more: ctrecorder help
";

/// What is wrong with a classic command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// There is no mode in the first place.
    #[error("the first argument must be one of -C, -L, -H, -T, -S, -h and -V, or a command in words")]
    NoMode,
    /// The mode has no such option.
    #[error("-{mode} has no option {}{letter}", if letter.starts_with('-') { "" } else { "-" })]
    Unknown {
        /// The mode's letter.
        mode: char,
        /// The option, as far as it is text.
        letter: String,
    },
    /// An option has no value.
    #[error("-{0} needs a value")]
    NoValue(char),
    /// There is no file.
    #[error("-f is missing")]
    NoFile,
    /// There is more than one file in a mode that takes one.
    #[error("-{mode} takes one file, and \"{file}\" is another one")]
    ManyFiles {
        /// The mode's letter.
        mode: char,
        /// The second file.
        file: String,
    },
}

/// A mode and what its letters are in words.
struct Mode {
    letter: char,
    command: &'static str,
    options: &'static [Opt],
    files: Files,
}

/// An option's letter, its long name, and whether it has a value.
struct Opt(char, &'static str, bool);

/// How many files a mode takes, and how they are said in words.
#[derive(PartialEq, Eq)]
enum Files {
    /// One, by an option.
    Pattern(&'static str),
    /// One operand.
    One,
    /// Operands.
    Many,
}

const MODES: [Mode; 5] = [
    Mode {
        letter: 'C',
        command: "capture",
        options: &[
            Opt('t', "rotate", true),
            Opt('p', "protocol", true),
            Opt('b', "socket-buffer", true),
            Opt('B', "queue", true),
            Opt('N', "nice", true),
            Opt('U', "user", true),
            Opt('G', "group", true),
            Opt('P', "pid-file", true),
            Opt('F', "foreground", false),
        ],
        files: Files::Pattern("file"),
    },
    Mode {
        letter: 'L',
        command: "list",
        options: &[
            Opt('i', "address", true),
            Opt('p', "port", true),
            Opt('s', "squeezed", false),
            Opt('H', "no-header", false),
        ],
        files: Files::Many,
    },
    Mode { letter: 'H', command: "header", options: &[], files: Files::Many },
    Mode { letter: 'T', command: "test", options: &[], files: Files::Many },
    Mode { letter: 'S', command: "squeeze", options: &[Opt('o', "output", true)], files: Files::One },
];

/// The arguments in words, program's name included, if they are classic letters; `None` if they are words already.
pub fn rewrite(arguments: &[OsString]) -> Result<Option<Vec<OsString>>, UsageError> {
    let raw = RawArgs::new(arguments);
    let mut cursor = raw.cursor();
    let program = raw.next_os(&mut cursor).unwrap_or(OsStr::new("ctrecorder"));
    let first = raw.next(&mut cursor).ok_or(UsageError::NoMode)?;
    let Some(mut letters) = first.to_short() else {
        // A word or a long option is not for us; "-" is neither.
        return if first.is_stdio() { Err(UsageError::NoMode) } else { Ok(None) };
    };
    let letter = match letters.next_flag() {
        Some(Ok('h' | 'V')) => return Ok(None),
        Some(Ok(letter)) => letter,
        Some(Err(_)) | None => return Err(UsageError::NoMode),
    };
    let mode = MODES.iter().find(|mode| mode.letter == letter).ok_or(UsageError::NoMode)?;
    let mut words = Words { mode, options: Vec::new(), files: Vec::new(), help: false };
    words.letters(letters, &raw, &mut cursor)?;
    words.rest(&raw, &mut cursor)?;
    words.finish(program).map(Some)
}

/// The command line in words as it grows.
struct Words {
    mode: &'static Mode,
    options: Vec<OsString>,
    files: Vec<OsString>,
    /// Help is asked for: whatever else is there or missing does not matter.
    help: bool,
}

impl Words {
    /// All arguments after the first one.
    fn rest(&mut self, raw: &RawArgs, cursor: &mut ArgCursor) -> Result<(), UsageError> {
        while let Some(argument) = raw.next(cursor) {
            if argument.is_escape() {
                self.files.extend(raw.remaining(cursor).map(OsStr::to_os_string));
            } else if let Some(letters) = argument.to_short() {
                self.letters(letters, raw, cursor)?;
            } else if argument.to_value_os() == "--help" {
                self.help = true;
            } else if argument.is_long() {
                let letter = argument.to_value_os().to_string_lossy().into_owned();
                return Err(UsageError::Unknown { mode: self.mode.letter, letter });
            } else {
                self.files.push(argument.to_value_os().to_os_string());
            }
        }
        Ok(())
    }

    /// The letters of one argument; the value of the last one may be the next argument.
    fn letters(
        &mut self,
        mut letters: clap_lex::ShortFlags<'_>,
        raw: &RawArgs,
        cursor: &mut ArgCursor,
    ) -> Result<(), UsageError> {
        while let Some(letter) = letters.next_flag() {
            let letter = letter.map_err(|rest| UsageError::Unknown {
                mode: self.mode.letter,
                letter: rest.to_string_lossy().into_owned(),
            })?;
            let mut value = || {
                let value = letters.next_value_os().or_else(|| raw.next_os(cursor));
                value.map(OsStr::to_os_string).ok_or(UsageError::NoValue(letter))
            };
            if letter == 'f' {
                self.files.push(value()?);
                continue;
            }
            let option = self.mode.options.iter().find(|option| option.0 == letter);
            let Opt(_, name, has_value) =
                option.ok_or_else(|| UsageError::Unknown { mode: self.mode.letter, letter: letter.to_string() })?;
            let value = if *has_value { Some(value()?) } else { None };
            self.options.push(long(name, value.as_deref()));
        }
        Ok(())
    }

    fn finish(self, program: &OsStr) -> Result<Vec<OsString>, UsageError> {
        if self.help {
            return Ok(vec![program.to_os_string(), self.mode.command.into(), "--help".into()]);
        }
        let file = self.files.first().ok_or(UsageError::NoFile)?;
        if let (Some(second), false) = (self.files.get(1), self.mode.files == Files::Many) {
            let file = second.to_string_lossy().into_owned();
            return Err(UsageError::ManyFiles { mode: self.mode.letter, file });
        }
        let mut words = vec![program.to_os_string(), self.mode.command.into()];
        words.extend(self.options);
        if let Files::Pattern(name) = self.mode.files {
            words.push(long(name, Some(file)));
        } else {
            words.push("--".into());
            words.extend(self.files);
        }
        Ok(words)
    }
}

/// A long option in one word, so that no value is taken for an option.
fn long(name: &str, value: Option<&OsStr>) -> OsString {
    let mut word = OsString::from(format!("--{name}"));
    if let Some(value) = value {
        word.push("=");
        word.push(value);
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words for a command line, as one text.
    fn words(classic: &str) -> Result<Option<String>, UsageError> {
        let arguments: Vec<OsString> =
            std::iter::once("ctrecorder").chain(classic.split_whitespace()).map(OsString::from).collect();
        let words = rewrite(&arguments)?;
        Ok(words.map(|words| words[1..].join(OsStr::new(" ")).into_string().unwrap()))
    }

    fn assert_words(classic: &str, expected: &str) {
        assert_eq!(words(classic), Ok(Some(expected.to_owned())), "{classic}");
    }

    #[test]
    fn letters_become_words() {
        assert_words("-L -f tcp.ct", "list -- tcp.ct");
        assert_words("-Lf tcp.ct", "list -- tcp.ct");
        assert_words("-Lftcp.ct", "list -- tcp.ct");
        assert_words(
            "-L -s -H -i 10.0.0.0/8 -p 80 -f x",
            "list --squeezed --no-header --address=10.0.0.0/8 --port=80 -- x",
        );
        assert_words("-LsHfx -p80", "list --squeezed --no-header --port=80 -- x");
        assert_words("-Lp80fx -f y", "list --port=80fx -- y");
        assert_words("-H -f x", "header -- x");
        assert_words("-Tfx", "test -- x");
        assert_words("-S -o y -f x", "squeeze --output=y -- x");
        assert_words(
            "-C -f %H.ct -t 60 -p udp -b 2048 -B 1000 -N -5 -U nobody -G nogroup -P /run/p -F",
            "capture --rotate=60 --protocol=udp --socket-buffer=2048 --queue=1000 --nice=-5 --user=nobody \
             --group=nogroup --pid-file=/run/p --foreground --file=%H.ct",
        );
        assert_words("-L --help", "list --help");
        assert_words("-Cf path", "capture --file=path");
        assert_words("-CFfpath", "capture --foreground --file=path");
    }

    #[test]
    fn a_file_may_look_like_an_option() {
        assert_words("-L -f -x", "list -- -x");
        assert_words("-L -f x -- -y --z", "list -- x -y --z");
        assert_words("-C -f --x", "capture --file=--x");
        assert_words("-L -f x -i -p", "list --address=-p -- x");
    }

    #[test]
    fn further_files_where_the_mode_reads_many() {
        assert_words("-L -f a b -s -f c d", "list --squeezed -- a b c d");
        assert_words("-H a -f b", "header -- a b");
        assert_words("-T -fa -fb", "test -- a b");
        for (mode, line) in [('C', "-C -f a b"), ('S', "-S -f a -f b")] {
            assert_eq!(words(line), Err(UsageError::ManyFiles { mode, file: "b".into() }));
        }
    }

    #[test]
    fn words_are_left_alone() {
        for line in ["list x", "help", "--help", "--version", "-h", "-V", "nonsense"] {
            assert_eq!(words(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn the_mode_comes_first_and_a_file_is_needed() {
        for line in ["", "-", "-f x -L", "-x", "-p 80", "-é"] {
            assert_eq!(words(line), Err(UsageError::NoMode), "{line}");
        }
        for line in ["-L", "-C -t 60", "-S -o x", "-H", "-T"] {
            assert_eq!(words(line), Err(UsageError::NoFile), "{line}");
        }
        for line in ["-L -f", "-Lf"] {
            assert_eq!(words(line), Err(UsageError::NoValue('f')), "{line}");
        }
        assert_eq!(words("-L -f x -p"), Err(UsageError::NoValue('p')));
        for (mode, line, letter) in [
            ('L', "-L -f x -o y", "o"),
            ('H', "-H -f x -s", "s"),
            ('T', "-T -C -f x", "C"),
            ('L', "-L --port 80 -f x", "--port"),
        ] {
            assert_eq!(words(line), Err(UsageError::Unknown { mode, letter: letter.into() }), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_need_not_be_text() {
        use std::os::unix::ffi::OsStringExt;
        let path = OsString::from_vec(b"-Lf\xff\xfe".to_vec());
        let words = rewrite(&["ctrecorder".into(), path]).unwrap().unwrap();
        assert_eq!(words[3], OsString::from_vec(b"\xff\xfe".to_vec()));
    }
}
