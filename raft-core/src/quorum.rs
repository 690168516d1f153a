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
}
