//! What a word that is none of `--where` may have been meant for.

use crate::hint::{did_you_mean, nearest};

/// What others call it, in filters of tcpdump and conntrack, or in the options of this program.
const OTHER_NAMES: [(&str, &str); 21] = [
    ("&&", "and"),
    ("||", "or"),
    ("!", "not"),
    ("source", "src"),
    ("destination", "dst"),
    ("dest", "dst"),
    ("host", "ip"),
    ("net", "ip"),
    ("addr", "ip"),
    ("address", "ip"),
    ("sport", "src port"),
    ("dport", "dst port"),
    ("protocol", "proto"),
    ("tcp", "proto tcp"),
    ("udp", "proto udp"),
    ("icmp", "proto icmp"),
    ("icmpv6", "proto icmpv6"),
    ("since", "after"),
    ("until", "before"),
    ("duration", "lasts"),
    ("snat", "nat"),
];

/// Which of these words of the language was meant by one that is none, as the end of a message: `: did you mean "and"?`. Empty if
/// none is near.
pub(super) fn hint(typed: &str, known: &[&str]) -> String {
    did_you_mean(&near(typed, known))
}

/// The nearest of the words, where any is near: by another name, or misspelt.
fn near<'w>(typed: &str, known: &[&'w str]) -> Vec<&'w str> {
    let lower = typed.to_lowercase();
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == lower) {
        let stands_here = meant.split(' ').next().is_some_and(|first| known.contains(&first));
        return if stands_here { vec![meant] } else { Vec::new() };
    }
    nearest(typed, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 7] = ["and", "or", "src", "port", "proto", "between", "id"];

    #[test]
    fn the_nearest_words_are_told() {
        for (typed, said) in [
            ("adn", ": did you mean \"and\"?"),
            ("UND", ": did you mean \"and\"?"),
            ("xor", ": did you mean \"or\"?"),
            ("prot", ": did you mean \"port\" or \"proto\"?"),
            ("betwen", ": did you mean \"between\"?"),
            ("source", ": did you mean \"src\"?"),
            ("sport", ": did you mean \"src port\"?"),
            ("ic", ": did you mean \"id\"?"),
            // What it stands for is not among the words that can stand here.
            ("host", ""),
            ("x", ""),
            ("", ""),
            ("ago", ""),
            ("ä", ""),
            ("10.0.0.1", ""),
        ] {
            assert_eq!(hint(typed, &WORDS), said, "{typed}");
        }
        assert_eq!(hint(&"and".repeat(100_000), &WORDS), "");
    }
}
