//! The tree beside a plain model.

use super::node::{BRANCH_MAX, LEAF_MAX, Node};
use super::*;
use std::collections::BTreeSet;

impl Handle for Arc<[u8]> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

type Plain = Tree<Arc<[u8]>>;

/// Scores as numbers keep the model's order that of the tree.
type Model = BTreeSet<(i64, Vec<u8>)>;

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn element(score: i64, member: &[u8]) -> Element<Arc<[u8]>> {
    Element { score: score as f64, member: member.into() }
}

fn listed(tree: &Plain) -> Vec<(i64, Vec<u8>)> {
    tree.walk(0, usize::MAX, Direction::Up).map(|e| (e.score as i64, e.member.to_vec())).collect()
}

/// Demands the invariants; returns depth, count and bytes.
fn check(node: &Node<Arc<[u8]>>, is_root: bool) -> (usize, usize, usize) {
    match node {
        Node::Leaf(elements) => {
            assert!(elements.len() <= LEAF_MAX && (is_root || !elements.is_empty()));
            (1, elements.len(), node.bytes())
        }
        Node::Branch(children) => {
            assert!(children.len() <= BRANCH_MAX && !children.is_empty());
            let (mut depths, mut total, mut bytes) = (BTreeSet::new(), 0, node.bytes());
            for child in children {
                let (depth, count, size) = check(&child.node, false);
                assert_eq!(count, child.count);
                let first = match &*child.node {
                    Node::Leaf(elements) => &elements[0],
                    Node::Branch(below) => &below[0].low,
                };
                assert!(child.low.score.to_bits() == first.score.to_bits() && child.low.member == first.member);
                depths.insert(depth);
                total += count;
                bytes += size;
            }
            assert_eq!(depths.len(), 1, "leaves lie equally deep");
            (depths.first().unwrap() + 1, total, bytes)
        }
    }
}

fn assert_same(tree: &Plain, model: &Model) {
    let (_, count, bytes) = check(&tree.root, true);
    assert_eq!((tree.len(), count, tree.heap_bytes()), (model.len(), model.len(), bytes));
    assert_eq!(listed(tree), model.iter().cloned().collect::<Vec<_>>());
    let down: Vec<_> = tree.walk(tree.len().wrapping_sub(1), usize::MAX, Direction::Down).collect();
    assert!(down.iter().rev().map(|e| (e.score as i64, e.member.to_vec())).eq(model.iter().cloned()));
}

fn play(seed: u64, steps: usize, members: u64) {
    let (mut chance, mut tree, mut model) = (Chance(seed), Plain::new(), Model::new());
    let mut kept: Option<(Plain, Model)> = None;
    for step in 0..steps {
        let score = chance.below(members / 4 + 1) as i64;
        let member = format!("m{}", chance.below(members)).into_bytes();
        match chance.below(100) {
            0..60 => {
                if model.insert((score, member.clone())) {
                    tree.insert(element(score, &member));
                }
            }
            60..90 => {
                if let Some((score, member)) = model.range((score, member)..).next().cloned() {
                    let rank = model.iter().position(|m| *m == (score, member.clone())).unwrap();
                    assert_eq!(tree.rank(score as f64, &member), rank);
                    tree.remove(score as f64, &member);
                    model.remove(&(score, member));
                }
            }
            90..98 => {
                let from = chance.below(model.len() as u64 + 1) as usize;
                let count = chance.below(if step % 7 == 0 { 1000 } else { 40 }) as usize;
                let gone: Vec<_> = model.iter().skip(from).take(count).cloned().collect();
                let mut taken = Vec::new();
                tree.remove_range(from..from + count, |e| taken.push((e.score as i64, e.member.to_vec())));
                assert_eq!(taken, gone);
                model.retain(|m| !gone.contains(m));
            }
            98 => kept = Some((tree.clone(), model.clone())),
            _ => {
                let from = chance.below(model.len() as u64 + 1) as usize;
                let part: Vec<_> = tree.walk(from, 10, Direction::Up).map(|e| e.member.to_vec()).collect();
                assert!(part.iter().eq(model.iter().skip(from).take(10).map(|(_, m)| m)));
                assert_eq!(tree.at(from).map(|e| e.score as i64), model.iter().nth(from).map(|(s, _)| *s));
                assert_eq!(tree.partition_point(|s, _| s < score as f64), model.range(..(score, vec![])).count());
            }
        }
        if step % 500 == 0 {
            assert_same(&tree, &model);
            if let Some((tree, model)) = &kept {
                assert_same(tree, model);
            }
        }
    }
    assert_same(&tree, &model);
    tree.remove_range(0..usize::MAX, |_| ());
    assert_same(&tree, &Model::new());
}

#[test]
fn it_is_what_a_plain_set_is() {
    for seed in 0..6 {
        play(seed, 4_000, 200 * 10_u64.pow(seed as u32 % 3));
    }
}

#[test]
fn a_list_in_order_is_built_at_once() {
    for len in [0, 1, 128, 129, 1000, 20_000] {
        let model: Model = (0..len).map(|n| (n / 3, format!("{n:06}").into_bytes())).collect();
        let mut tree = Plain::from_sorted(model.iter().map(|(s, m)| element(*s, m)).collect());
        assert_same(&tree, &model);
        let member = b"x".to_vec();
        tree.insert(element(len / 6, &member));
        let mut model = model;
        model.insert((len / 6, member));
        assert_same(&tree, &model);
    }
}

#[test]
fn rising_scores_leave_full_nodes_and_large_ranges_leave_few() {
    let mut tree = Plain::new();
    (0..50_000).for_each(|n| tree.insert(element(n, b"m")));
    let per_element = tree.heap_bytes() / 50_000;
    assert!(per_element <= 27, "{per_element} bytes for each element of 24");
    tree.remove_range(10..49_990, |_| ());
    check(&tree.root, true);
    assert!(tree.heap_bytes() < 2_500, "{}", tree.heap_bytes());
    assert_eq!(tree.len(), 20);
}

#[test]
fn zeros_of_both_signs_are_one_score_and_infinities_are_the_ends() {
    let mut tree = Plain::new();
    for (score, member) in [(f64::INFINITY, b"a"), (0.0, b"c"), (-0.0, b"d"), (-0.0, b"b"), (f64::NEG_INFINITY, b"z")] {
        tree.insert(Element { score, member: member[..].into() });
    }
    let members: Vec<u8> = tree.walk(0, 9, Direction::Up).map(|e| e.member[0]).collect();
    assert_eq!(members, b"zbcda");
    assert_eq!(tree.rank(0.0, b"d"), 3);
}
