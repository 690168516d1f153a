//! Changes of the membership: proposed, sent, committed, refused.

use bytes::Bytes;

use super::rig::{DiskLog, EMPTY, N0, N1, Out, Rig, SELF, entry, normal, sent, setup, special};
use super::{MembershipError, Refused, Role};
use crate::storage::{Log, MemoryLog, StorageError};
use crate::types::{Entry, EntryType, Index, PeerId, Term};

const N2: PeerId = PeerId(*b"cnrtt3eg");
const N3: PeerId = PeerId(*b"bkCGheKT");

fn add(peer: PeerId) -> Entry {
    Entry::about(EntryType::AddPeer, peer)
}

fn remove(peer: PeerId) -> Entry {
    Entry::about(EntryType::RemovePeer, peer)
}

/// The leader of term 3 in a group of three with its first entry committed and nothing to say.
fn ready(log: impl Log + 'static) -> Rig {
    let mut rig = Rig::leader_in(3, log);
    rig.acknowledge(3, 1, N0);
    rig.outputs();
    rig
}

/// The lone leader of term 1.
fn alone(log: impl Log + 'static) -> Rig {
    let mut rig = Rig::new(&[SELF], log);
    rig.elect_alone();
    rig
}

fn complete(rig: &mut Rig) {
    rig.node.processed(Index(1), Index(1), rig.now);
    assert!(rig.node.is_leader());
}

fn forward(rig: &mut Rig, payload: &[u8], reply: Option<&str>) {
    let subject = rig.node.subjects.removal.clone();
    let sub = rig.inbox_of(&subject);
    let payload = Bytes::copy_from_slice(payload);
    let reply = reply.map(crate::wire::Subject::new);
    rig.node.handle_message(sub, reply, payload, rig.now);
    rig.turn();
}

/// Members, cluster size, quorum.
fn config(rig: &Rig) -> (Vec<PeerId>, u32, u32) {
    let node = &rig.node;
    (node.peer_names(), node.cluster_size, node.quorum)
}

// Proposing.

#[test]
fn addition_counts_when_it_is_sent_and_is_official_when_it_commits() {
    let mut rig = ready(MemoryLog::new());

    assert_eq!(rig.node.propose_add_peer(N2), Ok(()));
    rig.turn();

    assert_eq!(rig.outputs(), [sent(3, 1, (3, 1), vec![add(N2)])]);
    assert_eq!(config(&rig), (vec![N0, N2, SELF, N1], 4, 3));
    assert_eq!(rig.node.committed_peer_state(Index(1)).cluster_size, 3);
    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.view().commit, 1, "two of four are no quorum");
    rig.acknowledge(3, 2, N2);
    assert_eq!((rig.view().commit, rig.node.membership_change), (2, None));
    assert_eq!(rig.node.committed_peer_state(Index(2)).cluster_size, 4);
    let saved = rig.node.take_writes().unwrap().peers.unwrap();
    assert_eq!(saved.peers, [N0, N2, SELF, N1]);
}

#[test]
fn removed_peer_does_not_count_for_its_own_removal() {
    let mut rig = ready(MemoryLog::new());

    assert_eq!(rig.node.propose_remove_peer(N1), Ok(()));
    rig.turn();

    let heartbeat = sent(3, 1, (3, 2), vec![]);
    assert_eq!(
        rig.outputs(),
        [sent(3, 1, (3, 1), vec![remove(N1)]), heartbeat]
    );
    assert_eq!(config(&rig), (vec![N0, SELF], 2, 2));
    assert_eq!(rig.node.voting_peer_names(), [N0, SELF, N1]);
    rig.acknowledge(3, 2, N1);
    assert_eq!(rig.view().commit, 1);
    rig.acknowledge(3, 2, N0);
    assert_eq!(rig.view().commit, 2);
    assert_eq!(rig.node.removed.get(&N1), Some(&rig.now));
    assert_eq!(rig.node.voting_peer_names(), [N0, SELF]);
}

#[test]
fn second_change_is_refused_from_the_first_ones_queueing_to_its_commit() {
    let mut rig = ready(MemoryLog::new());
    let refused = Err(MembershipError::ChangeInProgress);

    rig.node.propose_add_peer(N2).unwrap();
    assert_eq!(rig.node.propose_remove_peer(N1), refused, "queued");
    rig.turn();
    assert_eq!(rig.node.propose_add_peer(N3), refused, "appended");
    rig.acknowledge(3, 2, N0);
    rig.acknowledge(3, 2, N1);

    assert_eq!(rig.node.propose_remove_peer(N1), Ok(()), "committed");
}

