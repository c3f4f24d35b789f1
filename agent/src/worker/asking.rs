//! Asks running tasks how they are, as their specs say: one loop per task and question, whose answers are news.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{Task, TaskId};
use plan::{container::Asked, tasks::Known};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::engine::News;
use crate::runtime::{Question, Runtime};

/// Between two runs of a ready command, and how long one may take.
const COMMAND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// One question, and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plan {
    container: String,
    question: Question,
    interval: Duration,
    timeout: Duration,
    /// How long bad answers do not count.
    start_period: Duration,
}

/// See the module. The loops end with it.
pub struct Asking {
    runtime: Arc<dyn Runtime>,
    news: mpsc::Sender<News>,
    loops: BTreeMap<(TaskId, Asked), (Plan, JoinHandle<()>)>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.loops.values().for_each(|(_, asking)| asking.abort());
    }
}

impl Asking {
    pub fn new(runtime: Arc<dyn Runtime>, news: mpsc::Sender<News>) -> Self {
        Self {
            runtime,
            news,
            loops: BTreeMap::new(),
        }
    }

    /// Asks these tasks, as far as they run and are wanted, and no others.
    pub fn keep(&mut self, tasks: &[Task], known: &Known) {
        let mut wanted: BTreeMap<(TaskId, Asked), Plan> = BTreeMap::new();
        for task in tasks.iter().filter(|task| task.is_live()) {
            let local = known.get(task.id).filter(|local| !local.status.state.is_terminal());
            let container = local
                .and_then(|local| local.container.as_ref())
                .filter(|c| c.state.runs());
            if let Some(container) = container {
                wanted.extend(plans(task, &container.id).map(|(asked, plan)| ((task.id, asked), plan)));
            }
        }
        self.loops.retain(|key, (plan, asking)| {
            let stays = wanted.get(key) == Some(plan);
            if !stays {
                asking.abort();
            }
            stays
        });
        for (key, plan) in wanted {
            let (runtime, news) = (&self.runtime, &self.news);
            self.loops.entry(key).or_insert_with(|| {
                let asking = ask(runtime.clone(), news.clone(), key, plan.clone());
                (plan, tokio::spawn(asking))
            });
        }
    }
}

fn plans(task: &Task, container: &str) -> impl Iterator<Item = (Asked, Plan)> {
    let spec = &task.container;
    let probe = spec
        .probe
        .as_ref()
        .zip(task.attachments.first())
        .map(|(probe, endpoint)| {
            let question = Question::Probe {
                target: probe.target.clone(),
                addr: endpoint.addr,
            };
            let plan = Plan {
                container: container.to_owned(),
                question,
                interval: probe.interval,
                timeout: probe.timeout,
                start_period: probe.start_period,
            };
            (Asked::Probe, plan)
        });
    let command = (!spec.ready_command.is_empty()).then(|| {
        let (interval, timeout) = COMMAND;
        let words = spec.ready_command.clone();
        let plan = Plan {
            container: container.to_owned(),
            question: Question::Command { words },
            interval,
            timeout,
            start_period: Duration::ZERO,
        };
        (Asked::Command, plan)
    });
    probe.into_iter().chain(command)
}

async fn ask(runtime: Arc<dyn Runtime>, news: mpsc::Sender<News>, (task, asked): (TaskId, Asked), plan: Plan) {
    let begun = Instant::now();
    let mut ticks = interval(plan.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let answer = match runtime.ask(&plan.container, &plan.question, plan.timeout).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::debug!(%task, %why, "a container could not be asked");
                continue;
            }
        };
        let told = news.send(News::Answered {
            task,
            container: plan.container.clone(),
            asked,
            answer,
            counts: begun.elapsed() >= plan.start_period,
        });
        if told.await.is_err() {
            return;
        }
    }
}
