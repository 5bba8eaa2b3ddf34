//! The losses of a run as a picture.

use anyhow::{Context, anyhow};
use hob_train::Point;
use plotters::prelude::*;

/// Steps whose mean the training curve shows: single batches say little.
const SMOOTH: usize = 25;

/// An SVG of training and validation losses over steps.
pub fn losses(points: &[Point]) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(points, &mut svg).map_err(|e| anyhow!("{e}")).context("cannot draw the losses")?;
    Ok(svg)
}

fn draw(points: &[Point], svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let train: Vec<(f64, f64)> = points
        .windows(SMOOTH.min(points.len()).max(1))
        .map(|w| (w[w.len() - 1].step as f64, w.iter().map(|p| p.loss).sum::<f64>() / w.len() as f64))
        .collect();
    let valid: Vec<(f64, f64)> = points.iter().filter_map(|p| Some((p.step as f64, p.valid?))).collect();
    let all = || train.iter().chain(&valid).map(|p| p.1);
    // Without a point there is still a picture; the library would look for ticks of an endless axis for ever.
    let low = all().reduce(f64::min).unwrap_or(0.0);
    let high = all().reduce(f64::max).unwrap_or(1.0);
    let last = points.last().map_or(1, |p| p.step) as f64;
    let root = SVGBackend::with_string(svg, (800, 450)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..last, low - 0.05..high + 0.05)?;
    chart
        .configure_mesh()
        .x_desc("steps")
        .y_desc("loss, nats per token")
        .light_line_style(TRANSPARENT)
        .draw()?;
    let (blue, orange) = (RGBColor(31, 119, 180), RGBColor(214, 98, 0));
    let label =
        |colour: RGBColor| move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2));
    chart.draw_series(LineSeries::new(train, blue.stroke_width(2)))?.label("training").legend(label(blue));
    if !valid.is_empty() {
        let line = LineSeries::new(valid, orange.stroke_width(2)).point_size(3);
        chart.draw_series(line)?.label("validation").legend(label(orange));
    }
    chart.configure_series_labels().border_style(BLACK.mix(0.2)).background_style(WHITE).draw()?;
    root.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_any_run() {
        for count in [0u64, 1, 2, 200] {
            let point = |step| Point {
                step,
                loss: 5.0 / step as f64,
                gradient: 1.0,
                rate: 0.1,
                valid: step.is_multiple_of(50).then_some(2.0),
            };
            let points: Vec<Point> = (1..=count).map(point).collect();
            let svg = losses(&points).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
            assert_eq!(svg.contains("validation"), count == 200);
        }
    }
}
