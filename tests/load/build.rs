//! Compiles the limit programs' proto without protoc.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let set = protox::compile(["limits.proto"], ["proto"])?;
    tonic_prost_build::configure().build_transport(false).compile_fds(set)?;
    Ok(())
}
