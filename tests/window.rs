//! The window, driven as a reader drives it: by keys, pointer and accessible names.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use egui::accesskit::{Action, ActionData, ActionRequest, Role};
use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};

use mammoscope::ui::{App, FrameLog, Question, SettingsStore, Setup};

use crate::scripted::{Script, write_image, write_truth};

const PATIENCE: Duration = Duration::from_secs(20);

/// A window on files of its own.
struct Window {
    harness: Harness<'static, App>,
    folder: tempfile::TempDir,
}

/// How a window starts.
struct Start {
    script: Script,
    settings: &'static str,
    /// Files written into the window's folder, then opened; images when their content is empty.
    files: &'static [(&'static str, &'static str)],
    /// Lies beside the images: discs in the first and the third scripted box.
    truth: bool,
    size: [f32; 2],
}

impl Default for Start {
    fn default() -> Self {
        Self {
            script: Script::default(),
            settings: "",
            files: &[("image.png", "")],
            truth: false,
            size: [1200.0, 760.0],
        }
    }
}

impl Window {
    fn open(start: Start) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let inputs: Vec<PathBuf> = start.files.iter().map(|(name, text)| write(folder.path(), name, text)).collect();
        if start.truth {
            write_truth(folder.path(), "image_mask.png");
        }
        let settings = folder.path().join("settings.toml");
        std::fs::write(&settings, start.settings).expect("a writable folder");
        let export = folder.path().join("exported");
        let setup = Setup {
            inputs,
            models: start.script.factory(),
            held: None,
            settings: SettingsStore::read(settings),
            picker: Arc::new(move |question: &Question| match question {
                Question::Export { extension, .. } => vec![export.with_extension(extension)],
                _ => Vec::new(),
            }),
            demonstration: None,
            frame_log: FrameLog::default(),
            is_cleared: false,
        };
        let builder = Harness::builder().with_size(start.size).with_max_steps(30).wgpu();
        let harness = builder.build_eframe(|cc| App::new(cc, setup).expect("threads"));
        Self { harness, folder }
    }

    /// With an image analysed and outlined.
    fn read() -> Self {
        let mut window = Self::open(Start::default());
        window.wait_until("the outlines are done", |app| app.status() == "2 findings at λ 0.60" && !app.is_working());
        window
    }

    /// Runs frames until `is` holds.
    fn wait_until(&mut self, what: &str, is: impl Fn(&App) -> bool) {
        let begun = Instant::now();
        while !is(self.harness.state()) {
            assert!(begun.elapsed() < PATIENCE, "never: {what}; the status is {:?}", self.harness.state().status());
            self.harness.step();
            std::thread::sleep(Duration::from_millis(2));
        }
        self.harness.step();
    }

    fn press(&mut self, key: Key) {
        self.press_with(Modifiers::NONE, key);
    }

    fn press_with(&mut self, modifiers: Modifiers, key: Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.harness.step();
        self.harness.step();
    }

    fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.harness.step();
        self.harness.step();
    }

    /// Sets the slider as assistive technologies do.
    fn drag_lambda(&mut self, to: f64) {
        let (target_node, target_tree) =
            self.harness.get_by_role_and_label(Role::Slider, "λ").accesskit_node().locate();
        self.harness.event(egui::Event::AccessKitActionRequest(ActionRequest {
            action: Action::SetValue,
            target_node,
            target_tree,
            data: Some(ActionData::NumericValue(to)),
        }));
    }

    fn app(&self) -> &App {
        self.harness.state()
    }

    fn lambda(&self) -> f32 {
        self.app().session().expect("an image").lambda()
    }

    fn candidates(&self) -> usize {
        self.app().session().expect("an image").candidates().len()
    }

    #[track_caller]
    fn check_status(&self, status: &str) {
        assert_eq!(self.app().status(), status);
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    if text.is_empty() {
        return write_image(folder, name);
    }
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a writable folder");
    path
}

#[test]
fn an_image_opens_and_is_analysed_and_looks_as_it_should() {
    let mut window = Window::read();
    assert_eq!(window.app().notices(), Vec::<&str>::new());
    window.harness.get_by_label("2 candidates");
    window.harness.snapshot("window");
}

