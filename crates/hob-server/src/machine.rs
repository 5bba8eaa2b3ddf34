//! What the page tells people about their machine. The program finds it out: this crate does not read the system's files.

use serde_json::{Value, json};

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
    pub energy: Option<String>,
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
    pub fn to_json(&self) -> Value {
        let memory = (self.memory)();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "os": std::env::consts::OS,
            "arch": std::env::consts::ARCH,
            "processor": self.processor,
            "instructions": self.instructions,
            "extensions": self.extensions,
            "threads": self.threads,
            "memory_total_bytes": memory.map(|(total, _)| total),
            "memory_free_bytes": memory.map(|(_, free)| free),
            "disk_free_bytes": (self.disk)(),
            "gpus": self.gpus,
            "energy_counter": self.energy,
            "privacy": if self.network.is_offline { "offline" } else { "downloads" },
            "reaches": if self.network.is_offline { &[][..] } else { &self.network.places },
        })
    }
}