#[test]
fn refusals_of_a_leader_say_why_at_once() {
    let mut rig = ready(MemoryLog::new());
    let node = &mut rig.node;
    assert_eq!(
        node.propose_remove_peer(N2),
        Err(MembershipError::PeerNotFound)
    );
    assert!(node.proposals.is_empty() && node.membership_change.is_none());

    let mut rig = alone(MemoryLog::new());
    assert_eq!(
        rig.node.propose_remove_peer(SELF),
        Err(MembershipError::LastPeer)
    );
}

#[test]
fn follower_adds_nobody_and_sends_a_removal_to_the_leader() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());

    assert_eq!(
        rig.node.propose_add_peer(N2),
        Err(MembershipError::NotLeader)
    );
    assert_eq!(rig.node.propose_remove_peer(N1), Ok(()));

    let forwarded = Bytes::copy_from_slice(N1.as_bytes());
    assert_eq!(
        rig.outputs(),
        [Out::Data("$NRG.RP.TEST".to_owned(), forwarded)]
    );
    rig.node.stop();
    assert_eq!(
        rig.node.propose_remove_peer(N1),
        Err(MembershipError::Closed)
    );
    assert_eq!(rig.node.propose_add_peer(N1), Err(MembershipError::Closed));
}

#[test]
fn failed_node_says_what_it_failed_of() {
    let mut rig = ready(DiskLog::new());
    rig.node.fail_storage(StorageError::Failed);
    let failed = MembershipError::Failed(rig.node.fatal_error().unwrap().clone());

    assert_eq!(rig.node.propose_add_peer(N2), Err(failed.clone()));
    assert_eq!(rig.node.propose_remove_peer(N1), Err(failed));
}

/// It may not know of a change that is committed already: the two would not know of each other.
#[test]
fn leader_changes_nothing_before_it_has_committed_in_its_term() {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    assert_eq!(
        rig.node.propose_add_peer(N2),
        Err(MembershipError::NotReady)
    );
    assert_eq!(
        rig.node.propose_remove_peer(N1),
        Err(MembershipError::NotReady)
    );
    rig.acknowledge(3, 1, N2);
    assert_eq!(config(&rig).1, 3, "a stranger has to wait as well");

    rig.acknowledge(3, 1, N0);

    assert_eq!(rig.node.propose_add_peer(N2), Ok(()));
}

/// What the earlier leader began is in the way until it is settled, and that is the reason given.
#[test]
fn change_inherited_from_an_earlier_leader_is_one_in_progress() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(special(N0, 1, 0, (1, 1), remove(N1)));
    rig.elect(2);

    assert_eq!(
        rig.node.propose_remove_peer(N0),
        Err(MembershipError::ChangeInProgress)
    );
    rig.acknowledge(2, 3, N0);
    assert_eq!(rig.view().commit, 3);
    assert_eq!(config(&rig), (vec![N0, SELF], 2, 2));
    assert_eq!(rig.node.propose_remove_peer(N0), Ok(()));
}

// Sending.

#[test]
fn change_keeps_its_place_among_the_proposals() {
    let mut rig = ready(MemoryLog::new());
    let propose = |rig: &mut Rig, data: &'static [u8]| {
        let data = Bytes::from_static(data);
        rig.node.propose(Term(3), data).unwrap();
    };

    propose(&mut rig, b"before");
    rig.node.propose_add_peer(N2).unwrap();
    propose(&mut rig, b"after");
    rig.turn();

    let expected = [
        sent(3, 1, (3, 1), vec![normal(b"before")]),
        sent(3, 1, (3, 2), vec![add(N2)]),
        sent(3, 1, (3, 3), vec![normal(b"after")]),
    ];
    assert_eq!(rig.outputs(), expected);
    assert_eq!(rig.node.membership_change.map(|c| c.index), Some(Index(3)));
}

#[test]
fn change_that_changes_nothing_is_dropped() {
    let mut rig = ready(MemoryLog::new());
    for (kind, peer) in [
        (EntryType::AddPeer, N0),
        (EntryType::RemovePeer, N2),
        (EntryType::Normal, N2),
    ] {
        assert!(!rig.node.send_membership_change(kind, peer));
    }
    assert!(rig.node.send_membership_change(EntryType::AddPeer, N2));
    assert!(!rig.node.send_membership_change(EntryType::AddPeer, N3));

    assert_eq!(rig.outputs(), [sent(3, 1, (3, 1), vec![add(N2)])]);
}

