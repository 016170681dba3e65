//! Makes the folder of the built web client if it is missing, so that the server compiles without
//! Node, and has cargo look at it again when it changes.

fn main() {
    let dist = "web-client/dist";
    // A read-only source tree is fine: the page then says that the client is missing.
    let _ = std::fs::create_dir_all(dist);
    println!("cargo::rerun-if-changed={dist}");
    println!("cargo::rerun-if-changed=build.rs");
}
