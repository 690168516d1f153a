//! Both ends of a catch-up.

use bytes::Bytes;

use super::Role;
use super::rig::{
    DiskLog, EMPTY, N0, N1, Out, Rig, accepted, answer, entry, following, head, indexes, refused,
    relayed, wants,
};
use crate::storage::MemoryLog;
use crate::types::{Entry, Index, PeerId, Term};
use crate::wire::{AppendEntryHead, Subject};

const FIRST: &str = "$NRG.CR.00000001";
const SECOND: &str = "$NRG.CR.00000002";

/// The leader of term 3 with `count` entries of `data` behind its first.
fn leader_with(count: usize, data: &'static [u8]) -> Rig {
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    for _ in 0..count {
        rig.propose(data);
    }
    rig.outputs();
    rig
}

/// `peer` holds everything up to `index` and asks for the rest.
fn ask(rig: &mut Rig, peer: PeerId, index: u64, inbox: &str) {
    rig.respond(answer(3, index, peer, false), Some(inbox));
}

/// The indexes sent to each inbox, in order.
fn served(rig: &mut Rig) -> Vec<(String, u64)> {
    rig.outputs()
        .into_iter()
        .map(|out| match out {
            Out::Append(to, head, _) => (to, head.prev_index.next().0),
            other => panic!("{other:?}"),
        })
        .collect()
}

fn to(inbox: &str, indexes: std::ops::RangeInclusive<u64>) -> Vec<(String, u64)> {
    indexes.map(|index| (inbox.to_owned(), index)).collect()
}

#[test]
fn follower_is_sent_what_it_lacks_as_it_was_stored_under_the_leaders_term() {
    let mut rig = Rig::follower_at(2, 1, MemoryLog::new());
    rig.elect(3);
    rig.propose(b"two");
    rig.outputs();

    ask(&mut rig, N1, 0, FIRST);

    let under = |head: AppendEntryHead| AppendEntryHead {
        leader_term: Term(3),
        ..head
    };
    let out = rig.outputs();
    let inbox = || FIRST.to_owned();
    assert_eq!(out.len(), 3);
    let old = vec![Entry::normal(b"old".as_slice())];
    assert_eq!(
        out[0],
        Out::Append(inbox(), under(head(N0, 2, 0, (0, 0))), old)
    );
    assert!(matches!(&out[1], Out::Append(_, at, _) if at.prev_index.0 == 1));
    let two = vec![Entry::normal(b"two".as_slice())];
    let own = under(head(rig.node.id(), 3, 0, (3, 2)));
    assert_eq!(out[2], Out::Append(inbox(), own, two));
    assert!(rig.node.progress.is_empty() && rig.node.runs.is_empty());
}

#[test]
fn follower_is_sent_only_what_follows_its_last_entry() {
    let mut rig = leader_with(4, b"x");

    ask(&mut rig, N0, 3, FIRST);

    assert_eq!(served(&mut rig), to(FIRST, 4..=5));
}

#[test]
fn follower_that_has_more_than_the_leader_ends_the_leadership() {
    for index in [5, 6, u64::MAX] {
        let mut rig = leader_with(4, b"x");

        ask(&mut rig, N0, index, FIRST);

        assert_eq!((rig.view().role, rig.view().term), (Role::Follower, 3));
        assert_eq!(rig.lead_change(), Some((false, 3)));
    }
}

#[test]
fn run_shares_turns_with_the_nodes_other_work() {
    static BLOCK: [u8; 300 * 1024] = [7; 300 * 1024];
    let mut rig = leader_with(10, &BLOCK);

    ask(&mut rig, N0, 0, FIRST);

    let mut turns = vec![served(&mut rig).len()];
    while rig.node.wants_turn() {
        rig.turn();
        turns.push(served(&mut rig).len());
    }
    // A turn sends a mebibyte and the entry that exceeds it, twice for one call.
    assert!(
        turns.len() > 1 && turns.iter().all(|sent| *sent <= 10),
        "{turns:?}"
    );
    assert_eq!(turns.iter().sum::<usize>(), 11);
}

