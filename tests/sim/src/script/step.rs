//! The steps of a script.

mod node;
mod payload;

use control::{
    find_service, plan_abort_canary, plan_create_network, plan_create_service, plan_promote_canary,
    plan_rebalance_service, plan_rollback_service, plan_update_cluster, plan_update_service,
};
use model::{Availability, NetworkId, NetworkSpec, Ratio, Role, ServiceId, ServiceSpec, Task, Timestamp};
use store::{Command, Refused, RollbackCause, View};

use super::{
    bed::Bed,
    show::{Trace, everything, name},
    spec::{number, set, span},
};

/// Why a step did nothing: it makes no sense, or the managers refuse it, which is an answer.
enum Failed {
    Wrong(String),
    Refused(Refused),
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self::Wrong(words)
    }
}

impl From<Refused> for Failed {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}

type Done = Result<Vec<String>, Failed>;

/// Takes a step; what it prints.
pub fn take(bed: &mut Bed, step: &str) -> Result<Vec<String>, String> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let printed = match one(bed, &words) {
        Ok(lines) => lines,
        Err(Failed::Refused(why)) => vec![format!("refused: {why}")],
        Err(Failed::Wrong(why)) => return Err(why),
    };
    bed.settle()?;
    Ok(printed)
}

fn one(bed: &mut Bed, words: &[&str]) -> Done {
    match words {
        ["nodes", count] => bed.found(number(count)?)?,
        ["settings", pairs @ ..] => settings(bed, pairs)?,
        ["network", name] => network(bed, name, None)?,
        ["network", name, subnet] => network(bed, name, Some(subnet))?,
        ["secret", name, text] => payload::create(bed, name, text)?,
        ["rotate", name, text] => payload::rotate(bed, name, text)?,
        ["service", name, pairs @ ..] => create(bed, name, pairs)?,
        ["update", name, pairs @ ..] => update(bed, name, None, pairs)?,
        ["canary", name, "promote"] => decide_canary(bed, name, plan_promote_canary)?,
        ["canary", name, "abort"] => decide_canary(bed, name, plan_abort_canary)?,
        ["canary", name, share, pairs @ ..] => {
            let share = Ratio::new(number::<u32>(share)?.saturating_mul(10_000)).map_err(|why| why.to_string())?;
            update(bed, name, Some(share), pairs)?;
        }
        ["rollback", name] => roll_back(bed, name)?,
        ["rebalance", name, budget] => rebalance(bed, name, number(budget)?)?,
        ["remove", name] => remove(bed, name)?,
        ["fail", slot] => fail(bed, slot, 1)?,
        ["fail", slot, code] => fail(bed, slot, number(code)?)?,
        ["takes", "prepare", time] => bed.takes.prepare = span(time)?,
        ["takes", "start", time] => bed.takes.start = span(time)?,
        ["takes", "stop", time] => bed.takes.stop = span(time)?,
        ["missing", image] => drop(bed.missing.insert((*image).to_owned())),
        ["exits", image, time, code] => {
            let exit = (span(time)?, number(code)?);
            bed.exits.insert((*image).to_owned(), exit);
        }
        ["advance", time] => bed.advance(span(time)?, |_| ())?,
        ["leaderless", time] => bed.leaderless(span(time)?)?,
        ["trace", time] => return trace(bed, time),
        ["expect"] => return Ok(everything(bed.view())),
        _ => of_node(bed, words)?,
    }
    Ok(Vec::new())
}

fn of_node(bed: &mut Bed, words: &[&str]) -> Result<(), Failed> {
    match words {
        ["label", name, pair] => node::label(bed, name, pair),
        ["machine", name, pairs @ ..] => node::machine(bed, name, pairs),
        ["drain", name] => node::change(bed, name, |spec| spec.availability = Availability::Drain),
        ["pause", name] => node::change(bed, name, |spec| spec.availability = Availability::Pause),
        ["activate", name] => node::change(bed, name, |spec| spec.availability = Availability::Active),
        ["promote", name] => node::change(bed, name, |spec| spec.role = Role::Manager),
        ["demote", name] => node::change(bed, name, |spec| spec.role = Role::Worker),
        ["down", name] => node::down(bed, name, false),
        ["crash", name] => node::down(bed, name, true),
        ["up", name] => node::up(bed, name),
        ["forget", name] => node::forget(bed, name),
        _ => Err("there is no such step".to_owned().into()),
    }
}

