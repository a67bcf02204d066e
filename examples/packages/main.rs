//! A durable store fed with real data: the package index that apt keeps on a Debian machine.
//!
//! ```text
//! cargo run --release --example packages                     load (first time) or recover, then print an overview
//! cargo run --release --example packages -- bash zlib1g      look packages up
//! cargo run --release --example packages -- 'lib*ssl*'       list names by pattern
//! options: --file PATH   an index to load instead (plain, or .lz4)
//!          --data DIR    where the store is (default: packages-data under the system's temporary directory)
//! ```
//!
//! One key a package, `package:<name>`, and three counters a section. Each package goes in with one atomic turn, so that
//! the counters agree with the packages whatever happens in between. Kill it while it loads and run it again: it goes on
//! where the log ends.

use indicatif::{ProgressBar, ProgressStyle};
use keyslot::engine::ScanOptions;
use keyslot::{Durability, Store};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let options = CommandLine::parse()?;
    let bar = ProgressBar::hidden();
    let opening = Instant::now();
    let watched = bar.clone();
    let db = Store::builder()
        .durability(Durability::EverySecond)
        .on_progress(move |progress| watched.set_message(progress.to_string()))
        .open(&options.data)?;
    println!("{}", db.recovery());
    println!("opened {} in {:.0?}: {} keys", options.data.display(), opening.elapsed(), db.db_size());

    let index = options.file.clone().or_else(find_index);
    let source =
        index.as_ref().map_or("the sample kept with this example".to_owned(), |path| path.display().to_string());
    if db.get("loaded:from")?.as_deref() == Some(source.as_bytes()) {
        println!("already loaded from {source}; remove the directory to load again");
    } else {
        load(&db, index.as_deref(), &source)?;
    }

    match options.queries.as_slice() {
        [] => overview(&db)?,
        queries => queries.iter().try_for_each(|query| answer(&db, query))?,
    }
    db.close()?;
    Ok(())
}

/// Reads the index, stanza by stanza, into the store.
fn load(db: &Store, index: Option<&Path>, source: &str) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let bytes_total = index.map_or(Ok(SAMPLE.len() as u64), |path| path.metadata().map(|m| m.len()))?;
    let bar = ProgressBar::new(bytes_total)
        .with_style(ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} eta {eta}")?);
    bar.set_message("loading packages");
    let mut count = 0u64;
    let mut package = Package::default();
    for line in open(index, &bar)?.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        match line.split_once(": ") {
            Some(("Package", value)) => package.name = value.to_owned(),
            Some(("Version", value)) => package.version = value.to_owned(),
            Some(("Section", value)) => package.section = value.to_owned(),
            Some(("Size", value)) => package.size_bytes = value.parse().unwrap_or(0),
            Some(("Installed-Size", value)) => package.installed_kib = value.parse().unwrap_or(0),
            Some(("Description", value)) => package.summary = value.to_owned(),
            _ if line.is_empty() && !package.name.is_empty() => {
                std::mem::take(&mut package).store(db)?;
                count += 1;
            }
            _ => {}
        }
    }
    if !package.name.is_empty() {
        package.store(db)?;
        count += 1;
    }
    db.set("loaded:from", source)?;
    db.flush()?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    println!("read {count} packages from {source} in {seconds:.2} s ({:.0} a second)", count as f64 / seconds);
    Ok(())
}

#[derive(Default)]
struct Package {
    name: String,
    version: String,
    section: String,
    summary: String,
    size_bytes: i64,
    installed_kib: i64,
}

impl Package {
    /// One turn: the package and what the counters make of it. A package seen before changes no counter.
    fn store(self, db: &Store) -> Result<(), keyslot::CommandError> {
        let Self { name, version, section, summary, size_bytes, installed_kib } = self;
        // The section is the hash tag, so that a package and its section's counters share a slot.
        let key = format!("package:{{{section}}}:{name}");
        db.set(format!("section-of:{name}"), &section)?;
        db.atomic(&key, |turn| {
            if turn.set_nx(&key, format!("{version}\t{size_bytes}\t{installed_kib}\t{summary}"))? {
                turn.incr(format!("section:{{{section}}}:count"), 1)?;
                turn.incr(format!("section:{{{section}}}:bytes"), size_bytes)?;
                turn.incr(format!("section:{{{section}}}:installed_kib"), installed_kib)?;
            }
            Ok(())
        })
    }
}

