//! Line plots as SVG, with nothing but what the report needs.

use std::fmt::Write;

/// A plot of curves over two linear axes.
pub struct Plot<'a> {
    pub title: &'a str,
    pub x_label: &'a str,
    pub y_label: &'a str,
    /// The axes run from 0 to here.
    pub x_max: f64,
    pub y_max: f64,
    pub curves: Vec<Curve>,
}

/// A named line, drawn point to point.
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Colour and dashes, by number.
    pub style: usize,
    /// Wider than the others.
    pub strong: bool,
}

/// Colours that differ in lightness too, and dashes for readers who cannot tell colours apart. In the order of the report's
/// curves: five scales in blues, what pools them in grey, the fused ones in warm colours.
const STYLES: [(&str, &str); 12] = [
    ("#9ecae1", ""),
    ("#6baed6", "8 3"),
    ("#4292c6", "2 3"),
    ("#2171b5", "10 3 2 3"),
    ("#08306b", "5 2"),
    ("#737373", "6 4"),
    ("#000000", ""),
    ("#e69f00", "8 3"),
    ("#f16913", "3 2"),
    ("#cb181d", ""),
    ("#67000d", "10 3 2 3"),
    ("#009e73", "2 3"),
];

const WIDTH: f64 = 780.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 500.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 400.0;

/// The plot as an SVG document.
pub fn svg(plot: &Plot) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    text(&mut out, LEFT, TOP - 16.0, "start", 15, plot.title);
    axes(&mut out, plot);
    for (index, curve) in plot.curves.iter().enumerate() {
        draw(&mut out, plot, curve, index);
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, plot: &Plot) {
    let steps = |max: f64| if max > 1.0 { max.ceil() as u32 } else { 5 };
    for part in (0..=steps(plot.x_max)).map(|step| f64::from(step) / f64::from(steps(plot.x_max))) {
        let x = LEFT + part * (RIGHT - LEFT);
        line(out, x, TOP, x, BOTTOM);
        text(out, x, BOTTOM + 18.0, "middle", 12, &tick(part * plot.x_max));
    }
    for part in (0..=steps(plot.y_max)).map(|step| f64::from(step) / f64::from(steps(plot.y_max))) {
        let y = BOTTOM - part * (BOTTOM - TOP);
        line(out, LEFT, y, RIGHT, y);
        text(out, LEFT - 8.0, y + 4.0, "end", 12, &tick(part * plot.y_max));
    }
    text(out, (LEFT + RIGHT) / 2.0, BOTTOM + 40.0, "middle", 13, plot.x_label);
    let (x, y) = (18.0, (TOP + BOTTOM) / 2.0);
    let label = escape(plot.y_label);
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"13\" transform=\"rotate(-90 {x} {y})\">{label}</text>"
    )
    .ok();
}

fn draw(out: &mut String, plot: &Plot, curve: &Curve, index: usize) {
    let (colour, dashes) = STYLES[curve.style % STYLES.len()];
    let width = if curve.strong { 2.8 } else { 1.4 };
    let dashes = if dashes.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dashes}\"") };
    let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dashes}");
    let place = |(x, y): (f64, f64)| {
        let x = LEFT + (x / plot.x_max).clamp(0.0, 1.0) * (RIGHT - LEFT);
        (x, BOTTOM - (y / plot.y_max).clamp(0.0, 1.0) * (BOTTOM - TOP))
    };
    let mut path = String::new();
    for &point in curve.points.iter().filter(|p| p.0.is_finite() && p.1.is_finite() && p.0 <= plot.x_max) {
        let (x, y) = place(point);
        let command = if path.is_empty() { 'M' } else { 'L' };
        write!(path, "{command}{x:.1} {y:.1}").ok();
    }
    writeln!(out, "<path d=\"{path}\" {style}/>").ok();
    let y = TOP + 10.0 + 20.0 * index as f64;
    writeln!(out, "<path d=\"M{} {y}h28\" {style}/>", RIGHT + 14.0).ok();
    text(out, RIGHT + 48.0, y + 4.0, "start", 12, &curve.name);
}

fn line(out: &mut String, x0: f64, y0: f64, x1: f64, y1: f64) {
    writeln!(out, "<path d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\" stroke=\"#d8d8d8\"/>").ok();
}

fn text(out: &mut String, x: f64, y: f64, anchor: &str, size: u32, words: &str) {
    let words = escape(words);
    writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>").ok();
}

fn tick(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn escape(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
