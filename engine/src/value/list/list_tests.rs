//! The list against a plain vector.

use super::*;

const DEFAULT: Limits = Limits { fill: -2, packed_threshold: 1 << 30 };

/// A list, and what it should be.
struct Pair {
    list: List,
    model: VecDeque<Vec<u8>>,
    limits: Limits,
    state: u64,
}

impl Pair {
    fn new(limits: Limits, seed: u64) -> Self {
        Self { list: List::default(), model: VecDeque::new(), limits, state: seed }
    }

    fn random(&mut self, below: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % below
    }

    fn element(&mut self) -> Vec<u8> {
        match self.random(8) {
            0 => vec![b'x'; self.random(3000)],
            1 => vec![b'y'; self.random(70)],
            2 => (self.random(100_000) as i64 - 50_000).to_string().into_bytes(),
            _ => self.random(20).to_string().into_bytes(),
        }
    }

    fn prepare(&mut self, element: &[u8]) {
        self.list.prepare(element.len(), 1, self.limits);
    }

    fn step(&mut self) {
        let len = self.model.len();
        let end = if self.random(2) == 0 { End::Left } else { End::Right };
        match self.random(24) {
            0..=11 => {
                let element = self.element();
                self.prepare(&element);
                self.list.push(end, StrRef::of(&element), self.limits);
                match end {
                    End::Left => self.model.push_front(element),
                    End::Right => self.model.push_back(element),
                }
            }
            12..=16 if len > 0 => {
                let (element, size) = self.list.peek(end).map(|(e, size)| (e.to_vec(), size)).expect("it is not empty");
                self.list.pop(end, size);
                let expected = match end {
                    End::Left => self.model.pop_front(),
                    End::Right => self.model.pop_back(),
                };
                assert_eq!(Some(element), expected);
            }
            17..=19 => {
                let element = self.element();
                let at = self.random(len + 1);
                self.prepare(&element);
                self.list.insert(at, StrRef::of(&element), self.limits);
                self.model.insert(at, element);
            }
            20 if len > 0 => {
                let element = self.element();
                let at = self.random(len);
                self.prepare(&element);
                self.list.set(at, StrRef::of(&element), self.limits);
                self.model[at] = element;
            }
            21 if len > 0 => {
                let start = self.random(len);
                let most = if self.random(8) == 0 { len } else { 12 };
                let count = (1 + self.random(most)).min(len - start);
                self.list.remove(start..start + count);
                self.model.drain(start..start + count);
            }
            22 => {
                let element = self.random(20).to_string().into_bytes();
                let most = 1 + self.random(6);
                let mut left = most;
                let gone = self.list.remove_equal(StrRef::of(&element), most, end);
                let mut keep = |other: &Vec<u8>| {
                    let goes = *other == element && left > 0;
                    left -= usize::from(goes);
                    !goes
                };
                match end {
                    End::Left => self.model.retain(&mut keep),
                    End::Right => {
                        let kept: Vec<_> = self.model.drain(..).rev().filter(|other| keep(other)).collect();
                        self.model = kept.into_iter().rev().collect();
                    }
                }
                assert_eq!(gone, most - left);
            }
            _ => self.list.relax(self.limits),
        }
    }

    fn check(&mut self) {
        let list = &self.list;
        assert_eq!(list.len(), self.model.len());
        assert!(list.iter_from(0).map(StrRef::to_vec).eq(self.model.iter().cloned()));
        assert!(list.iter_back().map(StrRef::to_vec).eq(self.model.iter().rev().cloned()));
        assert_eq!(list.heap, list.links.iter().map(|link| link.chunk.heap_bytes()).sum::<usize>());
        assert!(list.links.iter().all(|link| link.count as usize == link.chunk.count() && link.count > 0));
        assert!(list.is_quick || list.links.len() <= 1);
        let at = self.random(self.model.len() + 1);
        assert_eq!(self.list.get(at).map(StrRef::to_vec), self.model.get(at).cloned());
        assert!(self.list.iter_from(at).map(StrRef::to_vec).eq(self.model.iter().skip(at).cloned()));
    }
}

#[test]
fn a_list_is_a_sequence_under_every_limit() {
    let fills = [-2, -1, -5, 1, 2, 7, 128, 0];
    for (seed, fill) in fills.into_iter().enumerate() {
        for packed_threshold in [1 << 30, 50] {
            let mut pair = Pair::new(Limits { fill, packed_threshold }, seed as u64);
            for round in 0..1500 {
                pair.step();
                if round % 10 == 0 {
                    pair.check();
                }
            }
            pair.check();
        }
    }
}

#[test]
fn clones_share_chunks_and_stay_as_they_were() {
    let mut pair = Pair::new(DEFAULT, 7);
    for _ in 0..3000 {
        pair.step();
    }
    let (clone, model) = (pair.list.clone(), pair.model.clone());
    assert!(clone.links.iter().zip(&pair.list.links).all(|(a, b)| Arc::ptr_eq(&a.chunk, &b.chunk)));
    for _ in 0..300 {
        pair.step();
    }
    pair.check();
    assert!(clone.iter_from(0).map(StrRef::to_vec).eq(model));
}

#[test]
fn the_name_follows_the_limit_of_one_node() {
    let mut list = Pair::new(DEFAULT, 0).list;
    let element = [b'x'; 100];
    let push = |list: &mut List| {
        list.prepare(element.len(), 1, DEFAULT);
        list.push(End::Right, StrRef::Bytes(&element), DEFAULT);
    };
    // Each takes 103 bytes: 78 of them and the frame are 8041, and 100 more are less than 8192.
    for _ in 0..79 {
        push(&mut list);
    }
    assert!(!list.is_quick());
    push(&mut list);
    assert!(list.is_quick());
    list.relax(DEFAULT);
    assert!(list.is_quick());
    list.remove(39..80);
    list.relax(DEFAULT);
    assert!(!list.is_quick() && list.len() == 39);
}

#[test]
fn a_queue_keeps_its_memory_bounded() {
    let mut list = Pair::new(DEFAULT, 0).list;
    list.prepare(1 << 20, 1, DEFAULT);
    for n in 0..100_000 {
        list.push(End::Right, StrRef::Int(n), DEFAULT);
        if n >= 1000 {
            let (element, size) = list.peek(End::Left).expect("it is not empty");
            assert_eq!(element, StrRef::Int(n - 1000));
            list.pop(End::Left, size);
        }
    }
    assert!(list.heap_bytes() < 40_000, "{}", list.heap_bytes());
}
