//! The program as its users run it, against a played daemon: output, error lines and exit codes.

#![allow(clippy::unwrap_used, reason = "a test file")]

mod played;

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::process::Command;

struct Stage {
    folder: TempDir,
}

/// What the program wrote, and its exit code.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    out: String,
    err: String,
    code: i32,
}

impl Stage {
    fn open() -> Self {
        let stage = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        played::serve(&stage.socket());
        stage
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("netctl.sock")
    }

    async fn typed(&self, line: &str) -> Seen {
        let output = Command::new(env!("CARGO_BIN_EXE_netctl"))
            .args(line.split_whitespace())
            .stdin(std::process::Stdio::null())
            .env("NETCTL_HOST", format!("unix://{}", self.socket().display()))
            .output();
        let output = output.await.unwrap();
        Seen {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap(),
        }
    }
}

fn seen(out: &str, err: &str, code: i32) -> Seen {
    Seen {
        out: out.into(),
        err: err.into(),
        code,
    }
}

#[tokio::test]
async fn answers_go_to_standard_output() {
    let stage = Stage::open();
    let info = stage.typed("info").await;
    assert!(info.out.lines().any(|line| line == " Swarm: inactive"), "{info:?}");
    let status = stage.typed("status").await;
    assert_eq!(status.code, 1, "not part of a swarm: {status:?}");
    assert!(
        status.out.contains("PROBLEM: this node is not part of a swarm"),
        "{status:?}"
    );
    assert_eq!(
        stage.typed("service ls").await.out,
        "ID             NAME      MODE         REPLICAS   IMAGE     PORTS\n\
         000000000000   web       replicated   0/2        web:1     \n"
    );
    assert_eq!(
        stage.typed("service ls --format {{.Name}}:{{.Replicas}}").await,
        seen("web:0/2\n", "", 0)
    );
    assert_eq!(stage.typed("swarm join-token -q worker").await, seen("t\n", "", 0));
    assert_eq!(stage.typed("swarm unlock-key -q").await, seen("SWMKEY-1-x\n", "", 0));
    assert_eq!(stage.typed("datapath dump").await, seen("map FRONTEND 3\n", "", 0));
    let updated = stage.typed("swarm update --task-history-limit 2").await;
    assert_eq!(updated, seen("Swarm updated.\n", "", 0));
    assert_eq!(stage.typed("swarm ca").await, seen("PEM\n", "", 0));
    assert_eq!(stage.typed("swarm ca --rotate --quiet").await, seen("PEM\n", "", 0));
    let created = stage.typed("service create -d --name web web:1").await;
    assert_eq!(created, seen("0000000000000000000000001\n", "", 0));
}

