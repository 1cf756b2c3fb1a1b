//! With the `cuda` feature, the program's kernels are compiled to PTX, and empty libraries stand in for CUDA's at link time: the program finds the real ones itself at run
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

    const KERNELS: &str = "src/inference/fused/kernels.cu";
    for input in ["CUDA_HOME", "CUDA_COMPUTE_CAP"] {
        println!("cargo::rerun-if-env-changed={input}");
    }
    println!("cargo::rerun-if-changed={KERNELS}");
    let nvcc = std::env::var("CUDA_HOME").map_or_else(|_| "nvcc".to_owned(), |home| format!("{home}/bin/nvcc"));
    let capability = std::env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".to_owned());
    let status = std::process::Command::new(&nvcc)
        .args(["--ptx", "-O3", "-std=c++17", &format!("-arch=compute_{capability}"), KERNELS, "-o"])
        .arg(format!("{out}/kernels.ptx"))
        .status();
    let compiled = status.is_ok_and(|status| status.success());
    assert!(compiled, "{nvcc} does not compile {KERNELS}: see packaging/cuda/README.md");
}
