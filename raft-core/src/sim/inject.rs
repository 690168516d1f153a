//! Makes things go wrong, and right again later.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::cluster::Cluster;
use super::disk::Op;
use super::faults::{Fault, Plan};
use super::host::Pace;
use super::network::NetworkOptions;
use super::properties::Violation;
use super::server::SyncTimes;
use crate::node::{CheckpointId, Role};
use crate::rng::Rng;
use crate::time::Instant;
use crate::types::Index;

/// What is to be done at a later moment.
#[derive(Clone, Debug)]
enum Later {
    Crash(usize),
    Restart(usize),
    Heal,
    QuickDisk(usize),
    Campaigner(usize),
    Resume(usize),
    /// Installs a checkpoint, of the start of the server it was opened in.
    Install(usize, u64, CheckpointId, Bytes),
    Abort(usize, u64, CheckpointId),
}

/// The trouble of one world.
#[derive(Debug)]
pub(super) struct Trouble {
    plan: Plan,
    rng: Rng,
    events: Vec<Fault>,
    later: BTreeMap<(Instant, u64), Later>,
    count: u64,
    /// How often each kind came about.
    pub(super) injected: BTreeMap<Fault, u32>,
}

impl Trouble {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            events: plan.events(),
            rng: Rng::new(plan.seed ^ 0x7472_6f75),
            later: BTreeMap::new(),
            count: 0,
            injected: BTreeMap::new(),
            plan: plan.clone(),
        }
    }

    pub(super) const fn draw(&mut self, limit: u64) -> u64 {
        self.rng.next_u64() % if limit == 0 { 1 } else { limit }
    }

    pub(super) fn pick(&mut self, limit: usize) -> usize {
        usize::try_from(self.draw(limit as u64)).unwrap_or(0)
    }

    /// A time between one and `limit` milliseconds, short ones as likely as long ones.
    pub(super) fn while_up_to(&mut self, limit: u64) -> Duration {
        let limit = 1 + self.draw(limit);
        Duration::from_micros(1 + self.draw(limit * 1_000))
    }

    fn after(&mut self, world: &Cluster, time: Duration, what: Later) {
        self.count += 1;
        self.later
            .insert((world.now().after(time), self.count), what);
    }

    /// Lets `time` pass, and things go right again that were to in it.
    pub(super) fn pass(&mut self, world: &mut Cluster, time: Duration) -> Result<(), Violation> {
        let until = world.now().after(time);
        while let Some(next) = self.later.first_entry() {
            if next.key().0 > until {
                break;
            }
            let ((at, _), what) = next.remove_entry();
            world.run_for(at.since(world.now()))?;
            self.carry_out(world, what)?;
        }
        world.run_for(until.since(world.now()))
    }

    fn carry_out(&mut self, world: &mut Cluster, what: Later) -> Result<(), Violation> {
        match what {
            Later::Crash(at) => world.crash(at),
            Later::Restart(at) => world.restart(at)?,
            Later::Heal => world.network.heal(),
            Later::QuickDisk(at) => self.set_disk(world, at, self.plan.sync_max_us),
            Later::Campaigner(at) => {
                world.command(at, |node, now| node.set_observer(false, now));
            }
            Later::Resume(at) => {
                world.command(at, |node, now| node.resume_apply(now));
            }
            Later::Install(at, start, id, data) if world.starts(at) == start => {
                world.install(at, id, data);
            }
            Later::Abort(at, start, id) if world.starts(at) == start => {
                world.command(at, |node, _| node.abort_checkpoint(id));
            }
            Later::Install(..) | Later::Abort(..) => {}
        }
        Ok(())
    }

    fn set_disk(&self, world: &mut Cluster, at: usize, max_us: u64) {
        if let Some(server) = world.server_mut(at) {
            server.sync = SyncTimes {
                min: Duration::from_micros(max_us / 10),
                max: Duration::from_micros(max_us),
            };
        }
    }

    /// Lets one thing go wrong that the plan has.
    pub(super) fn inject(&mut self, world: &mut Cluster) -> Result<(), Violation> {
        if self.events.is_empty() {
            return Ok(());
        }
        let at = self.pick(self.events.len());
        let Some(fault) = self.events.get(at).copied() else {
            return Ok(());
        };
        if self.strike(world, fault)? {
            *self.injected.entry(fault).or_default() += 1;
            let now = world.now();
            world
                .transcript
                .line(now, || format!("trouble: {}", fault.name()));
        }
        Ok(())
    }

    /// Whether it came about.
    fn strike(&mut self, world: &mut Cluster, fault: Fault) -> Result<bool, Violation> {
        let servers = world.len();
        let at = self.pick(servers);
        let election = self.plan.election_ms;
        let short = self.while_up_to(election * 3);
        match fault {
            Fault::Crash => {
                world.crash(at);
                self.after(world, short, Later::Restart(at));
            }
            Fault::Blackout => {
                for at in 0..servers {
                    world.crash(at);
                    let down = self.while_up_to(election * 2);
                    self.after(world, down, Later::Restart(at));
                }
            }
            Fault::CrashLoop => {
                let mut when = Duration::ZERO;
                for _ in 0..2 + self.draw(4) {
                    self.after(world, when, Later::Crash(at));
                    when += self.while_up_to(20);
                    self.after(world, when, Later::Restart(at));
                    when += self.while_up_to(election);
                }
            }
            Fault::Pause => world.pause(at, short),
            Fault::Partition => {
                let sets = 2 + self.draw(2);
                for at in 0..servers {
                    let set = u32::try_from(self.draw(sets)).unwrap_or(0);
                    world.set_partition(at, set);
                }
                self.after(world, short, Later::Heal);
            }
            Fault::OneWay => {
                for other in (0..servers).filter(|other| *other != at) {
                    if self.draw(2) == 0 {
                        world.network.cut(at, other);
                    }
                }
                self.after(world, short, Later::Heal);
            }
            Fault::Mesh => {
                for one in 0..servers {
                    for other in one + 1..servers {
                        if self.draw(3) == 0 {
                            world.network.cut(one, other);
                            world.network.cut(other, one);
                        }
                    }
                }
                self.after(world, short, Later::Heal);
            }
            Fault::LeaderCut => {
                let Some(leader) = world.leader() else {
                    return Ok(false);
                };
                world.set_partition(leader, 9);
                self.after(world, short, Later::Heal);
            }
            Fault::SlowPeer => {
                let by = self.while_up_to(election / 2);
                world.network.set_slow(at, by);
                self.after(world, short * 2, Later::Heal);
            }
            Fault::SlowDisk => {
                let max = self.while_up_to(election * 3).as_micros();
                self.set_disk(world, at, u64::try_from(max).unwrap_or(u64::MAX).max(1_000));
                self.after(world, short, Later::QuickDisk(at));
            }
            Fault::DiskError => return Ok(self.fail_disk(world, at, short)),
            Fault::Wipe => return Ok(self.wipe(world, at, short)),
            Fault::Rot => {
                world.crash(at);
                let struck = world.try_rot(at)?.is_some();
                self.after(world, short, Later::Restart(at));
                return Ok(struck);
            }
            Fault::Transfer | Fault::Campaign | Fault::Observer | Fault::HeldApply => {
                return Ok(self.disturb(world, at, fault, short));
            }
            Fault::Snapshot | Fault::Checkpoint => {
                return self.snapshot(world, at, fault, short);
            }
            Fault::SentSnapshot => return Ok(self.send_snapshot(world)),
            Fault::AddPeer => return self.add_peer(world, at),
            Fault::RemovePeer => return Ok(self.remove_peer(world, at)),
            // These hold all the time, or have a mode of their own.
            Fault::Loss
            | Fault::Duplication
            | Fault::Reordering
            | Fault::Lateness
            | Fault::Corruption
            | Fault::Drift
            | Fault::SlowApply
            | Fault::Rescue => return Ok(false),
        }
        Ok(true)
    }

    fn fail_disk(&mut self, world: &mut Cluster, at: usize, short: Duration) -> bool {
        let ops = [Op::Write, Op::Sync, Op::SyncDir, Op::Entry];
        let op = ops.get(self.pick(ops.len())).copied().unwrap_or(Op::Sync);
        let nth = 1 + self.draw(4);
        let kind = [std::io::ErrorKind::StorageFull, std::io::ErrorKind::Other];
        let kind = kind.get(self.pick(2)).copied().unwrap_or(kind[0]);
        if !world.is_running(at) {
            return false;
        }
        if let Some(disk) = world.disk(at) {
            disk.fail_nth(op, nth, kind);
        }
        self.after(world, short, Later::Crash(at));
        let down = self.while_up_to(100);
        self.after(world, short + down, Later::Restart(at));
        true
    }

    /// An application installs a snapshot, at once or a while after it opened the checkpoint.
    fn snapshot(
        &mut self,
        world: &mut Cluster,
        at: usize,
        fault: Fault,
        short: Duration,
    ) -> Result<bool, Violation> {
        let force = self.draw(3) == 0;
        let size = if self.draw(4) == 0 { 100_000 } else { 500 };
        let size = self.pick(size);
        let data = world.state_of(at, size);
        let Some(id) = world.open_checkpoint(at, force)? else {
            return Ok(false);
        };
        let start = world.starts(at);
        if fault == Fault::Snapshot {
            return Ok(world.install(at, id, data));
        }
        let then = match self.draw(4) {
            0 => Later::Abort(at, start, id),
            _ => Later::Install(at, start, id, data),
        };
        self.after(world, short, then);
        Ok(true)
    }

    /// A leader's application sends its state, which is right only when it has applied everything.
    fn send_snapshot(&mut self, world: &mut Cluster) -> bool {
        let Some(leader) = world.leader() else {
            return false;
        };
        let whole = world
            .standing(leader)
            .is_some_and(|s| s.applied == s.last && s.role == Role::Leader);
        let data = world.state_of(leader, 100);
        let sent = whole.then(|| world.command(leader, |node, now| node.send_snapshot(data, now)));
        matches!(sent.flatten(), Some(Ok(())))
    }

    /// A server that is no member joins: a machine that stood by, or one that was removed, with
    /// what its disk still has. A new one begins with the members as committed and does not count
    /// itself among them before the group does; otherwise it would be a second change next to
    /// the one a leader has under way.
    fn add_peer(&mut self, world: &mut Cluster, at: usize) -> Result<bool, Violation> {
        let members = world.members();
        let Some(leader) = world.leader() else {
            return Ok(false);
        };
        let id = world.id(at);
        if members.contains(&id) || world.committed() == 0 {
            return Ok(false);
        }
        let scale_up = self.draw(2) == 0;
        if world.server(at).is_some_and(|server| !server.has_group) {
            let members: Vec<_> = members.into_iter().collect();
            world.replace_disk(at, &members);
            if let Some(server) = world.server_mut(at) {
                server.scale_up = scale_up;
                server.pace = self.plan.pace;
            }
        }
        world.restart(at)?;
        let done = world.command(leader, |node, _| node.propose_add_peer(id));
        Ok(matches!(done, Some(Ok(()))))
    }

    /// A member leaves, the leader itself perhaps; asked for at the leader, or, in a
    /// large group, at anybody: a request that was long under way must not find a group of two. A
    /// leader that removes itself from one and fails before the other knows leaves nobody who
    /// campaigns and can win (behaviour.md 6.2).
    fn remove_peer(&mut self, world: &mut Cluster, at: usize) -> bool {
        let members = world.members();
        let whom = world.id(self.pick(world.len()));
        let Some(leader) = world.leader() else {
            return false;
        };
        if members.len() <= 2 || !members.contains(&whom) {
            return false;
        }
        let is_far = members.len() > 4 && self.draw(2) == 0;
        let asked = if is_far { at } else { leader };
        let done = world.command(asked, |node, _| node.propose_remove_peer(whom));
        matches!(done, Some(Ok(())))
    }

    /// What an application or an operator may do at any time.
    fn disturb(&mut self, world: &mut Cluster, at: usize, fault: Fault, short: Duration) -> bool {
        match fault {
            Fault::Transfer => {
                let Some(leader) = world.leader() else {
                    return false;
                };
                let preferred = (self.draw(2) == 0).then(|| world.id(at));
                let preferred: Vec<_> = preferred.into_iter().collect();
                let done = world.command(leader, |node, now| node.step_down(&preferred, now));
                matches!(done, Some(Ok(())))
            }
            Fault::Campaign => {
                let at_once = self.draw(2) == 0;
                let done = world.command(at, |node, now| node.campaign(at_once, now));
                matches!(done, Some(Ok(())))
            }
            Fault::Observer => {
                let done = world.command(at, |node, now| node.set_observer(true, now));
                self.after(world, short, Later::Campaigner(at));
                done.is_some()
            }
            Fault::HeldApply => {
                let done = world.command(at, |node, now| node.pause_apply(now));
                self.after(world, short, Later::Resume(at));
                matches!(done, Some(Ok(())))
            }
            _ => false,
        }
    }

    /// Replaces a server's disk by an empty one, where the protocol can promise that nothing is
    /// lost by it, and only there. A server without its disk has forgotten what it acknowledged
    /// and whom it voted for; its votes say that its log is empty, but only until it has an entry
    /// again. So both have to be of no more use: what it held is on a quorum of others, and the
    /// election it last voted in is over for everybody.
    fn wipe(&mut self, world: &mut Cluster, at: usize, short: Duration) -> bool {
        if !world.may_wipe(at) {
            return false;
        }
        world.crash(at);
        world.wipe(at);
        self.after(world, short, Later::Restart(at));
        true
    }

    /// The faults end. Everything works again from now on, but for the servers of `broken`, which
    /// are gone for good.
    pub(super) fn end(&mut self, world: &mut Cluster, broken: &[usize]) -> Result<(), Violation> {
        self.later.clear();
        world.network.heal();
        world.set_network(NetworkOptions::default());
        for at in 0..world.len() {
            self.set_disk(world, at, 1_000);
            if let Some(server) = world.server_mut(at) {
                server.paused_until = None;
                server.pace = Pace::AT_ONCE;
            }
            if broken.contains(&at) {
                world.crash(at);
                continue;
            }
            let closed = world
                .standing(at)
                .is_none_or(|standing| standing.role == Role::Closed);
            if closed || world.server(at).is_some_and(|server| server.may_fail) {
                // The disk is replaced by one that does as it should, with the same content.
                world.crash(at);
            }
            world.restart(at)?;
            world.command(at, |node, now| {
                node.resume_apply(now);
                node.set_observer(false, now);
            });
        }
        Ok(())
    }
}