#[test]
fn run_is_cut_at_its_window_and_goes_on_with_the_followers_reports() {
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut rig = leader_with(40, &BLOCK);
    let drain = |rig: &mut Rig| {
        let mut all = served(rig);
        while rig.node.wants_turn() {
            rig.turn();
            all.extend(served(rig));
        }
        all.retain(|(to, _)| to == FIRST);
        all
    };
    ask(&mut rig, N0, 0, FIRST);
    let window = drain(&mut rig);
    assert_eq!(window, to(FIRST, 1..=33));

    rig.acknowledge(3, 10, N0);
    assert_eq!(drain(&mut rig), to(FIRST, 34..=41));

    assert!(rig.node.progress.is_empty());
}

#[test]
fn run_without_a_report_for_two_seconds_ends() {
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut rig = leader_with(40, &BLOCK);
    ask(&mut rig, N0, 0, FIRST);
    while rig.node.wants_turn() {
        rig.turn();
    }
    rig.outputs();
    assert_eq!(rig.node.runs.len(), 1);

    rig.pass(2_000);
    rig.turn();

    assert!(rig.node.runs.is_empty() && rig.node.progress.is_empty());
}

/// The server lets the old run go on, to an inbox nobody listens to.
#[test]
fn issue_7424_second_request_ends_the_first_run() {
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut rig = leader_with(40, &BLOCK);
    ask(&mut rig, N0, 0, FIRST);
    let first = rig.node.progress.get(&N0).copied().unwrap();
    while rig.node.wants_turn() {
        rig.turn();
    }
    rig.outputs();

    ask(&mut rig, N0, 2, SECOND);
    let second = rig.node.progress.get(&N0).copied().unwrap();
    while rig.node.wants_turn() {
        rig.turn();
    }

    assert_ne!(first, second);
    assert_eq!(served(&mut rig), to(SECOND, 3..=34));
    assert_eq!(rig.node.runs.len(), 1);
}

/// The entry the first one needs cannot be read: the node is closed, and sends nothing more.
#[test]
fn runs_end_with_the_run_that_closes_the_node() {
    static BLOCK: [u8; 700 * 1024] = [7; 700 * 1024];
    let mut log = DiskLog::new();
    log.damaged = Some(Index(1));
    let mut rig = Rig::leader_in(3, log);
    for _ in 0..4 {
        rig.propose(&BLOCK);
    }
    rig.outputs();
    let from = |peer, has, inbox| (answer(3, has, peer, false), Some(Subject::new(inbox)));
    let sub = rig.inbox_of(&rig.node.response_inbox);
    for (response, inbox) in [from(N0, 0, FIRST), from(N1, 1, SECOND)] {
        let payload = Bytes::copy_from_slice(&response.encode());
        rig.node.handle_message(sub, inbox, payload, rig.now);
    }

    rig.turn();

    assert_eq!(rig.view().role, Role::Closed);
    assert!(rig.node.runs.is_empty() && rig.node.progress.is_empty());
    let sent = rig.outputs();
    let served = sent.iter().filter(|out| matches!(out, Out::Append(..)));
    assert_eq!(served.count(), 0, "{sent:?}");
}

#[test]
fn runs_end_with_the_leadership() {
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut rig = leader_with(40, &BLOCK);
    ask(&mut rig, N0, 0, FIRST);
    rig.outputs();

    rig.node.step_down(&[], rig.now).unwrap();
    rig.turn();

    assert!(rig.node.runs.is_empty() && rig.node.progress.is_empty());
    assert!(!rig.node.wants_turn());
}

/// A run ends where the log ended when it began: what came later went out live.
#[test]
fn entries_stored_meanwhile_are_not_part_of_a_run() {
    let mut rig = leader_with(2, b"x");
    let sub = rig.inbox_of(&rig.node.response_inbox);
    let request = answer(3, 0, N0, false).encode();
    let inbox = Subject::new(FIRST);
    let payload = Bytes::copy_from_slice(&request);
    rig.node.handle_message(sub, Some(inbox), payload, rig.now);

    rig.propose(b"later");

    let (live, caught): (Vec<_>, Vec<_>) = served(&mut rig)
        .into_iter()
        .partition(|(to, _)| to == "$NRG.AE.TEST");
    assert_eq!(caught, to(FIRST, 1..=3));
    assert_eq!(live.len(), 1);
}

// The follower's side.

