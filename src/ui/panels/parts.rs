//! Small parts that several panels share.

use egui::{Color32, Painter, Rect, Shape, Stroke, Ui, pos2};

use super::super::theme::{self, palette};
use crate::marks::{DASH, DASH_GAP, DOT_GAP, LineStyle, Mark};

/// A titled part of a panel, under a line that separates it from the one above.
pub fn section(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    if ui.min_rect().height() > 0.0 {
        ui.add_space(12.0);
        let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 1.0), egui::Sense::hover());
        ui.painter().hline(rect.x_range(), rect.center().y, Stroke::new(1.0, palette(ui).line));
        ui.add_space(4.0);
    }
    ui.label(egui::RichText::new(title).font(theme::strong_font(12.0)).color(palette(ui).weak));
    ui.add_space(4.0);
    ui.scope(contents);
}

/// A name on the left and a value on the right of one line.
pub fn fact(ui: &mut Ui, name: &str, value: impl Into<String>) -> egui::Response {
    let value = value.into();
    let row = ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = 16.0;
        ui.horizontal(|ui| {
            ui.label(egui::RichText::new(name).color(palette(ui).weak));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.add(egui::Label::new(&value).truncate());
            });
        });
    });
    row.response.on_hover_text(value)
}

/// A short piece of a mark's line on black, as the image shows it.
pub fn line_swatch(ui: &mut Ui, mark: &Mark) {
    let (chip, _) = ui.allocate_exact_size(egui::vec2(36.0, 16.0), egui::Sense::hover());
    let rect = chip.shrink2(egui::vec2(6.0, 2.0));
    ui.painter().rect_filled(chip, 0.0, Color32::from_gray(8));
    let [r, g, b] = mark.color;
    let stroke = Stroke::new(mark.width, Color32::from_rgb(r, g, b));
    paint_line(ui.painter(), rect, stroke, mark.line);
}

fn paint_line(painter: &Painter, rect: Rect, stroke: Stroke, line: LineStyle) {
    let (left, right, y) = (rect.left(), rect.right(), rect.center().y);
    let ends = [pos2(left, y), pos2(right, y)];
    match line {
        LineStyle::Solid => {
            painter.line_segment(ends, stroke);
        }
        LineStyle::Dashed => {
            painter.extend(Shape::dashed_line(&ends, stroke, DASH, DASH_GAP));
        }
        LineStyle::Dotted => {
            painter.extend(Shape::dashed_line(&ends, stroke, stroke.width, DOT_GAP));
        }
        LineStyle::Corners => {
            let (top, bottom, arm) = (rect.top() + 1.0, rect.bottom() - 1.0, 5.0);
            for (x, dx) in [(left + 1.0, arm), (right - 1.0, -arm)] {
                for (y, dy) in [(top, arm * 0.7), (bottom, -arm * 0.7)] {
                    painter.line_segment([pos2(x, y), pos2(x + dx, y)], stroke);
                    painter.line_segment([pos2(x, y), pos2(x, y + dy)], stroke);
                }
            }
        }
    }
}
