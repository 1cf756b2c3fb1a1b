//! The window's look: dark and calm, one accent colour, distances in multiples of 4 points, text of 13 points.

use std::sync::Arc;

use egui::style::{WidgetVisuals, Widgets};
use egui::{
    Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Shadow, Stroke, TextStyle, Visuals,
    vec2,
};

use super::settings;

/// Colours beyond those of egui's visuals.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind bars and panels.
    pub panel: Color32,
    /// Behind what floats over them: menus, notices, the help.
    pub floating: Color32,
    /// Lines between parts.
    pub line: Color32,
    pub widget: Color32,
    pub widget_hovered: Color32,
    pub text: Color32,
    pub weak: Color32,
    pub strong: Color32,
    /// The one colour for what is chosen or active.
    pub accent: Color32,
    pub accent_faint: Color32,
    pub good: Color32,
    pub warning: Color32,
    pub error: Color32,
}

const DARK: Palette = Palette {
    panel: Color32::from_rgb(22, 25, 29),
    floating: Color32::from_rgb(28, 32, 37),
    line: Color32::from_rgb(44, 50, 57),
    widget: Color32::from_rgb(41, 47, 54),
    widget_hovered: Color32::from_rgb(53, 61, 70),
    text: Color32::from_rgb(206, 212, 218),
    weak: Color32::from_rgb(142, 152, 162),
    strong: Color32::from_rgb(240, 243, 246),
    accent: Color32::from_rgb(88, 166, 214),
    accent_faint: Color32::from_rgb(32, 62, 82),
    good: Color32::from_rgb(96, 200, 124),
    warning: Color32::from_rgb(230, 176, 84),
    error: Color32::from_rgb(236, 112, 106),
};

const LIGHT: Palette = Palette {
    panel: Color32::from_rgb(244, 246, 248),
    floating: Color32::from_rgb(232, 236, 240),
    line: Color32::from_rgb(208, 214, 220),
    widget: Color32::from_rgb(222, 227, 232),
    widget_hovered: Color32::from_rgb(208, 215, 222),
    text: Color32::from_rgb(44, 52, 60),
    weak: Color32::from_rgb(98, 108, 118),
    strong: Color32::from_rgb(16, 22, 28),
    accent: Color32::from_rgb(20, 110, 168),
    accent_faint: Color32::from_rgb(200, 224, 240),
    good: Color32::from_rgb(28, 124, 60),
    warning: Color32::from_rgb(150, 96, 0),
    error: Color32::from_rgb(180, 40, 36),
};

/// The name of the semi-bold family.
const STRONG: &str = "strong";
/// The height of a line that can be clicked.
pub const ROW: f32 = 24.0;
/// Around a panel's contents.
pub const PANEL_MARGIN: Margin = Margin { left: 12, right: 12, top: 8, bottom: 8 };

/// Behind everything: the window is cleared to it, as filling panels would take most of a frame's time without a graphics card.
pub fn background(visuals: &Visuals) -> Color32 {
    visuals.panel_fill
}

/// The colours in use.
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

/// Semi-bold text of the body's size.
pub fn strong(text: impl Into<String>) -> egui::RichText {
    egui::RichText::new(text).font(strong_font(13.0))
}

pub fn strong_font(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name(STRONG.into()))
}

/// Inter, before egui's own fonts, which stay for the characters it lacks.
pub fn install_fonts(ctx: &egui::Context) {
    let mut fonts = FontDefinitions::default();
    let regular = FontData::from_static(include_bytes!("../../assets/fonts/Inter-Regular.otf"));
    let semibold = FontData::from_static(include_bytes!("../../assets/fonts/Inter-SemiBold.otf"));
    fonts.font_data.insert("Inter".into(), Arc::new(regular));
    fonts.font_data.insert("Inter SemiBold".into(), Arc::new(semibold));
    let proportional = fonts.families.entry(FontFamily::Proportional).or_default();
    proportional.insert(0, "Inter".into());
    let mut strong = proportional.clone();
    strong[0] = "Inter SemiBold".into();
    fonts.families.insert(FontFamily::Name(STRONG.into()), strong);
    ctx.set_fonts(fonts);
}

/// Sets colours, sizes and distances.
pub fn apply(ctx: &egui::Context, theme: settings::Theme) {
    let (egui_theme, palette) = match theme {
        settings::Theme::Dark => (egui::Theme::Dark, &DARK),
        settings::Theme::Light => (egui::Theme::Light, &LIGHT),
    };
    ctx.set_theme(egui_theme);
    ctx.style_mut_of(egui_theme, |style| {
        style.visuals = visuals(palette, theme);
        style.text_styles = [
            (TextStyle::Small, FontId::proportional(12.0)),
            (TextStyle::Body, FontId::proportional(13.0)),
            (TextStyle::Button, FontId::proportional(13.0)),
            (TextStyle::Monospace, FontId::monospace(13.0)),
            (TextStyle::Heading, strong_font(15.0)),
        ]
        .into();
        let spacing = &mut style.spacing;
        spacing.item_spacing = vec2(8.0, 4.0);
        spacing.button_padding = vec2(8.0, 4.0);
        spacing.interact_size = vec2(24.0, ROW);
        spacing.menu_margin = Margin::same(4);
        spacing.window_margin = Margin::same(16);
        spacing.icon_width = 16.0;
        spacing.icon_width_inner = 8.0;
        spacing.icon_spacing = 8.0;
        spacing.slider_rail_height = 4.0;
        spacing.tooltip_width = 360.0;
        spacing.scroll = egui::style::ScrollStyle::thin();
        style.animation_time = 0.08;
        style.interaction.selectable_labels = false;
        style.interaction.tooltip_delay = 0.6;
    });
}

fn visuals(palette: &Palette, theme: settings::Theme) -> Visuals {
    let base = match theme {
        settings::Theme::Dark => Visuals::dark(),
        settings::Theme::Light => Visuals::light(),
    };
    let widget = |fill: Color32, text: Color32, outline: Stroke| WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: outline,
        corner_radius: CornerRadius::same(4),
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    let mut visuals = Visuals {
        widgets: Widgets {
            noninteractive: widget(palette.panel, palette.text, Stroke::new(1.0, palette.line)),
            inactive: widget(palette.widget, palette.text, Stroke::NONE),
            hovered: widget(palette.widget_hovered, palette.strong, Stroke::NONE),
            active: widget(palette.accent_faint, palette.strong, Stroke::new(1.0, palette.accent)),
            open: widget(palette.widget_hovered, palette.strong, Stroke::NONE),
        },
        weak_text_color: Some(palette.weak),
        hyperlink_color: palette.accent,
        faint_bg_color: palette.floating,
        extreme_bg_color: if base.dark_mode { Color32::from_rgb(14, 16, 19) } else { Color32::WHITE },
        warn_fg_color: palette.warning,
        error_fg_color: palette.error,
        window_corner_radius: CornerRadius::same(8),
        menu_corner_radius: CornerRadius::same(6),
        window_fill: palette.floating,
        window_stroke: Stroke::new(1.0, palette.line),
        panel_fill: palette.panel,
        popup_shadow: Shadow { offset: [0, 4], blur: 12, spread: 0, color: Color32::from_black_alpha(110) },
        window_shadow: Shadow { offset: [0, 8], blur: 24, spread: 0, color: Color32::from_black_alpha(130) },
        slider_trailing_fill: true,
        handle_shape: egui::style::HandleShape::Circle,
        ..base
    };
    visuals.selection.bg_fill = palette.accent_faint;
    visuals.selection.stroke = Stroke::new(1.0, palette.strong);
    visuals
}
