//! What must not be overlooked about the shown image, above it.

use egui::Ui;

use super::super::app::App;
use super::super::files::State;
use super::super::theme::palette;

pub fn banner_ui(ui: &mut Ui, app: &App) {
    let for_processing = app.files.shown().is_some_and(|image| image.session.study().identity.for_processing);
    let text = match app.files.current().map(|entry| &entry.state) {
        Some(State::Open(_)) if for_processing => {
            "For Processing image: raw detector values, not meant to be read as they are shown here."
        }
        _ => return,
    };
    let palette = palette(ui);
    egui::Frame::new().fill(palette.warning).inner_margin(egui::Margin::symmetric(12, 6)).show(ui, |ui| {
        ui.take_available_width();
        ui.label(egui::RichText::new(text).color(egui::Color32::BLACK));
    });
}
