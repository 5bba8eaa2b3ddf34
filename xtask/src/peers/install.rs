//! Brings the peers: llama.cpp from the sdist of its Python binding, compiled here, and OpenVINO as a wheel.
//!
//! Everything lies under `target/peers`; a stamp beside each part says that it is complete. Nothing is installed before a
//! case asks for it.

use std::{
    cell::RefCell,
    fs,
    io::stderr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

use super::{Options, cases::Level};
use crate::shell::{cargo, repo_root, run, shared_dir, target_dir};

/// The binding whose sdist carries the llama.cpp that is compiled.
pub const LLAMA: &str = "llama-cpp-python==0.3.36";
/// OpenVINO and the quantiser for its vector model.
pub const OPENVINO: [&str; 2] = ["openvino==2026.4.1", "nncf==3.4.0"];
/// What the binding imports, and what compiles llama.cpp.
const LLAMA_NEEDS: [&str; 6] = ["cmake", "ninja", "numpy", "diskcache", "jinja2", "typing-extensions"];
/// The programs that are built; the libraries come with them.
const PROGRAMS: [&str; 6] = [
    "llama-bench",
    "llama-batched-bench",
    "llama-completion",
    // What makes and judges shrunk files, for `bench/shrink_vs_llama_cpp.py`.
    "llama-quantize",
    "llama-imatrix",
    "llama-perplexity",
];

/// Where things are.
#[derive(Debug)]
pub struct Place {
    /// `target/peers`.
    root: PathBuf,
    /// The program that is measured.
    pub hob: PathBuf,
    threads: u32,
    /// Parts that could not be had, so that each is tried once.
    failed: RefCell<Vec<(String, String)>>,
}

impl Place {
    /// Builds llama.cpp's programs if they are not there, and nothing else; gives their folder.
    pub fn tools() -> Result<PathBuf> {
        let target = std::path::absolute(target_dir())?;
        Self::at(&target, PathBuf::new(), 0)?.llama(Level::Native)
    }

    /// Builds Hob, unless the options name a program.
    pub fn prepare(options: &Options) -> Result<Self> {
        let target = std::path::absolute(target_dir())?;
        let hob = match &options.hob {
            Some(path) => std::path::absolute(path)?,
            None => {
                loud(&mut cargo(["build", "--release", "-p", "hob-cli"]))?;
                target.join("release").join(format!("hob{}", std::env::consts::EXE_SUFFIX))
            }
        };
        Self::at(&target, hob, options.threads)
    }

    fn at(target: &Path, hob: PathBuf, threads: u32) -> Result<Self> {
        let root = target.join("peers");
        fs::create_dir_all(root.join("models")).with_context(|| format!("cannot make {}", root.display()))?;
        Ok(Self { root, hob, threads, failed: RefCell::default() })
    }

    /// Threads of every contestant, as an argument.
    pub fn threads(&self) -> String {
        self.threads.to_string()
    }

    /// A script of `bench/`.
    pub fn script(&self, name: &str) -> String {
        repo_root().join("bench").join(name).display().to_string()
    }

    /// Where OpenVINO's models are kept.
    pub fn openvino_models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// The synthetic model `NAME:TYPE`, written at its first use, or a file among the shared models.
    pub fn model(&self, wish: &str) -> Result<PathBuf> {
        let Some((name, weights)) = wish.split_once(':') else {
            return self.trained(wish);
        };
        let suffix = if weights == "mobile" { "" } else { ".gguf" };
        let path = self.root.join("models").join(format!("{name}-{weights}{suffix}"));
        if !path.exists() {
            // A stopped write must not look like a model.
            let part = path.with_extension("part");
            remove(&part)?;
            loud(
                Command::new(&self.hob)
                    .args(["bench", "--synthetic", wish, "--write-only", "--out"])
                    .arg(&part),
            )?;
            fs::rename(&part, &path)?;
        }
        Ok(path)
    }

    /// A trained model: shared, or made of a shared one by the peer's quantiser.
    fn trained(&self, file: &str) -> Result<PathBuf> {
        let shared = shared_dir()
            .context("there is no ../shared beside this checkout, which has the trained model")?;
        let path = shared.join("models").join(file);
        if path.exists() {
            return Ok(path);
        }
        let (made, source) =
            (self.root.join("models").join(file), shared.join("models/stories260K-f32.gguf"));
        if !made.exists() {
            let mut command = self.binding("kl_vs_llama_cpp.py")?;
            loud(command.arg("--quantize").arg(&made).arg(source))?;
        }
        Ok(made)
    }

    /// A Python script of `bench/` with llama.cpp's binding, over the library that was built here.
    pub fn binding(&self, script: &str) -> Result<Command> {
        let library = self.llama(Level::Native)?;
        let venv = self.root.join("venv");
        let mut command = Command::new(python(&venv));
        command.arg(self.script(script));
        command.env("HOB_BENCH_VENV", &venv).env("LLAMA_CPP_LIB_PATH", library);
        command.env("PYTHONPATH", self.source()?);
        Ok(command)
    }

    /// A Python with nothing special, for measuring from outside.
    pub fn plain_python(&self) -> Result<PathBuf> {
        self.venv("venv", &LLAMA_NEEDS)
    }

    /// A Python with OpenVINO.
    pub fn openvino(&self) -> Result<PathBuf> {
        self.venv("openvino", &OPENVINO)
    }

    /// The folder with llama.cpp's programs.
    pub fn llama(&self, level: Level) -> Result<PathBuf> {
        let name = match level {
            Level::Native => "llama-native",
            Level::Avx2 => "llama-avx2",
        };
        let folder = self.root.join(name);
        // Folders from before a program was added are built anew.
        let what = format!("{LLAMA}: {}", PROGRAMS.join(" "));
        self.once(&folder, &what, || self.build_llama(&folder, level))?;
        Ok(folder.join("bin"))
    }

    fn build_llama(&self, folder: &Path, level: Level) -> Result<()> {
        let source = self.source()?.join("vendor/llama.cpp");
        let tools =
            python(&self.root.join("venv")).parent().expect("a program lies in a folder").to_path_buf();
        let mut configure = Command::new(tools.join("cmake"));
        configure.args(["-G", "Ninja", "-S"]).arg(source).arg("-B").arg(folder);
        configure.arg(format!("-DCMAKE_MAKE_PROGRAM={}", tools.join("ninja").display()));
        configure.args(["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=ON", "-DLLAMA_BUILD_TOOLS=ON"]);
        for part in ["BUILD_TESTS", "BUILD_EXAMPLES", "BUILD_SERVER", "BUILD_APP", "OPENSSL"] {
            configure.arg(format!("-DLLAMA_{part}=OFF"));
        }
        // With AMX: GCC 12 takes what llama.cpp writes for `ldtilecfg` to be unread and leaves it out, and then the program ends with SIGSEGV.
        configure.arg("-DCMAKE_CXX_FLAGS=-fno-tree-dse -fno-dse");
        match level {
            Level::Native => configure.arg("-DGGML_NATIVE=ON"),
            Level::Avx2 => configure.args([
                "-DGGML_NATIVE=OFF",
                "-DGGML_AVX2=ON",
                "-DGGML_FMA=ON",
                "-DGGML_F16C=ON",
                "-DGGML_BMI2=ON",
            ]),
        };
        loud(&mut configure)?;
        eprintln!("  compiling llama.cpp takes some minutes");
        loud(Command::new(tools.join("cmake")).arg("--build").arg(folder).arg("--target").args(PROGRAMS))
    }

    /// The unpacked sdist.
    fn source(&self) -> Result<PathBuf> {
        let folder = self.root.join(LLAMA.replace("==", "-").replace("llama-cpp-python", "llama_cpp_python"));
        self.once(&folder, LLAMA, || {
            let python = self.plain_python()?;
            let mut download = Command::new(&python);
            download.args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary",
                "llama-cpp-python",
            ]);
            loud(download.arg(LLAMA).arg("--dest").arg(&self.root))?;
            let mut unpack = Command::new(&python);
            unpack.args(["-m", "tarfile", "-e"]).arg(format!("{}.tar.gz", folder.display()));
            loud(unpack.arg(&self.root))
        })?;
        Ok(folder)
    }

    fn venv(&self, name: &str, packages: &[&str]) -> Result<PathBuf> {
        let folder = self.root.join(name);
        self.once(&folder, &packages.join(" "), || {
            loud(Command::new(system_python()?).args(["-m", "venv"]).arg(&folder))?;
            loud(Command::new(python(&folder)).args(["-m", "pip", "install", "--quiet"]).args(packages))
        })?;
        Ok(python(&folder))
    }

    /// Makes `folder` unless its stamp says that it is there; a part that failed is not tried again.
    fn once(&self, folder: &Path, what: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = folder.join("hob-complete");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == what) {
            return Ok(());
        }
        let key = folder.display().to_string();
        if let Some((_, why)) = self.failed.borrow().iter().find(|(name, _)| *name == key) {
            bail!("{why}");
        }
        eprintln!("=> bringing {what} ({key})");
        let made = remove(folder).and_then(|()| make()).and_then(|()| Ok(fs::write(&stamp, what)?));
        made.inspect_err(|error| self.failed.borrow_mut().push((key, format!("{error:#}"))))
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if path.exists() => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn system_python() -> Result<&'static str> {
    let works = |name: &&str| crate::shell::works(Command::new(name).arg("--version"));
    ["python3", "python"].into_iter().find(works).context("no python3 on the PATH: the peers come from PyPI")
}

fn python(venv: &Path) -> PathBuf {
    if cfg!(windows) { venv.join("Scripts/python.exe") } else { venv.join("bin/python") }
}

/// Runs a chore with its output on standard error: standard output is the report's.
fn loud(command: &mut Command) -> Result<()> {
    run(command.stdin(Stdio::null()).stdout(stderr()))
}
