//! What the page tells people about their machine. The program finds it out: this crate does not read the system's files.

use crate::described::described;

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// The instruction set that kernels use.
    pub instructions: String,
    /// Threads that can run at a time.
    pub threads: usize,
    /// Memory now, as (all, free) bytes, where the system tells.
    pub memory: fn() -> Option<(u64, u64)>,
}

impl Machine {
    /// A machine of which nothing is known.
    pub fn unknown() -> Self {
        Self { processor: None, instructions: String::new(), threads: 1, memory: || None }
    }

    /// The same for the page. Nothing leaves it, as there is no part of Hob yet that sends anything.
    pub fn report(&self) -> MachineReport {
        let memory = (self.memory)();
        MachineReport {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            processor: self.processor.clone(),
            instructions: self.instructions.clone(),
            threads: self.threads,
            memory_total_bytes: memory.map(|(total, _)| total),
            memory_free_bytes: memory.map(|(_, free)| free),
            privacy: "offline",
        }
    }
}

described! {
    /// The machine as it is told.
    pub struct MachineReport {
        /// Of the program.
        version: &'static str,
        /// The operating system.
        os: &'static str,
        /// The kind of processor.
        arch: &'static str,
        /// The processor's name, where the system tells.
        processor: Option<String>,
        /// The instruction set that kernels use.
        instructions: String,
        /// Threads that can run at a time.
        threads: usize,
        /// All memory, where the system tells.
        memory_total_bytes: Option<u64>,
        /// Memory that can be had now, where the system tells.
        memory_free_bytes: Option<u64>,
        /// Whether anything may leave the machine.
        privacy: &'static str,
    }
}
