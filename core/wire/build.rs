//! Compiles the protobuf files without `protoc`: protox parses them, tonic-prost-build generates the code.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["objects.proto", "control.proto", "local.proto", "node.proto"];
    for file in files {
        println!("cargo:rerun-if-changed=proto/{file}");
    }
    let set = protox::compile(files, ["proto"])?;
    let rpc = std::env::var_os("CARGO_FEATURE_RPC").is_some();
    tonic_prost_build::configure()
        .build_client(rpc)
        .build_server(rpc)
        .compile_fds(set)?;
    Ok(())
}