#[test]
fn change_that_cannot_be_stored_never_was() {
    let mut rig = ready(DiskLog::new());
    let mut broken = DiskLog::new();
    broken.broken = true;
    rig.node.log = Box::new(broken);

    assert!(!rig.node.send_membership_change(EntryType::RemovePeer, N1));

    assert_eq!(config(&rig), (vec![N0, SELF, N1], 3, 2));
    assert_eq!(
        (rig.node.membership_change, rig.view().role),
        (None, Role::Closed)
    );
}

/// Its own copy is in every majority of the two.
#[test]
fn lone_leader_commits_the_first_addition_with_its_own_durability() {
    let mut rig = alone(DiskLog::new());
    rig.node.propose_add_peer(N0).unwrap();
    rig.turn();
    assert_eq!(
        (config(&rig), rig.view().commit),
        ((vec![N0, SELF], 2, 2), 1)
    );
    rig.node.propose(Term(1), Bytes::from_static(b"x")).unwrap();
    rig.turn();

    rig.sync();

    assert_eq!(rig.view().commit, 2, "what follows waits for the two");
    rig.acknowledge(1, 3, N0);
    assert_eq!(rig.view().commit, 3);
}

#[test]
fn leader_that_is_left_alone_commits_the_removal_with_its_own_durability() {
    let mut rig = alone(DiskLog::new());
    rig.node.propose_add_peer(N0).unwrap();
    rig.turn();
    rig.sync();
    rig.node.propose_remove_peer(N0).unwrap();
    rig.turn();
    assert_eq!((config(&rig), rig.view().commit), ((vec![SELF], 1, 1), 2));

    rig.sync();

    assert_eq!((rig.view().commit, rig.node.membership_change), (3, None));
}

#[test]
fn own_copy_alone_does_not_commit_what_an_earlier_leader_appended() {
    let mut rig = Rig::new(&[SELF, N0], DiskLog::new());
    rig.live(entry(N0, 1, 0, (0, 0), b"old"));
    rig.live(special(N0, 1, 0, (1, 1), remove(N0)));
    assert_eq!(config(&rig).2, 1);
    rig.node.switch_to_candidate();
    rig.turn();
    let writes = rig.node.take_writes().unwrap();

    rig.node.switch_to_leader();
    rig.node.handle_durable(writes.upto, rig.now);
    assert_eq!(rig.view().commit, 0, "its own first entry is not durable");
    rig.sync();

    assert_eq!(rig.view().commit, 3);
}

// Our own removal.

#[test]
fn leader_that_removed_itself_names_a_successor_and_stops() {
    let mut rig = ready(MemoryLog::new());
    rig.acknowledge(3, 1, N1);
    rig.node.propose_remove_peer(SELF).unwrap();
    rig.turn();
    rig.acknowledge(3, 2, N1);
    assert_eq!((rig.view().role, rig.view().commit), (Role::Leader, 1));
    rig.outputs();

    rig.acknowledge(3, 2, N0);

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 2));
    let transfer = Entry::about(EntryType::LeaderTransfer, N0);
    let mut said = rig.outputs();
    said.retain(|out| !matches!(out, Out::Unsubscribe(_)));
    assert_eq!(said, [sent(3, 2, (3, 2), vec![transfer])]);
    assert_eq!(rig.lead_change(), Some((false, 3)));
}

#[test]
fn leader_without_a_successor_tells_of_its_own_removal_by_a_heartbeat() {
    let mut rig = ready(MemoryLog::new());
    rig.node.propose_remove_peer(SELF).unwrap();
    rig.turn();
    rig.outputs();
    rig.node.handle_peer_online(N0, false);
    rig.node.handle_peer_online(N1, false);
    rig.acknowledge(3, 2, N0);

    rig.acknowledge(3, 2, N1);

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 2));
    assert_eq!(rig.outputs().first(), Some(&sent(3, 2, (3, 2), vec![])));
}

