//! Runs of jobs begin by their schedule, and end when their tasks have. Neither is a change of what the service is:
//! `updated_at` stays.

use model::{Service, ServiceId, Timestamp};

use crate::{Event, Kind, Refused, RunStep, State};

/// Whether a job's present number stands for a run: with a schedule there is none before the first one begins.
pub(super) fn has_run(service: &Service) -> bool {
    let number = service.job_status.as_ref().map_or(0, |job| job.iteration);
    service.spec.schedule.is_none() || number > 0
}

impl State {
    /// A run that has begun or ended already, and one of a number that is not next, is refused.
    pub(super) fn job_run(
        &mut self,
        index: u64,
        (id, iteration): (ServiceId, u64),
        at: Timestamp,
        step: RunStep,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Service,
            what: id.to_string(),
        };
        let mut service = self.service(id).cloned().ok_or_else(missing)?;
        let present = has_run(&service);
        let fits = service.job_status.as_mut().is_some_and(|job| match step {
            RunStep::Begin if iteration == job.iteration + 1 => {
                job.begin(at, present);
                true
            }
            RunStep::End(outcome) if iteration == job.iteration && present && !job.is_over() => {
                job.end(at, outcome);
                true
            }
            RunStep::Begin | RunStep::End(_) => false,
        });
        if !fits {
            let service = service.spec.name.to_string();
            return Err(Refused::NoSuchRun { service, iteration });
        }
        service.version = index;
        events.push(Event::Service(id));
        self.put_service(service);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, NewService, ServiceChange, fixture::*};
    use model::{Mode, RunOutcome, Schedule, ServiceSpec};

    fn job(schedule: Option<Schedule>) -> (State, ServiceId) {
        let mut state = state();
        let mut spec = ServiceSpec::new("nightly".parse().unwrap(), "image");
        (spec.mode, spec.schedule) = (Mode::GlobalJob, schedule);
        let id = ServiceId::from_bits(7);
        let (vips, ports) = (Vec::new(), Vec::new());
        let new = NewService {
            id,
            at: AT,
            spec,
            vips,
            ports,
        };
        apply(&mut state, Command::CreateService(Box::new(new))).unwrap();
        (state, id)
    }

    fn change(state: &mut State, id: ServiceId, change: impl FnOnce(&mut ServiceSpec)) {
        let old = state.service(id).unwrap();
        let (version, mut spec) = (old.version, old.spec.clone());
        change(&mut spec);
        let (vips, ports) = (Vec::new(), Vec::new());
        let change = ServiceChange {
            id,
            version,
            at: AT,
            spec,
            vips,
            ports,
            canary: None,
        };
        apply(state, Command::UpdateService(Box::new(change))).unwrap();
    }

    fn numbers(state: &State, id: ServiceId) -> (u64, usize) {
        let job = state.service(id).unwrap().job_status.as_ref().unwrap();
        (job.iteration, job.runs.len())
    }

    #[test]
    fn each_run_begins_and_ends_once() {
        let (mut state, id) = job(Some(Schedule::of("@daily")));
        let mut step = |iteration, step| {
            let at = AT;
            let command = Command::JobRun {
                id,
                iteration,
                at,
                step,
            };
            apply(&mut state, command).map_err(|why| why.to_string())
        };
        let refused = Err("job nightly has no run 0 that could begin or end now".to_owned());
        assert_eq!(step(0, RunStep::End(RunOutcome::Completed)), refused, "none has begun");
        step(1, RunStep::Begin).unwrap();
        assert!(step(1, RunStep::Begin).is_err());
        step(1, RunStep::End(RunOutcome::Completed)).unwrap();
        assert!(step(1, RunStep::End(RunOutcome::Failed)).is_err());
        step(2, RunStep::Begin).unwrap();
        step(3, RunStep::Begin).unwrap();
        assert_eq!(numbers(&state, id), (3, 2), "the second one was replaced");
    }

    #[test]
    fn a_schedule_says_when_a_changed_job_runs_unless_it_is_forced() {
        let (mut state, id) = job(None);
        change(&mut state, id, |spec| drop(spec.labels.insert("a".into(), "b".into())));
        assert_eq!(numbers(&state, id), (1, 1));
        change(&mut state, id, |_| ());
        assert_eq!(numbers(&state, id), (1, 1), "nothing has changed");
        let (mut state, id) = job(Some(Schedule::of("@daily")));
        change(&mut state, id, |spec| spec.container.image = "image:2".into());
        assert_eq!(numbers(&state, id), (0, 0));
        change(&mut state, id, |spec| spec.force_update += 1);
        assert_eq!(numbers(&state, id), (1, 0));
    }
}
