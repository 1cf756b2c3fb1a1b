//! Background threads: [`Job`] in, [`Update`] out.
//!
//! An *inference thread* owns the models and the device; an *IO thread* opens, lists and exports, so a long inference never
//! delays opening a file. Channels are bounded. Analyses and outline requests are latest-wins (a lane of one place, the newer
//! order takes the place of the older); opens and exports run in order. Every order has a [`JobId`]; updates of superseded or
//! cancelled orders are dropped in [`Worker::poll`]. The worker never sees the window: it calls `wake` when there is something
//! to poll.

mod failure;
mod inference;
mod io;
mod priority;
mod protocol;

pub use priority::{lower_this_thread, start_inference_pool};
pub use protocol::{AnalyseJob, FileJob, ImageId, Job, JobId, OutlineJob, PrefetchJob, Update};

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::inference::Models;
use crate::pipeline::{Cancel, Progress};
use crate::space::PixelRect;

/// Called from a background thread whenever there is something to poll.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// Makes the models, on the inference thread; may lower that thread's priority too.
pub type ModelFactory = Box<dyn FnOnce() -> anyhow::Result<Models> + Send>;

/// While it lives, the models that it came with are not loaded.
pub struct Held(#[expect(dead_code, reason = "its end is what is waited for")] Sender<()>);

/// `models`, to be loaded once the other value is dropped: what else a start needs the processor for goes first.
pub fn hold(models: ModelFactory) -> (ModelFactory, Held) {
    let (held, released) = bounded(0);
    let factory = Box::new(move || {
        let _ = released.recv();
        models()
    });
    (factory, Held(held))
}

/// The IO queue is full: the caller asks again later or says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Too many files are waiting to be opened or written. Wait until some are done.")]
pub struct Busy;

/// An order on its way: a job, its name and its stop flag.
struct Order<J> {
    id: JobId,
    cancel: Cancel,
    job: J,
}

/// Boxes to outline, each with a stop flag that it shares with earlier orders that wanted the box too.
struct Patches {
    job: OutlineJob,
    cancels: Vec<Cancel>,
}

/// A bounded channel of one place in which a newer order takes the place of an older one.
struct Lane<J> {
    put: Sender<Order<J>>,
    take: Receiver<Order<J>>,
}

impl<J> Lane<J> {
    fn new() -> Self {
        let (put, take) = bounded(1);
        Self { put, take }
    }

    fn replace(&self, mut order: Order<J>) {
        // Ends: each turn either puts the order or makes room, and no one else puts.
        while let Err(TrySendError::Full(back)) = self.put.try_send(order) {
            let _ = self.take.try_recv();
            order = back;
        }
    }

    fn clear(&self) {
        while self.take.try_recv().is_ok() {}
    }
}

/// The caller's end of the background threads. Nothing here waits.
pub struct Worker {
    analyse: Lane<AnalyseJob>,
    outline: Lane<Patches>,
    prefetch: Lane<PrefetchJob>,
    io: Option<Sender<Order<FileJob>>>,
    updates: Receiver<Update>,
    next_id: u64,
    /// The orders that still count, with their stop flags.
    live: HashMap<JobId, Cancel>,
    /// The newest order of each latest-wins kind.
    analysing: Option<JobId>,
    outlining: Option<JobId>,
    prefetching: Option<JobId>,
    /// The stop flags of the boxes of the newest outline order.
    patches: HashMap<PixelRect, Cancel>,
    io_thread: Option<JoinHandle<()>>,
}

/// Places in the IO queue.
const IO_QUEUE: usize = 256;
/// Places in the update queue; a worker that is ahead of its reader waits.
const UPDATE_QUEUE: usize = 256;

impl Worker {
    /// Starts both threads; the models load at once, in the background. `wake` is called from them.
    pub fn start(models: ModelFactory, wake: Wake) -> std::io::Result<Self> {
        let (analyse, outline, prefetch) = (Lane::new(), Lane::new(), Lane::new());
        let (io, orders) = bounded(IO_QUEUE);
        let (sender, updates) = bounded(UPDATE_QUEUE);
        let reply = Reply { updates: sender, wake };
        let inbox = inference::Inbox {
            analyse: analyse.take.clone(),
            outline: outline.take.clone(),
            prefetch: prefetch.take.clone(),
        };
        let inference_reply = reply.clone();
        let inference = std::thread::Builder::new().name("inference".into());
        inference.spawn(move || inference::run(models, &inbox, &inference_reply))?;
        let io_thread = std::thread::Builder::new().name("io".into()).spawn(move || io::run(&orders, &reply))?;
        Ok(Self {
            analyse,
            outline,
            prefetch,
            io: Some(io),
            updates,
            next_id: 0,
            live: HashMap::new(),
            analysing: None,
            outlining: None,
            prefetching: None,
            patches: HashMap::new(),
            io_thread: Some(io_thread),
        })
    }

    /// Queues a job. Analyses, outlines and prefetches take the place of the earlier order of their kind.
    pub fn submit(&mut self, job: Job) -> Result<JobId, Busy> {
        let id = JobId(self.next_id);
        self.next_id += 1;
        let cancel = Cancel::default();
        let stop = cancel.clone();
        match job {
            Job::Analyse(job) => {
                self.stop_inference();
                self.analysing = Some(id);
                self.analyse.replace(Order { id, cancel: stop, job });
            }
            Job::Outline(job) => {
                self.stop_prefetch();
                // The patches' own flags stop what is no longer wanted.
                self.outlining.take().map(|id| self.live.remove(&id));
                let cancels = self.share_patches(&job.boxes);
                self.outlining = Some(id);
                self.outline.replace(Order { id, cancel: stop, job: Patches { job, cancels } });
            }
            Job::Prefetch(job) => {
                self.stop_prefetch();
                self.prefetching = Some(id);
                self.prefetch.replace(Order { id, cancel: stop, job });
            }
            Job::File(job) => {
                let io = self.io.as_ref().ok_or(Busy)?;
                io.try_send(Order { id, cancel: stop, job }).map_err(|_| Busy)?;
            }
        }
        self.live.insert(id, cancel);
        Ok(id)
    }

    /// Stops a job; it says nothing any more. Safe for jobs that are done.
    pub fn cancel(&mut self, id: JobId) {
        if self.outlining == Some(id) {
            self.patches.drain().for_each(|(_, cancel)| cancel.set());
        }
        self.forget(Some(id));
    }

    /// Stops the analysis, the outlines and the prefetch, of whatever image.
    pub fn stop_inference(&mut self) {
        self.analyse.clear();
        self.outline.clear();
        for id in [self.analysing.take(), self.outlining.take()] {
            self.forget(id);
        }
        self.patches.drain().for_each(|(_, cancel)| cancel.set());
        self.stop_prefetch();
    }

    /// True while an analysis or an outline order is waiting or running.
    pub fn is_inferring(&self) -> bool {
        [self.analysing, self.outlining].into_iter().flatten().any(|id| self.live.contains_key(&id))
    }

    /// True while outlines of other λ are being prepared.
    pub fn is_prefetching(&self) -> bool {
        self.prefetching.is_some_and(|id| self.live.contains_key(&id))
    }

    /// What has been said since the last poll; stale words are left out. Never waits.
    pub fn poll(&mut self) -> Vec<Update> {
        let said = self.updates.try_iter().collect();
        self.current(said)
    }

    /// [`Self::poll`], waiting for something to be said until `until`: for the start, before there is a window.
    pub fn poll_until(&mut self, until: Instant) -> Vec<Update> {
        let first = self.updates.recv_deadline(until);
        let said = first.into_iter().chain(self.updates.try_iter()).collect();
        self.current(said)
    }

    fn current(&mut self, said: Vec<Update>) -> Vec<Update> {
        said.into_iter().filter(|update| self.is_current(update)).collect()
    }

    /// True when the update is of an order that still counts; finished orders are forgotten.
    fn is_current(&mut self, update: &Update) -> bool {
        match update {
            // These are true whichever order they came from; the caller looks whether the image is still there.
            Update::ModelsReady { .. } | Update::ModelsFailed { .. } => true,
            Update::Truth { .. } | Update::TruthFailed { .. } | Update::Outlined { .. } => true,
            Update::Progress { id, .. } => self.live.contains_key(id),
            Update::Opened { id, .. }
            | Update::Listed { id, .. }
            | Update::Exported { id, .. }
            | Update::Read { id, .. }
            | Update::OutlinesDone { id, .. }
            | Update::Failed { id, .. } => self.live.remove(id).is_some(),
        }
    }

    /// The stop flags for `boxes`; those of boxes no longer wanted are set.
    fn share_patches(&mut self, boxes: &[PixelRect]) -> Vec<Cancel> {
        let mut wanted = HashMap::with_capacity(boxes.len());
        for rect in boxes {
            wanted.insert(*rect, self.patches.remove(rect).unwrap_or_default());
        }
        self.patches.drain().for_each(|(_, cancel)| cancel.set());
        self.patches = wanted;
        boxes.iter().map(|rect| self.patches[rect].clone()).collect()
    }

    fn stop_prefetch(&mut self) {
        self.prefetch.clear();
        let prefetching = self.prefetching.take();
        self.forget(prefetching);
    }

    fn forget(&mut self, id: Option<JobId>) {
        if let Some(cancel) = id.and_then(|id| self.live.remove(&id)) {
            cancel.set();
        }
    }
}

impl Drop for Worker {
    /// Stops what can be stopped and lets an export that runs come to its end.
    fn drop(&mut self) {
        self.stop_inference();
        self.io = None;
        // Opens that wait are skipped, exports are finished; the updates' queue must not hold the thread up.
        let (_, closed) = bounded(0);
        self.updates = closed;
        if let Some(thread) = self.io_thread.take() {
            let _ = thread.join();
        }
    }
}

/// The threads' end of the updates.
#[derive(Clone)]
struct Reply {
    updates: Sender<Update>,
    wake: Wake,
}

impl Reply {
    /// Says something; false once no one listens.
    fn say(&self, update: Update) -> bool {
        let heard = self.updates.send(update).is_ok();
        (self.wake)();
        heard
    }

    /// Says how far a job is, unless the reader is behind. Wakes no one: who shows progress looks now and then, and several
    /// hundred words a second are no reason to look more often.
    fn progress(&self, id: JobId, progress: Progress) {
        let _ = self.updates.try_send(Update::Progress { id, progress });
    }
}