#[test]
fn lambda_moves_by_slider_keys_and_number_and_the_candidates_follow_in_the_same_frame() {
    let mut window = Window::read();
    window.drag_lambda(0.9);
    window.harness.step();
    assert_eq!(window.candidates(), 1);
    window.harness.get_by_label("1 candidate");
    window.check_status("1 finding at λ 0.90");

    window.press(Key::CloseBracket);
    assert!((window.lambda() - 0.91).abs() < 1e-6, "{}", window.lambda());
    window.press_with(Modifiers::SHIFT, Key::OpenBracket);
    assert!((window.lambda() - 0.86).abs() < 1e-6, "{}", window.lambda());
    for _ in 0..3 {
        window.press_with(Modifiers::SHIFT, Key::OpenCurlyBracket);
    }
    assert!((window.lambda() - 0.71).abs() < 1e-6, "{}", window.lambda());
    assert_eq!(window.candidates(), 2);
    // The contours of both are known since the start: they are there in the same frame.
    assert!(window.app().session().expect("an image").missing_outlines().is_empty());
    for _ in 0..40 {
        window.press_with(Modifiers::SHIFT, Key::CloseBracket);
    }
    assert_eq!(window.lambda(), 1.0, "λ ends where Ms ends");
    for _ in 0..40 {
        window.press_with(Modifiers::SHIFT, Key::OpenBracket);
    }
    assert_eq!(window.lambda(), 0.0);
    assert_eq!(window.candidates(), 3, "λ = 0 keeps every detection");
}

#[test]
fn contours_of_other_lambda_are_there_before_they_are_asked_for() {
    let mut window = Window::read();
    let outlined = |app: &App| app.session().map_or(0, |session| session.outlined_boxes().count());
    window.wait_until("three outlines", |app| outlined(app) == 3);
    window.drag_lambda(0.1);
    window.harness.step();
    assert_eq!(window.candidates(), 3);
    assert!(window.app().session().expect("an image").missing_outlines().is_empty());
    window.check_status("3 findings at λ 0.10");
}

#[test]
fn layers_are_switched_by_name_and_by_key() {
    let mut window = Window::read();
    assert!(window.app().layers().boxes && window.app().layers().heatmap);
    window.click("Detections");
    assert!(!window.app().layers().boxes);
    window.click("Contours");
    assert!(!window.app().layers().contours && window.app().layers().candidates);
    window.press(Key::G);
    let layers = *window.app().layers();
    assert!(!layers.candidates && !layers.contours && !layers.boxes);
    window.press(Key::G);
    assert!(window.app().layers().contours && window.app().layers().boxes);
    window.press(Key::H);
    assert!(!window.app().layers().heatmap);
    window.press_with(Modifiers::SHIFT, Key::G);
    assert!(!window.app().layers().truth);
    let before = *window.app().layers();
    window.press(Key::Space);
    assert!(!window.app().layers().contours && !window.app().layers().legend);
    window.press(Key::Space);
    assert_eq!(*window.app().layers(), before);
}

#[test]
fn findings_are_gone_to_by_click_and_by_key() {
    let mut window = Window::read();
    let fitted = |window: &Window| window.app().view().expect("an image").is_fitted();
    assert!(fitted(&window));
    window.click("Finding 2");
    assert!(!fitted(&window));
    let center = |window: &Window| window.app().view().and_then(|view| view.center()).expect("shown");
    let second = window.app().session().expect("an image").candidates()[1].rect;
    let at = center(&window);
    assert!((at.x - (second.x0 + second.x1) as f64 / 2.0).abs() < 1.0, "{at:?} {second:?}");
    window.press(Key::N);
    let first = window.app().session().expect("an image").candidates()[0].rect;
    let at = center(&window);
    assert!((at.y - (first.y0 + first.y1) as f64 / 2.0).abs() < 1.0, "{at:?} {first:?}");
    window.press(Key::F);
    assert!(fitted(&window));
    window.press(Key::Num1);
    assert_eq!(window.app().view().expect("an image").zoom(), 1.0);
    window.press(Key::I);
    assert!(window.app().view().expect("an image").is_inverted());
}

