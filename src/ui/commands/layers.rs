//! Which marks are drawn.

use super::super::app::App;
use super::super::viewport::Layers;
use super::LayerCommand;

pub fn execute(app: &mut App, command: LayerCommand) {
    let layers = app.layers;
    match command {
        LayerCommand::Set(layers) => set(app, layers),
        LayerCommand::ToggleMarks => {
            let on = !(layers.boxes || layers.candidates || layers.contours);
            set(app, Layers { boxes: on, candidates: on, contours: on, ..layers });
        }
        LayerCommand::ToggleHeatmap => {
            let on = !layers.heatmap;
            set(app, Layers { heatmap: on, lambda_outline: on, ..layers });
        }
        LayerCommand::ToggleTruth => set(app, Layers { truth: !layers.truth, ..layers }),
        LayerCommand::HideOrShowAll => match app.hidden_layers.take() {
            Some(hidden) => app.layers = hidden,
            None => hide_all(app),
        },
    }
}

/// What the reader switches on or off replaces what was hidden.
fn set(app: &mut App, layers: Layers) {
    app.layers = layers;
    app.hidden_layers = None;
}

/// No annotation at all, until they are shown again; the choices that only refine one stay.
pub fn hide_all(app: &mut App) {
    if app.hidden_layers.is_none() {
        let layers = app.layers;
        app.layers = Layers { scale: layers.scale, heatmap_opacity: layers.heatmap_opacity, ..Layers::NONE };
        app.hidden_layers = Some(layers);
    }
}
