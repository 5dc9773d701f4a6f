//! Threads out of messages: RFC 5256 §3, ORDEREDSUBJECT and REFERENCES; REFS by draft-ietf-morg-inthread.
//!
//! Messages come in one by one, with what matters of each; the answer goes out as text. A tree is two arrays, a
//! node's parent and the nodes in order; nothing here calls itself, so that no chain is too deep.

use std::collections::HashMap;

use crate::syntax::Algorithm;

/// No node.
const NONE: u32 = u32::MAX;
/// So many references of one message are looked at, the last: each may be a node, and mail is written by strangers.
const MOST_REFERENCES: usize = 100;

/// What matters of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Member<'a> {
    /// What the client calls it.
    pub number: u32,
    /// Sent; seconds since 1970.
    pub sent: i64,
    /// Its internal date.
    pub arrived: i64,
    /// Message-ID; may be empty.
    pub id: &'a [u8],
    /// Base subject.
    pub subject: &'a [u8],
    /// The subject was that of a reply or a forward.
    pub reply: bool,
}

/// A message, or, with number 0, one that others refer to and that is not there.
#[derive(Clone, Copy, Debug)]
struct Node {
    number: u32,
    date: i64,
    subject: u32,
    reply: bool,
}

const DUMMY: Node = Node { number: 0, date: 0, subject: 0, reply: false };

/// Threads in the making.
pub(crate) struct Threads {
    algorithm: Algorithm,
    ids: HashMap<Box<[u8]>, u32>,
    subjects: HashMap<Box<[u8]>, u32>,
    nodes: Vec<Node>,
    /// Each message's parent, by its own word.
    parents: Vec<(u32, u32)>,
    /// Parents and children by the word of others.
    hearsay: Vec<(u32, u32)>,
}

impl Threads {
    pub(crate) fn new(algorithm: Algorithm) -> Threads {
        Threads {
            algorithm,
            ids: HashMap::new(),
            subjects: HashMap::from([(Box::default(), 0)]),
            nodes: Vec::new(),
            parents: Vec::new(),
            hearsay: Vec::new(),
        }
    }

    /// Takes a message in, and whom it answers: the IDs of References, oldest first, or that of In-Reply-To.
    pub(crate) fn add<'a>(&mut self, member: Member<'a>, references: impl Iterator<Item = &'a [u8]>) {
        let subject = self.subject(member.subject);
        let date = if self.algorithm == Algorithm::Refs { member.arrived } else { member.sent };
        let node = Node { number: member.number, date, subject, reply: member.reply };
        if self.algorithm == Algorithm::OrderedSubject {
            self.nodes.push(node);
            return;
        }
        let own = self.own(member.id, node);
        let references: Vec<&[u8]> = references.collect();
        let last = &references[references.len().saturating_sub(MOST_REFERENCES)..];
        let chain: Vec<u32> = last.iter().map(|id| self.named(id)).collect();
        self.hearsay.extend(chain.iter().copied().zip(chain.iter().skip(1).copied()));
        if let Some(parent) = chain.last() {
            self.parents.push((*parent, own));
        }
    }

    fn subject(&mut self, subject: &[u8]) -> u32 {
        if let Some(known) = self.subjects.get(subject) {
            return *known;
        }
        let new = u32::try_from(self.subjects.len()).unwrap_or(0);
        self.subjects.insert(subject.into(), new);
        new
    }

    /// The node of a message that is there. A second one of the same ID, or one without, is reached by none (§3, step 1).
    fn own(&mut self, id: &[u8], node: Node) -> u32 {
        if !id.is_empty() {
            let place = self.named(id);
            if let Some(dummy) = self.nodes.get_mut(place as usize).filter(|known| known.number == 0) {
                *dummy = node;
                return place;
            }
        }
        self.push(node)
    }

    /// The node of this ID.
    fn named(&mut self, id: &[u8]) -> u32 {
        if let Some(place) = self.ids.get(id) {
            return *place;
        }
        let place = self.push(DUMMY);
        self.ids.insert(id.into(), place);
        place
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    /// Appends the threads to `out`: `(1)(2 3 (4)(5 6))`.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let Threads { algorithm, nodes, parents, hearsay, .. } = self;
        let mut forest = Forest { parent: vec![NONE; nodes.len()], nodes };
        match algorithm {
            Algorithm::OrderedSubject => forest.by_subject(),
            Algorithm::References | Algorithm::Refs => {
                forest.link(&parents, &hearsay);
                forest.prune();
            }
        }
        if algorithm == Algorithm::References {
            forest.gather();
        }
        let (tree, mut roots) = forest.tree();
        if algorithm == Algorithm::Refs {
            forest.latest_last(&tree, &mut roots);
        }
        forest.write(&tree, &roots, out);
    }
}

