//! What messages with secrets show in logs: of each secret how many bytes it has. `build.rs` has the list of them.

use std::fmt;

use crate::pb;

macro_rules! shown {
    ($($message:ident: $($field:ident)*, without $($secret:ident)+;)+) => {$(
        impl fmt::Debug for pb::$message {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut shown = f.debug_struct(stringify!($message));
                $(shown.field(stringify!($field), &self.$field);)*
                $(shown.field(stringify!($secret), &format_args!("{} bytes", self.$secret.len()));)+
                shown.finish()
            }
        }
    )+};
}

// An operator's file with a root may have its key in it.
shown! {
    Payload: id kind spec generation superseded, without data;
    PayloadView: id kind templated, without data;
    CreatePayloadRequest: request kind spec, without data;
    RotatePayloadRequest: request kind r#ref, without data;
    InitRequest: advertise_addr listen_addr data_path_addr data_path_port default_addr_pool
        default_addr_pool_mask_length force_new_cluster availability task_history_limit heartbeat_ms heartbeat_grace
        cert_expiry snapshot_interval autolock, without root_ca root_key;
    InitResponse: node manager_addr former_managers, without worker_token unlock_key;
    RestoreRequest: advertise_addr listen_addr data_path_addr availability, without data unlock_key;
    JoinRequest: remote_addr advertise_addr listen_addr data_path_addr availability, without token;
    UnlockRequest: , without unlock_key;
    GetJoinTokenResponse: manager_addr, without token;
    GetUnlockKeyResponse: , without unlock_key;
    RotateRootRequest: request version, without root_ca root_key;
    BackupPart: cluster index sealed size, without data;
    IssueCertificateRequest: csr_pem availability addr, without token;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let secret = || "SECRET".to_owned();
        let shown = [
            format!(
                "{:?}",
                pb::InitRequest {
                    root_ca: secret(),
                    root_key: secret(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                pb::InitResponse {
                    worker_token: secret(),
                    unlock_key: secret(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                pb::RestoreRequest {
                    data: secret().into(),
                    unlock_key: secret(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                pb::JoinRequest {
                    token: secret(),
                    ..Default::default()
                }
            ),
            format!("{:?}", pb::UnlockRequest { unlock_key: secret() }),
            format!(
                "{:?}",
                pb::GetJoinTokenResponse {
                    token: secret(),
                    ..Default::default()
                }
            ),
            format!("{:?}", pb::GetUnlockKeyResponse { unlock_key: secret() }),
            format!(
                "{:?}",
                pb::RotateRootRequest {
                    root_ca: secret(),
                    root_key: secret(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                pb::BackupPart {
                    data: secret().into(),
                    ..Default::default()
                }
            ),
            format!(
                "{:?}",
                pb::IssueCertificateRequest {
                    token: secret(),
                    ..Default::default()
                }
            ),
        ];
        let number = format!("{:?}", secret().as_bytes());
        for text in shown {
            assert!(
                text.contains("6 bytes") && !text.contains("SECRET") && !text.contains(&number),
                "{text}"
            );
        }
    }
}
