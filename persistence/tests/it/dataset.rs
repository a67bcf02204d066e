//! Requests that make a value of every type, in every encoding and many sizes; the same ones for the same seed.

/// A request, word by word.
pub(crate) type Request = Vec<Vec<u8>>;

/// The requests, with at most so many elements in a value. All of them are of Redis 7.0.
pub(crate) fn requests(seed: u64, most: usize) -> Vec<Request> {
    let mut random = Random(seed);
    let mut all = vec![line("FUNCTION LOAD"), line("SELECT 0")];
    all[0].push(b"#!lua name=mine\nredis.register_function('f', function(keys, args) return 1 end)".to_vec());
    for n in [0, 63, 64, -128, 127, 128, -32_769, 32_768, 1 << 31, -(1 << 31), i64::MIN, i64::MAX] {
        all.push(line(&format!("SET number:{n} {n}")));
    }
    for len in [0, 1, 11, 12, 20, 21, 44, 45, 63, 64, 1024, 1025, 16_383, 16_384, 70_000]
        .into_iter()
        .filter(|len| *len <= most * 50)
    {
        all.push(vec![b"SET".to_vec(), format!("repeated:{len}").into_bytes(), vec![b'x'; len]]);
        all.push(vec![b"SET".to_vec(), format!("bytes:{len}").into_bytes(), random.bytes(len)]);
    }
    all.push(vec![b"SET".to_vec(), random.bytes(300), b"a long key".to_vec()]);
    all.push(vec![b"SET".to_vec(), Vec::new(), b"the empty key".to_vec()]);
    for (at, count) in
        [1, 2, 17, 64, 127, 128, 129, 511, 512, 513, 1500].into_iter().filter(|count| *count <= most).enumerate()
    {
        for (command, key) in [("RPUSH", "list"), ("SADD", "set"), ("ZADD", "sorted"), ("HSET", "hash")] {
            for kind in 0..4 {
                let mut request = vec![command.as_bytes().to_vec(), format!("{key}:{count}:{kind}").into_bytes()];
                for n in 0..count {
                    match command {
                        "ZADD" => request.extend([random.score(), random.element(kind, n)]),
                        "HSET" => request.extend([random.element(kind, n), random.element(kind, n)]),
                        _ => request.push(random.element(kind, n)),
                    }
                }
                all.push(request);
            }
        }
        all.push(line(&format!("PEXPIREAT list:{count}:{} 99999999999{at:02}", at % 4)));
    }
    stream(&mut random, &mut all);
    all.push(line("PFADD sketch a b c"));
    all.push([line("PFADD dense"), (0..2 * most).map(|n| n.to_string().into_bytes()).collect()].concat());
    all.push(line("SETBIT bits 100000 1"));
    all.push(line("GEOADD places 13.361389 38.115556 Palermo"));
    all.push(line("SELECT 9"));
    all.push(line("SET elsewhere 1 PXAT 9999999999999"));
    all.push(line("RPUSH elsewhere:list a b"));
    all.push(line("SELECT 0"));
    all
}

fn stream(random: &mut Random, all: &mut Vec<Request>) {
    for n in 1..=260 {
        let mut request = line(&format!("XADD stream {}-{n} a", n / 3));
        request.extend([random.element(n % 4, n), b"b".to_vec(), n.to_string().into_bytes()]);
        if n % 10 == 0 {
            request.extend([b"another".to_vec(), random.bytes(100)]);
        }
        all.push(request);
    }
    for text in [
        "XGROUP CREATE stream group 0",
        "XGROUP CREATE stream unread $",
        "XGROUP CREATE stream:empty group $ MKSTREAM",
        "XREADGROUP GROUP group ada COUNT 30 STREAMS stream >",
        "XREADGROUP GROUP group grace COUNT 7 STREAMS stream >",
        "XGROUP CREATECONSUMER stream group idle",
        "XACK stream group 1-3 1-4",
        "XDEL stream 2-7 86-260",
        "XADD stream:gone 5-5 f v",
        "XDEL stream:gone 5-5",
    ] {
        all.push(line(text));
    }
}

fn line(text: &str) -> Request {
    text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// Of kind 0 integers, of 1 short texts, of 2 a mixture, of 3 also long ones.
    fn element(&mut self, kind: usize, n: usize) -> Vec<u8> {
        match (kind, self.next() % 8) {
            (0, 0..4) => (n as i64 - 50).to_string().into_bytes(),
            (0, _) => {
                let bits = self.next() % 60;
                let sign = if self.next() % 2 == 0 { 1 } else { -1 };
                (sign * (self.next() as i64 * self.next() as i64 >> bits)).to_string().into_bytes()
            }
            (1, _) => format!("element {n}").into_bytes(),
            (3, 0) => {
                let len = self.next() as usize % 300;
                self.bytes(len)
            }
            (3, 1) => b"over and over ".repeat(1 + n % 30),
            (_, 2) => n.to_string().into_bytes(),
            _ => format!("{:x}:{n}", self.next()).into_bytes(),
        }
    }

    fn score(&mut self) -> Vec<u8> {
        match self.next() % 8 {
            0 => b"inf".to_vec(),
            1 => b"-inf".to_vec(),
            2 => b"0".to_vec(),
            3 => (self.next() as i64 - (1 << 30)).to_string().into_bytes(),
            4 => format!("{}e-300", self.next()).into_bytes(),
            5 => (self.next() * self.next()).to_string().into_bytes(),
            _ => format!("{}", self.next() as f64 / 7.0).into_bytes(),
        }
    }
}
