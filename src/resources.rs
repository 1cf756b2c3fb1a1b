//! Where the files that come with the program lie: weights in `models/`, the demonstration case in `assets/`.

use std::path::{Path, PathBuf};

/// The file `relative` ("models/yolov3.safetensors"): under `MAMMOSCOPE_HOME`, beside the binary, in `../share/mammoscope` of
/// an installation, or in the source tree that the program was built from.
pub fn find(relative: impl AsRef<Path>) -> Option<PathBuf> {
    let binary_folder = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_path_buf()));
    let roots = [
        std::env::var_os("MAMMOSCOPE_HOME").map(PathBuf::from),
        binary_folder.clone(),
        binary_folder.map(|folder| folder.join("../share/mammoscope")),
        Some(PathBuf::from(env!("CARGO_MANIFEST_DIR"))),
    ];
    roots.into_iter().flatten().map(|root| root.join(relative.as_ref())).find(|path| path.exists())
}

/// The mammogram that is opened when none is named; its groundtruth lies beside it.
pub fn demonstration_case() -> Option<PathBuf> {
    find("assets/demo/demo.dcm")
}
