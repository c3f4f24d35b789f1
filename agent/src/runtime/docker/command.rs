//! Commands in containers. The engine lets a command run on when nobody waits for it any more, and has no call to end one:
//! one that is given up is killed here, as a process of the host.

use std::fs;

use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::StreamExt;
use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::{Pid, getpgid},
};
use tokio::runtime::Handle;

use super::{DockerRuntime, RuntimeError, ask::tail};

/// Characters of a command's output that are kept, its last ones.
const OUTPUT: usize = 200;

/// A command that may still run; dropped before it has ended, it is killed.
struct Command {
    engine: DockerRuntime,
    container: String,
    /// Engine id; empty once it has ended.
    exec: String,
}

impl Drop for Command {
    fn drop(&mut self) {
        let (false, Ok(handle)) = (self.exec.is_empty(), Handle::try_current()) else {
            return;
        };
        let engine = self.engine.clone();
        let (container, exec) = (std::mem::take(&mut self.container), std::mem::take(&mut self.exec));
        handle.spawn(async move {
            if let Err(error) = engine.end(&container, &exec).await {
                tracing::warn!(%container, %error, "a command that was given up runs on");
            }
        });
    }
}

impl DockerRuntime {
    /// Runs a command to its end. Returns its exit code and the end of its output.
    pub(super) async fn execute(&self, container: &str, words: &[String]) -> Result<(i64, String), RuntimeError> {
        let docker = self.docker().await?;
        let options = CreateExecOptions {
            cmd: Some(words.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let made = docker.create_exec(container, options).await;
        let mut command = Command {
            engine: self.clone(),
            container: container.to_owned(),
            exec: made.map_err(|e| self.fault(e))?.id,
        };
        let started = docker.start_exec(&command.exec, None).await;
        let mut output = String::new();
        if let StartExecResults::Attached { output: mut stream, .. } = started.map_err(|e| self.fault(e))? {
            while let Some(Ok(part)) = stream.next().await {
                output.push_str(&part.to_string());
                output = tail(&output, OUTPUT);
            }
        }
        let ended = docker.inspect_exec(&command.exec).await.map_err(|e| self.fault(e))?;
        command.exec.clear();
        Ok((ended.exit_code.unwrap_or(-1), output.trim().to_owned()))
    }

    /// Kills what runs of a command.
    async fn end(&self, container: &str, exec: &str) -> Result<(), RuntimeError> {
        let found = match self.docker().await?.inspect_exec(exec).await.map_err(|e| self.fault(e)) {
            // Gone with its container.
            Err(RuntimeError::NotFound(_)) => return Ok(()),
            found => found?,
        };
        let process = found.pid.filter(|_| found.running == Some(true));
        match process.and_then(|process| i32::try_from(process).ok()) {
            Some(process) if process > 0 => kill_within(container, Pid::from_raw(process))
                .map_err(|errno| RuntimeError::Engine(format!("cannot kill process {process}: {errno}"))),
            _ => Ok(()),
        }
    }
}

/// Whether a process of the host is one of a container.
pub(super) fn belongs_to(container: &str, process: impl std::fmt::Display) -> bool {
    let cgroups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
    cgroups.contains(container)
}

/// Kills a process, and what it has started, if it belongs to the container: its number may be another's by now.
fn kill_within(container: &str, process: Pid) -> nix::Result<()> {
    if !belongs_to(container, process) {
        return Ok(());
    }
    // The engine's runtime begins a session for each command.
    let killed = match getpgid(Some(process)) {
        Ok(group) if group == process => killpg(group, Signal::SIGKILL),
        _ => kill(process, Signal::SIGKILL),
    };
    match killed {
        Err(Errno::ESRCH) => Ok(()),
        outcome => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::unix::process::CommandExt,
        process::{self, Stdio},
        time::{Duration, Instant},
    };

    use super::*;

    #[test]
    fn a_command_dies_with_what_it_has_started_and_another_process_does_not() {
        let mut child = process::Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(child.id().try_into().unwrap());
        kill_within("another container", pid).unwrap();
        assert_eq!(kill(pid, None), Ok(()));
        assert!(child.try_wait().unwrap().is_none(), "it is not of that container");
        // Processes of tests have no container of their own; what names them stands for one.
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let killed = Instant::now();
        kill_within(&own, pid).unwrap();
        child.wait().unwrap();
        let mut output = child.stdout.take().unwrap();
        output.read_to_end(&mut Vec::new()).unwrap();
        assert!(
            killed.elapsed() < Duration::from_secs(30),
            "what it has started runs on"
        );
    }
}
