//! Quorum arithmetic, without state.

/// How many of `cluster_size` members make a majority (server: `csz/2 + 1`).
#[must_use]
pub const fn natural_quorum(cluster_size: u32) -> u32 {
    cluster_size / 2 + 1
}

#[cfg(test)]
mod tests {
    use super::natural_quorum;

    #[test]
    fn two_natural_quorums_of_one_size_always_intersect() {
        for size in 1..=101 {
            assert!(natural_quorum(size) * 2 > size, "size {size}");
            assert!(natural_quorum(size) <= size, "size {size}");
        }
    }

    #[test]
    fn quorums_of_sizes_one_apart_intersect() {
        for size in 1..=101 {
            assert!(
                natural_quorum(size) + natural_quorum(size + 1) > size + 1,
                "size {size}"
            );
        }
    }

    /// The members a bit stands for, of at most seven.
    fn has_quorum(config: u8, voters: u8) -> bool {
        (config & voters).count_ones() >= natural_quorum(config.count_ones())
    }

    fn configs() -> impl Iterator<Item = u8> {
        1..1 << 7
    }

    /// Every configuration that differs from `config` in one member and has any.
    fn one_apart(config: u8) -> impl Iterator<Item = u8> {
        (0..7)
            .map(move |member| config ^ (1 << member))
            .filter(|next| *next != 0)
    }

    /// Raft thesis 4.1, looked at one by one: what makes one change at a time safe.
    #[test]
    fn majorities_before_and_after_a_change_of_one_member_always_share_one() {
        for before in configs() {
            let majority = |config: u8| (0..1 << 7).filter(move |set| has_quorum(config, *set));
            for after in one_apart(before) {
                for old in majority(before).filter(|set| set & !before == 0) {
                    let rest = after & !old;
                    assert!(
                        !has_quorum(after, rest),
                        "{before:07b} {after:07b} {old:07b}"
                    );
                }
            }
        }
    }

    /// Why the next change waits for the commit of this one, and a new leader for a commit of its
    /// own: two changes from one configuration, unknown to each other, can part the group.
    #[test]
    fn majorities_after_two_changes_that_do_not_know_of_each_other_may_be_disjoint() {
        let (four, added, removed) = (0b000_1111_u8, 0b001_1111_u8, 0b000_0111_u8);
        let with_newcomer = 0b001_1100;
        let without_leaver = 0b000_0011;

        assert!(one_apart(four).any(|config| config == added));
        assert!(one_apart(four).any(|config| config == removed));
        assert!(has_quorum(added, with_newcomer) && has_quorum(removed, without_leaver));
        assert_eq!(with_newcomer & without_leaver, 0);
    }
}
