//! A screen as a picture (SVG): what a terminal would show of it, in fonts and colours of our choice. Must not know what is
//! on it.

use std::fmt::Write as _;

/// Of a cell, in the picture's units.
const WIDE: f64 = 8.4;
const HIGH: f64 = 18.0;
const EDGE: f64 = 12.0;
const PAPER: &str = "#14161b";
const INK: &str = "#d7dae0";
/// The sixteen colours that a terminal's owner chooses.
const COLOURS: [&str; 16] = [
    "#22252c", "#e5616c", "#8ac26b", "#e0b15f", "#63a0e8", "#c07be0", "#55b8c4", "#c4c8d0", "#6b7280", "#ff8590",
    "#a9dc8e", "#f7cd83", "#8cbcff", "#d9a0f3", "#7ed6e0", "#ffffff",
];

fn colour(colour: vt100::Color, otherwise: &str) -> String {
    match colour {
        vt100::Color::Default => otherwise.to_owned(),
        vt100::Color::Idx(index) => COLOURS.get(usize::from(index)).copied().unwrap_or(otherwise).to_owned(),
        vt100::Color::Rgb(red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

/// The colours of a cell, the text's first.
fn colours(cell: &vt100::Cell) -> (String, String) {
    let (ink, paper) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), PAPER));
    if cell.inverse() { (paper, ink) } else { (ink, paper) }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Each stretch of cells of one look is one piece of text, stretched to the cells it fills: fonts differ.
pub(crate) fn svg(screen: &vt100::Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (width, height) = (f64::from(columns) * WIDE + 2.0 * EDGE, f64::from(rows) * HIGH + 2.0 * EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         role=\"img\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"14\" xml:space=\"preserve\">\n",
        escaped(title)
    );
    for row in 0..rows {
        let mut from = 0;
        while from < columns {
            let look = |column: u16| {
                let cell = screen.cell(row, column)?;
                Some((colours(cell), cell.bold(), cell.dim()))
            };
            let first = look(from);
            let to = (from..columns).find(|column| look(*column) != first).unwrap_or(columns);
            let text: String = (from..to)
                .filter_map(|column| screen.cell(row, column))
                .filter(|cell| !cell.is_wide_continuation())
                .map(|cell| if cell.has_contents() { cell.contents() } else { " " })
                .collect();
            let Some(((ink, paper), bold, dim)) = first else { break };
            let (x, y) = (EDGE + f64::from(from) * WIDE, EDGE + f64::from(row) * HIGH);
            let wide = f64::from(to - from) * WIDE;
            if paper != PAPER {
                let _ = writeln!(
                    svg,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{HIGH:.1}\" fill=\"{paper}\"/>"
                );
            }
            if !text.trim().is_empty() {
                let weight = if bold { " font-weight=\"bold\"" } else { "" };
                let faint = if dim { " opacity=\"0.6\"" } else { "" };
                let _ = writeln!(
                    svg,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{wide:.1}\" fill=\"{ink}\"{weight}{faint}>{}</text>",
                    y + HIGH * 0.75,
                    escaped(&text)
                );
            }
            from = to;
        }
    }
    svg + "</g>\n</svg>\n"
}
