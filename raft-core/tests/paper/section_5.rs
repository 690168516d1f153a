//! The Raft consensus algorithm: elections, replication, safety, crashes, timing.

use std::time::Duration;

use raft_core::node::Role;
use raft_core::types::{Index, Term};
use raft_core::wire::Subject;

use super::net::*;

// 5.1 Raft basics.

#[test]
fn s5_1_terms_rise_with_each_election_and_every_server_follows() {
    let mut net = Net::led(3);
    for term in 2..6 {
        let next = (net.leader().unwrap() + 1) % 3;
        net.campaign(next);
        net.pass(Duration::from_secs(2));

        assert_eq!(net.leader(), Some(next));
        assert!(
            (0..3).all(|at| net.node(at).term() == Term(term)),
            "term {term}"
        );
    }
}

#[test]
fn s5_1_leader_with_a_stale_term_becomes_a_follower() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.campaign(1);
    assert_eq!(
        (net.node(0).role(), net.node(1).role()),
        (Role::Leader, Role::Leader)
    );

    net.heal();
    net.pass(Duration::from_secs(2));

    assert_eq!(
        (net.node(0).role(), net.node(0).term()),
        (Role::Follower, Term(2))
    );
    assert_eq!(net.leader(), Some(1));
}

#[test]
fn s5_1_term_survives_a_restart() {
    let mut net = Net::led(3);
    net.campaign(1);
    let term = net.node(2).term();

    net.kill(2);
    net.start(2);

    assert_eq!((net.node(2).term(), term), (Term(2), Term(2)));
}

// 5.2 Leader election.

#[test]
fn s5_2_fresh_servers_elect_one_leader() {
    for seed in 0..10 {
        let mut net = Net::new(3, seed);
        let leader = net.wait_for_leader();
        net.pass(Duration::from_secs(30));

        assert_eq!(net.leader(), Some(leader), "seed {seed}");
        assert_eq!(
            net.leaders.len(),
            usize::try_from(net.node(leader).term().0).unwrap()
        );
        assert!((0..3).all(|at| net.node(at).leader() == Some(id(leader))));
    }
}

#[test]
fn s5_2_heartbeats_keep_the_leader_in_place() {
    let mut net = Net::led(5);

    net.pass(Duration::from_secs(600));

    assert_eq!((net.leader(), net.node(0).term()), (Some(0), Term(1)));
}

#[test]
fn s5_2_silence_of_the_leader_makes_another() {
    let mut net = Net::led(5);

    net.kill(0);
    let next = net.wait_for_leader();

    assert_ne!(next, 0);
    assert!(net.node(next).term() > Term(1));
}

#[test]
fn s5_2_minority_elects_nobody() {
    let mut net = Net::led(5);
    for at in [0, 1, 2] {
        net.kill(at);
    }

    net.pass(Duration::from_secs(120));

    assert_eq!(net.leader(), None);
}

/// Both ask at once, and each has its own vote already.
#[test]
fn s5_2_split_vote_ends_with_a_leader_of_a_later_term() {
    let mut net = Net::led(2);
    for at in [0, 1] {
        net.command(at, |node, now| {
            if node.role() == Role::Leader {
                node.step_down(&[], now).unwrap();
            }
            node.campaign(true, now).unwrap();
        });
    }
    net.pass(Duration::from_millis(50));
    assert_eq!(
        (net.leader(), net.node(0).term()),
        (None, net.node(1).term())
    );
    let split = net.node(0).term();

    let leader = net.wait_for_leader();

    assert!(net.node(leader).term() > split);
}

#[test]
fn s5_2_candidate_follows_the_leader_it_hears_of() {
    let mut net = Net::led(3);
    net.isolate(2);
    net.campaign(2);
    assert_eq!(net.node(2).role(), Role::Candidate);
    // The others get as far in terms, so that the leader's is not the stale one.
    net.campaign(1);
    assert_eq!(net.node(1).term(), net.node(2).term());

    net.heal();
    net.pass(Duration::from_secs(2));

    assert_eq!(
        (net.node(2).role(), net.node(2).leader()),
        (Role::Follower, Some(id(1)))
    );
}

#[test]
fn s5_2_vote_is_not_given_twice_in_a_term_across_a_restart() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.loses = Some(Box::new(|message| message.to == 1));
    net.campaign(1);
    assert_eq!(
        (net.node(1).role(), net.node(1).term()),
        (Role::Candidate, Term(2))
    );
    let vote = net.node(2).status(net.now).vote;
    assert_eq!(vote, Some(id(1)));

    net.kill(2);
    net.start(2);

    assert_eq!(net.node(2).status(net.now).vote, vote);
}

// 5.3 Log replication.

