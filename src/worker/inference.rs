//! The inference thread: owns the models and the device, and one prepared image.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, select_biased};

use super::failure::{Failure, check_memory, guard};
use super::{AnalyseJob, ImageId, ModelFactory, Order, Patches, PrefetchJob, Reply, Update};
use crate::findings::Outline;
use crate::inference::Models;
use crate::pipeline::{self, Cancel, Parameters, Prepared, Progress, analyse::milliseconds_since};
use crate::session::Reading;
use crate::space::PixelRect;
use crate::study::Study;

/// The receiving ends of the lanes.
pub struct Inbox {
    pub analyse: Receiver<Order<AnalyseJob>>,
    pub outline: Receiver<Order<Patches>>,
    pub prefetch: Receiver<Order<PrefetchJob>>,
}

impl Inbox {
    /// True while something other than a prefetch waits.
    fn is_wanted(&self) -> bool {
        !self.analyse.is_empty() || !self.outline.is_empty()
    }
}

/// Loads the models, then serves orders until the sender is gone: analyses first, then outlines, then prefetches.
pub fn run(factory: ModelFactory, inbox: &Inbox, reply: &Reply) {
    let mut reader = match guard("Loading the networks", factory) {
        Ok(models) => {
            let (device, notice) = (models.device.clone(), models.notice.clone());
            let ready = Update::ModelsReady { device, notice };
            if !reply.say(ready) {
                return;
            }
            Reader { models: Ok(models), prepared: None }
        }
        Err(failure) => {
            let message = match failure {
                Failure::Message(message) => message,
                Failure::Cancelled => "The networks were not loaded.".into(),
            };
            reply.say(Update::ModelsFailed { message: message.clone() });
            Reader { models: Err(message), prepared: None }
        }
    };
    loop {
        select_biased! {
            recv(inbox.analyse) -> order => match order {
                Ok(order) => reader.serve_analyse(order, reply),
                Err(_) => return,
            },
            recv(inbox.outline) -> order => match order {
                Ok(order) => reader.serve_outline(order, inbox, reply),
                Err(_) => return,
            },
            recv(inbox.prefetch) -> order => match order {
                Ok(order) => reader.serve_prefetch(order, inbox, reply),
                Err(_) => return,
            },
        }
    }
}

/// The models, and the prepared image of the last order: preparing takes longer than a patch should.
struct Reader {
    models: Result<Models, String>,
    prepared: Option<(ImageId, Arc<Prepared>)>,
}

/// What the networks need beside the image, whatever its size.
const NETWORK_BYTES: u64 = 600 << 20;

impl Reader {
    fn serve_analyse(&mut self, order: Order<AnalyseJob>, reply: &Reply) {
        let Order { id, cancel, job } = order;
        match guard("The analysis", || self.analyse(&job, &cancel, &mut |p| reply.progress(id, p))) {
            Ok(reading) => {
                reply.say(Update::Read { id, image: job.image, reading: Arc::new(reading) });
            }
            Err(Failure::Message(message)) => {
                reply.say(Update::Failed { id, message });
            }
            Err(Failure::Cancelled) => {}
        }
    }

    fn analyse(
        &mut self,
        job: &AnalyseJob,
        cancel: &Cancel,
        progress: &mut dyn FnMut(Progress),
    ) -> anyhow::Result<Reading> {
        cancel.check()?;
        let pixels = job.study.image.data().len() as u64;
        check_memory(NETWORK_BYTES + 6 * pixels)?;
        progress(Progress { stage: "Preparing the image".into(), fraction: 0.0 });
        let start = Instant::now();
        let prepared = self.prepare(job.image, &job.study);
        let prepare_ms = milliseconds_since(start);
        let models = self.models()?;
        let analysis = pipeline::analyse(&prepared, models.detector.as_mut(), &job.parameters, cancel, progress)?;
        Ok(Reading::new(analysis, models, prepare_ms))
    }

