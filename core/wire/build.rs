//! Compiles the protobuf files without `protoc`: protox parses them, tonic-prost-build generates the code. The table of
//! who may call what comes from the option `access` of each method.

use std::{env, error::Error, fmt::Write as _, fs, path::Path};

use protox::{
    Compiler,
    prost_reflect::{DescriptorPool, MethodDescriptor, Value},
};

const FILES: [&str; 5] = [
    "access.proto",
    "objects.proto",
    "control.proto",
    "local.proto",
    "node.proto",
];

/// Messages with what is not to be shown; `shown.rs` says what they show instead.
const WITH_SECRETS: [&str; 14] = [
    "netctl.v1.Payload",
    "netctl.v1.PayloadView",
    "netctl.v1.CreatePayloadRequest",
    "netctl.v1.RotatePayloadRequest",
    "netctl.v1.InitRequest",
    "netctl.v1.InitResponse",
    "netctl.v1.RestoreRequest",
    "netctl.v1.JoinRequest",
    "netctl.v1.UnlockRequest",
    "netctl.v1.GetJoinTokenResponse",
    "netctl.v1.GetUnlockKeyResponse",
    "netctl.v1.RotateRootRequest",
    "netctl.v1.BackupPart",
    "netctl.v1.IssueCertificateRequest",
];

/// Fields with bytes that many messages have in common.
const SHARED: &str = ".netctl.v1.ViewDelta.endpoints";

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let mut compiler = Compiler::new(["proto"])?;
    compiler.include_imports(true).open_files(FILES)?;
    let table = Path::new(&env::var("OUT_DIR")?).join("access.rs");
    fs::write(table, access_table(&compiler.descriptor_pool())?)?;
    let rpc = env::var_os("CARGO_FEATURE_RPC").is_some();
    tonic_prost_build::configure()
        .skip_debug(WITH_SECRETS)
        .bytes(SHARED)
        .build_client(rpc)
        .build_server(rpc)
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The array of all methods' paths and accesses, in the order of the paths.
fn access_table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut rows = Vec::new();
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        rows.push((path, access(pool, &method)?));
    }
    rows.sort();
    let mut table = String::from("[\n");
    for (path, variant) in rows {
        writeln!(table, "    (\"{path}\", Access::{variant}),")?;
    }
    Ok(table + "]\n")
}

/// What a method says of its callers, as the name of the variant of the generated enum.
fn access(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<String, Box<dyn Error>> {
    let option = pool
        .get_extension_by_name("netctl.v1.access")
        .ok_or("access.proto defines no option \"access\"")?;
    let options = method.options();
    let variants = pool
        .get_enum_by_name("netctl.v1.Access")
        .ok_or("access.proto defines no enum Access")?;
    let number = match options.get_extension(&option).as_ref() {
        Value::EnumNumber(number) => *number,
        _ => 0,
    };
    let said = variants.get_value(number).filter(|_| number != 0).ok_or_else(|| {
        let name = method.full_name();
        format!("rpc {name} does not say who may call it: add {{ option (access) = ACCESS_...; }}, see access.proto")
    })?;
    let word = said.name().trim_start_matches("ACCESS_").to_lowercase();
    Ok(word[..1].to_uppercase() + &word[1..])
}
