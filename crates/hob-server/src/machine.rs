//! What the page tells people about their machine. The program finds it out: this crate does not read the system's files.

use crate::described::described;
use crate::energy::EnergyCounter;

/// The machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// The instruction set that kernels use.
    pub instructions: String,
    /// Extensions of the processor that matter for speed.
    pub extensions: Vec<&'static str>,
    /// Threads that can run at a time.
    pub threads: usize,
    /// Memory now, as (all, free) bytes, where the system tells.
    pub memory: fn() -> Option<(u64, u64)>,
    /// Graphics processors that are there, whether or not they are used.
    pub gpus: Vec<String>,
    /// The counter of energy that can be read, if there is one.
    pub energy: Option<EnergyCounter>,
    /// Bytes that are free where data is kept, where the system tells.
    pub disk: fn() -> Option<u64>,
    /// What may leave it.
    pub network: Network,
}

/// What may leave the machine: the state of the one gate there is.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Whether nothing may.
    pub is_offline: bool,
    /// Who may be reached otherwise, when somebody asks for a model.
    pub places: Vec<String>,
}

impl Machine {
    /// A machine of which nothing is known.
    pub fn unknown() -> Self {
        Self {
            processor: None,
            instructions: String::new(),
            extensions: Vec::new(),
            threads: 1,
            memory: || None,
            gpus: Vec::new(),
            energy: None,
            disk: || None,
            network: Network { is_offline: true, places: Vec::new() },
        }
    }

    /// Bytes of memory that can be had, where the system tells.
    pub fn free_memory(&self) -> Option<u64> {
        (self.memory)().map(|(_, free)| free)
    }

    /// The same for the page. No part of Hob sends what is said here; models are fetched when somebody asks for one, unless
    /// the network is forbidden.
    pub fn report(&self) -> MachineReport {
        let memory = (self.memory)();
        MachineReport {
            version: env!("CARGO_PKG_VERSION"),
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            processor: self.processor.clone(),
            instructions: self.instructions.clone(),
            extensions: self.extensions.clone(),
            threads: self.threads,
            memory_total_bytes: memory.map(|(total, _)| total),
            memory_free_bytes: memory.map(|(_, free)| free),
            disk_free_bytes: (self.disk)(),
            gpus: self.gpus.clone(),
            energy_counter: self.energy.as_ref().map(|counter| counter.name.clone()),
            privacy: if self.network.is_offline { "offline" } else { "downloads" },
            reaches: if self.network.is_offline { Vec::new() } else { self.network.places.clone() },
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
        /// Extensions of the processor that matter for speed.
        extensions: Vec<&'static str>,
        /// Threads that can run at a time.
        threads: usize,
        /// All memory, where the system tells.
        memory_total_bytes: Option<u64>,
        /// Memory that can be had now, where the system tells.
        memory_free_bytes: Option<u64>,
        /// Bytes that are free where data is kept, where the system tells.
        disk_free_bytes: Option<u64>,
        /// Graphics processors that are there.
        gpus: Vec<String>,
        /// The counter of energy that can be read, if there is one.
        energy_counter: Option<String>,
        /// `offline` where nothing may leave the machine, `downloads` where models may be fetched.
        privacy: &'static str,
        /// Who may be reached then.
        reaches: Vec<String>,
    }
}
