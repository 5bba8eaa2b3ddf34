//! Quantises rows from files, and measures how far stored blocks are from the values, for comparisons with other programs.
//!
//! ```text
//! quantize encode TYPE COLUMNS VALUES IMPORTANCE BLOCKS     writes the file BLOCKS; prints ns per element
//! quantize error  TYPE COLUMNS VALUES IMPORTANCE BLOCKS     prints sum of importance * squared error
//! ```
//!
//! VALUES holds rows of COLUMNS little-endian f32, IMPORTANCE one such row for all of them; `-` weighs all alike.

#![expect(clippy::disallowed_methods, reason = "reads and writes the files it is given, and a clock")]

use std::error::Error;
use std::fs;
use std::time::Instant;

use hob_quant::{TensorType, dequantize_row, quantize_row, quantize_row_weighted};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, ty, columns, values, importance, blocks] = &args[..] else {
        return Err("usage: quantize encode|error TYPE COLUMNS VALUES IMPORTANCE|- BLOCKS".into());
    };
    let ty = TensorType::from_name(ty).ok_or("unknown type")?;
    let columns: usize = columns.parse()?;
    let row_bytes = ty.row_bytes(columns).ok_or("a row is no whole number of blocks")?;
    let values = floats(values)?;
    let importance = (importance != "-").then(|| floats(importance)).transpose()?;
    match verb.as_str() {
        "encode" => {
            let mut bytes = vec![0; values.len() / columns * row_bytes];
            let start = Instant::now();
            for (row, out) in values.chunks(columns).zip(bytes.chunks_mut(row_bytes)) {
                match &importance {
                    Some(importance) => quantize_row_weighted(ty, row, importance, out)?,
                    None => quantize_row(ty, row, out)?,
                }
            }
            println!("{:.1}", start.elapsed().as_secs_f64() * 1e9 / values.len() as f64);
            fs::write(blocks, bytes)?;
        }
        "error" => {
            let importance = importance.unwrap_or_else(|| vec![1.0; columns]);
            let stored = fs::read(blocks)?;
            let rows = values.chunks(columns).zip(stored.chunks(row_bytes));
            let error: f64 = rows.map(|(row, bytes)| weighted_error(ty, row, &importance, bytes)).sum();
            println!("{error:e}");
        }
        _ => return Err("expected encode or error".into()),
    }
    Ok(())
}

fn weighted_error(ty: TensorType, row: &[f32], importance: &[f32], bytes: &[u8]) -> f64 {
    let mut stored = vec![0.0; row.len()];
    dequantize_row(ty, bytes, &mut stored);
    let squares = row.iter().zip(&stored).map(|(x, y)| f64::from(x - y).powi(2));
    squares.zip(importance).map(|(square, &importance)| f64::from(importance) * square).sum()
}

fn floats(path: &str) -> Result<Vec<f32>, Box<dyn Error>> {
    let bytes = fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
}
