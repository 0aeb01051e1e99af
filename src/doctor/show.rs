//! What was found, for a person and for another program.

use serde::Serialize;

use super::{Finding, Verdict};
use crate::counted::counted;

/// A line for each finding, the commands that mend it beneath, and a summary:
///
/// ```text
/// ok       table       120 flows, and room for 262144
/// warning  events      nf_conntrack_events is 2: flows that began while nobody listened end unheard
///                      mend it by: sysctl -w net.netfilter.nf_conntrack_events=1
/// nothing would cost records, 1 warning
/// ```
pub fn text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    // The longest word is "warning".
    let margin = " ".repeat(7 + 2 + width + 2);
    let mut text = String::new();
    for Finding { name, verdict, found, mend, .. } in findings {
        text += &format!("{:<7}  {name:<width$}  {found}\n", verdict.text());
        if let Some(command) = mend {
            text += &format!("{margin}mend it by: {command}\n");
        }
    }
    text + &summary(findings)
}

fn summary(findings: &[Finding]) -> String {
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let costs = match count(Verdict::Cost) {
        0 => "nothing would cost records".to_owned(),
        costs => format!("{} would cost records", counted(costs, "finding")),
    };
    match count(Verdict::Warning) {
        0 => format!("{costs}, no warnings\n"),
        warnings => format!("{costs}, {}\n", counted(warnings, "warning")),
    }
}

/// The worst of the verdicts.
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
}

/// `{"verdict","findings":[{"name","verdict","found","values","mend"}]}`, as docs/operations.md says.
pub fn json(findings: &[Finding]) -> serde_json::Result<String> {
    serde_json::to_string(&Json { verdict: verdict(findings), findings })
}

#[derive(Serialize)]
struct Json<'a> {
    verdict: Verdict,
    findings: &'a [Finding],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::ok("table", "roomy").value("count", 5),
            Finding::warning("events", "some").mended_by("sysctl -w a=1"),
            Finding::cost("directory", "missing"),
        ]
    }

    #[test]
    fn columns_stand_below_each_other() {
        let expected = "\
ok       table      roomy
warning  events     some
                    mend it by: sysctl -w a=1
cost     directory  missing
1 finding would cost records, 1 warning
";
        assert_eq!(text(&findings()), expected);
        assert_eq!(text(&[]), "nothing would cost records, no warnings\n");
    }

    #[test]
    fn json_has_the_worst_verdict_in_front() {
        let expected = concat!(
            r#"{"verdict":"cost","findings":["#,
            r#"{"name":"table","verdict":"ok","found":"roomy","values":{"count":5},"mend":null},"#,
            r#"{"name":"events","verdict":"warning","found":"some","values":{},"mend":"sysctl -w a=1"},"#,
            r#"{"name":"directory","verdict":"cost","found":"missing","values":{},"mend":null}]}"#
        );
        assert_eq!(json(&findings()).unwrap(), expected);
        assert_eq!(json(&[]).unwrap(), r#"{"verdict":"ok","findings":[]}"#);
    }
}