#[tokio::test]
async fn a_backup_goes_to_a_file_and_back_with_a_key_if_it_needs_one() {
    let stage = Stage::open();
    let file = stage.folder.path().join("b");
    let path = file.display();
    let told = stage.typed(&format!("swarm backup {path}")).await;
    assert!(told.code == 0 && told.out.contains("(6 bytes)"), "{told:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "sealed");
    // Standard input is empty, so is the key; and no terminal, so nobody is asked.
    let refused = stage.typed(&format!("swarm restore {path}")).await;
    assert_eq!(refused.out, "");
    assert!(refused.code == 1 && refused.err.contains("sealed"), "{refused:?}");
    std::fs::write(&file, "plain").unwrap();
    let restored = stage.typed(&format!("swarm restore {path}")).await;
    assert!(
        restored.out.contains("current node (plain) is now a manager"),
        "{restored:?}"
    );
    assert!(restored.out.contains("No manager any more: n1, n2."), "{restored:?}");
    let absent = stage.typed("swarm restore /nonexistent").await;
    assert!(
        absent.err.contains("cannot read /nonexistent") && absent.code == 1,
        "{absent:?}"
    );
    let unwritable = stage.typed("swarm backup /nonexistent/b").await;
    assert!(unwritable.err.contains("cannot write /nonexistent/b"), "{unwritable:?}");
}

#[tokio::test]
async fn refusals_are_error_lines_with_exit_code_1() {
    let stage = Stage::open();
    let refusal = "Error response from daemon: not in this play\n";
    assert_eq!(stage.typed("node ls").await, seen("", refusal, 1));
    assert_eq!(stage.typed("swarm leave").await, seen("", refusal, 1));
    assert_eq!(
        stage.typed("swarm leave --force").await,
        seen("Node left the swarm.\n", "", 0)
    );
    assert_eq!(
        stage.typed("service inspect nope").await,
        seen("[]\n", "Error: no such service: nope\n", 1)
    );
    let absent = "--network-rm red: the service is attached to no network\n";
    assert_eq!(
        stage.typed("service update -d --network-rm red web").await,
        seen("", absent, 1)
    );
    assert_eq!(
        stage.typed("service rm web nope").await,
        seen("web\n", "Error response from daemon: service nope not found\n", 1)
    );
    let late = "Error response from daemon: update out of sequence\n";
    assert_eq!(stage.typed("service scale -d web=3").await, seen("", late, 1));
    let none = "Error response from daemon: service web has no canary\n";
    for flag in ["--promote", "--abort"] {
        assert_eq!(
            stage.typed(&format!("service update {flag} web")).await,
            seen("", none, 1)
        );
    }
}

#[tokio::test]
async fn logs_go_on_with_another_leader_and_say_what_is_missing() {
    let stage = Stage::open();
    let missing = "warning: incomplete log stream. some logs could not be retrieved for the following reasons: \
                   node n2 is not available\n";
    assert_eq!(
        stage.typed("service logs web").await,
        seen(
            "web.1.000000000000@n1    | out\nweb.1.000000000000@n1    | more\n",
            &format!("web.1.000000000000@n1    | err\n{missing}"),
            1
        )
    );
    assert_eq!(
        stage.typed("service logs --tail x web").await,
        seen(
            "",
            "invalid argument \"x\" for \"-n, --tail\" flag: use a number of lines or \"all\"\n",
            1
        )
    );
    let nobody = stage.typed("service logs nope").await;
    assert_eq!(nobody, seen("", "no such task or service: nope\n", 1));
}

#[tokio::test]
async fn what_cannot_work_is_told_before_anything_is_sent() {
    let stage = Stage::open();
    let join = stage.typed("swarm join --token x 192.0.2.1:2377").await;
    assert!(join.err.starts_with("invalid join token") && join.code == 1, "{join:?}");
    let create = stage.typed("service create --name a! web:1").await;
    assert!(create.err.contains("a!") && create.code == 1, "{create:?}");
    let share = stage.typed("service update --canary 100% --image web:2 web").await;
    let words = "invalid argument \"100%\" for \"--canary\" flag: use a share between 1% and 99%, as 10% or 0.1\n";
    assert_eq!(share, seen("", words, 1));
    assert_eq!(stage.typed("service ls --frob").await.code, 2);
    assert_eq!(stage.typed("swarm ca --ca-cert a.pem --ca-key b.pem").await.code, 2);
    let absent = stage
        .typed("swarm ca --rotate --ca-cert /nonexistent --ca-key /nonexistent")
        .await;
    assert!(absent.err.contains("/nonexistent") && absent.code == 1, "{absent:?}");
    assert_eq!(
        stage.typed("network connect x y").await,
        seen("", "netctl network connect: not built yet\n", 1)
    );
}

#[tokio::test]
async fn a_stack_is_listed_with_its_services_by_filter() {
    let stage = Stage::open();
    let stacks = stage.typed("stack ls --format {{.Name}}:{{.Services}}").await;
    assert_eq!(stacks, seen("shop:1\n", "", 0));
    let services = "stack services --format {{.Name}} shop";
    assert_eq!(stage.typed(services).await, seen("web\n", "", 0));
    let filtered = |by: &str| format!("{services} -f {by}");
    assert_eq!(stage.typed(&filtered("name=we")).await, seen("web\n", "", 0));
    assert_eq!(stage.typed(&filtered("name=api")).await, seen("", "", 0));
}

#[tokio::test]
async fn what_a_stack_cannot_lose_keeps_nothing_else_from_going() {
    let stage = Stage::open();
    let told = "Removing service web\nRemoving network shop_default\n";
    let why = "Failed to remove service web: Error response from daemon: service 0000000000000000000000001 not found\n\
               Failed to remove network shop_default: Error response from daemon: network nope not found\n\
               failed to remove some resources from stack: shop\n";
    assert_eq!(stage.typed("stack rm shop").await, seen(told, why, 1));
    let none = "Nothing found in stack: other\n";
    assert_eq!(stage.typed("stack rm --detach=false other").await, seen("", none, 0));
}

#[tokio::test]
async fn force_means_something_or_is_unknown() {
    let stage = Stage::open();
    let absent = "Error response from daemon: network nope not found\n";
    assert_eq!(stage.typed("network rm nope").await, seen("", absent, 1));
    assert_eq!(stage.typed("network rm --force nope").await, seen("", "", 0));
    for line in [
        "service rm -f web",
        "secret rm -f key",
        "stack ls -q",
        "stack services --no-resolve shop",
    ] {
        assert_eq!(stage.typed(line).await.code, 2, "{line}");
    }
}

#[tokio::test]
async fn an_attachable_network_is_made_with_a_warning() {
    let stage = Stage::open();
    let id = "0000000000000000000000001\n";
    let warning = "WARNING: network blue: attachable is noted, but attaching containers by hand is not built yet\n";
    assert_eq!(
        stage.typed("network create --attachable blue").await,
        seen(id, warning, 0)
    );
    assert_eq!(stage.typed("network create blue").await, seen(id, "", 0));
}

#[tokio::test]
async fn a_canary_is_begun_with_its_share() {
    let stage = Stage::open();
    assert_eq!(
        stage.typed("service update -d --canary 20% --image web:2 web").await,
        seen("web\n", "", 0)
    );
}

#[tokio::test]
async fn an_absent_daemon_is_named() {
    let stage = Stage::open();
    let seen = stage.typed("--host unix:///nonexistent.sock node ls").await;
    let words = "Cannot connect to the netctl daemon at unix:///nonexistent.sock. Is netd running?\n";
    assert_eq!((seen.err.as_str(), seen.code), (words, 1));
}
