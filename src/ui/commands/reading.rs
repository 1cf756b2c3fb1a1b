//! The method and its findings.

use super::super::app::App;
use super::super::files::Analysis;
use super::super::profile::LAMBDA_STEP;
use super::ReadingCommand;
use crate::annotation::LesionShape;
use crate::space::ImageRect;

pub fn execute(app: &mut App, command: ReadingCommand) {
    match command {
        ReadingCommand::Analyse => app.analyse(),
        ReadingCommand::Cancel => cancel(app),
        ReadingCommand::SetLambda(lambda) => set_lambda(app, lambda),
        ReadingCommand::StepLambda(steps) => {
            if let Some(image) = app.files.shown() {
                // On the grid of steps, so that many steps do not add up rounding.
                let steps = (f64::from(image.session.lambda()) / LAMBDA_STEP).round() + steps as f64;
                set_lambda(app, (steps * LAMBDA_STEP) as f32);
            }
        }
        ReadingCommand::Select(index) => {
            if let Some(image) = app.files.shown_mut() {
                image.selected = index.and_then(|i| image.session.candidates().get(i)).map(|c| c.rect);
            }
        }
        ReadingCommand::GoTo(index) => go_to(app, index),
        ReadingCommand::StepFinding(steps) => step_finding(app, steps),
        ReadingCommand::GoToLesion(index) => go_to_lesion(app, index),
    }
}

/// The candidates follow at once; outlines that are not known are asked for.
fn set_lambda(app: &mut App, lambda: f32) {
    let Some(image) = app.files.shown_mut() else { return };
    let upper = image.profile.as_ref().map_or(1.0, |profile| profile.upper);
    image.session.set_lambda(if lambda.is_finite() { lambda.clamp(0.0, upper) } else { lambda });
    app.ask_for_outlines();
}

fn cancel(app: &mut App) {
    app.worker.stop_inference();
    if let Some(image) = app.files.shown_mut() {
        if matches!(image.analysis, Analysis::Running { .. }) {
            image.analysis = Analysis::Cancelled;
        }
        if image.outlining.take().is_some() {
            image.outline_failure = Some("outlining was cancelled".into());
        }
    }
}

fn go_to(app: &mut App, index: usize) {
    let Some(image) = app.files.shown_mut() else { return };
    let Some(candidate) = image.session.candidates().get(index).copied() else { return };
    image.selected = Some(candidate.rect);
    image.view.go_to(candidate.rect.into());
}

fn step_finding(app: &mut App, steps: isize) {
    let Some(image) = app.files.shown() else { return };
    let count = image.session.candidates().len() as isize;
    if count == 0 {
        return;
    }
    let next = match image.selected_index() {
        Some(now) => (now as isize + steps).rem_euclid(count),
        None if steps > 0 => 0,
        None => count - 1,
    };
    go_to(app, next as usize);
}

fn go_to_lesion(app: &mut App, index: usize) {
    let Some(image) = app.files.shown_mut() else { return };
    let rect = image.session.truth().and_then(|truth| bounds(&truth.lesions.get(index)?.shape));
    if let Some(rect) = rect {
        image.view.go_to(rect);
    }
}

/// The smallest rectangle about a lesion.
fn bounds(shape: &LesionShape) -> Option<ImageRect> {
    let points = match shape {
        LesionShape::Box(rect) => return Some(*rect),
        LesionShape::Outline(contours) => contours.iter().flat_map(|contour| contour.points.iter()).collect::<Vec<_>>(),
        LesionShape::Points(points) => points.iter().collect(),
    };
    let first = points.first()?;
    let start = ImageRect::new(first.x, first.y, first.x, first.y);
    Some(points.iter().fold(start, |r, p| ImageRect::new(r.x0.min(p.x), r.y0.min(p.y), r.x1.max(p.x), r.y1.max(p.y))))
}
