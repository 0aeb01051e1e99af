//! What a word that is none of `--where` may have been meant for.

use strsim::osa_distance;

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
    let near = near(typed, known);
    match near.as_slice() {
        [] => String::new(),
        near => format!(
            ": did you mean {}?",
            near.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")
        ),
    }
}

/// The nearest of the words, where any is near: by another name, or with a letter or two wrong, missing, too many or exchanged.
fn near<'w>(typed: &str, known: &[&'w str]) -> Vec<&'w str> {
    let typed = typed.to_lowercase();
    if let Some((_, meant)) = OTHER_NAMES.iter().find(|(other, _)| *other == typed) {
        let stands_here = meant.split(' ').next().is_some_and(|first| known.contains(&first));
        return if stands_here { vec![meant] } else { Vec::new() };
    }
    // Long texts are no misspelt words, and would take long to compare. In short words, two letters are most of them.
    let allowed = match typed.chars().count() {
        0 | 1 | 16.. => return Vec::new(),
        2 | 3 => 1,
        _ => 2,
    };
    let distances = known.iter().map(|word| (osa_distance(&typed, word), *word));
    let distances: Vec<_> =
        distances.filter(|(distance, word)| *distance <= allowed && *distance < word.len()).collect();
    let least = distances.iter().map(|(distance, _)| *distance).min();
    distances.into_iter().filter(|(distance, _)| Some(*distance) == least).map(|(_, word)| word).collect()
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
