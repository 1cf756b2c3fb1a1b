//! With the `cuda` feature, empty libraries stand in for CUDA's at link time: the program finds the real ones itself at run
//! time (`src/inference/cuda_shim.rs`), so that one binary also starts where there are none.

fn main() {
    println!("cargo::rerun-if-changed=packaging/cuda/build.rs");
    if std::env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let out = std::env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    for library in ["cuda", "nvrtc", "curand", "cublas", "cublasLt", "cudart"] {
        std::fs::write(format!("{out}/lib{library}.a"), b"!<arch>\n").expect("OUT_DIR is writable");
    }
    println!("cargo::rustc-link-search=native={out}");
}
