//! Words of requests: keys, values and numbers from small sets, with the odd ones among them.

/// Xorshift: the same words on every machine.
pub(super) struct Random {
    state: u64,
    /// Moves on with every stream entry.
    clock: u64,
    /// Whether many words are made for one request: they should differ.
    pub(super) many: bool,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, clock: 0, many: false }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 33) % bound as u64) as usize
    }

    fn pick(&mut self, words: &[&[u8]]) -> Vec<u8> {
        words[self.below(words.len())].to_vec()
    }

    fn decimal(&mut self, from: i64, to: i64) -> Vec<u8> {
        (from + self.below((to - from) as usize) as i64).to_string().into_bytes()
    }

    /// A key of a type, as a rule.
    fn key(&mut self, own: &[&[u8]]) -> Vec<u8> {
        match self.below(14) {
            0 => self.word("key"),
            _ => self.pick(own),
        }
    }

    /// The bytes of a word of a shape.
    pub(super) fn word(&mut self, shape: &str) -> Vec<u8> {
        match shape {
            // What others write into the strings of HyperLogLogs corrupts them; a corrupt one is changed in part by 7.0 before
            // it answers an error, and here not at all.
            "key" => loop {
                let key = self.pick(KEYS);
                if !HYPERLOGLOGS.contains(&key.as_slice())
                    && !LEX_SETS.contains(&key.as_slice())
                    && !SORTED.contains(&key.as_slice())
                    && !APART.contains(&key.as_slice())
                {
                    break key;
                }
            },
            "string" => self.key(STRINGS),
            "list" => self.key(LISTS),
            "set" => self.key(SETS),
            "hash" => self.key(HASHES),
            "zset" => self.key(SORTED_SETS),
            // The order by bytes is only one where all scores are the same.
            "lex-set" => self.pick(LEX_SETS),
            "stream" => self.key(STREAMS),
            "geo" => self.key(GEOS),
            // Where no two places are equally far, as a rule.
            "apart" => self.pick(APART),
            "hll" => match self.below(20) {
                0 => self.pick(LISTS),
                _ => self.pick(HYPERLOGLOGS),
            },
            "bits" => self.key(BITMAPS),
            "value" => match self.below(8) {
                0..=2 => self.integer(),
                3 => self.float(),
                4 => self.text(60),
                5 => self.text(200),
                _ => self.pick(VALUES),
            },
            "element" | "member" | "field" => self.member(),
            // 7.0 loses the sign of a zero among the first of many.
            "score" => match self.below(12) {
                0 if self.many => self.decimal(-10, 30),
                0 => self.pick(&[b"inf", b"-inf", b"+inf", b"0", b"-0", b"1e3", b"0.5", b"nan", b"x", b""]),
                1 => (self.below(2000) as f64 / 8.0 - 125.0).to_string().into_bytes(),
                _ => self.decimal(-10, 30),
            },
            "bound" => {
                let mut bound = if self.below(3) == 0 { b"(".to_vec() } else { Vec::new() };
                match self.below(6) {
                    0 => bound = self.pick(&[b"-inf", b"+inf", b"inf", b"(inf", b"(-inf", b"((1", b"x", b""]),
                    _ => bound.extend(self.decimal(-10, 30)),
                }
                bound
            }
            "lex" => match self.below(5) {
                0 => self.pick(&[b"-", b"+", b"[", b"(", b"x", b"", b"-x"]),
                _ => [self.pick(&[b"[", b"("]), self.member()].concat(),
            },
            "integer" => self.integer(),
            "float" => self.float(),
            "index" => self.decimal(-160, 160),
            "rank" => match self.below(20) {
                0 => self.integer(),
                _ => self.decimal(-8, 12),
            },
            "count" => match self.below(20) {
                0 => self.integer(),
                1 => self.decimal(100, 400),
                _ => self.decimal(-3, 8),
            },
            "negative" => self.decimal(-12, 0),
            "positive" => self.decimal(1, 12),
            "offset" => self.decimal(0, 300),
            "bit-offset" => match self.below(30) {
                0 => self.pick(&[b"-1", b"4294967296", b"x", b"20000", b"#3"]),
                _ => self.decimal(0, 400),
            },
            "field-offset" => match self.below(3) {
                0 => [b"#".to_vec(), self.decimal(-1, 40)].concat(),
                _ => self.decimal(0, 300),
            },
            "field-type" => match self.below(20) {
                0 => self.pick(&[b"u64", b"i65", b"u0", b"i0", b"8", b"u", b"I8", b"i08"]),
                _ => [self.pick(&[b"i", b"u"]), self.decimal(1, 64)].concat(),
            },
            // Wide ranges, so that no two moments are ever compared that are only a clock's tick apart.
            "seconds" => self.decimal(1000, 100_000_000),
            "ms" => (1_000_000 + self.next() % 100_000_000_000).to_string().into_bytes(),
            "at" => (33_000_000_000 + self.below(50)).to_string().into_bytes(),
            "at-ms" => (33_000_000_000_000 + self.below(50)).to_string().into_bytes(),
            "if" => self.pick(&[b"NX", b"XX", b"GT", b"LT", b"nx", b"FOO"]),
            "db" => self.pick(&[b"0", b"1", b"2", b"15", b"16"]),
            "glob" => self.pick(GLOBS),
            "new-id" => {
                self.clock += 1;
                let sequence = self.below(3);
                format!("{}-{sequence}", self.clock).into_bytes()
            }
            "id" => match self.below(12) {
                0 => self.pick(&[b"0", b"-", b"+", b"$", b">", b"0-0", b"5-*", b"x", b"18446744073709551615-1"]),
                _ => self.recent_id(),
            },
            "id-bound" => match self.below(4) {
                0 => self.pick(&[b"-", b"+", b"0", b"(0-1", b"(5", b"x"]),
                1 => [b"(".to_vec(), self.recent_id()].concat(),
                _ => self.recent_id(),
            },
            "group" => self.pick(&[b"g0", b"g1"]),
            "consumer" => self.pick(&[b"c0", b"c1", b"c2"]),
            "longitude" => (self.below(36000) as f64 / 100.0 - 180.0).to_string().into_bytes(),
            "latitude" => (self.below(17000) as f64 / 100.0 - 85.0).to_string().into_bytes(),
            "radius" => self.pick(&[b"0", b"10", b"500", b"3000", b"8000.5", b"25000", b"-1", b"x"]),
            "unit" => self.pick(&[b"m", b"km", b"KM", b"ft", b"mi", b"yd"]),
            "place" => [b"p".to_vec(), self.decimal(0, 25)].concat(),
            "weight" => self.pick(&[b"1", b"2", b"0", b"-1.5", b"0.25", b"inf", b"x"]),
            "pattern" => self.pick(&[
                b"k*", b"w*", b"h*->f1", b"h0->*", b"*", b"#", b"nosort", b"k0", b"h*->", b"*->x", b"w*->f", b"**", b"",
            ]),
            "weight-key" => [b"w".to_vec(), self.decimal(-3, 12)].concat(),
            "odd" => self.pick(ODD),
            other => panic!("no words are called {other}"),
        }
    }

    fn recent_id(&mut self) -> Vec<u8> {
        let back = self.below(60) as u64;
        let at = self.clock.saturating_sub(back);
        match self.below(3) {
            0 => at.to_string().into_bytes(),
            _ => format!("{at}-{}", self.below(3)).into_bytes(),
        }
    }

    fn member(&mut self) -> Vec<u8> {
        let wide = if self.many { 1000 } else { 14 };
        match self.below(30) {
            0 => self.text(90),
            1 => self.pick(VALUES),
            2 => self.integer(),
            3 if self.many => self.text(20),
            4..=17 => self.decimal(-3, wide - 3),
            _ => [b"m".to_vec(), self.decimal(0, wide)].concat(),
        }
    }

    fn integer(&mut self) -> Vec<u8> {
        match self.below(8) {
            0..=3 => self.decimal(-20, 20),
            4 => (self.next() as i64).to_string().into_bytes(),
            5 => (self.next() >> self.below(64)).to_string().into_bytes(),
            _ => self.pick(INTEGERS),
        }
    }

    fn float(&mut self) -> Vec<u8> {
        match self.below(4) {
            0 => format!("{}.{}", self.below(2000) as i64 - 1000, self.below(10_000)).into_bytes(),
            1 => format!("{}e{}", self.below(2000) as i64 - 1000, self.below(40) as i64 - 20).into_bytes(),
            2 => format!("{}", f64::from_bits(self.next() & !(1 << 62))).into_bytes().into_iter().take(40).collect(),
            _ => self.pick(FLOATS),
        }
    }

    fn text(&mut self, length_max: usize) -> Vec<u8> {
        let length = self.below(length_max);
        (0..length).map(|_| b'a' + self.below(4) as u8).collect()
    }
}