/// Nodes and each one's parent. Dummies without children may be left over; nobody writes them.
struct Forest {
    nodes: Vec<Node>,
    parent: Vec<u32>,
}

/// The children of all nodes, in one list, those of a node together.
struct Tree {
    starts: Vec<u32>,
    children: Vec<u32>,
}

impl Tree {
    /// Children come in the order of `order`, roots too.
    fn new(parent: &[u32], order: &[u32]) -> (Tree, Vec<u32>) {
        let mut starts = vec![0u32; parent.len() + 1];
        for child in order {
            if let Some(count) = starts.get_mut(parent[*child as usize].wrapping_add(1) as usize) {
                // The roots' count lands at 0, and is undone below.
                *count += 1;
            }
        }
        starts[0] = 0;
        for place in 1..starts.len() {
            starts[place] += starts[place - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0; starts.last().map_or(0, |all| *all as usize)];
        let mut roots = Vec::new();
        for child in order {
            match parent[*child as usize] {
                NONE => roots.push(*child),
                parent => {
                    let place = &mut next[parent as usize];
                    children[*place as usize] = *child;
                    *place += 1;
                }
            }
        }
        (Tree { starts, children }, roots)
    }

    fn of(&self, node: u32) -> &[u32] {
        let (from, to) = (self.starts[node as usize], self.starts[node as usize + 1]);
        &self.children[from as usize..to as usize]
    }

    /// All nodes, each after its parent.
    fn downward(&self, roots: &[u32]) -> Vec<u32> {
        let mut order = roots.to_vec();
        let mut place = 0;
        while let Some(node) = order.get(place) {
            order.extend_from_slice(self.of(*node));
            place += 1;
        }
        order
    }
}

/// The root of a node in a forest where links are only added: short ways, however deep the tree.
fn root(tops: &mut [u32], mut node: u32) -> u32 {
    while tops[node as usize] != node {
        let above = tops[tops[node as usize] as usize];
        tops[node as usize] = above;
        node = above;
    }
    node
}

impl Forest {
    /// Steps 1 and 2. A message's own word about its parent counts more than what others' References say, whichever comes
    /// first; a link that would close a circle is not made.
    fn link(&mut self, parents: &[(u32, u32)], hearsay: &[(u32, u32)]) {
        let mut tops: Vec<u32> = (0..self.nodes.len() as u32).collect();
        for (parent, child) in parents.iter().chain(hearsay) {
            if self.parent[*child as usize] == NONE {
                let top = root(&mut tops, *parent);
                if top != *child {
                    self.parent[*child as usize] = *parent;
                    tops[*child as usize] = top;
                }
            }
        }
    }

    /// Step 3: dummies go, their children in their place; but a root keeps two children or more together.
    fn prune(&mut self) {
        let all: Vec<u32> = (0..self.nodes.len() as u32).collect();
        let (tree, roots) = Tree::new(&self.parent, &all);
        let mut kept = vec![0u32; self.nodes.len()];
        for node in tree.downward(&roots) {
            let above = self.parent[node as usize];
            if above != NONE && self.dummy(above) && self.parent[above as usize] != NONE {
                // `above` has been seen to: its parent is a message, or a root.
                self.parent[node as usize] = self.parent[above as usize];
            }
            if !self.dummy(node) && above != NONE {
                kept[self.parent[node as usize] as usize] += 1;
            }
        }
        for node in all {
            let above = self.parent[node as usize];
            if above != NONE && self.dummy(above) && kept[above as usize] == 1 {
                self.parent[node as usize] = NONE;
            }
        }
    }

    fn dummy(&self, node: u32) -> bool {
        self.nodes[node as usize].number == 0
    }