impl Cluster {
    /// Whether a server has no entry, so that its vote may not count: it lost its disk, or it was
    /// told to campaign before it had any.
    pub(super) fn has_empty_log(&self) -> bool {
        (0..self.len())
            .filter_map(|at| self.server(at))
            .any(|server| server.shadow.durable.last() == Index::ZERO)
    }

    /// Whether losing the disk of a server loses nothing that counts.
    fn may_wipe(&self, at: usize) -> bool {
        let members = self.members();
        let leader = self.leader().filter(|leader| *leader != at);
        let (Some(lost), Some(leader)) = (self.server(at), leader) else {
            return false;
        };
        let leading = self.standing(leader);
        let is_settled =
            leading.is_some_and(|s| members.iter().eq(&s.members) && members.contains(&lost.id));
        let unsynced = lost.running.as_ref().is_some_and(|r| r.syncing.is_some());
        if !is_settled || unsynced {
            return false;
        }
        let (tail, last) = (lost.shadow.durable.tail(), lost.shadow.durable.last());
        let (term, chosen) = (lost.shadow.saved.term, Some(self.id(leader)));
        let others = || {
            (0..self.len())
                .filter(|other| *other != at)
                .filter_map(|other| self.server(other).map(|server| (other, server)))
                .filter(|(_, server)| server.has_group)
        };
        let holds = others().filter(|(_, server)| {
            let durable = &server.shadow.durable;
            members.contains(&server.id)
                && (durable.base() >= last || durable.at(last) == Some(tail))
        });
        let is_over = others().all(|(other, server)| {
            let standing = self.standing(other);
            let votes_for_leader = server.shadow.saved.vote.is_none_or(|v| Some(v) == chosen);
            server.shadow.saved.term == term
                && votes_for_leader
                && standing.is_none_or(|s| s.term == term && s.role != Role::Candidate)
        });
        holds.count() > members.len() / 2 && is_over
    }

    /// How often a server was started.
    fn starts(&self, at: usize) -> u64 {
        self.server(at).map_or(0, |server| server.boots)
    }

    /// Replaces a crashed server's disk by an empty one with the group bootstrapped on it.
    pub(super) fn wipe(&mut self, at: usize) {
        let members: Vec<_> = self.members().into_iter().collect();
        let id = self.id(at);
        self.network.forget(at);
        self.properties.wiped(id);
        self.replace_disk(at, &members);
        let now = self.now();
        self.transcript
            .line(now, || format!("S-{} loses its disk", at + 1));
    }
}
