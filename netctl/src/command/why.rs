//! `netctl why SERVICE|TASK`

mod last_lines;

use serde_json::json;
use wire::pb;

use self::last_lines::last_lines;
use crate::{
    args::WhyArgs,
    client::Client,
    failure::Failure,
    terminal::{say, show},
};

/// So many findings are told with last lines: each may wait for a node.
const MOST_READ: usize = 3;

/// Prints what keeps a service or task from running as wished, and the way out. Exit code 1 if there is something.
pub async fn why(client: &mut Client, args: &WhyArgs) -> Result<(), Failure> {
    let request = pb::WhyRequest {
        r#ref: args.name.clone(),
    };
    let answer = client.control.why(request).await?.into_inner();
    let printed = printed(client, &answer.findings).await;
    match args.format.as_deref() {
        Some("json") => say(&json(&answer, &printed).to_string()),
        Some(other) => return Err(Failure::Wrong(format!("unknown format \"{other}\": use json"))),
        None => show(&text(&answer, &printed)),
    }
    match answer.findings.len() {
        0 => Ok(()),
        problems => Err(Failure::Unhealthy { problems }),
    }
}

/// The last lines of the ended tasks that findings name. Of a service whose tasks all fail, a few say why.
async fn printed(client: &mut Client, findings: &[pb::Finding]) -> Vec<Vec<String>> {
    let mut printed = vec![Vec::new(); findings.len()];
    let named = findings.iter().zip(&mut printed).filter(|(f, _)| !f.ended.is_empty());
    for (finding, lines) in named.take(MOST_READ) {
        *lines = last_lines(client, &finding.ended).await;
    }
    printed
}

fn json(answer: &pb::WhyResponse, printed: &[Vec<String>]) -> serde_json::Value {
    let finding = |(finding, lines): (&pb::Finding, &Vec<String>)| {
        json!({
            "About": finding.about,
            "Cause": finding.cause,
            "WayOut": finding.way_out,
            "Details": finding.details,
            "LastLines": lines,
        })
    };
    let findings: Vec<_> = answer.findings.iter().zip(printed).map(finding).collect();
    json!({ "About": answer.about, "Findings": findings })
}

fn text(answer: &pb::WhyResponse, printed: &[Vec<String>]) -> String {
    if answer.findings.is_empty() {
        return format!("{}: all is as wished\n", answer.about);
    }
    let mut text = format!("{}:\n", answer.about);
    for (finding, lines) in answer.findings.iter().zip(printed) {
        text.push_str(&format!(
            "\n{}\n  cause:   {}\n  way out: {}\n",
            finding.about, finding.cause, finding.way_out
        ));
        for detail in &finding.details {
            text.push_str(&format!("           {detail}\n"));
        }
        if !lines.is_empty() {
            text.push_str("           the last lines of the last one:\n");
        }
        for line in lines {
            text.push_str(&format!("             | {line}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_has_a_cause_and_a_way_out() {
        let finding = pb::Finding {
            about: "web.1".into(),
            cause: "No such image: web:9".into(),
            way_out: "check the tag".into(),
            details: vec!["abc ended: No such image".into()],
            ended: String::new(),
        };
        let mut answer = pb::WhyResponse {
            about: "service web".into(),
            findings: vec![finding],
        };
        let found = "service web:\n\nweb.1\n  cause:   No such image: web:9\n  way out: check the tag\n           abc ended: \
                     No such image\n";
        assert_eq!(text(&answer, &[Vec::new()]), found);
        let printed = [vec!["no database".to_owned()]];
        assert_eq!(
            text(&answer, &printed),
            format!("{found}           the last lines of the last one:\n             | no database\n")
        );
        let value = &json(&answer, &printed)["Findings"][0];
        assert_eq!(
            (&value["WayOut"], &value["LastLines"][0]),
            (&json!("check the tag"), &json!("no database"))
        );
        answer.findings.clear();
        assert_eq!(text(&answer, &[]), "service web: all is as wished\n");
    }
}
