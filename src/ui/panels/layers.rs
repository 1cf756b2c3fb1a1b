//! Which marks are drawn, each with the look that it has on the image.

use egui::{Color32, Mesh, Rect, Ui};

use super::super::app::App;
use super::super::commands::{Command, LayerCommand};
use super::super::files::OpenImage;
use super::super::theme::palette;
use super::parts::line_swatch;
use crate::marks::{self, Mark};

pub fn layers_ui(ui: &mut Ui, app: &App, image: &OpenImage, commands: &mut Vec<Command>) {
    let mut layers = app.layers;
    row(ui, &mut layers.boxes, "Detections", &marks::DETECTION, "G");
    if layers.boxes {
        indented(ui, |ui| scale_ui(ui, &mut layers, image));
    }
    row(ui, &mut layers.candidates, "Candidates", &marks::CANDIDATE, "G");
    row(ui, &mut layers.contours, "Contours", &marks::CONTOUR, "G");
    row(ui, &mut layers.truth, "Groundtruth", &marks::TRUTH, "Shift+G");
    row(ui, &mut layers.lambda_outline, "Ms = λ", &marks::LAMBDA, "H");
    heatmap_row(ui, &mut layers.heatmap);
    if layers.heatmap {
        indented(ui, |ui| {
            let name = ui.label(egui::RichText::new("Opacity").color(palette(ui).weak));
            ui.spacing_mut().slider_width = 120.0;
            let slider = egui::Slider::new(&mut layers.heatmap_opacity, 0.0..=1.0).show_value(false);
            ui.add(slider).labelled_by(name.id);
        });
    }
    ui.checkbox(&mut layers.legend, "Legend on the image");
    if layers != app.layers {
        commands.push(Command::Layers(LayerCommand::Set(layers)));
    }
}

/// A switch, its key and a sample of its line.
fn row(ui: &mut Ui, on: &mut bool, name: &str, mark: &Mark, key: &str) {
    ui.horizontal(|ui| {
        ui.checkbox(on, name).on_hover_text(key);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| line_swatch(ui, mark));
    });
}

fn heatmap_row(ui: &mut Ui, on: &mut bool) {
    ui.horizontal(|ui| {
        ui.checkbox(on, "Heatmap of Ms").on_hover_text("H");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (chip, _) = ui.allocate_exact_size(egui::vec2(36.0, 16.0), egui::Sense::hover());
            ui.painter().add(gradient(chip.shrink2(egui::vec2(0.0, 3.0))));
        });
    });
}

/// The heatmap's colours from 0 to 1, as one mesh.
fn gradient(rect: Rect) -> Mesh {
    let mut mesh = Mesh::default();
    for step in 0..=GRADIENT_STEPS {
        let part = step as f32 / GRADIENT_STEPS as f32;
        let [r, g, b, _] = marks::heat_color(part.max(0.01));
        let x = egui::lerp(rect.x_range(), part);
        mesh.colored_vertex(egui::pos2(x, rect.top()), Color32::from_rgb(r, g, b));
        mesh.colored_vertex(egui::pos2(x, rect.bottom()), Color32::from_rgb(r, g, b));
        if step > 0 {
            let last = 2 * step;
            mesh.add_triangle(last - 2, last - 1, last);
            mesh.add_triangle(last - 1, last, last + 1);
        }
    }
    mesh
}

const GRADIENT_STEPS: u32 = 12;

/// The choice between all scales and one of them.
fn scale_ui(ui: &mut Ui, layers: &mut super::super::viewport::Layers, image: &OpenImage) {
    let sizes: Vec<_> = image.session.reading().iter().flat_map(|r| r.scales.iter()).collect();
    let name = |size: Option<crate::space::NetSize>| size.map_or_else(|| "All scales".into(), |size| size.to_string());
    let combo = egui::ComboBox::from_id_salt("scale").selected_text(name(layers.scale)).width(160.0);
    let shown = combo.show_ui(ui, |ui| {
        let total: usize = sizes.iter().map(|scale| scale.detections.len()).sum();
        ui.selectable_value(&mut layers.scale, None, format!("All scales ({total})"));
        for scale in sizes {
            let text = format!("{} ({})", scale.size, scale.detections.len());
            ui.selectable_value(&mut layers.scale, Some(scale.size), text);
        }
    });
    shown.response.on_hover_text("The scales whose boxes are drawn");
}

fn indented(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        ui.add_space(24.0);
        contents(ui);
    });
}