#[test]
fn groundtruth_beside_the_image_is_compared_and_follows_lambda() {
    let files = &[("image.png", "")];
    let start = Start { files, truth: true, ..Start::default() };
    let mut window = Window::open(start);
    window.wait_until("the outlines are done", |app| app.status() == "2 findings at λ 0.60" && !app.is_working());
    let comparison = |window: &Window| window.app().session().and_then(|s| s.comparison()).expect("compared").clone();
    let first = comparison(&window);
    assert_eq!((first.hits, first.misses, first.false_positives), (1, 1, 1));
    let dice = first.dice[0].expect("an outline that hits");
    assert!(dice > 0.85, "{dice}");
    for label in ["1 hit", "1 miss", "1 false positive", "hit", "false pos."] {
        window.harness.get_by_label(label);
    }
    window.harness.snapshot("groundtruth");
    window.drag_lambda(0.1);
    window.harness.step();
    let all = comparison(&window);
    assert_eq!((all.hits, all.misses, all.false_positives), (2, 0, 1));
    window.harness.get_by_label("2 hits");
    window.drag_lambda(0.9);
    window.harness.step();
    assert_eq!(comparison(&window).false_positives, 0);
}

#[test]
fn exports_are_written_where_the_reader_says() {
    let mut window = Window::read();
    window.press_with(Modifiers::COMMAND, Key::E);
    window.wait_until("a notice", |app| app.notices().iter().any(|notice| notice.starts_with("Exported")));
    let first = &mammoscope::export::EXPORTERS[0];
    let written = window.folder.path().join("exported").with_extension(first.extension);
    let size = image::image_dimensions(&written).expect("a picture");
    assert!(size.0 >= crate::scripted::WIDTH as u32, "{size:?}");
    // In the way stands a folder: a sentence, and the window goes on.
    std::fs::remove_file(&written).expect("written");
    std::fs::create_dir(&written).expect("a folder");
    window.press_with(Modifiers::COMMAND, Key::E);
    window.wait_until("a notice", |app| app.notices().iter().any(|notice| notice.contains("folder")));
    window.check_status("2 findings at λ 0.60");
}

#[test]
fn an_analysis_is_cancelled_by_button_and_by_escape_and_begun_again() {
    let script = Script::slow(4000);
    let mut window = Window::open(Start { script: script.clone(), ..Start::default() });
    window.wait_until("detecting", |app| app.status().starts_with("Detecting"));
    let asked = Instant::now();
    window.click("Cancel");
    window.check_status("Not analysed: cancelled");
    assert!(asked.elapsed() < Duration::from_secs(1));
    window.click("Analyse");
    window.wait_until("detecting again", |app| app.status().starts_with("Detecting"));
    window.press(Key::Escape);
    window.check_status("Not analysed: cancelled");
    assert!(!window.app().is_working());
}

#[test]
fn escape_closes_an_open_menu_and_lets_the_analysis_run() {
    let mut window = Window::open(Start { script: Script::slow(4000), ..Start::default() });
    window.wait_until("detecting", |app| app.status().starts_with("Detecting"));
    window.click("File");
    window.harness.run_steps(3);
    window.harness.get_by_label_contains("Open a folder");
    window.press(Key::Escape);
    window.harness.run_steps(3);
    assert!(window.harness.query_by_label_contains("Open a folder").is_none());
    assert!(window.app().status().starts_with("Detecting"), "{}", window.app().status());
}

/// A file as the desktop drops it.
#[derive(Debug)]
struct Dropped(PathBuf);

impl egui::DroppedFile for Dropped {
    fn path(&self) -> &Path {
        &self.0
    }

    fn bytes(&self) -> Result<Vec<u8>, String> {
        Err("the window leaves reading to the worker".into())
    }
}

