//! The keys: one table, for pressing and for reading in the help.

use egui::{Event, Key, Modifiers};

use super::{Command, FileCommand, LayerCommand, ReadingCommand, ViewCommand, WindowCommand};

/// A key and what it does.
pub struct Binding {
    modifiers: Modifiers,
    /// Any of these; a bracket with Shift is another key on some keyboards.
    keys: &'static [Key],
    /// As the help shows it.
    pub text: &'static str,
    pub what: &'static str,
    command: Command,
}

const NONE: Modifiers = Modifiers::NONE;
const SHIFT: Modifiers = Modifiers::SHIFT;
const CTRL: Modifiers = Modifiers::COMMAND;
const ALT: Modifiers = Modifiers::ALT;

const fn bind(
    modifiers: Modifiers,
    keys: &'static [Key],
    text: &'static str,
    what: &'static str,
    command: Command,
) -> Binding {
    Binding { modifiers, keys, text, what, command }
}

const fn file(command: FileCommand) -> Command {
    Command::File(command)
}

const fn reading(command: ReadingCommand) -> Command {
    Command::Reading(command)
}

const fn view(command: ViewCommand) -> Command {
    Command::View(command)
}

const fn layers(command: LayerCommand) -> Command {
    Command::Layers(command)
}

/// All keys, in the order of the help.
pub static BINDINGS: &[Binding] = &[
    bind(NONE, &[Key::OpenBracket], "[", "λ down by 0.01", reading(ReadingCommand::StepLambda(-1))),
    bind(NONE, &[Key::CloseBracket], "]", "λ up by 0.01", reading(ReadingCommand::StepLambda(1))),
    bind(
        SHIFT,
        &[Key::OpenBracket, Key::OpenCurlyBracket],
        "Shift+[",
        "λ down by 0.05",
        reading(ReadingCommand::StepLambda(-5)),
    ),
    bind(
        SHIFT,
        &[Key::CloseBracket, Key::CloseCurlyBracket],
        "Shift+]",
        "λ up by 0.05",
        reading(ReadingCommand::StepLambda(5)),
    ),
    bind(NONE, &[Key::N], "N", "Next finding", reading(ReadingCommand::StepFinding(1))),
    bind(SHIFT, &[Key::N], "Shift+N", "Previous finding", reading(ReadingCommand::StepFinding(-1))),
    bind(NONE, &[Key::G], "G", "Marks on or off", layers(LayerCommand::ToggleMarks)),
    bind(NONE, &[Key::H], "H", "Heatmap on or off", layers(LayerCommand::ToggleHeatmap)),
    bind(SHIFT, &[Key::G], "Shift+G", "Groundtruth on or off", layers(LayerCommand::ToggleTruth)),
    bind(NONE, &[Key::Space], "Space", "Hide or show all annotations", layers(LayerCommand::HideOrShowAll)),
    bind(NONE, &[Key::F], "F", "Fit the image to the window", view(ViewCommand::Fit)),
    bind(NONE, &[Key::Num1], "1", "One image pixel per screen pixel", view(ViewCommand::OneToOne)),
    bind(NONE, &[Key::T], "T", "True size", view(ViewCommand::TrueSize)),
    bind(NONE, &[Key::Plus, Key::Equals], "+", "Zoom in", view(ViewCommand::ZoomBy(1.25))),
    bind(NONE, &[Key::Minus], "-", "Zoom out", view(ViewCommand::ZoomBy(0.8))),
    bind(NONE, &[Key::I], "I", "Invert", view(ViewCommand::Invert)),
    bind(ALT, &[Key::R], "Alt+R", "Rotate right", view(ViewCommand::TurnRight)),
    bind(ALT, &[Key::L], "Alt+L", "Rotate left", view(ViewCommand::TurnLeft)),
    bind(ALT, &[Key::F], "Alt+F", "Flip", view(ViewCommand::Flip)),
    bind(CTRL, &[Key::Num1], "Ctrl+1 … 9", "Grey-scale presets", view(ViewCommand::ChooseVoi(0))),
    bind(CTRL, &[Key::Num2], "", "", view(ViewCommand::ChooseVoi(1))),
    bind(CTRL, &[Key::Num3], "", "", view(ViewCommand::ChooseVoi(2))),
    bind(CTRL, &[Key::Num4], "", "", view(ViewCommand::ChooseVoi(3))),
    bind(CTRL, &[Key::Num5], "", "", view(ViewCommand::ChooseVoi(4))),
    bind(CTRL, &[Key::Num6], "", "", view(ViewCommand::ChooseVoi(5))),
    bind(CTRL, &[Key::Num7], "", "", view(ViewCommand::ChooseVoi(6))),
    bind(CTRL, &[Key::Num8], "", "", view(ViewCommand::ChooseVoi(7))),
    bind(CTRL, &[Key::Num9], "", "", view(ViewCommand::ChooseVoi(8))),
    bind(NONE, &[Key::ArrowRight, Key::ArrowDown], "→ ↓", "Next image", file(FileCommand::Step(1))),
    bind(NONE, &[Key::ArrowLeft, Key::ArrowUp], "← ↑", "Previous image", file(FileCommand::Step(-1))),
    bind(CTRL, &[Key::O], "Ctrl+O", "Open files", file(FileCommand::AskFiles)),
    bind(CTRL, &[Key::E], "Ctrl+E", "Export the annotated image", file(FileCommand::AskExport(0))),
    bind(CTRL, &[Key::W], "Ctrl+W", "Close the image", file(FileCommand::CloseShown)),
    bind(NONE, &[Key::Escape], "Esc", "Cancel, or dismiss a notice", Command::Window(WindowCommand::Escape)),
    bind(NONE, &[Key::F1], "F1", "This help", Command::Window(WindowCommand::ToggleHelp)),
    bind(CTRL, &[Key::Q], "Ctrl+Q", "Quit", Command::Window(WindowCommand::Quit)),
];

/// The commands of the keys pressed since the last frame, which no other widget sees then. While text is being typed or a
/// menu is open none are taken, and a widget with the focus keeps the keys that move it.
pub fn pressed(ctx: &egui::Context) -> Vec<Command> {
    if ctx.text_edit_focused() || egui::Popup::is_any_open(ctx) {
        return Vec::new();
    }
    let focused = ctx.memory(|memory| memory.focused().is_some());
    let mut commands = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
            let moves_focus = [Key::Space, Key::ArrowUp, Key::ArrowDown, Key::ArrowLeft, Key::ArrowRight].contains(key);
            if focused && moves_focus {
                return true;
            }
            let is_hit = |b: &&Binding| b.keys.contains(key) && modifiers.matches_exact(b.modifiers);
            match BINDINGS.iter().find(is_hit) {
                Some(binding) => {
                    commands.push(binding.command.clone());
                    false
                }
                None => true,
            }
        });
    });
    commands
}