/// The largest sections.
fn overview(db: &Store) -> Result<(), Box<dyn Error>> {
    let mut sections = Vec::new();
    for key in db.scan_match("section:{*}:count") {
        let key = String::from_utf8(key.to_vec())?;
        let stem = key.trim_end_matches("count");
        let number = |field: &str| Ok::<_, keyslot::CommandError>(db.get_int(format!("{stem}{field}"))?.unwrap_or(0));
        let name = stem.trim_start_matches("section:{").trim_end_matches("}:").to_owned();
        sections.push((number("count")?, number("bytes")?, number("installed_kib")?, name));
    }
    sections.sort_unstable_by(|a, b| b.cmp(a));
    println!("\n{:<28}{:>9}{:>14}{:>16}", "section", "packages", "download MiB", "installed MiB");
    for (count, bytes, installed_kib, name) in sections.iter().take(15) {
        println!("{name:<28}{count:>9}{:>14}{:>16}", bytes >> 20, installed_kib >> 10);
    }
    println!("{} sections", sections.len());
    Ok(())
}

/// One package by name, or names by pattern.
fn answer(db: &Store, query: &str) -> Result<(), Box<dyn Error>> {
    if query.contains(['*', '?', '[']) {
        let prefix = "section-of:";
        let options = ScanOptions { pattern: Some(format!("{prefix}{query}").into()), ..ScanOptions::default() };
        for key in db.scan_options(options) {
            println!("{}", String::from_utf8_lossy(&key[prefix.len()..]));
        }
        return Ok(());
    }
    let Some(section) = db.get(format!("section-of:{query}"))? else {
        println!("{query}: no such package");
        return Ok(());
    };
    let section = String::from_utf8(section.to_vec())?;
    let record = db.get(format!("package:{{{section}}}:{query}"))?.unwrap_or_default();
    let text = String::from_utf8(record.to_vec())?;
    let mut fields = text.splitn(4, '\t');
    let mut next = || fields.next().unwrap_or_default();
    println!("{query} ({section}) {}: {} bytes to fetch, {} KiB installed: {}", next(), next(), next(), next());
    Ok(())
}

/// The largest index that apt keeps here.
fn find_index() -> Option<PathBuf> {
    let lists = std::fs::read_dir("/var/lib/apt/lists").ok()?;
    let is_index = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with("_Packages") || name.ends_with("_Packages.lz4")
    };
    let indexes = lists.filter_map(|entry| Some(entry.ok()?.path())).filter(is_index);
    let largest = indexes.max_by_key(|path| path.metadata().map_or(0, |m| m.len()));
    largest.or_else(|| Some(PathBuf::from("/var/lib/dpkg/status")).filter(|path| path.exists()))
}

fn open(index: Option<&Path>, bar: &ProgressBar) -> Result<Box<dyn BufRead>, Box<dyn Error>> {
    let Some(path) = index else { return Ok(Box::new(BufReader::new(bar.wrap_read(SAMPLE.as_bytes())))) };
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let read: Box<dyn Read> = match path.extension() {
        Some(extension) if extension == "lz4" => Box::new(lz4_flex::frame::FrameDecoder::new(bar.wrap_read(file))),
        _ => Box::new(bar.wrap_read(file)),
    };
    Ok(Box::new(BufReader::with_capacity(1 << 16, read)))
}

struct CommandLine {
    data: PathBuf,
    file: Option<PathBuf>,
    queries: Vec<String>,
}

impl CommandLine {
    fn parse() -> Result<Self, String> {
        let data = std::env::temp_dir().join("packages-data");
        let mut options = Self { data, file: None, queries: Vec::new() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut path = || args.next().map(PathBuf::from).ok_or(format!("{arg} needs a path"));
            match arg.as_str() {
                "--data" => options.data = path()?,
                "--file" => options.file = Some(path()?),
                _ if arg.starts_with("--") => {
                    return Err(format!("{arg}: unknown option; there are --file and --data"));
                }
                _ => options.queries.push(arg),
            }
        }
        Ok(options)
    }
}

/// A few packages, for machines that have no apt.
const SAMPLE: &str = include_str!("sample.txt");