#[test]
fn files_and_folders_are_dropped_together() {
    let mut window = Window::open(Start { files: &[], ..Start::default() });
    let folder = window.folder.path().join("case");
    std::fs::create_dir(&folder).expect("a folder");
    write_image(&folder, "left.png");
    write_image(&folder, "right.png");
    let single = write_image(window.folder.path(), "single.png");
    let dropped = [single, folder].map(|path| Arc::new(Dropped(path)) as egui::DroppedFileHandle);
    window.harness.input_mut().dropped_files.extend(dropped);
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    for name in ["single.png", "left.png", "right.png"] {
        window.harness.get_by_role_and_label(Role::Button, name);
    }
    // Going on before the work is done, and coming back: each image keeps its own λ and findings.
    window.press(Key::CloseBracket);
    window.press(Key::ArrowRight);
    window.press(Key::ArrowRight);
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    window.press(Key::ArrowLeft);
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    window.press(Key::ArrowLeft);
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.61");
    window.press_with(Modifiers::COMMAND, Key::W);
    assert!(window.harness.query_by_role_and_label(Role::Button, "single.png").is_none());
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
}

#[test]
fn results_outlive_the_image_in_memory() {
    let files =
        &[("1.png", ""), ("2.png", ""), ("3.png", ""), ("4.png", ""), ("5.png", ""), ("6.png", ""), ("7.png", "")];
    let script = Script::default();
    let mut window = Window::open(Start { files, script: script.clone(), ..Start::default() });
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    window.press(Key::CloseBracket);
    for _ in 1..files.len() {
        window.press(Key::ArrowRight);
        window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    }
    let run = script.scales_run.load(Ordering::Relaxed);
    for _ in 1..files.len() {
        window.press(Key::ArrowLeft);
        window.wait_until("an image", |app| app.session().is_some());
    }
    window.check_status("2 findings at λ 0.61");
    assert!(window.app().session().expect("an image").missing_outlines().is_empty());
    assert_eq!(script.scales_run.load(Ordering::Relaxed), run, "nothing is analysed twice");
}

#[test]
fn frames_keep_coming_while_the_networks_run() {
    let script = Script::slow(400);
    let mut window = Window::open(Start { script: script.clone(), ..Start::default() });
    window.wait_until("detecting", |app| app.status().starts_with("Detecting"));
    let (mut frames, mut longest) = (0, Duration::ZERO);
    let begun = Instant::now();
    while window.app().is_working() && begun.elapsed() < PATIENCE {
        let frame = Instant::now();
        window.harness.step();
        longest = longest.max(frame.elapsed());
        frames += 1;
        std::thread::sleep(Duration::from_millis(2));
    }
    window.check_status("2 findings at λ 0.60");
    // Five scales and two patches of 400 ms each: a frame that waited for one would take as long.
    assert!(longest < Duration::from_millis(300), "{longest:?} of {frames} frames");
    assert!(frames > 20, "{frames} frames in {:?}", begun.elapsed());
}

#[track_caller]
fn check_idle(window: &mut Window) {
    window.wait_until("nothing is done", |app| !app.is_working());
    std::thread::sleep(Duration::from_millis(50));
    window.harness.run();
    let wanted = window.harness.output().viewport_output.values().map(|viewport| viewport.repaint_delay).min();
    assert!(wanted.is_some_and(|delay| delay > Duration::from_secs(60)), "{wanted:?}");
}

#[test]
fn an_idle_window_draws_nothing() {
    let mut window = Window::read();
    window.wait_until("all outlines", |app| app.session().is_some_and(|s| s.outlined_boxes().count() == 3));
    check_idle(&mut window);
}

#[test]
fn a_window_with_lambda_at_its_end_beyond_one_draws_nothing() {
    let script = Script { overlapping: true, ..Script::default() };
    let mut window = Window::open(Start { script, ..Start::default() });
    window.wait_until("read", |app| app.status().contains("at λ 0.60") && !app.is_working());
    window.drag_lambda(9.0);
    window.wait_until("the end", |app| app.session().is_some_and(|s| s.lambda() > 1.0));
    // A fifth of 0.61 / 0.9 beyond 1, up to the next step.
    assert_eq!(window.lambda(), 1.14);
    check_idle(&mut window);
}

