//! Which file of a crate needs which.
//!
//! A file needs the file in which a thing that it names is defined: names that a `mod.rs` only passes on (`pub use`) are
//! followed to where they come from. Not counted: a `mod.rs` that passes things on, the doorplate `lib.rs`, tests, and what
//! a file takes from the `mod.rs` of a folder it lies in.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// Files and what they need.
pub(crate) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, (usize, String)>>,
}

/// Modules of a crate: path from the root (`a::b`) to file, and what each passes on under which name.
struct Modules {
    files: BTreeMap<String, String>,
    passed_on: BTreeMap<(String, String), String>,
}

impl Graph {
    /// The graph of a crate's product files.
    pub(crate) fn of(sources: &[Source], library: &str) -> Self {
        let product: Vec<&Source> = sources.iter().filter(|source| !source.is_test).collect();
        let modules = Modules::of(&product, library);
        let mut edges: BTreeMap<String, BTreeMap<String, (usize, String)>> = BTreeMap::new();
        for source in product.iter().filter(|source| !source.path.ends_with("/lib.rs")) {
            let module = module_of(&source.path, library);
            let passed: Vec<String> = modules.passed_on_by(&module);
            let needs = edges.entry(source.path.clone()).or_default();
            for (line, path) in source.paths() {
                let Some(absolute) = absolute(&path, &module, &modules) else { continue };
                let Some(target) = modules.file_of(&absolute) else { continue };
                let above = target.strip_suffix("mod.rs").is_some_and(|folder| source.path.starts_with(folder));
                let passes_on = passed.contains(&absolute) && !source.needs_itself(&path);
                if target != source.path && !above && !target.ends_with("/lib.rs") && !passes_on {
                    needs.entry(target).or_insert((line, path));
                }
            }
        }
        Self { edges }
    }

    pub(crate) fn has(&self, from: &str, to: &str) -> bool {
        self.edges.get(from).is_some_and(|needs| needs.contains_key(to))
    }

    pub(crate) fn remove(&mut self, from: &str, to: &str) {
        if let Some(needs) = self.edges.get_mut(from) {
            needs.remove(to);
        }
    }

    /// Groups of files that need each other, each sorted.
    pub(crate) fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.edges.keys().map(|file| (file.as_str(), self.reached_from(file))).collect();
        let mut circles = BTreeSet::new();
        for (file, reaches) in &reached {
            let circle: BTreeSet<&str> = reaches
                .iter()
                .copied()
                .filter(|other| reached.get(other).is_some_and(|reaches| reaches.contains(file)))
                .collect();
            if !circle.is_empty() {
                circles.insert(circle.into_iter().map(str::to_owned).collect::<Vec<_>>());
            }
        }
        circles.into_iter().collect()
    }

    fn reached_from<'a>(&'a self, file: &'a str) -> BTreeSet<&'a str> {
        let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            for next in self.edges.get(file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        reached
    }

    /// The needs among the files of a circle, one per line.
    pub(crate) fn edges_within(&self, circle: &[String]) -> String {
        let lines = circle.iter().flat_map(|from| {
            let needs = self.edges.get(from).into_iter().flatten();
            needs
                .filter(|(to, _)| circle.contains(to))
                .map(move |(to, (line, path))| format!("  {from}:{line} needs {to} ({path})"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

impl Modules {
    fn of(product: &[&Source], library: &str) -> Self {
        let files = product.iter().map(|source| (module_of(&source.path, library), source.path.clone())).collect();
        let mut modules = Self { files, passed_on: BTreeMap::new() };
        for source in product {
            let module = module_of(&source.path, library);
            for (_, path) in source.paths().into_iter().filter(|(_, path)| source.passes_on(path)) {
                if let Some(absolute) = absolute(&path, &module, &modules) {
                    let name = absolute.rsplit("::").next().unwrap_or_default().to_owned();
                    modules.passed_on.insert((module.clone(), name), absolute);
                }
            }
        }
        modules
    }

    fn passed_on_by(&self, module: &str) -> Vec<String> {
        self.passed_on.iter().filter(|((by, _), _)| by == module).map(|(_, path)| path.clone()).collect()
    }

    /// The file that defines what an absolute path names.
    fn file_of(&self, path: &str) -> Option<String> {
        let mut path = path.to_owned();
        // Followed at most so far, in case two modules pass a name to each other.
        for _ in 0..8 {
            let module = self.longest_module(&path);
            let rest = path[module.len()..].trim_start_matches("::");
            let name = rest.split("::").next().unwrap_or_default();
            match self.passed_on.get(&(module.to_owned(), name.to_owned())) {
                Some(origin) if *origin != path => path = origin.clone(),
                _ => return self.files.get(module).cloned(),
            }
        }
        None
    }

    fn longest_module<'p>(&self, path: &'p str) -> &'p str {
        let ends = path.match_indices("::").map(|(at, _)| at).chain([path.len()]);
        let mut longest = "";
        for end in ends {
            if self.files.contains_key(&path[..end]) {
                longest = &path[..end];
            }
        }
        longest
    }
}

/// The module of a file: `a::b` for `crate/src/a/b.rs` and for `crate/src/a/b/mod.rs`; nothing for `lib.rs`.
fn module_of(path: &str, library: &str) -> String {
    let inside = path.strip_prefix(&format!("{library}/src/")).unwrap_or(path).trim_end_matches(".rs");
    let inside = inside.strip_suffix("/mod").unwrap_or(inside);
    if inside == "lib" { String::new() } else { inside.replace('/', "::") }
}

/// A path from the crate's root, if it leads into this crate.
fn absolute(path: &str, module: &str, modules: &Modules) -> Option<String> {
    let (mut base, mut rest) = (module.to_owned(), path);
    if let Some(inside) = rest.strip_prefix("crate::") {
        return Some(inside.to_owned());
    }
    if let Some(inside) = rest.strip_prefix("self::") {
        rest = inside;
    } else if rest.starts_with("super::") {
        while let Some(inside) = rest.strip_prefix("super::") {
            base.truncate(base.rfind("::").unwrap_or(0));
            rest = inside;
        }
    } else {
        // A child of this module.
        let first = rest.split("::").next().unwrap_or_default();
        modules.files.get(&join(&base, first))?;
    }
    Some(join(&base, rest))
}

fn join(base: &str, rest: &str) -> String {
    if base.is_empty() { rest.to_owned() } else { format!("{base}::{rest}") }
}

impl Source {
    /// Whether a path stands in a `pub use`.
    fn passes_on(&self, path: &str) -> bool {
        self.uses().any(|(is_public, paths)| is_public && paths.iter().any(|used| used == path))
    }

    /// Whether a path that is passed on is also used by the file's own code: its last name stands outside `use`.
    fn needs_itself(&self, path: &str) -> bool {
        let name = path.rsplit("::").next().unwrap_or_default();
        self.code_without_uses().split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    }
}