    /// Outlines box after box; a newer order takes over between two patches, an analysis ends it.
    fn serve_outline(&mut self, mut order: Order<Patches>, inbox: &Inbox, reply: &Reply) {
        let mut done = HashSet::new();
        'orders: loop {
            let Order { id, cancel, job: Patches { job, cancels } } = order;
            let total = job.boxes.len();
            for (i, (rect, patch)) in job.boxes.iter().zip(&cancels).enumerate() {
                if let Ok(newer) = inbox.outline.try_recv() {
                    // What was outlined a moment ago need not be again, if it is the same image.
                    if newer.job.job.image != job.image {
                        done.clear();
                    }
                    order = newer;
                    continue 'orders;
                }
                if cancel.is_set() || !inbox.analyse.is_empty() {
                    return;
                }
                if done.contains(rect) {
                    continue;
                }
                let stage = format!("Outlining {} of {total}", i + 1);
                reply.progress(id, Progress { stage, fraction: i as f32 / total as f32 });
                match guard("The outlining", || self.outline(job.image, &job.study, *rect, &job.parameters, patch)) {
                    Ok(outline) => {
                        done.insert(*rect);
                        reply.say(Update::Outlined { image: job.image, rect: *rect, outline });
                    }
                    Err(Failure::Cancelled) => {}
                    Err(Failure::Message(message)) => {
                        reply.say(Update::Failed { id, message });
                        return;
                    }
                }
            }
            reply.say(Update::OutlinesDone { id, image: job.image });
            return;
        }
    }

    /// Outlines the candidates of the other levels of Ms, nearest to λ first. Trouble ends it in silence: no one asked.
    fn serve_prefetch(&mut self, order: Order<PrefetchJob>, inbox: &Inbox, reply: &Reply) {
        let Order { id, cancel, mut job } = order;
        let mut levels = job.reading.fused.levels().to_vec();
        levels.sort_by(|a, b| (a - job.lambda).abs().total_cmp(&(b - job.lambda).abs()));
        let mut pixels = 0;
        for level in levels.into_iter().take(PREFETCH_LEVELS) {
            for candidate in job.reading.fused.candidates(level) {
                if cancel.is_set() || inbox.is_wanted() {
                    return;
                }
                if !job.known.insert(candidate.rect) {
                    continue;
                }
                if pixels > PREFETCH_PIXELS {
                    reply.say(Update::OutlinesDone { id, image: job.image });
                    return;
                }
                let rect = candidate.rect;
                match guard("", || self.outline(job.image, &job.study, rect, &job.parameters, &cancel)) {
                    Ok(outline) => {
                        pixels += outline.probability.data().len();
                        reply.say(Update::Outlined { image: job.image, rect, outline });
                    }
                    Err(Failure::Cancelled) => return,
                    Err(Failure::Message(_)) => {
                        reply.say(Update::OutlinesDone { id, image: job.image });
                        return;
                    }
                }
            }
        }
        reply.say(Update::OutlinesDone { id, image: job.image });
    }

    fn outline(
        &mut self,
        image: ImageId,
        study: &Study,
        rect: PixelRect,
        parameters: &Parameters,
        cancel: &Cancel,
    ) -> anyhow::Result<Arc<Outline>> {
        cancel.check()?;
        let prepared = self.prepare(image, study);
        let segmenter = self.models()?.segmenter.as_mut();
        let outlines = pipeline::outline(&prepared, &[rect], segmenter, study.spacing.as_ref(), parameters, cancel)?;
        outlines
            .into_iter()
            .next()
            .map(Arc::new)
            .ok_or_else(|| anyhow::anyhow!("The outlining network gave no answer."))
    }

    fn prepare(&mut self, image: ImageId, study: &Study) -> Arc<Prepared> {
        match &self.prepared {
            Some((known, prepared)) if *known == image => prepared.clone(),
            _ => {
                // The old one goes first: two would need twice the memory.
                self.prepared = None;
                let prepared = Arc::new(pipeline::prepare(study));
                self.prepared = Some((image, prepared.clone()));
                prepared
            }
        }
    }

    fn models(&mut self) -> anyhow::Result<&mut Models> {
        self.models.as_mut().map_err(|message| anyhow::anyhow!("{message}"))
    }
}

/// Bounds on what is outlined unasked: time, and pixels of probability of 4 bytes each.
const PREFETCH_LEVELS: usize = 64;
const PREFETCH_PIXELS: usize = 40 << 20;
