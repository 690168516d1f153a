//! Three servers of one group in this process: elect, replicate, lose the leader, go on.
//!
//! `cargo run -p raft-core --example three_nodes`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "an example stops where it is wrong"
)]

use std::time::Duration;

use bytes::Bytes;
use raft_core::config::NodeConfig;
use raft_core::node::Committed;
use raft_core::runtime::{Loopback, NodeHandle, Ready, Runtime, RuntimeConfig, Transport, ready};
use raft_core::types::{EntryType, GroupName, Index, PeerId};

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::open(RuntimeConfig::default()).unwrap();
    let hub = Loopback::new();
    let ids = ["S-1", "S-2", "S-3"].map(PeerId::from_server_name);

    // A folder for each server, then the nodes. The token names a node in its events.
    let nodes = [0, 1, 2].map(|at: usize| {
        let group = GroupName::new("EXAMPLE").unwrap();
        let root = folder.path().join(at.to_string());
        let config = NodeConfig {
            token: at as u64 + 1,
            ..NodeConfig::new(ids[at], group, root)
        };
        Runtime::bootstrap(&config, &ids, true, 0, 0).unwrap();
        runtime
            .start(config, Transport::Loopback(hub.clone()))
            .unwrap()
    });
    nodes[0].campaign(true).unwrap();

    // One counter for each server is the replicated state.
    let mut sums = [0_u64; 3];
    for round in 0..2 {
        let leader = wait(&runtime, &nodes, &mut sums, |nodes, _| {
            nodes.iter().find(|node| node.is_leader()).cloned()
        });
        println!("{} leads term {}", leader.peer_id(), leader.term());
        for number in 1..=1_000_u64 {
            let data = Bytes::copy_from_slice(&number.to_le_bytes());
            leader.propose(leader.term(), data).unwrap();
        }
        let total = 500_500 * (round + 1);
        wait(&runtime, &nodes, &mut sums, |nodes, sums| {
            let current = |(node, sum): (&NodeHandle, &u64)| node.is_closed() || *sum == total;
            nodes.iter().zip(sums).all(current).then_some(())
        });
        println!("sums: {sums:?}");
        leader.stop();
        leader.wait_stopped(None);
    }
}

/// Applies what is committed until `done` has an answer.
fn wait<T>(
    runtime: &Runtime,
    nodes: &[NodeHandle; 3],
    sums: &mut [u64; 3],
    done: impl Fn(&[NodeHandle; 3], &[u64; 3]) -> Option<T>,
) -> T {
    let mut events = [Ready::default(); 8];
    loop {
        if let Some(answer) = done(nodes, sums) {
            return answer;
        }
        let count = runtime
            .poll_ready(Some(Duration::from_millis(100)), &mut events)
            .unwrap();
        for event in events[..count]
            .iter()
            .filter(|event| event.mask & ready::APPLY != 0)
        {
            let at = event.token as usize - 1;
            sums[at] += apply(&nodes[at]);
        }
    }
}

/// Takes everything committed on a node; the sum of its numbers.
fn apply(node: &NodeHandle) -> u64 {
    let (mut sum, mut last) = (0, Index::ZERO);
    for item in node.take_applied(usize::MAX, usize::MAX) {
        let Committed::Entries(committed) = item else {
            continue;
        };
        let numbers = committed
            .entries()
            .filter(|entry| entry.kind == EntryType::Normal);
        sum += numbers
            .filter_map(|entry| Some(u64::from_le_bytes(*entry.data.first_chunk()?)))
            .sum::<u64>();
        last = committed.index;
    }
    if last > Index::ZERO {
        node.processed(last, last);
    }
    sum
}
