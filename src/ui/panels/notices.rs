//! Notices over the lower edge of the image.

use egui::{Align2, Context, Rect, Stroke, vec2};

use super::super::commands::{Command, WindowCommand};
use super::super::notices::{Notice, Tone};
use super::super::theme::palette;

/// `area` is the image's.
pub fn notices_ui(ctx: &Context, area: Rect, notices: &[Notice], commands: &mut Vec<Command>) {
    if notices.is_empty() {
        return;
    }
    egui::Area::new(egui::Id::new("notices"))
        .pivot(Align2::CENTER_BOTTOM)
        .fixed_pos(area.center_bottom() - vec2(0.0, 32.0))
        .show(ctx, |ui| {
            ui.set_width((area.width() - 32.0).clamp(200.0, 520.0));
            for notice in notices {
                notice_ui(ui, notice, commands);
                ui.add_space(4.0);
            }
        });
}

fn notice_ui(ui: &mut egui::Ui, notice: &Notice, commands: &mut Vec<Command>) {
    let palette = palette(ui);
    let color = match notice.tone {
        Tone::Info => palette.accent,
        Tone::Warning => palette.warning,
        Tone::Error => palette.error,
    };
    let frame = egui::Frame::new()
        .fill(palette.floating)
        .stroke(Stroke::new(1.0, palette.line))
        .shadow(ui.visuals().popup_shadow)
        .corner_radius(6)
        .inner_margin(egui::Margin { left: 16, right: 8, top: 8, bottom: 8 });
    let shown = frame.show(ui, |ui| {
        ui.take_available_width();
        ui.horizontal(|ui| {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("Dismiss").clicked() {
                    commands.push(Command::Window(WindowCommand::Dismiss(notice.id)));
                }
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    ui.add(egui::Label::new(&notice.text).wrap());
                });
            });
        });
    });
    let rect = shown.response.rect;
    let edge = egui::Rect::from_min_max(rect.left_top(), egui::pos2(rect.left() + 4.0, rect.bottom()));
    ui.painter().rect_filled(edge, egui::CornerRadius { nw: 6, sw: 6, ne: 0, se: 0 }, color);
}