/// The server goes on leading a group it is no member of.
#[test]
fn rescued_leader_that_removed_itself_stops_like_any_other() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.node.update_leader(None);
    rig.node.rescue_quorum(1, rig.now).unwrap();
    rig.node.switch_to_candidate();
    for _ in 0..2 {
        rig.turn();
        rig.sync();
    }
    assert_eq!((rig.view().role, rig.view().commit), (Role::Leader, 2));

    rig.node.propose_remove_peer(SELF).unwrap();
    rig.turn();
    assert_eq!(
        (rig.view().role, rig.view().commit),
        (Role::Leader, 2),
        "nobody is left to count"
    );
    rig.acknowledge(2, 3, N1);

    assert_eq!((rig.view().role, rig.view().commit), (Role::Closed, 3));
}

// Forwarded removals.

#[test]
fn complete_leader_takes_a_forwarded_removal_and_says_so() {
    let mut rig = ready(MemoryLog::new());
    complete(&mut rig);

    forward(&mut rig, N1.as_bytes(), Some("$R"));

    let heartbeat = sent(3, 1, (3, 2), vec![]);
    let taken = Out::Data("$R".to_owned(), Bytes::new());
    let removal = sent(3, 1, (3, 1), vec![remove(N1)]);
    assert_eq!(rig.outputs(), [removal, heartbeat, taken]);
}

#[test]
fn forwarded_removal_is_ignored_wherever_it_would_be_refused() {
    let mut rig = ready(MemoryLog::new());
    forward(&mut rig, N1.as_bytes(), Some("$R"));
    assert_eq!(rig.outputs(), EMPTY, "not a complete leader");

    complete(&mut rig);
    forward(&mut rig, N2.as_bytes(), Some("$R"));
    assert_eq!(rig.outputs(), EMPTY, "nobody to remove");
    forward(&mut rig, b"short", None);
    assert_eq!(rig.node.counters.messages_malformed, 1);
    rig.node.propose_add_peer(N2).unwrap();
    rig.turn();
    rig.outputs();
    forward(&mut rig, N1.as_bytes(), Some("$R"));

    assert_eq!(rig.outputs(), EMPTY, "another change is pending");
    let refused = Refused {
        not_leader: 1,
        unfit: 2,
        ..Refused::default()
    };
    assert_eq!(rig.node.counters.refused, refused);
}

// Peers nobody proposed.

#[test]
fn stranger_that_answers_is_added_where_nobody_else_decides() {
    let mut rig = ready(MemoryLog::new());

    rig.acknowledge(3, 1, N2);

    assert_eq!(rig.outputs(), [sent(3, 1, (3, 1), vec![add(N2)])]);
    rig.acknowledge(3, 2, N3);
    assert_eq!(rig.outputs(), EMPTY, "one at a time");
    rig.acknowledge(3, 2, N0);
    rig.acknowledge(3, 2, N1);
    rig.acknowledge(3, 2, N3);
    assert_eq!(config(&rig), (vec![N0, N3, N2, SELF, N1], 5, 3));
}

/// Issue 7602: whoever was removed stays so, although it goes on answering.
#[test]
fn issue_7602_removed_peer_is_not_added_again_while_the_removal_is_fresh() {
    let mut rig = ready(MemoryLog::new());
    rig.node.propose_remove_peer(N1).unwrap();
    rig.turn();
    rig.acknowledge(3, 2, N0);
    rig.outputs();

    rig.acknowledge(3, 2, N1);
    assert_eq!(rig.outputs(), EMPTY);
    rig.pass(5 * 60 * 1_000);
    rig.node.advance_to(rig.now);
    rig.node.track_peer(N1);
    rig.node.send_proposals();

    assert_eq!(config(&rig).0, [N0, SELF, N1]);
}

#[test]
fn catch_up_of_a_stranger_ends_in_its_addition_only_where_nobody_else_decides() {
    for managed in [false, true] {
        let mut log = setup(&[SELF, N0, N1], Box::new(MemoryLog::new()));
        log.managed = managed;
        let mut rig = Rig::of(log);
        rig.elect(1);
        rig.acknowledge(1, 1, N0);
        rig.outputs();

        // It has everything but the last entry, so one message ends the run.
        rig.propose(b"two");
        rig.respond(
            super::rig::answer(1, 1, N2, false),
            Some("$NRG.CR.abcdefgh"),
        );
        rig.turn();

        assert_eq!(rig.node.peer_names().contains(&N2), !managed);
        assert_eq!(rig.node.observed.contains_key(&N2), managed);
    }
}