fn settings(bed: &mut Bed, pairs: &[&str]) -> Result<(), Failed> {
    let cluster = bed.view().cluster().ok_or("there is no cluster yet".to_owned())?;
    let (version, mut settings) = (cluster.version, cluster.settings.clone());
    for pair in pairs {
        match pair.split_once('=') {
            Some(("history", limit)) => settings.task_history_limit = number(limit)?,
            _ => return Err(format!("there is no setting {pair}").into()),
        }
    }
    let command = plan_update_cluster(bed.view(), version, settings)?;
    Ok(bed.apply(command)?)
}

fn network(bed: &mut Bed, name: &str, subnet: Option<&str>) -> Result<(), Failed> {
    let id = NetworkId::from_bits(bed.id());
    let mut spec = NetworkSpec::named(parsed(name)?);
    spec.subnet = subnet.map(parsed).transpose()?;
    let command = plan_create_network(bed.view(), id, bed.now, spec)?;
    Ok(bed.apply(command)?)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|why: T::Err| why.to_string())
}

fn create(bed: &mut Bed, name: &str, pairs: &[&str]) -> Result<(), Failed> {
    let mut spec = ServiceSpec::new(parsed(name)?, "image:1");
    pairs.iter().try_for_each(|pair| set(bed.view(), &mut spec, pair))?;
    let id = ServiceId::from_bits(bed.id());
    let command = plan_create_service(bed.view(), id, bed.now, spec)?;
    Ok(bed.apply(command)?)
}

fn update(bed: &mut Bed, name: &str, canary: Option<Ratio>, pairs: &[&str]) -> Result<(), Failed> {
    let service = find_service(bed.view(), name)?;
    let (id, version, mut spec) = (service.id, service.version, service.spec.clone());
    pairs.iter().try_for_each(|pair| set(bed.view(), &mut spec, pair))?;
    let command = plan_update_service(bed.view(), id, version, bed.now, spec, canary)?;
    Ok(bed.apply(command)?)
}

type Decision = fn(&View, ServiceId, u64, Timestamp) -> Result<Command, Refused>;

fn decide_canary(bed: &mut Bed, name: &str, plan: Decision) -> Result<(), Failed> {
    let service = find_service(bed.view(), name)?;
    let command = plan(bed.view(), service.id, service.version, bed.now)?;
    Ok(bed.apply(command)?)
}

fn roll_back(bed: &mut Bed, name: &str) -> Result<(), Failed> {
    let service = find_service(bed.view(), name)?;
    let command = plan_rollback_service(bed.view(), service.id, service.version, bed.now, RollbackCause::Asked)?;
    Ok(bed.apply(command)?)
}

fn rebalance(bed: &mut Bed, name: &str, budget: u32) -> Result<(), Failed> {
    let id = find_service(bed.view(), name)?.id;
    let command = plan_rebalance_service(bed.view(), id, budget, bed.now)?;
    Ok(bed.apply(command)?)
}

fn remove(bed: &mut Bed, name: &str) -> Result<(), Failed> {
    let id = find_service(bed.view(), name)?.id;
    let at = bed.now;
    Ok(bed.apply(Command::RemoveService { id, at })?)
}

fn fail(bed: &mut Bed, slot: &str, code: i64) -> Result<(), Failed> {
    let runs = |task: &&Task| name(bed.view(), task) == slot && task.is_live() && !task.status.state.is_terminal();
    let task = bed.view().tasks().find(runs).map(|task| (task.id, task.node));
    let (id, node) = task.ok_or_else(|| format!("nothing runs in {slot}"))?;
    let machine = node.and_then(|id| bed.machine(id));
    machine.ok_or_else(|| format!("{slot} has no node"))?.crash(id, code);
    Ok(())
}

fn trace(bed: &mut Bed, time: &str) -> Done {
    let begin = bed.now;
    let mut trace = Trace::of(bed.view());
    bed.advance(span(time)?, |bed| trace.look(bed.view(), bed.now.since(begin)))?;
    trace.look(bed.view(), bed.now.since(begin));
    Ok(trace.lines)
}
