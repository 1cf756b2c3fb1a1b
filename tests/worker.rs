//! The background threads: order, cancelling, trouble, and never being in the way.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mammoscope::pipeline::Parameters;
use mammoscope::session::{Reading, Session};
use mammoscope::space::PixelRect;
use mammoscope::study::Study;
use mammoscope::worker::{AnalyseJob, FileJob, ImageId, Job, JobId, OutlineJob, PrefetchJob, Update, Worker};

use crate::scripted::{Script, write_image};

const IMAGE: ImageId = ImageId(7);
const PATIENCE: Duration = Duration::from_secs(20);

/// A worker with a folder of its own, and an image in it.
struct Bench {
    worker: Worker,
    folder: tempfile::TempDir,
    said: Vec<Update>,
}

impl Bench {
    fn new(script: &Script) -> Self {
        let worker = Worker::start(script.factory(), Arc::new(|| {})).expect("threads");
        Self { worker, folder: tempfile::tempdir().expect("a folder"), said: Vec::new() }
    }

    fn image(&self) -> PathBuf {
        write_image(self.folder.path(), "image.png")
    }

    fn study(&mut self) -> Arc<Study> {
        let path = self.image();
        self.worker.submit(Job::File(FileJob::Open { image: IMAGE, path })).expect("room");
        self.wait(|update| match update {
            Update::Opened { handle, .. } => Some(handle.study().clone()),
            _ => None,
        })
    }

    fn analyse(&mut self, study: &Arc<Study>) -> JobId {
        let job = AnalyseJob { image: IMAGE, study: study.clone(), parameters: Parameters::default() };
        self.worker.submit(Job::Analyse(job)).expect("room")
    }

    fn read(&mut self, study: &Arc<Study>) -> Arc<Reading> {
        self.analyse(study);
        self.wait(|update| match update {
            Update::Read { reading, .. } => Some(reading.clone()),
            _ => None,
        })
    }

    fn outline(&mut self, study: &Arc<Study>, boxes: &[PixelRect]) -> JobId {
        let (study, boxes) = (study.clone(), boxes.to_vec());
        let job = OutlineJob { image: IMAGE, study, boxes, parameters: Parameters::default() };
        self.worker.submit(Job::Outline(job)).expect("room")
    }