/// All keys there are.
pub(super) const KEYS: &[&[u8]] = &[
    b"k0",
    b"k1",
    b"k2",
    b"k3",
    b"k4",
    b"k5",
    b"",
    b"{k}\x00\r\n",
    b"l0",
    b"l1",
    b"l2",
    b"s0",
    b"s1",
    b"s2",
    b"s3",
    b"h0",
    b"h1",
    b"h2",
    b"y0",
    b"y1",
    b"t0",
    b"t1",
    b"v0",
    b"z0",
    b"z1",
    b"z2",
    b"x0",
    b"x1",
    b"g0",
    b"o0",
    b"p0",
    b"p1",
    b"p2",
    b"b0",
    b"b1",
    b"w0",
    b"w1",
    b"w2",
    b"w3",
    b"w4",
    b"w5",
    b"w6",
    b"w7",
    b"w8",
    b"w9",
    b"w-1",
    b"w-2",
];

const STRINGS: &[&[u8]] = &[b"k0", b"k1", b"k2", b"k3", b"k4", b"k5", b"", b"{k}\x00\r\n"];
const LISTS: &[&[u8]] = &[b"l0", b"l1", b"l2"];
const SETS: &[&[u8]] = &[b"s0", b"s1", b"s2", b"s3"];
const HASHES: &[&[u8]] = &[b"h0", b"h1", b"h2"];
const SORTED_SETS: &[&[u8]] = &[b"z0", b"z1", b"z2"];
const SORTED: &[&[u8]] = &[b"t0", b"t1", b"v0"];
const LEX_SETS: &[&[u8]] = &[b"y0", b"y1"];
const STREAMS: &[&[u8]] = &[b"x0", b"x1"];
const GEOS: &[&[u8]] = &[b"g0"];
const APART: &[&[u8]] = &[b"o0"];
const HYPERLOGLOGS: &[&[u8]] = &[b"p0", b"p1", b"p2"];
const BITMAPS: &[&[u8]] = &[b"b0", b"b1", b"k0", b"k1"];