#[test]
fn s5_3_entry_is_committed_once_a_majority_holds_it() {
    let mut net = Net::led(5);
    net.kill(3);
    net.kill(4);

    net.propose(0, b"kept");
    net.pass(Duration::from_secs(2));

    assert!((0..3).all(|at| net.commit(at) == 2));
    assert_eq!(net.committed[&2], [b"kept"]);
}

#[test]
fn s5_3_entry_without_a_majority_is_not_committed() {
    let mut net = Net::led(5);
    for at in [2, 3, 4] {
        net.kill(at);
    }

    net.propose(0, b"waits");
    net.pass(Duration::from_secs(5));

    assert_eq!((net.last(1), net.commit(0), net.commit(1)), (2, 1, 1));
}

#[test]
fn s5_3_follower_that_was_away_gets_everything_it_missed() {
    let mut net = Net::led(3);
    net.isolate(2);
    for data in [b"a", b"b", b"c", b"d"] {
        net.propose(0, data);
    }
    assert_eq!((net.commit(0), net.last(2)), (5, 1));

    net.heal();

    net.assert_equal();
    assert_eq!(net.servers[2].applied.len(), net.servers[0].applied.len());
}

/// Figure 7: the new leader's followers miss entries, have extra ones, or both.
#[test]
fn s5_3_logs_that_diverged_become_the_leaders() {
    let mut net = Net::led(3);
    net.isolate(0);
    for data in [b"x", b"y", b"z"] {
        net.propose(0, data);
    }
    net.campaign(1);
    for data in [b"p", b"q"] {
        net.propose(1, data);
    }
    assert_eq!((net.last(0), net.last(1)), (4, 4));
    assert_ne!(net.log(0), net.log(1));

    net.heal();

    net.assert_equal();
    let data: Vec<Vec<u8>> = net.log(0).into_iter().map(|(_, data)| data).collect();
    assert_eq!(data[2..4], [b"p".to_vec(), b"q".to_vec()]);
    assert!(!data.contains(&b"x".to_vec()));
}

#[test]
fn s5_3_leader_never_changes_its_own_entries() {
    let mut net = Net::led(3);
    let mut before = Vec::new();
    for (at, data) in [(0, b"a"), (0, b"b"), (0, b"c")] {
        net.propose(at, data);
        let log = net.log(at);
        assert_eq!(log[..before.len()], before);
        before = log;
    }
    net.campaign(1);
    net.propose(1, b"d");

    assert_eq!(net.log(1)[..before.len()], before);
}

// 5.4.1 Election restriction.

#[test]
fn s5_4_1_server_without_a_committed_entry_is_not_elected() {
    let mut net = Net::led(3);
    net.isolate(2);
    net.propose(0, b"kept");
    assert_eq!(net.commit(0), 2);
    net.kill(0);
    net.heal();

    for _ in 0..5 {
        net.campaign(2);
        assert_ne!(net.node(2).role(), Role::Leader);
    }
    net.wait("the server that holds it to lead", |net| {
        net.leader() == Some(1)
    });
    net.pass(Duration::from_secs(5));

    assert_eq!(net.servers[2].applied[&2], [b"kept"]);
}

#[test]
fn s5_4_1_later_last_term_beats_a_longer_log() {
    let mut net = Net::led(3);
    net.isolate(0);
    for data in [b"x", b"y", b"z"] {
        net.propose(0, data);
    }
    net.campaign(1);
    assert_eq!(net.leader(), Some(1));
    net.kill(1);
    net.kill(0);
    net.start(0);
    net.heal();

    // Server 2 holds the first entry of term 2, server 0 a longer log of term 1.
    assert!(net.last(0) > net.last(2));
    net.campaign(0);
    assert_ne!(net.node(0).role(), Role::Leader);
    net.wait("the later log to lead", |net| net.leader() == Some(2));
}

// 5.4.2 Committing entries from previous terms.