    /// All that is written, by date, then number: messages, and dummies that have children, which are as old as the
    /// oldest of these.
    fn order(&self) -> Vec<u32> {
        let mut keys: Vec<(i64, u32, u32)> =
            self.nodes.iter().zip(0..).map(|(node, place)| (node.date, node.number, place)).collect();
        let (messages, dummies): (Vec<_>, Vec<_>) =
            keys.iter().partition(|key: &&(i64, u32, u32)| key.1 != 0);
        for (_, _, dummy) in dummies {
            keys[dummy as usize] = (i64::MAX, u32::MAX, dummy);
        }
        for (date, number, place) in messages {
            let above = self.parent[place as usize];
            if above != NONE && self.dummy(above) {
                let key = &mut keys[above as usize];
                *key = (*key).min((date, number, above));
            }
        }
        keys.retain(|(_, number, _)| *number != u32::MAX);
        keys.sort_unstable();
        keys.into_iter().map(|(_, _, place)| place).collect()
    }

    /// Siblings by date. Steps 4 and 6.
    fn tree(&self) -> (Tree, Vec<u32>) {
        Tree::new(&self.parent, &self.order())
    }

    /// Step 5: threads of one subject become one.
    fn gather(&mut self) {
        let (tree, roots) = self.tree();
        let faces: Vec<Face> = roots.iter().map(|root| self.face(&tree, *root)).collect();
        let mut table: HashMap<u32, Face> = HashMap::new();
        for face in faces.iter().filter(|face| face.subject != 0) {
            let held = table.entry(face.subject).or_insert(*face);
            if (face.dummy && !held.dummy) || (held.reply && !face.reply && !held.dummy) {
                *held = *face;
            }
        }
        for face in &faces {
            match table.get_mut(&face.subject) {
                Some(held) if held.root != face.root => *held = self.merge(&tree, *face, *held),
                _ => {}
            }
        }
    }

    fn face(&self, tree: &Tree, root: u32) -> Face {
        let dummy = self.dummy(root);
        let shown = if dummy { tree.of(root).first().copied().unwrap_or(root) } else { root };
        let Node { subject, reply, .. } = self.nodes[shown as usize];
        Face { root, dummy, subject, reply }
    }

    /// Step 5.C: `one` joins `held`; gives what stands for the subject from now on.
    fn merge(&mut self, tree: &Tree, one: Face, held: Face) -> Face {
        if one.dummy && held.dummy {
            for child in tree.of(one.root) {
                self.parent[*child as usize] = held.root;
            }
        } else if held.dummy || (one.reply && !held.reply) {
            self.parent[one.root as usize] = held.root;
        } else {
            let both = self.nodes.len() as u32;
            self.nodes.push(DUMMY);
            self.parent.push(NONE);
            self.parent[one.root as usize] = both;
            self.parent[held.root as usize] = both;
            return Face { root: both, dummy: true, ..held };
        }
        held
    }

    /// §3, ORDEREDSUBJECT: the first of a subject is the parent of the others.
    fn by_subject(&mut self) {
        let mut first: HashMap<u32, u32> = HashMap::new();
        for node in self.order() {
            let head = *first.entry(self.nodes[node as usize].subject).or_insert(node);
            if head != node {
                self.parent[node as usize] = head;
            }
        }
    }

    /// REFS: the thread in which something has come in last is the last.
    fn latest_last(&self, tree: &Tree, roots: &mut [u32]) {
        let mut latest: Vec<(i64, u32)> = self.nodes.iter().map(|node| (node.date, node.number)).collect();
        for dummy in latest.iter_mut().filter(|(_, number)| *number == 0) {
            dummy.0 = i64::MIN;
        }
        for node in tree.downward(roots).into_iter().rev() {
            let above = self.parent[node as usize];
            if above != NONE {
                latest[above as usize] = latest[above as usize].max(latest[node as usize]);
            }
        }
        roots.sort_unstable_by_key(|root| latest[*root as usize]);
    }

    fn write(&self, tree: &Tree, roots: &[u32], out: &mut Vec<u8>) {
        // NONE closes a parenthesis.
        let mut todo: Vec<u32> = roots.iter().rev().copied().collect();
        while let Some(node) = todo.pop() {
            if node == NONE {
                out.push(b')');
                continue;
            }
            out.push(b'(');
            todo.push(NONE);
            todo.extend(self.write_line(tree, node, out).iter().rev());
        }
    }

