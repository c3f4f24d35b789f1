//! `netctl why SERVICE|TASK`

use serde_json::json;
use wire::pb;

use crate::{
    args::WhyArgs,
    client::Client,
    failure::Failure,
    terminal::{say, show},
};

/// Prints what keeps a service or task from running as wished, and the way out. Exit code 1 if there is something.
pub async fn why(client: &mut Client, args: &WhyArgs) -> Result<(), Failure> {
    let request = pb::WhyRequest {
        r#ref: args.name.clone(),
    };
    let answer = client.control.why(request).await?.into_inner();
    match args.format.as_deref() {
        Some("json") => say(&json(&answer).to_string()),
        Some(other) => return Err(Failure::Wrong(format!("unknown format \"{other}\": use json"))),
        None => show(&text(&answer)),
    }
    match answer.findings.len() {
        0 => Ok(()),
        problems => Err(Failure::Unhealthy { problems }),
    }
}

fn json(answer: &pb::WhyResponse) -> serde_json::Value {
    let finding = |finding: &pb::Finding| {
        json!({
            "About": finding.about,
            "Cause": finding.cause,
            "WayOut": finding.way_out,
            "Details": finding.details,
        })
    };
    json!({ "About": answer.about, "Findings": answer.findings.iter().map(finding).collect::<Vec<_>>() })
}

fn text(answer: &pb::WhyResponse) -> String {
    if answer.findings.is_empty() {
        return format!("{}: all is as wished\n", answer.about);
    }
    let mut text = format!("{}:\n", answer.about);
    for finding in &answer.findings {
        text.push_str(&format!(
            "\n{}\n  cause:   {}\n  way out: {}\n",
            finding.about, finding.cause, finding.way_out
        ));
        for detail in &finding.details {
            text.push_str(&format!("           {detail}\n"));
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
        };
        let mut answer = pb::WhyResponse {
            about: "service web".into(),
            findings: vec![finding],
        };
        assert_eq!(
            text(&answer),
            "service web:\n\nweb.1\n  cause:   No such image: web:9\n  way out: check the tag\n           abc ended: No \
             such image\n"
        );
        assert_eq!(json(&answer)["Findings"][0]["WayOut"], "check the tag");
        answer.findings.clear();
        assert_eq!(text(&answer), "service web: all is as wished\n");
    }
}
