//! How the findings at the current λ compare with the groundtruth.

use egui::Ui;

use super::super::commands::{Command, ReadingCommand};
use super::super::files::OpenImage;
use super::super::theme::{self, palette};
use super::parts::fact;
use crate::annotation::{GroundTruth, LesionKind};

pub fn truth_ui(ui: &mut Ui, image: &OpenImage, truth: &GroundTruth, commands: &mut Vec<Command>) {
    let masses = truth.lesions.iter().filter(|lesion| lesion.kind == LesionKind::Mass).count();
    let others = truth.lesions.len() - masses;
    let Some(comparison) = image.session.comparison() else {
        let counted = if masses == 1 { "1 mass".to_owned() } else { format!("{masses} masses") };
        ui.label(format!("{counted}, to be compared once the image is analysed."));
        return;
    };
    ui.horizontal(|ui| {
        let palette = palette(ui);
        number(ui, comparison.hits, if comparison.hits == 1 { "hit" } else { "hits" }, palette.good);
        number(ui, comparison.misses, if comparison.misses == 1 { "miss" } else { "misses" }, palette.error);
        let name = if comparison.false_positives == 1 { "false positive" } else { "false positives" };
        number(ui, comparison.false_positives, name, palette.warning);
    });
    ui.add_space(4.0);
    let measure = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
    fact(ui, "Dice, whole image", measure(comparison.image_dice));
    fact(ui, "IoU, whole image", measure(comparison.image_iou));
    fact(ui, "From", truth.format);
    if others > 0 {
        fact(ui, "Other lesions, not compared", others.to_string());
    }
    let is_hit = |lesion: usize| comparison.lesion_hit.get(lesion) == Some(&true);
    for (index, lesion) in truth.lesions.iter().enumerate() {
        if lesion.kind == LesionKind::Mass && !is_hit(index) {
            let name = if lesion.name.is_empty() { "Mass" } else { &lesion.name };
            let text = format!("Missed: {name} {}", index + 1);
            if ui.button(text).on_hover_text("Show it").clicked() {
                commands.push(Command::Reading(ReadingCommand::GoToLesion(index)));
            }
        }
    }
}

/// A count with its word, dimmed at zero.
fn number(ui: &mut Ui, count: usize, name: &str, color: egui::Color32) {
    let color = if count == 0 { palette(ui).weak } else { color };
    ui.label(theme::strong(format!("{count} {name}")).color(color));
    ui.add_space(4.0);
}
