//! A majority is gone for good, and an operator gets the group back: a mode of its own, because
//! only here a quorum may be less than half.
//!
//! What the engine can promise is little, so the world keeps to it: who is left holds everything
//! that was committed, all of them together are the lowered quorum, and the others come back with
//! empty disks while it still holds.

use std::time::Duration;

use super::cluster::Cluster;
use super::runner::{Failure, PEACE_MAX, Run};
use crate::node::{Node, RescueError};

/// How often the operator looks.
const LOOK: Duration = Duration::from_millis(20);

impl Run {
    /// Destroys a majority, rescues the rest, brings the others back, and lets the rescue expire.
    pub(super) fn rescue(&mut self, world: &mut Cluster) -> Result<(), Failure> {
        let servers = world.len();
        let committed = world.committed();
        let holds_all = |world: &Cluster, at| {
            let shadow = world.server(at).map(|server| &server.shadow);
            world.has_applied(at, committed)
                && shadow.is_some_and(|s| s.durable.last().0 >= committed)
        };
        let settled = world.run_until(PEACE_MAX, |world| {
            (0..servers).all(|at| holds_all(world, at))
        })?;
        if !settled {
            return Err(Failure::Liveness("the disks do not catch up".to_owned()));
        }
        let first = self.trouble.pick(servers);
        let majority = servers / 2 + 1;
        let victims: Vec<_> = (0..majority).map(|n| (first + n) % servers).collect();
        let left: Vec<_> = (0..servers).filter(|at| !victims.contains(at)).collect();
        for at in &victims {
            world.crash(*at);
        }
        self.lower_quorum(world, &left)?;
        self.live(world, &victims)?;

        for at in &victims {
            world.wipe(*at);
            world.restart(*at)?;
        }
        self.live(world, &[])?;
        let over = world.run_until(PEACE_MAX * 2, |world| {
            left.iter()
                .all(|at| world.standing(*at).is_some_and(|s| !s.rescued))
        })?;
        if !over {
            return Err(Failure::Liveness("the rescue does not end".to_owned()));
        }
        self.live(world, &[])
    }

    /// The operator tells every server that is left, as soon as it has given its leader up.
    fn lower_quorum(&mut self, world: &mut Cluster, left: &[usize]) -> Result<(), Failure> {
        let quorum = u32::try_from(left.len()).unwrap_or(1);
        let begin = world.now();
        let mut waiting = left.to_vec();
        // Who was told first may be elected before the others are told.
        let is_elected = |world: &Cluster, waiting: &[usize]| {
            let leader = world.leader();
            leader.is_some_and(|at| left.contains(&at) && !waiting.contains(&at))
        };
        while !waiting.is_empty() && !is_elected(world, &waiting) {
            if world.now().since(begin) > PEACE_MAX {
                let text = format!("{waiting:?} cannot be rescued");
                return Err(Failure::Liveness(text));
            }
            world.run_for(LOOK)?;
            let rescue = |node: &mut Node, now| node.rescue_quorum(quorum, now);
            waiting.retain(|at| {
                let answer = world.command(*at, rescue);
                !matches!(answer, Some(Ok(_) | Err(RescueError::BadQuorum)))
            });
        }
        Ok(())
    }
}
