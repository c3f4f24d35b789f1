//! What a task answered to the questions of its node (probe, ready command), and what follows for its readiness.

use model::ContainerSpec;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The probe: from outside of the container.
    Probe,
    /// The ready command: in the container.
    Command,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Answer {
    /// The last one; `None` before the first. A bad one in words.
    last: Option<Result<(), String>>,
    /// Bad ones in a row that count.
    failures: u32,
}

/// The answers of one container since it was started, or since its node's agent was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    probe: Answer,
    command: Answer,
}

impl Answers {
    /// Takes in an answer; a bad one counts towards the end of the task if it `counts`.
    pub fn take(&mut self, asked: Asked, answer: Result<(), String>, counts: bool) {
        let of = match asked {
            Asked::Probe => &mut self.probe,
            Asked::Command => &mut self.command,
        };
        of.failures = match answer {
            Ok(()) => 0,
            Err(_) => of.failures.saturating_add(u32::from(counts)),
        };
        of.last = Some(answer);
    }

    /// Why the task has to end, if it has to: its probe failed as often in a row as is allowed.
    pub(super) fn fatal(&self, spec: &ContainerSpec) -> Option<String> {
        let probe = spec.probe.as_ref()?;
        match &self.probe.last {
            Some(Err(why)) if self.probe.failures >= probe.failures => Some(format!("probe failed: {why}")),
            _ => None,
        }
    }

    /// Whether the task can take traffic, or why not; `None`: it has not answered everything yet.
    pub(super) fn ready(&self, spec: &ContainerSpec) -> Option<Result<(), String>> {
        let probe = spec.probe.is_some().then_some(("probe", &self.probe));
        let command = (!spec.ready_command.is_empty()).then_some(("ready command", &self.command));
        let mut unknown = false;
        for (what, answer) in probe.into_iter().chain(command) {
            match &answer.last {
                Some(Err(why)) => return Some(Err(format!("{what}: {why}"))),
                Some(Ok(())) => {}
                None => unknown = true,
            }
        }
        (!unknown).then_some(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use model::Probe;

    use super::*;

    fn spec(command: bool) -> ContainerSpec {
        let mut spec = ContainerSpec::of("image");
        spec.probe = Some(Probe::of("tcp://:80".parse().unwrap()));
        spec.ready_command = Vec::from_iter(command.then(|| "true".to_owned()));
        spec
    }

    fn bad() -> Result<(), String> {
        Err("refused".to_owned())
    }

    #[test]
    fn failures_in_a_row_end_a_task_and_a_good_answer_forgives_them() {
        let (spec, mut answers) = (spec(false), Answers::default());
        assert_eq!(answers.ready(&spec), None);
        answers.take(Asked::Probe, bad(), false);
        for _ in 0..2 {
            answers.take(Asked::Probe, bad(), true);
        }
        assert_eq!(answers.fatal(&spec), None, "one of three does not count");
        assert_eq!(answers.ready(&spec), Some(Err("probe: refused".to_owned())));
        answers.take(Asked::Probe, Ok(()), true);
        assert_eq!(answers.ready(&spec), Some(Ok(())));
        for _ in 0..3 {
            answers.take(Asked::Probe, bad(), true);
        }
        assert_eq!(answers.fatal(&spec).as_deref(), Some("probe failed: refused"));
    }

    #[test]
    fn a_ready_command_never_ends_a_task() {
        let (spec, mut answers) = (spec(true), Answers::default());
        answers.take(Asked::Probe, Ok(()), true);
        assert_eq!(answers.ready(&spec), None, "the command has not answered");
        for _ in 0..100 {
            answers.take(Asked::Command, bad(), true);
        }
        assert_eq!(answers.fatal(&spec), None);
        assert_eq!(answers.ready(&spec), Some(Err("ready command: refused".to_owned())));
    }
}