#[test]
fn gap_opens_an_inbox_and_asks_for_what_is_missing() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());

    rig.live(entry(N0, 1, 4, (1, 5), b"six"));

    let out = rig.outputs();
    assert!(matches!(&out[..], [Out::Subscribe(to), _] if to.starts_with("$NRG.CR.")));
    assert_eq!(out[1], wants(1, 2));
    assert_eq!(rig.view(), following(1, (1, 2), 0));
}

#[test]
fn issue_6944_catch_up_is_stored_without_an_answer_and_ends_with_the_next_live_message() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 2, (1, 3), b"four"));
    let inbox = rig.catchup();
    rig.outputs();

    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 1), b"two")), inbox);
    rig.live(entry(N0, 1, 2, (1, 4), b"five"));
    rig.receive(relayed(1, &entry(N0, 1, 2, (1, 2), b"three")), inbox);

    assert_eq!(rig.outputs(), EMPTY);
    assert_eq!(rig.view(), following(1, (1, 3), 2));
    assert_eq!(indexes(&rig.applied()), [u64::MAX, 1, 2]);
    rig.live(entry(N0, 1, 3, (1, 3), b"four"));
    assert_eq!(rig.view(), following(1, (1, 4), 3));
    assert_eq!(indexes(&rig.applied()), [0, 3]);
    let out = rig.outputs();
    assert!(matches!(&out[..], [Out::Unsubscribe(_), answer] if *answer == accepted(1, 4)));
}

#[test]
fn catch_up_that_commits_nothing_is_not_announced() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    let inbox = rig.catchup();

    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 1), b"two")), inbox);
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));

    assert_eq!(indexes(&rig.applied()), [0; 0]);
    assert_eq!(rig.view(), following(1, (1, 3), 0));
}

/// It would cut what came later.
#[test]
fn message_of_an_inbox_that_is_not_ours_any_more_is_dropped() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    let inbox = rig.catchup();
    let two = entry(N0, 1, 0, (1, 1), b"two");
    rig.receive(relayed(1, &two), inbox);
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    rig.outputs();

    rig.receive(relayed(1, &two), inbox);
    rig.receive(two, inbox);

    assert_eq!(rig.view(), following(1, (1, 3), 0));
    assert_eq!(rig.outputs(), EMPTY);
}

/// What an old inbox still brings is stored if it continues the log under the current term.
#[test]
fn late_catch_up_entry_that_continues_the_log_is_stored_silently() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    let inbox = rig.catchup();
    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 1), b"two")), inbox);
    rig.live(entry(N0, 1, 0, (1, 2), b""));
    rig.outputs();

    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 2), b"three")), inbox);

    assert_eq!(rig.view(), following(1, (1, 3), 0));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn issue_6951_catch_up_of_an_older_leader_is_dropped() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    let inbox = rig.catchup();
    rig.node.raise_term(Term(5));
    rig.outputs();

    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 1), b"two")), inbox);

    assert_eq!((rig.view().last, rig.view().term), ((1, 1), 5));
    assert_eq!(rig.outputs(), EMPTY);
}

#[test]
fn stalled_catch_up_is_asked_for_again_on_a_new_inbox() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    rig.outputs();
    rig.pass(2_000);
    rig.live(entry(N0, 1, 0, (1, 3), b"four"));
    assert_eq!(rig.outputs(), EMPTY);

    rig.pass(1);
    rig.live(entry(N0, 1, 0, (1, 4), b"five"));

    let out = rig.outputs();
    assert!(matches!(&out[..], [Out::Unsubscribe(old), Out::Subscribe(new), _] if old != new));
    assert_eq!(out[2], wants(1, 1));
}

/// The server forgets the guard with the catch-up it was owed for.
#[test]
fn application_told_of_a_stalled_catch_up_is_told_of_the_end_of_its_successor() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 1, (1, 3), b"four"));
    let inbox = rig.catchup();
    rig.receive(relayed(1, &entry(N0, 1, 1, (1, 1), b"two")), inbox);
    assert_eq!(indexes(&rig.applied()), [u64::MAX, 1]);
    rig.live(entry(N0, 1, 1, (1, 3), b""));
    rig.pass(2_001);
    rig.live(entry(N0, 1, 1, (1, 3), b""));
    assert_ne!(rig.catchup(), inbox);

    let inbox = rig.catchup();
    rig.receive(relayed(1, &entry(N0, 1, 1, (1, 2), b"three")), inbox);
    rig.live(entry(N0, 1, 1, (1, 3), b""));

    assert_eq!(indexes(&rig.applied()), [0]);
}

