//! Writes the TypeScript of the wire protocol: `cargo run -p signaling --example gen_ts -- OUTDIR`
//! (run by `cargo dev gen`). The same source gives the same bytes.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: gen_ts OUTDIR");
        return ExitCode::from(2);
    };
    let file = dir.join("protocol.ts");
    let written = std::fs::create_dir_all(&dir)
        .and_then(|()| std::fs::write(&file, signaling::typescript::protocol()));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot write {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}
