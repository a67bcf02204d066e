use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> LongDouble {
    LongDouble::parse(text.as_bytes()).unwrap()
}

fn sum(a: &str, b: &str) -> String {
    String::from_utf8(parse(a).checked_add(parse(b)).unwrap().to_text()).unwrap()
}

#[test]
fn sums_are_those_of_redis() {
    for (a, b, result) in SUMS {
        assert_eq!(sum(a, b), *result, "{a} + {b}");
        assert_eq!(sum(b, a), *result, "{b} + {a}");
    }
}

#[test]
fn the_ends_of_the_range() {
    let largest = "1.18973149535723176502e4932";
    assert_eq!(parse(largest).to_text().len(), 4933);
    assert_eq!(parse("1e4932").checked_add(parse("1e4932")), None);
    assert_eq!(sum(largest, "-1.18973149535723176502e4932"), "0");
    let smallest = LongDouble { negative: false, size: Size::Finite { significand: 1, exponent: -16445 } };
    assert_eq!(parse("3.6451995318824746025e-4951"), smallest);
    assert_eq!(parse("1.9e-4951"), smallest);
    assert_eq!(parse("1e-4950").size, Size::Finite { significand: 3, exponent: -16445 });
    assert_eq!(sum("1e-4950", "0"), "0");
    for text in ["1.2e4932", "1e5000", "1e99999999999999999999", "1e-4951", "1e-99999999999999999999", "0x1p16384"] {
        assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn infinities_are_read_but_not_summed() {
    for text in ["inf", "-INF", "Infinity"] {
        assert!(parse(text).is_infinite());
        assert_eq!(parse(text).checked_add(parse("1")), None);
    }
    assert_eq!((parse("inf").to_text(), parse("-inf").to_text()), (b"inf".to_vec(), b"-inf".to_vec()));
}

#[test]
fn what_is_not_a_number_is_refused() {
    for text in ["", " 1", "1 ", "nan", "1e", "0x", ".", "-", "--1", "1\0"] {
        assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(parse(&("0".repeat(5118) + "1")), parse("1"));
    assert_eq!(LongDouble::parse(("0".repeat(5119) + "1").as_bytes()), None);
}

#[test]
fn ties_go_to_even() {
    for (text, significand) in [
        ("9223372036854775808.5", 1u64 << 63),
        ("9223372036854775809.5", (1 << 63) + 2),
        ("9223372036854775808.500000000000000000000000000000000000000000000000000000001", (1 << 63) + 1),
        ("9223372036854775808.499999999999999999999999999999999999999999999999999999999", 1 << 63),
        ("0x8000000000000000.8", 1 << 63),
        ("0x8000000000000000.80000000000000000000000000001", (1 << 63) + 1),
        ("36893488147419103231", 1 << 63),
    ] {
        let Size::Finite { significand: parsed, .. } = parse(text).size else { panic!() };
        assert_eq!(parsed, significand, "{text}");
    }
}

proptest! {
    /// Both ways through `from_decimal` lead to the same number.
    #[test]
    fn short_and_long_decimals_agree(whole: u64, tens in -27i32..=27) {
        let whole = whole >> 1;
        prop_assume!(whole != 0);
        let short = from_short_decimal(whole, tens);
        prop_assert_eq!(short, from_long_decimal(Natural::new(whole), tens.into()));
    }

    #[test]
    fn doubles_keep_their_value(bits: u64) {
        let value = f64::from_bits(bits);
        prop_assume!(value.is_finite() && value.abs() < 1e30);
        let text = String::from_utf8(parse(&format!("{value:e}")).to_text()).unwrap();
        prop_assert!((text.parse::<f64>().unwrap() - value).abs() <= value.abs() * 1e-15 + 1e-17, "{} {}", value, text);
    }

    #[test]
    fn whole_numbers_add_exactly(a: i64, b: i64) {
        let (a, b) = (a >> 1, b >> 1);
        prop_assert_eq!(sum(&a.to_string(), &b.to_string()), (a + b).to_string());
    }

    #[test]
    fn adding_the_opposite_gives_zero(text in "-?[0-9]{1,25}(\\.[0-9]{1,30})?(e-?[0-9]{1,3})?") {
        let number = parse(&text);
        let opposite = LongDouble { negative: !number.negative, ..number };
        prop_assert_eq!(number.checked_add(opposite).unwrap().to_text(), b"0".to_vec());
    }

    #[test]
    fn any_text_is_a_number_or_not(text in "[-+]?[0-9a-fx.ep-]{0,12}|-?[0-9]{0,50}\\.[0-9]{0,50}e-?[0-9]{1,4}") {
        if let Some(number) = LongDouble::parse(text.as_bytes()) {
            let printed = number.to_text();
            prop_assert!(LongDouble::parse(&printed).is_some());
        }
    }
}

/// What INCRBYFLOAT of redis-server 7.0.15 on x86-64 answered.
#[rustfmt::skip]
const SUMS: &[(&str, &str, &str)] = &[
    ("10.5", "0.1", "10.6"),
    ("1.1", "2.2", "3.3"),
    ("0.1", "0.2", "0.3"),
    ("5.0e3", "200", "5200"),
    ("3.0e10", "0.1", "30000000000.09999999962747097"),
    ("1", "1", "2"),
    ("0", "0", "0"),
    ("-1.5", "1.5", "0"),
    ("0.3", "-0.1", "0.2"),
    ("100", "0.001", "100.001"),
    ("1e17", "1", "100000000000000001"),
    ("1e18", "0.5", "1000000000000000000.5"),
    ("9007199254740993", "0", "9007199254740993"),
    ("18446744073709551615", "0", "18446744073709551615"),
    ("18446744073709551615", "1", "18446744073709551616"),
    ("18446744073709551616", "1", "18446744073709551616"),
    ("123456789.123456789", "0", "123456789.12345678899873747"),
    ("0.12345678901234567", "0", "0.12345678901234567"),
    ("0.123456789012345678", "0", "0.12345678901234568"),
    ("0.000000000000000005", "0", "0"),
    ("0.00000000000000001", "0", "0.00000000000000001"),
    ("0.000000000000000015", "0", "0.00000000000000002"),
    ("1e-17", "1e-17", "0.00000000000000002"),
    ("1e-18", "0", "0"),
    ("-1e-18", "0", "0"),
    ("1e20", "0", "100000000000000000000"),
    ("1e25", "0", "10000000000000000000000000"),
    ("1e27", "1", "1000000000000000000000000000"),
    ("1e28", "0", "9999999999999999999731564544"),
    ("1e30", "0", "1000000000000000000024696061952"),
    ("123e27", "0", "123000000000000000002281701376"),
    ("0x10", "0x.8", "16.5"),
    ("0x1.8p3", "-1", "11"),
    (".5", "5.", "5.5"),
    ("+3", "-03", "0"),
    ("3.14159265358979323846", "0", "3.14159265358979324"),
    ("2.71828182845904523536", "3.14159265358979323846", "5.85987448204883847"),
    ("1234567890123456789.5", "0.25", "1234567890123456789.75"),
    ("12345678901234567890123", "1", "12345678901234567889920"),
    ("99999999999999999999.99", "0", "100000000000000000000"),
    ("-99999999999999999999.99", "0.01", "-100000000000000000000"),
    ("0.7", "0.1", "0.8"),
    ("1.15", "1.15", "2.3"),
    ("1e15", "0.3", "1000000000000000.29998779296875"),
    ("1e16", "0.3", "10000000000000000.2998046875"),
    ("4503599627370496.5", "0.1", "4503599627370496.60009765625"),
    ("33.33", "66.67", "100"),
    ("19.99", "-0.01", "19.98"),
    ("1e3", "-1e-3", "999.999"),
    ("0.00001", "0.00002", "0.00003"),
    ("8.5", "-8.6", "-0.1"),
    ("1000000", "0.000001", "1000000.00000099999999748"),
    ("-0", "-0", "0"),
    ("0.5", "0.00000000000000000001", "0.5"),
    ("4.35", "100", "104.35"),
    ("2.675", "0", "2.675"),
    ("1.005", "0", "1.005"),
    ("1e-10", "1e10", "10000000000"),
    ("12345.6789", "-0.6789", "12345"),
    ("299792458", "6.62607015e-34", "299792458"),
];

#[test]
fn seconds_become_milliseconds_rounded_up() {
    let ms = |text: &str| LongDouble::parse(text.as_bytes()).and_then(LongDouble::ceil_of_thousandfold);
    for (text, expected) in [
        ("0", 0),
        ("1", 1000),
        ("0.1", 100),
        ("0.0001", 1),
        ("-0.0001", 0),
        ("-1", -1000),
        ("1.5", 1500),
        ("1e-400", 1),
        ("9223372036854775", 9_223_372_036_854_775_000),
        ("-1e30", i64::MIN),
        ("-inf", i64::MIN),
    ] {
        assert_eq!(ms(text), Some(expected), "{text}");
    }
    for text in ["9223372036854776", "1e16", "1e400", "inf"] {
        assert_eq!(ms(text), None, "{text}");
    }
}
