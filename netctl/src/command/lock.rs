//! `swarm unlock|unlock-key`, with docker's texts. The key is never an argument, where other users of the host could
//! read it.

use wire::pb;

use crate::{
    args::UnlockKeyArgs,
    client::{Client, request_id},
    failure::Failure,
    terminal::{read_secret, say, show},
};

/// How to open managers again; empty without a key.
pub fn unlock_command(key: &str) -> String {
    match key {
        "" => String::new(),
        key => format!(
            "To unlock a swarm manager after it restarts, run the `netctl swarm unlock`\n\
             command and provide the following key:\n\n    {key}\n\n\
             Remember to store this key in a password manager, since without it you\n\
             will not be able to restart the manager.\n"
        ),
    }
}

/// Opens this node's manager with a key from standard input.
pub async fn unlock(client: &mut Client) -> Result<(), Failure> {
    let info = client.local.info(pb::InfoRequest::default()).await?.into_inner();
    match info.state.as_str() {
        "locked" => {}
        "inactive" => return Err(Failure::Wrong("Error: This node is not part of a swarm".to_owned())),
        _ => return Err(Failure::Wrong("Error: swarm is not locked".to_owned())),
    }
    let unlock_key = read_key()?;
    client.local.unlock(pb::UnlockRequest { unlock_key }).await?;
    Ok(())
}

/// Asks for the unlock key, on a terminal or from a pipe.
pub fn read_key() -> Result<String, Failure> {
    read_secret("Enter unlock key: ").map_err(|why| Failure::Wrong(format!("cannot read the key: {why}")))
}

/// Shows, or first changes, the unlock key.
pub async fn unlock_key(client: &mut Client, args: &UnlockKeyArgs) -> Result<(), Failure> {
    let request = pb::GetUnlockKeyRequest {
        request: request_id(),
        rotate: args.rotate,
    };
    let key = client.control.get_unlock_key(request).await?.into_inner().unlock_key;
    if key.is_empty() {
        return Err(Failure::Wrong("no unlock key is set".to_owned()));
    }
    if args.quiet {
        say(&key);
        return Ok(());
    }
    if args.rotate {
        say("Successfully rotated manager unlock key.\n");
    }
    show(&unlock_command(&key));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_shown_as_docker_shows_it() {
        assert_eq!(unlock_command(""), "");
        let text = unlock_command("SWMKEY-1-x");
        assert!(
            text.contains("command and provide the following key:\n\n    SWMKEY-1-x\n\n"),
            "{text}"
        );
    }
}