#[test]
fn election_timeout_gives_a_stalled_catch_up_up_and_does_not_campaign() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 2), b"three"));
    rig.outputs();

    rig.pass(9_000);
    rig.turn();

    assert_eq!(rig.view(), following(1, (1, 1), 0));
    assert!(matches!(&rig.outputs()[..], [Out::Unsubscribe(_)]));
    rig.pass(9_000);
    rig.turn();
    assert_eq!(rig.view().role, Role::Candidate);
}

#[test]
fn catch_up_that_does_not_match_is_given_up() {
    let mut rig = Rig::follower_at(1, 2, MemoryLog::new());
    rig.live(entry(N0, 3, 0, (3, 5), b"six"));
    let inbox = rig.catchup();
    rig.sync();
    rig.outputs();

    rig.receive(relayed(3, &entry(N0, 3, 0, (2, 2), b"three")), inbox);

    assert_eq!(rig.view(), following(3, (1, 1), 0));
    assert!(matches!(&rig.outputs()[..], [Out::Unsubscribe(_)]));
}

#[test]
fn run_that_hears_of_its_follower_goes_on() {
    static BLOCK: [u8; 1024 * 1024] = [7; 1024 * 1024];
    let mut rig = Rig::leader_in(3, MemoryLog::new());
    rig.node.set_backlog_bytes_max(u64::MAX);
    for _ in 0..80 {
        rig.propose(&BLOCK);
    }
    rig.outputs();
    ask(&mut rig, N0, 0, FIRST);
    for report in [1, 2] {
        while rig.node.wants_turn() {
            rig.turn();
        }
        rig.pass(1_500);
        rig.acknowledge(3, report, N0);
    }

    assert_eq!(rig.node.runs.len(), 1);
}

/// SE-24: its leader is whoever wrote the entry, long ago perhaps.
#[test]
fn catch_up_entry_does_not_name_the_leader() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 3), b"four"));
    let inbox = rig.catchup();

    rig.receive(relayed(1, &entry(N1, 1, 0, (1, 1), b"two")), inbox);

    assert_eq!(rig.view(), following(1, (1, 2), 0));
}

/// SE-7: what a later refusal says of our term is on its way to the disk like any other.
#[test]
fn term_learned_in_a_catch_up_is_saved_before_it_is_told() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    rig.live(entry(N0, 1, 0, (1, 3), b"four"));
    let inbox = rig.catchup();
    rig.outputs();

    rig.receive(relayed(5, &entry(N0, 1, 0, (1, 1), b"two")), inbox);
    rig.live(entry(N1, 2, 0, (1, 2), b"late"));

    assert_eq!(rig.view().term, 5);
    assert_eq!(rig.outputs(), EMPTY);
    rig.sync();
    assert_eq!(rig.outputs(), [refused(5, 2)]);
}

/// What it stores, it would have to apply.
#[test]
fn quorum_pause_gives_the_catch_up_up() {
    let mut rig = Rig::follower_at(1, 1, MemoryLog::new());
    for at in 1..100_000 {
        rig.live(entry(N0, 1, at, (1, at), b"x"));
    }
    rig.live(entry(N0, 1, 100_000, (1, 100_009), b"x"));
    let inbox = rig.catchup();
    rig.outputs();

    rig.receive(
        relayed(1, &entry(N0, 1, 100_001, (1, 100_000), b"x")),
        inbox,
    );
    assert_eq!(
        (rig.view().commit, rig.node.catchup.is_some()),
        (100_001, true)
    );
    rig.receive(
        relayed(1, &entry(N0, 1, 100_001, (1, 100_001), b"x")),
        inbox,
    );
    assert!(rig.node.quorum_paused && rig.node.catchup.is_none());
    rig.node
        .create_catchup(&entry(N0, 1, 0, (1, 100_005), b"x"));
    let inbox = rig.catchup();
    rig.receive(relayed(1, &entry(N0, 1, 0, (1, 100_001), b"x")), inbox);

    assert!(rig.node.catchup.is_none());
    assert_eq!(rig.view().last, (1, 100_001));
}
