//! All scenarios need root, an engine and the lab to themselves:
//! `cargo xtask test e2e` runs them, one after the other.

use anyhow::Result;

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn the_main_job_passes_on_three_nodes() -> Result<()> {
    e2e::xtask(&["demo"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn the_quick_start_disturbs_nothing_of_a_host() -> Result<()> {
    e2e::xtask(&["demo", "--quick-start"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn bad_input_is_refused_and_leaves_nothing() -> Result<()> {
    e2e::xtask(&["demo", "--bad-input"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn what_every_swarm_user_tries_works() -> Result<()> {
    e2e::xtask(&["demo", "--tutorial"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn updates_scaling_and_a_drain_lose_no_request() -> Result<()> {
    e2e::xtask(&["demo", "--updates"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn a_canary_gets_its_share_and_loses_no_request() -> Result<()> {
    e2e::xtask(&["demo", "--canary"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn failures_of_nodes_are_survived() -> Result<()> {
    e2e::xtask(&["demo", "--failures"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn a_control_plane_that_is_lost_comes_back() -> Result<()> {
    e2e::xtask(&["demo", "--recovery"])
}

#[test]
#[ignore = "needs root and the lab: cargo xtask test e2e"]
fn what_clients_see_under_faults_is_linearizable() -> Result<()> {
    e2e::xtask(&["demo", "--linearizability"])
}
