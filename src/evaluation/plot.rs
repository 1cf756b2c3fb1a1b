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
    /// Steps instead of slopes: y holds until the next x.
    pub steps: bool,
    /// Wider than the others.
    pub strong: bool,
}

/// Colours that differ in lightness too, and dashes for readers who cannot tell colours apart.
const STYLES: [(&str, &str); 8] = [
    ("#0072b2", ""),
    ("#e69f00", "8 3"),
    ("#009e73", "2 3"),
    ("#cc79a7", "10 3 2 3"),
    ("#56b4e9", "5 2"),
    ("#d55e00", ""),
    ("#5a5a5a", "6 4"),
    ("#000000", "3 2"),
];

const WIDTH: f64 = 720.0;
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
    for step in 0..=5 {
        let part = f64::from(step) / 5.0;
        let (x, y) = (LEFT + part * (RIGHT - LEFT), BOTTOM - part * (BOTTOM - TOP));
        line(out, x, TOP, x, BOTTOM);
        line(out, LEFT, y, RIGHT, y);
        text(out, x, BOTTOM + 18.0, "middle", 12, &tick(part * plot.x_max));
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
    let (colour, dashes) = STYLES[index % STYLES.len()];
    let width = if curve.strong { 2.8 } else { 1.4 };
    let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" stroke-dasharray=\"{dashes}\"");
    let place = |(x, y): (f64, f64)| {
        let x = LEFT + (x / plot.x_max).clamp(0.0, 1.0) * (RIGHT - LEFT);
        (x, BOTTOM - (y / plot.y_max).clamp(0.0, 1.0) * (BOTTOM - TOP))
    };
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for &point in curve.points.iter().filter(|p| p.0.is_finite() && p.1.is_finite() && p.0 <= plot.x_max) {
        let (x, y) = place(point);
        match last {
            None => write!(path, "M{x:.1} {y:.1}").ok(),
            Some((_, before)) if curve.steps => write!(path, "L{x:.1} {before:.1}L{x:.1} {y:.1}").ok(),
            Some(_) => write!(path, "L{x:.1} {y:.1}").ok(),
        };
        last = Some((x, y));
    }
    if let Some((_, y)) = last.filter(|_| curve.steps) {
        write!(path, "L{RIGHT} {y:.1}").ok();
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
