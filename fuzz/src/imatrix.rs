use hob_format::{Error, ImportanceMatrix};

/// Loads `bytes` as an importance matrix. What loads must give finite means, and survive being written and read again; only
/// the old form's longer names have no room in the file that is written.
pub fn imatrix_load(bytes: &[u8]) {
    let Ok(matrix) = ImportanceMatrix::from_bytes(bytes.to_vec().into()) else { return };
    for entry in matrix.entries.values() {
        let mean = entry.mean();
        assert_eq!(mean.len(), entry.columns() * entry.counts.len());
        assert!(mean.iter().all(|n| n.is_finite() && *n >= 0.0));
    }
    let mut out = Vec::new();
    match matrix.write(&mut out) {
        Ok(()) => {
            let again = ImportanceMatrix::from_bytes(out.into()).expect("what was written can be read");
            assert_eq!(again, matrix);
        }
        Err(Error::Unwritable { .. }) => assert!(matrix.entries.keys().any(|name| name.len() > 55)),
        Err(error) => panic!("{error}"),
    }
}
