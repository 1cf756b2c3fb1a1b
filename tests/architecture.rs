//! The invariants of `lib.rs` that sources can show.

use std::path::{Path, PathBuf};

/// The program's sources, with their paths from the repository's root.
fn sources() -> Vec<(PathBuf, String)> {
    fn collect(folder: &Path, root: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, root, found);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "wgsl") {
                let text = std::fs::read_to_string(&path).expect("text");
                found.push((path.strip_prefix(root).expect("inside").to_path_buf(), text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&root.join("src"), root, &mut found);
    assert!(found.len() > 30, "the sources are where they are looked for: {}", found.len());
    found
}

/// A part is a folder or a single file: `src/ui`, `src/ui.rs`.
fn is_in(path: &Path, part: &str) -> bool {
    path.starts_with(format!("src/{part}")) || path == Path::new(&format!("src/{part}.rs"))
}

/// No line of `parts` may hold one of `words`.
fn check_absent(parts: &[&str], words: &[&str]) {
    for (path, text) in sources() {
        if !parts.iter().any(|part| is_in(&path, part)) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let lower = line.to_lowercase();
            if let Some(word) = words.iter().find(|word| lower.contains(*word)) {
                panic!("{}:{}: names {word}: {line}", path.display(), number + 1);
            }
        }
    }
}

#[test]
fn the_window_never_names_the_network_library() {
    check_absent(&["ui", "render"], &["candle"]);
}

#[test]
fn only_inference_names_the_network_library() {
    let others = ["study", "pipeline", "session", "annotation", "evaluation", "export", "phantom", "cli", "worker"];
    check_absent(&others, &["candle_", "use candle"]);
}

#[test]
fn the_method_never_names_the_window_libraries() {
    let parts = ["study", "pipeline", "inference", "session", "annotation", "evaluation", "export"];
    check_absent(&parts, &["egui", "eframe", "wgpu"]);
}

#[test]
fn the_cuda_feature_is_named_in_one_source_file() {
    let feature = ["feature", " = ", "\"cuda\""].concat();
    let naming: Vec<_> =
        sources().into_iter().filter(|(_, text)| text.contains(&feature)).map(|(path, _)| path).collect();
    assert!(naming.iter().all(|path| path == Path::new("src/inference/device.rs")), "{naming:?}");
}

#[test]
fn network_and_screen_coordinates_stay_where_they_belong() {
    let stored = ["study", "session", "annotation", "evaluation", "export", "findings", "raster"];
    check_absent(&stored, &["netrect", "screenpoint", "screen_from_image", "net_from_image"]);
    check_absent(&["ui", "render"], &["netrect", "net_from_image"]);
    check_absent(&["pipeline", "inference"], &["screenpoint", "screen_from_image"]);
}

#[test]
fn unsafe_code_is_in_the_kernels_alone() {
    let word = ["un", "safe"].concat();
    for (path, text) in sources() {
        let has = text.lines().any(|l| {
            let code = l.split("//").next().unwrap_or_default();
            code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|token| token == word)
        });
        assert!(!has || is_in(&path, "inference"), "{} holds {word} code", path.display());
    }
}

#[test]
fn no_lint_is_silenced() {
    let attributes = [["#[al", "low("].concat(), ["#![al", "low("].concat()];
    for (path, text) in sources() {
        assert!(attributes.iter().all(|a| !text.contains(a.as_str())), "{} silences a lint", path.display());
    }
}