    /// Polls until `wanted` is said; what was said before stays in `said`.
    fn wait<T>(&mut self, wanted: impl Fn(&Update) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let mut found = None;
            for update in self.worker.poll() {
                found = found.or_else(|| wanted(&update));
                self.said.push(update);
            }
            if let Some(found) = found {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing came");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Polls for a while.
    fn listen(&mut self, milliseconds: u64) {
        let until = Instant::now() + Duration::from_millis(milliseconds);
        while Instant::now() < until {
            let said = self.worker.poll();
            self.said.extend(said);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn outlined(&self) -> Vec<PixelRect> {
        let rects = self.said.iter().filter_map(|update| match update {
            Update::Outlined { rect, .. } => Some(*rect),
            _ => None,
        });
        rects.collect()
    }

    fn count(&self, is: impl Fn(&Update) -> bool) -> usize {
        self.said.iter().filter(|update| is(update)).count()
    }
}

/// The message of a failed job.
fn failure(update: &Update) -> Option<String> {
    match update {
        Update::Failed { message, .. } => Some(message.clone()),
        _ => None,
    }
}

fn candidates(reading: &Arc<Reading>, study: &Arc<Study>, lambda: f32) -> Vec<PixelRect> {
    let mut session = Session::new(study.clone());
    session.set_reading(reading.clone());
    session.set_lambda(lambda);
    session.candidates().iter().map(|candidate| candidate.rect).collect()
}

/// How soon after a cancel the next job runs. The jobs here take five seconds unless stopped; unoptimised preparation, in
/// threads that give way to all others, takes its time on a busy machine, so the bound that counts is that of release builds.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 4 } else { 1 });

#[test]
fn an_image_is_opened_analysed_and_outlined_with_progress() {
    let mut bench = Bench::new(&Script::default());
    let study = bench.study();
    let reading = bench.read(&study);
    assert_eq!(reading.scales.len(), 5);
    assert_eq!(reading.device, "scripted device");
    assert!(reading.timings_ms.iter().any(|(stage, _)| stage == "prepare"), "{:?}", reading.timings_ms);
    let boxes = candidates(&reading, &study, 0.6);
    assert_eq!(boxes.len(), 2);
    bench.outline(&study, &boxes);
    bench.wait(|update| matches!(update, Update::OutlinesDone { .. }).then_some(()));
    assert_eq!(bench.outlined(), boxes);
    assert!(bench.count(|u| matches!(u, Update::ModelsReady { .. })) == 1);
    let fractions: Vec<f32> = bench
        .said
        .iter()
        .filter_map(|update| match update {
            Update::Progress { progress, .. } if progress.stage.starts_with("Detecting") => Some(progress.fraction),
            _ => None,
        })
        .collect();
    assert_eq!(fractions.len(), 5);
    assert!(fractions.is_sorted() && fractions[4] < 1.0, "{fractions:?}");
}

#[test]
fn cancelling_takes_less_than_a_second_and_the_next_analysis_works() {
    let script = Script::slow(5000);
    let mut bench = Bench::new(&script);
    let study = bench.study();
    let first = bench.analyse(&study);
    bench.wait(|update| matches!(update, Update::Progress { .. }).then_some(()));
    bench.worker.cancel(first);
    assert!(!bench.worker.is_inferring());
    bench.said.clear();
    let asked = Instant::now();
    let second = bench.analyse(&study);
    bench.wait(|update| matches!(update, Update::Progress { id, .. } if *id == second).then_some(()));
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    let of_first = bench.count(|update| matches!(update, Update::Progress { id, .. } if *id == first));
    assert_eq!(of_first, 0, "a cancelled job says nothing");
}

#[test]
fn a_panic_and_an_error_become_sentences_and_the_next_analysis_works() {
    let script = Script::default();
    let mut bench = Bench::new(&script);
    let study = bench.study();
    script.panics.store(true, Ordering::Relaxed);
    bench.analyse(&study);
    let message = bench.wait(failure);
    assert!(message.starts_with("The analysis stopped on a defect in this program."), "{message}");
    script.fails.store(true, Ordering::Relaxed);
    bench.analyse(&study);
    assert_eq!(bench.wait(failure), "The network's output is not a number.");
    assert_eq!(bench.read(&study).scales.len(), 5);
}

#[test]
fn the_newest_analysis_wins() {
    let mut bench = Bench::new(&Script::slow(30));
    let study = bench.study();
    let ids: Vec<JobId> = (0..20).map(|_| bench.analyse(&study)).collect();
    let read = bench.wait(|update| match update {
        Update::Read { id, .. } => Some(*id),
        _ => None,
    });
    assert_eq!(Some(&read), ids.last());
    bench.listen(400);
    assert_eq!(bench.count(|update| matches!(update, Update::Read { .. })), 1);
}

#[test]
fn the_newest_outline_order_wins_and_keeps_the_patch_that_runs() {
    let script = Script::slow(150);
    let mut bench = Bench::new(&script);
    let study = bench.study();
    let [a, b, c] =
        [PixelRect::new(10, 10, 60, 60), PixelRect::new(80, 80, 120, 130), PixelRect::new(200, 90, 260, 150)];
    bench.outline(&study, &[a, b]);
    bench.wait(|update| matches!(update, Update::Progress { .. }).then_some(()));
    // While the patch of `a` runs: many orders, as a dragged slider gives them. All want `a`, the last one `c` as well.
    for _ in 0..30 {
        bench.outline(&study, &[a]);
    }
    let last = bench.outline(&study, &[a, c]);
    bench.wait(|update| matches!(update, Update::OutlinesDone { id, .. } if *id == last).then_some(()));
    assert_eq!(bench.outlined(), [a, c]);
    assert_eq!(script.patches_run.load(Ordering::Relaxed), 2, "the patch that both want is not begun again");
}

#[test]
fn outlines_no_longer_wanted_are_stopped_at_once() {
    let script = Script::slow(5000);
    let mut bench = Bench::new(&script);
    let study = bench.study();
    let [a, b] = [PixelRect::new(10, 10, 60, 60), PixelRect::new(80, 80, 120, 130)];
    bench.outline(&study, &[a]);
    bench.wait(|update| matches!(update, Update::Progress { .. }).then_some(()));
    let asked = Instant::now();
    let last = bench.outline(&study, &[b]);
    bench.wait(|update| matches!(update, Update::Progress { id, .. } if *id == last).then_some(()));
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert!(bench.outlined().is_empty());
}

#[test]
fn a_file_opens_while_an_analysis_runs() {
    let script = Script::slow(10_000);
    let mut bench = Bench::new(&script);
    let study = bench.study();
    bench.analyse(&study);
    bench.wait(|update| matches!(update, Update::Progress { .. }).then_some(()));
    let other = write_image(bench.folder.path(), "other.png");
    bench.worker.submit(Job::File(FileJob::Open { image: ImageId(8), path: other })).expect("room");
    let opened = bench.wait(|update| match update {
        Update::Opened { image, .. } => Some(*image),
        _ => None,
    });
    assert_eq!(opened, ImageId(8));
    assert!(bench.worker.is_inferring());
}

#[test]
fn prefetching_goes_by_nearest_level_and_gives_way() {
    let script = Script::slow(40);
    let mut bench = Bench::new(&script);
    let study = bench.study();
    let reading = bench.read(&study);
    // Levels 0.2, 0.8 and 1.0: from λ = 0.75, the level 0.8 comes first.
    let job = |known: HashSet<PixelRect>| PrefetchJob {
        image: IMAGE,
        study: study.clone(),
        reading: reading.clone(),
        lambda: 0.75,
        known,
        parameters: Parameters::default(),
    };
    bench.worker.submit(Job::Prefetch(job(HashSet::new()))).expect("room");
    bench.wait(|update| matches!(update, Update::OutlinesDone { .. }).then_some(()));
    let all = candidates(&reading, &study, 0.1);
    assert_eq!(bench.outlined(), all);
    assert_eq!(candidates(&reading, &study, 0.8), all[..2]);

    // With two known, one is left; a real order comes first.
    bench.said.clear();
    let run = script.patches_run.load(Ordering::Relaxed);
    bench.worker.submit(Job::Prefetch(job(all[..2].iter().copied().collect()))).expect("room");
    let real = PixelRect::new(5, 5, 50, 50);
    let order = bench.outline(&study, &[real]);
    bench.wait(|update| matches!(update, Update::OutlinesDone { id, .. } if *id == order).then_some(()));
    assert!(!bench.worker.is_prefetching());
    bench.listen(150);
    assert_eq!(bench.outlined(), [real]);
    assert!(script.patches_run.load(Ordering::Relaxed) <= run + 2);
}

#[test]
fn without_models_images_open_and_analyses_say_why_not() {
    let mut bench = Bench::new(&Script { unloadable: true, ..Script::default() });
    let message = bench.wait(|update| match update {
        Update::ModelsFailed { message } => Some(message.clone()),
        _ => None,
    });
    assert_eq!(message, "The detector's weights are damaged.");
    let study = bench.study();
    bench.analyse(&study);
    assert_eq!(bench.wait(failure), "The detector's weights are damaged.");
}

#[test]
fn a_file_that_is_no_image_fails_with_a_sentence_and_the_next_one_opens() {
    let mut bench = Bench::new(&Script::default());
    let path = bench.folder.path().join("bad.dcm");
    std::fs::write(&path, b"not a mammogram").expect("a writable folder");
    bench.worker.submit(Job::File(FileJob::Open { image: IMAGE, path })).expect("room");
    let message = bench.wait(failure);
    assert!(message.ends_with('.') && !message.contains("bad"), "{message}");
    bench.study();
}

#[test]
fn settings_are_written_even_when_the_window_closes_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deep/settings.toml");
    let mut worker = Worker::start(Script::default().factory(), Arc::new(|| {})).expect("threads");
    let job = FileJob::SaveSettings { path: path.clone(), text: "version = 1\n".into() };
    worker.submit(Job::File(job)).expect("room");
    drop(worker);
    assert_eq!(std::fs::read_to_string(path).expect("written"), "version = 1\n");
}

#[test]
fn a_window_that_closes_does_not_wait_for_the_networks() {
    let mut bench = Bench::new(&Script::slow(20_000));
    let study = bench.study();
    bench.analyse(&study);
    bench.wait(|update| matches!(update, Update::Progress { .. }).then_some(()));
    let asked = Instant::now();
    drop(bench);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
}
