//! Client interaction, and what the thesis adds to the paper's leadership.

use std::time::Duration;

use raft_core::types::Term;

use super::net::*;

// 8 Client interaction.

/// The leader appends an entry of its own at once, so that it learns what is committed.
#[test]
fn s8_new_leader_commits_an_entry_of_its_term_without_being_asked() {
    let mut net = Net::led(3);

    net.campaign(1);
    net.pass(Duration::from_secs(1));

    assert_eq!(net.log(1).last(), Some(&(2, Vec::new())));
    assert_eq!(net.commit(1), 2);
    assert!(net.node(1).is_leader());
}

// Leadership transfer (thesis 3.10).

#[test]
fn thesis_3_10_chosen_successor_leads_within_a_moment() {
    let mut net = Net::led(3);
    net.pass(Duration::from_secs(1));

    net.command(0, |node, now| node.step_down(&[id(2)], now).unwrap());
    net.pass(Duration::from_millis(10));

    assert_eq!((net.leader(), net.node(2).term()), (Some(2), Term(2)));
}
