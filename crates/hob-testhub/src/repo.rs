//! Repositories of a hub like Hugging Face.

/// A file of a repository.
#[derive(Clone, Debug)]
pub struct File {
    /// Path in the repository.
    pub path: String,
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Hexadecimal SHA-256, for a file in large-file storage; others are served by the hub itself.
    pub sha256: Option<String>,
}

/// A repository.
#[derive(Clone, Debug, Default)]
pub struct Repo {
    /// `owner/name`.
    pub id: String,
    /// The commit that every revision means.
    pub commit: String,
    /// The token that opens it, if it is gated.
    pub token: Option<String>,
    /// A token that is known but was not granted access.
    pub stranger: Option<String>,
    /// What the model card says.
    pub license: Option<String>,
    /// The files.
    pub files: Vec<File>,
}

impl Repo {
    /// The answer of `/api/models/ID/revision/REVISION`.
    pub(crate) fn info(&self) -> String {
        let siblings: Vec<String> =
            self.files.iter().map(|f| format!(r#"{{"rfilename":{}}}"#, quote(&f.path))).collect();
        let license = self.license.as_deref().map_or("null".into(), quote);
        let gated = if self.token.is_some() { r#""manual""# } else { "false" };
        format!(
            r#"{{"id":{},"sha":{},"gated":{gated},"private":false,"tags":["gguf"],"cardData":{{"license":{license}}},"siblings":[{}]}}"#,
            quote(&self.id),
            quote(&self.commit),
            siblings.join(",")
        )
    }

    /// One page of `/api/models/ID/tree/REVISION?recursive=true`, and whether another follows.
    pub(crate) fn tree(&self, start: usize, count: usize) -> (String, bool) {
        let entry = |f: &File| {
            let (path, size) = (quote(&f.path), f.bytes.len());
            let oid = "0".repeat(40);
            match &f.sha256 {
                Some(sha) => format!(
                    r#"{{"type":"file","oid":"{oid}","size":{size},"lfs":{{"oid":"{sha}","size":{size},"pointerSize":135}},"path":{path}}}"#
                ),
                None => format!(r#"{{"type":"file","oid":"{oid}","size":{size},"path":{path}}}"#),
            }
        };
        let page: Vec<String> = self.files.iter().skip(start).take(count).map(entry).collect();
        (format!("[{}]", page.join(",")), start + count < self.files.len())
    }
}

/// A JSON string.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => quoted += &format!("\\u{:04x}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