    /// Writes a node and its only child and that one's only child and so on; gives the children where they are several.
    fn write_line<'t>(&self, tree: &'t Tree, mut node: u32, out: &mut Vec<u8>) -> &'t [u32] {
        loop {
            let number = self.nodes[node as usize].number;
            let children = tree.of(node);
            if number != 0 {
                crate::scribe::number(out, number.into());
                if !children.is_empty() {
                    out.push(b' ');
                }
            }
            match children {
                [only] => node = *only,
                several => return several,
            }
        }
    }
}

/// A root as step 5 looks at it.
#[derive(Clone, Copy)]
struct Face {
    root: u32,
    dummy: bool,
    subject: u32,
    reply: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, date, ID, references, subject; a subject that begins with `re:` is a reply.
    fn threads(algorithm: Algorithm, letters: &[(u32, i64, &str, &str, &str)]) -> String {
        let mut threads = Threads::new(algorithm);
        for (number, date, id, references, subject) in letters {
            let base = subject.strip_prefix("re:");
            let member = Member {
                number: *number,
                sent: *date,
                arrived: *date,
                id: id.as_bytes(),
                subject: base.unwrap_or(subject).as_bytes(),
                reply: base.is_some(),
            };
            threads.add(member, references.split_whitespace().map(str::as_bytes));
        }
        let mut out = Vec::new();
        threads.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn references(letters: &[(u32, i64, &str, &str, &str)]) -> String {
        threads(Algorithm::References, letters)
    }

    #[test]
    fn replies_hang_below_what_they_answer() {
        let letters = [
            (1, 1, "a", "", "x"),
            (2, 2, "b", "a", "re:x"),
            (3, 3, "c", "a b", "re:x"),
            (4, 4, "d", "a b", "re:x"),
            (5, 5, "e", "", "y"),
        ];
        assert_eq!(references(&letters), "(1 2 (3)(4))(5)");
        assert_eq!(threads(Algorithm::OrderedSubject, &letters), "(1 (2)(3)(4))(5)");
        assert_eq!(threads(Algorithm::Refs, &letters), "(1 2 (3)(4))(5)");
    }

    #[test]
    fn the_order_in_which_messages_are_read_makes_no_difference() {
        let mut letters = vec![
            (3, 3, "c", "a b", "re:x"),
            (1, 1, "a", "", "x"),
            (4, 4, "d", "b", "re:x"),
            (2, 2, "b", "a", "re:x"),
        ];
        for _ in 0..letters.len() {
            assert_eq!(references(&letters), "(1 2 (3)(4))");
            letters.rotate_left(1);
        }
    }

    #[test]
    fn a_missing_parent_keeps_its_children_together_at_the_top_only() {
        let letters = [(1, 1, "a", "gone", ""), (2, 2, "b", "gone", ""), (3, 3, "c", "other", "")];
        assert_eq!(references(&letters), "((1)(2))(3)");
        let letters = [
            (1, 1, "a", "", ""),
            (2, 2, "b", "a gone", ""),
            (3, 3, "c", "a gone", ""),
            (4, 4, "d", "a g1 g2", ""),
        ];
        assert_eq!(references(&letters), "(1 (2)(3)(4))");
        let letters = [(2, 2, "b", "g1 g2", ""), (3, 3, "c", "g1 g3 g4", "")];
        assert_eq!(references(&letters), "((2)(3))");
    }

    #[test]
    fn threads_of_one_subject_become_one() {
        assert_eq!(references(&[(1, 1, "a", "", "x"), (2, 2, "b", "", "re:x")]), "(1 2)");
        // The reply came first, but the other is the parent.
        assert_eq!(references(&[(1, 1, "a", "", "re:x"), (2, 2, "b", "", "x")]), "(2 1)");
        // Neither is more of an original than the other.
        assert_eq!(
            references(&[(1, 1, "a", "", "x"), (2, 2, "b", "", "x"), (3, 3, "c", "", "x")]),
            "((1)(2)(3))"
        );
        // Two dummies.
        let letters =
            [(1, 1, "a", "g", "x"), (2, 2, "b", "g", "x"), (3, 3, "c", "h", "x"), (4, 4, "d", "h", "x")];
        assert_eq!(references(&letters), "((1)(2)(3)(4))");
        // A dummy and a message.
        let letters = [(1, 1, "a", "", "x"), (2, 2, "b", "g", "x"), (3, 3, "c", "g", "x")];
        assert_eq!(references(&letters), "((1)(2)(3))");
        assert_eq!(references(&[(1, 1, "a", "", ""), (2, 2, "b", "", "")]), "(1)(2)");
        assert_eq!(threads(Algorithm::Refs, &[(1, 1, "a", "", "x"), (2, 2, "b", "", "re:x")]), "(1)(2)");
    }

    #[test]
    fn threads_are_sorted_by_the_date_of_their_first_message_and_with_refs_by_that_of_the_last() {
        let letters =
            [(1, 50, "a", "", ""), (2, 10, "b", "", ""), (3, 70, "c", "b", ""), (4, 20, "d", "b", "")];
        assert_eq!(references(&letters), "(2 (4)(3))(1)");
        assert_eq!(threads(Algorithm::Refs, &letters), "(1)(2 (4)(3))");
        assert_eq!(references(&[(2, 5, "x", "", ""), (1, 5, "y", "", "")]), "(1)(2)");
    }

    #[test]
    fn two_messages_of_one_id_and_messages_without_are_threads_of_their_own() {
        let letters = [
            (1, 1, "a", "", ""),
            (2, 2, "a", "", ""),
            (3, 3, "c", "a", ""),
            (4, 4, "", "", ""),
            (5, 5, "", "a", ""),
        ];
        assert_eq!(references(&letters), "(1 (3)(5))(2)(4)");
    }

    #[test]
    fn messages_that_refer_to_each_other_or_to_themselves_end_somewhere() {
        assert_eq!(references(&[(1, 1, "a", "b", ""), (2, 2, "b", "a", "")]), "(2 1)");
        assert_eq!(references(&[(1, 1, "a", "a", "")]), "(1)");
        let circle = [(1, 1, "a", "c a b", ""), (2, 2, "b", "a b c", ""), (3, 3, "c", "b c a", "")];
        let text = references(&circle);
        assert!(["1", "2", "3"].iter().all(|number| text.matches(number).count() == 1), "{text}");
    }

    #[test]
    fn a_hundred_thousand_replies_to_replies_take_no_stack_and_no_square_of_time() {
        for backward in [false, true] {
            let mut threads = Threads::new(Algorithm::References);
            for place in 0..100_000u32 {
                let number = if backward { 100_000 - place } else { place + 1 };
                let (id, answers) = (number.to_string(), (number - 1).to_string());
                let member = Member { number, sent: number.into(), id: id.as_bytes(), ..Member::default() };
                threads.add(member, [answers.as_bytes()].into_iter());
                // A leaf at each, so that parentheses nest.
                let leaf = Member { number: number + 200_000, sent: number.into(), ..Member::default() };
                threads.add(leaf, [id.as_bytes()].into_iter());
            }
            let mut out = Vec::new();
            threads.write(&mut out);
            assert!(
                out.starts_with(b"(1 (200001)(2 (200002)(3 ("),
                "{}",
                String::from_utf8_lossy(&out[..40])
            );
            assert_eq!(out.iter().filter(|octet| **octet == b'(').count(), 200_000 - 1);
        }
    }

    #[test]
    fn nothing_is_no_thread() {
        assert_eq!(references(&[]), "");
        assert_eq!(threads(Algorithm::OrderedSubject, &[]), "");
    }

    #[test]
    fn of_a_thousand_references_the_last_are_nodes() {
        let mut threads = Threads::new(Algorithm::References);
        let names: Vec<String> = (0..1000).map(|number| format!("{number}@example.org")).collect();
        let member = Member { number: 1, id: b"x@example.org", ..Member::default() };
        threads.add(member, names.iter().map(String::as_bytes));
        assert_eq!((threads.nodes.len(), threads.hearsay.len()), (101, 99));
        assert!(threads.ids.contains_key(&b"999@example.org"[..]));
    }
}
