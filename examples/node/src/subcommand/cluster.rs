//! `cluster up`: a whole cluster in this process, for people who want to try one.

use keyslot::Cluster;
use std::time::Instant;

/// `cluster up [--primaries n] [--replicas n] [--port n]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClusterOptions {
    primaries: usize,
    replicas: usize,
    /// Of the first node; the others follow.
    port: u16,
}

impl ClusterOptions {
    /// Reads the words behind `cluster`. An error names the word that is not understood.
    pub(crate) fn read(words: &[Vec<u8>]) -> Result<Self, String> {
        let mut options = Self { primaries: 3, replicas: 1, port: 7000 };
        let text = |word: &Vec<u8>| String::from_utf8_lossy(word).into_owned();
        let Some((b"up", rest)) = words.split_first().map(|(first, rest)| (first.as_slice(), rest)) else {
            return Err(words.first().map_or_else(|| "nothing".to_owned(), text));
        };
        for pair in rest.chunks(2) {
            let [name, value] = pair else { return Err(text(&pair[0])) };
            let number: u16 = text(value).parse().map_err(|_| text(value))?;
            match name.as_slice() {
                b"--primaries" if (1..=NODES_MAX).contains(&number) => options.primaries = number.into(),
                b"--replicas" if number <= NODES_MAX => options.replicas = number.into(),
                b"--port" if number > 0 => options.port = number,
                b"--primaries" | b"--replicas" | b"--port" => return Err(text(value)),
                _ => return Err(text(name)),
            }
        }
        Ok(options)
    }
}

/// Runs it until the process is stopped. An error tells why it does not start.
pub(crate) fn up(options: ClusterOptions) -> Result<(), String> {
    let begun = Instant::now();
    let builder = Cluster::builder().primaries(options.primaries).replicas(options.replicas);
    let cluster = builder.listen_from(options.port).start().map_err(|error| error.to_string())?;
    println!(
        "{} primaries, each with {} replicas, ready in {} ms:\n",
        options.primaries,
        options.replicas,
        begun.elapsed().as_millis()
    );
    let addresses = cluster.addresses();
    for shard in addresses.chunks(options.replicas + 1) {
        let words: Vec<String> = shard.iter().map(ToString::to_string).collect();
        println!(
            "  primary {}  replicas {}",
            words[0],
            if words.len() > 1 { words[1..].join(" ") } else { "-".to_owned() }
        );
    }
    println!(
        "\nConnect with: redis-cli -c -p {}\nThe data is in memory, and gone when this process ends (Ctrl-C).",
        options.port
    );
    loop {
        std::thread::park();
    }
}

/// So many primaries, and so many replicas of one, are enough to try.
const NODES_MAX: u16 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClusterOptions, String> {
        let words: Vec<Vec<u8>> = text.split_ascii_whitespace().map(|word| word.as_bytes().to_vec()).collect();
        ClusterOptions::read(&words)
    }

    #[test]
    fn words_are_understood_or_named() {
        assert_eq!(read("up"), Ok(ClusterOptions { primaries: 3, replicas: 1, port: 7000 }));
        let all = ClusterOptions { primaries: 5, replicas: 0, port: 7100 };
        assert_eq!(read("up --primaries 5 --port 7100 --replicas 0"), Ok(all));
        for (text, word) in [
            ("", "nothing"),
            ("down", "down"),
            ("up --port", "--port"),
            ("up --port x", "x"),
            ("up --primaries 0", "0"),
            ("up --speed 9", "--speed"),
        ] {
            assert_eq!(read(text), Err(word.to_owned()), "{text}");
        }
    }
}