const GLOBS: &[&[u8]] =
    &[b"*", b"k*", b"m*", b"k[0-3]", b"?1", b"k[^1]", b"\\k1", b"[", b"k[1", b"**a", b"", b"K*", b"m[1-5]", b"[0-9]"];

const VALUES: &[&[u8]] =
    &[b"", b"a", b"hello world", b"\x00\xff\r\n", b"007", b"-0", b"+1", b" 1", b"1 ", b"1\x00", b"3.0"];

const INTEGERS: &[&[u8]] = &[
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775806",
    b"-9223372036854775807",
    b"9223372036854775808",
    b"4294967296",
    b"2147483647",
    b"-2147483648",
    b"32768",
    b"-129",
    b"65535",
    b"8388608",
];

const FLOATS: &[&[u8]] = &[
    b"inf", b"-inf", b"nan", b"1e308", b"1e4000", b"1e-4000", b"0x1p3", b".5", b"5.", b"1e", b"-0", b"0.1", b"1e17",
    b"-1e17",
];

const ODD: &[&[u8]] = &[
    b"",
    b"0",
    b"-1",
    b"x",
    b"*",
    b"NX",
    b"XX",
    b"GET",
    b"EX",
    b"PX",
    b"KEEPTTL",
    b"PERSIST",
    b"REPLACE",
    b"DB",
    b"LEN",
    b"IDX",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"1.5",
    b"\xff\x00",
    b"a b",
    b"k1",
    b"l1",
    b"h1",
    b"COUNT",
    b"MATCH",
    b"LEFT",
    b"WITHSCORES",
    b"LIMIT",
    b"BY",
    b"STORE",
    b"STREAMS",
    b"MAXLEN",
];