#[test]
fn a_bad_file_is_named_with_the_reason_and_the_others_open() {
    let files = &[("broken.dcm", "this is no mammogram"), ("image.png", "")];
    let mut window = Window::open(Start { files, ..Start::default() });
    window.wait_until("a notice", |app| !app.notices().is_empty());
    let notice = window.app().notices()[0].to_owned();
    assert!(notice.starts_with("broken.dcm: ") && notice.ends_with('.'), "{notice}");
    window.check_status("This file could not be opened");
    window.press(Key::ArrowRight);
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    window.press(Key::Escape);
    assert!(window.app().notices().is_empty());
    window.press(Key::ArrowLeft);
    window.wait_until("the bad file again", |app| app.status() == "This file could not be opened");
}

#[test]
fn status_says_what_went_wrong_in_the_networks() {
    let script = Script::default();
    script.fails.store(true, Ordering::Relaxed);
    let mut window = Window::open(Start { script, ..Start::default() });
    window.wait_until("a failure", |app| app.status().starts_with("Analysis failed"));
    window.check_status("Analysis failed: The network's output is not a number.");
    window.click("Analyse");
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
    window.drag_lambda(1.0);
    window.harness.step();
    window.check_status("1 finding at λ 1.00");

    let mut window =
        Window::open(Start { script: Script { unloadable: true, ..Script::default() }, ..Start::default() });
    window.wait_until("a notice", |app| !app.notices().is_empty());
    let notice = window.app().notices()[0].to_owned();
    assert_eq!(notice, "Images can be viewed but not analysed. The detector's weights are damaged.");
}

#[test]
fn without_files_the_window_says_how_to_open_some() {
    let mut window = Window::open(Start { files: &[], ..Start::default() });
    window.wait_until("idle", |app| !app.is_working());
    window.check_status("No image is open");
    window.harness.get_by_label("Open a mammogram");
}

#[test]
fn broken_and_later_settings_give_defaults_and_a_notice() {
    let cases = [("lambda = [oops", "is damaged"), ("version = 9\nlambda = 0.3", "later version")];
    for (settings, words) in cases {
        let window = Window::open(Start { settings, ..Start::default() });
        let notice = window.app().notices()[0].to_owned();
        assert!(notice.contains(words), "{notice}");
        assert_eq!(window.app().settings().lambda, 0.6);
        let kept = std::fs::read_to_string(window.folder.path().join("settings.broken.toml"));
        assert_eq!(kept.is_ok(), words == "is damaged");
    }
    for settings in ["version = 1\nlambda = nan", "lambda = -3.0", "lambda = inf", "screen_pixel_mm = 0.0"] {
        let window = Window::open(Start { settings, ..Start::default() });
        assert_eq!(window.app().settings().lambda, 0.6, "{settings}");
        assert!(window.app().settings().screen_pixel_mm > 0.01, "{settings}");
    }
}

#[test]
fn opened_files_are_remembered() {
    let window = Window::read();
    let (folder, opened) = (window.folder.path().to_owned(), window.folder.path().join("image.png"));
    assert_eq!(window.app().settings().recent, std::slice::from_ref(&opened));
    let kept = window.folder;
    drop(window.harness);
    let again = SettingsStore::read(folder.join("settings.toml"));
    assert_eq!(again.current.recent, [opened]);
    drop(kept);
}

#[test]
fn readers_who_look_first_open_without_marks() {
    let settings = "marks_on_open = false\nanalyse_on_open = false";
    let mut window = Window::open(Start { settings, ..Start::default() });
    window.wait_until("an image", |app| app.status() == "Not analysed");
    assert!(!window.app().layers().candidates && !window.app().layers().heatmap);
    window.press(Key::Space);
    assert!(window.app().layers().candidates);
    window.click("Analyse");
    window.wait_until("findings", |app| app.status() == "2 findings at λ 0.60");
}

#[test]
fn help_lists_the_keys() {
    let mut window = Window::read();
    window.press(Key::F1);
    window.harness.get_by_label("λ down by 0.01");
    window.harness.get_by_label("Next finding");
    window.press(Key::Escape);
    assert!(window.harness.query_by_label("λ down by 0.01").is_none());
}
