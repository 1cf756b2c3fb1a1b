//! How the image is looked at.

use super::super::app::App;
use super::super::notices::Tone;
use super::ViewCommand;

pub fn execute(app: &mut App, command: ViewCommand) {
    let screen_mm = app.settings.current.screen_pixel_mm;
    let Some(image) = app.files.shown_mut() else { return };
    match command {
        ViewCommand::Fit => image.view.fit(),
        ViewCommand::OneToOne => image.view.one_to_one(),
        ViewCommand::TrueSize => match &image.session.study().spacing {
            Some(spacing) => image.view.true_size(spacing.column_mm, screen_mm),
            None => app.notices.say(Tone::Info, "True size is not known: the file says nothing about millimetres."),
        },
        ViewCommand::ZoomBy(factor) => image.view.zoom_by(factor),
        ViewCommand::Invert => image.view.toggle_invert(),
        ViewCommand::TurnLeft => image.view.turn_left(),
        ViewCommand::TurnRight => image.view.turn_right(),
        ViewCommand::Flip => image.view.flip(),
        ViewCommand::ChooseVoi(index) => {
            if index < image.session.study().grayscale.choices.len() {
                image.view.choose_voi(index);
            }
        }
    }
}
