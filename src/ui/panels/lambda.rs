//! The λ slider under the histogram of Ms.

use egui::{Rect, Sense, Stroke, Ui, pos2, vec2};

use super::super::commands::{Command, ReadingCommand};
use super::super::files::OpenImage;
use super::super::profile::{BINS, LAMBDA_STEP, Profile};
use super::super::theme::{self, palette};

const HISTOGRAM_HEIGHT: f32 = 48.0;
/// The levels' ticks below the histogram.
const TICKS_HEIGHT: f32 = 6.0;

pub fn lambda_ui(ui: &mut Ui, image: &OpenImage, commands: &mut Vec<Command>) {
    let session = &image.session;
    let mut lambda = session.lambda();
    let upper = image.profile.as_ref().map_or(1.0, |profile| profile.upper);
    let name = ui.horizontal(|ui| {
        let text = egui::RichText::new("λ").font(theme::strong_font(20.0)).color(palette(ui).strong);
        let name = ui.label(text).on_hover_text("Regions with Ms ≥ λ are candidates; λ = 0 keeps every detection.");
        let value = egui::DragValue::new(&mut lambda).range(0.0..=upper).speed(0.002).fixed_decimals(2);
        ui.add(value).labelled_by(name.id);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let text = match (session.reading(), session.candidates().len()) {
                (None, _) => "not analysed".to_owned(),
                (Some(_), 1) => "1 candidate".to_owned(),
                (Some(_), n) => format!("{n} candidates"),
            };
            ui.label(theme::strong(text).color(palette(ui).strong));
        });
        name
    });
    let width = ui.available_width();
    ui.spacing_mut().slider_width = width;
    ui.spacing_mut().item_spacing.y = 0.0;
    let (strip, _) = ui.allocate_exact_size(vec2(width, HISTOGRAM_HEIGHT + TICKS_HEIGHT), Sense::hover());
    let slider =
        egui::Slider::new(&mut lambda, 0.0..=upper).show_value(false).step_by(LAMBDA_STEP).trailing_fill(false);
    let slider = ui.add(slider).labelled_by(name.inner.id).on_hover_text("[ and ], with Shift five times as far");
    if let Some(profile) = &image.profile {
        // The slider's handle does not reach its ends: the histogram stands over where it goes.
        let reach = slider.rect.x_range().shrink(slider.rect.height() / 2.5);
        let strip = Rect::from_x_y_ranges(reach, strip.y_range());
        histogram(ui, strip, profile, lambda);
    }
    if lambda != session.lambda() {
        commands.push(Command::Reading(ReadingCommand::SetLambda(lambda)));
    }
}

/// How much of the image is at which Ms; what λ keeps is bright.
fn histogram(ui: &Ui, rect: Rect, profile: &Profile, lambda: f32) {
    let palette = palette(ui);
    let painter = ui.painter();
    let x = |ms: f32| rect.left() + rect.width() * (ms / profile.upper).clamp(0.0, 1.0);
    let base = rect.bottom() - TICKS_HEIGHT;
    painter.hline(rect.x_range(), base, Stroke::new(1.0, palette.line));
    for (bin, height) in profile.bars.iter().enumerate().filter(|(_, height)| **height > 0.0) {
        let ends = [bin, bin + 1].map(|edge| edge as f32 / BINS as f32 * profile.upper);
        let color = if ends[1] > lambda { palette.accent } else { palette.widget_hovered };
        let top = base - (HISTOGRAM_HEIGHT - 4.0) * height.max(0.04);
        let bar = Rect::from_min_max(pos2(x(ends[0]) + 0.5, top), pos2(x(ends[1]) - 0.5, base));
        painter.rect_filled(bar, 0.0, color);
    }
    for level in &profile.levels {
        let color = if *level >= lambda { palette.accent } else { palette.weak };
        painter.vline(x(*level), base + 1.0..=rect.bottom(), Stroke::new(1.0, color.gamma_multiply(0.8)));
    }
    painter.vline(x(lambda), rect.top()..=rect.bottom(), Stroke::new(1.0, palette.strong));
}
