//! Merkle trees as RFC 6962 (section 2.1) builds them: what is hashed is marked as a leaf or a node,
//! so that neither passes for the other. Must not know what the leaves are.

use sha2::{Digest, Sha256};

/// A SHA-256.
pub(crate) type Hash = [u8; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;

/// The hash of the tree over these leaves, in this order.
pub(crate) fn root<T: AsRef<[u8]>>(leaves: &[T]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => marked(LEAF, &[leaf.as_ref()]),
        _ => {
            let (left, right) = leaves.split_at(left_len(leaves.len()));
            marked(NODE, &[&root(left), &root(right)])
        }
    }
}

/// The largest power of two that is smaller than `len`, which is at least two.
fn left_len(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// The SHA-256 of a mark and the parts that follow it.
pub(crate) fn marked(mark: u8, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([mark]);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(hash: Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The inputs and roots of the test suite of certificate-transparency (merkle_tree_test).
    #[test]
    fn roots_are_those_of_the_reference() {
        let leaves: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(root::<&[u8]>(&[])), empty);
        let roots = [
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (7, "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ];
        for (count, expected) in roots {
            assert_eq!(hex(root(&leaves[..count])), expected, "{count} leaves");
        }
    }

    proptest! {
        #[test]
        fn any_change_of_the_leaves_changes_the_root(
            leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 1..40),
            at in any::<prop::sample::Index>(),
            other in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let at = at.index(leaves.len());
            let before = root(&leaves);
            let mut removed = leaves.clone();
            removed.remove(at);
            prop_assert_ne!(root(&removed), before);
            let mut inserted = leaves.clone();
            inserted.insert(at, other.clone());
            prop_assert_ne!(root(&inserted), before);
            let mut changed = leaves.clone();
            changed[at] = other;
            prop_assert_eq!(root(&changed) == before, changed == leaves);
            let mut reordered = leaves.clone();
            reordered.reverse();
            prop_assert_eq!(root(&reordered) == before, reordered == leaves);
        }
    }
}