/// Figure 8: an entry of an older term on a majority is not committed, and may still be replaced.
#[test]
fn s5_4_2_entry_of_an_older_term_on_a_majority_may_be_replaced() {
    let mut net = Net::led(3);
    net.isolate(0);
    net.propose(0, b"old");
    // Server 2 wins term 2 with the vote of server 1; its first entry reaches nobody.
    net.loses = Some(Box::new(|m| m.from == 2 && append_entry(m).is_some()));
    net.campaign(2);
    assert_eq!(
        (net.node(2).role(), net.last(2), net.last(1)),
        (Role::Leader, 2, 1)
    );
    net.isolate(2);

    // Server 0 wins a later term and brings "old" to a majority, but nothing of that term.
    net.kill(0);
    net.start(0);
    net.isolated.remove(&0);
    let new = |message: &Message| append_entry(message).is_some_and(|ae| ae.head.term > Term(1));
    net.loses = Some(Box::new(move |m| {
        m.from == 0 && new(m) && append_entry(m).is_some_and(|ae| !ae.is_heartbeat())
    }));
    while net.node(0).role() != Role::Leader || net.node(0).term() < Term(3) {
        net.campaign(0);
    }
    net.pass(Duration::from_secs(1));
    assert_eq!(
        (net.last(1), net.log(1)[1].1.as_slice()),
        (2, b"old".as_slice())
    );
    assert_eq!((net.commit(0), net.commit(1)), (1, 1));

    // Server 2 comes back: its log ends in a later term than that of server 1.
    net.isolate(0);
    net.isolated.remove(&2);
    net.loses = None;
    net.wait("server 2 to lead", |net| {
        net.node(2).role() == Role::Leader && net.node(2).term() > Term(3)
    });
    net.heal();

    net.assert_equal();
    assert!(net.log(0).iter().all(|(_, data)| data != b"old"));
}

#[test]
fn s5_4_2_older_entries_commit_with_the_first_of_the_new_term() {
    let mut net = Net::led(3);
    net.loses = Some(Box::new(|message| message.to == 0));
    net.propose(0, b"old");
    assert_eq!((net.last(1), net.last(2), net.commit(0)), (2, 2, 1));
    net.kill(0);
    net.heal();

    net.campaign(1);
    net.pass(Duration::from_secs(2));

    assert_eq!((net.commit(1), net.commit(2)), (3, 3));
    assert_eq!(net.committed[&2], [b"old"]);
}

// 5.4.3 Safety: state machines agree whatever happens; checked with every applied entry.

#[test]
fn s5_4_3_state_machines_agree_through_partitions_and_restarts() {
    for seed in 1..=6_u64 {
        let mut net = Net::new(5, seed);
        let mut random = seed;
        let mut draw = |below: u64| {
            // Knuth's multiplier; the high bits are the good ones.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            usize::try_from((random >> 33) % below).unwrap()
        };
        for _ in 0..25 {
            let at = draw(5);
            match draw(6) {
                0 => net.isolate(at),
                1 => net.heal(),
                2 if net
                    .servers
                    .iter()
                    .filter(|server| server.up.is_some())
                    .count()
                    > 3 =>
                {
                    net.kill(at);
                }
                3 if net.servers[at].up.is_none() => net.start(at),
                _ => {}
            }
            net.pass(Duration::from_millis(draw(8_000) as u64));
            if let Some(leader) = net.leader() {
                net.propose(leader, b"entry");
            }
        }
        net.heal();
        for at in 0..5 {
            if net.servers[at].up.is_none() {
                net.start(at);
            }
        }
        net.wait_for_leader();

        net.assert_equal();
    }
}

// 5.5 Follower and candidate crashes.

#[test]
fn s5_5_follower_that_crashed_is_brought_up_to_date() {
    let mut net = Net::led(3);
    net.kill(2);
    for data in [b"a", b"b", b"c"] {
        net.propose(0, data);
    }

    net.start(2);

    net.assert_equal();
}

#[test]
fn s5_5_whole_group_comes_back_with_everything_committed() {
    let mut net = Net::led(3);
    for data in [b"a", b"b", b"c"] {
        net.propose(0, data);
    }
    (0..3).for_each(|at| net.kill(at));
    (0..3).for_each(|at| net.start(at));
    net.wait_for_leader();

    net.assert_equal();
    assert_eq!(net.servers[0].applied[&4], [b"c"]);
}

/// A message that arrives a second time has been taken care of.
#[test]
fn s5_5_repeated_messages_change_nothing() {
    let mut net = Net::led(3);
    for data in [b"a", b"b"] {
        net.propose(0, data);
    }
    net.pass(Duration::from_secs(2));
    let before = (net.log(1), net.commit(1));

    for index in [1, 2, 3] {
        let again = net.node(0).entry_at(Index(index)).unwrap().into_frame();
        net.send(0, &Subject::new("$NRG.AE.PAPER"), None, &again);
        net.settle();
    }

    assert_eq!((net.log(1), net.commit(1)), before);
    net.propose(0, b"c");
    net.assert_equal();
}

// 5.6 Timing and availability.

#[test]
fn s5_6_leader_without_a_quorum_steps_down_and_the_rest_goes_on() {
    let mut net = Net::led(5);
    net.isolate(0);

    let next = net.wait_for_leader();
    net.propose(next, b"goes on");
    net.pass(Duration::from_secs(25));

    assert_ne!(net.node(0).role(), Role::Leader);
    assert_eq!(
        net.committed
            .values()
            .filter(|data| **data == [b"goes on"])
            .count(),
        1
    );
}
