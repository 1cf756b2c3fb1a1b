//! Inference yields to the window: its threads run at a lower priority, so that frames keep coming on machines of few cores.

/// Steps of niceness, the most there are: with less, frames drawn without a graphics card wait for a network's layer now and
/// then, for 50 ms and more where there are two cores.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;

/// Lowers the calling thread's priority, and that of the threads it will start. Where that is not possible, nothing happens.
pub fn lower_this_thread() {
    // On Linux, niceness belongs to the thread, not to the process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::warn!("inference runs at the window's priority: {error}");
    }
}

/// Makes rayon's global pool, on which the networks run, one of low priority and of `threads` threads (`None`: one per
/// core). The first call decides; later ones do nothing.
pub fn start_inference_pool(threads: Option<usize>) {
    let mut pool = rayon::ThreadPoolBuilder::new().thread_name(|i| format!("inference-{i}"));
    if let Some(threads) = threads {
        pool = pool.num_threads(threads);
    }
    let _ = pool.start_handler(|_| lower_this_thread()).build_global();
}

/// A pool of its own for opening files, so that decoding does not queue behind a running inference. `None`: the global one.
pub fn io_pool() -> Option<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new().thread_name(|i| format!("io-{i}")).build().ok()
}
