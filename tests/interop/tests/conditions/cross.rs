//! Every built-in, operator and method over values of every type.
//!
//! Unlike [`crate::generate`] nothing here cares for types: what Go refuses, and how, is as much of interest as what it
//! makes of odd values.

use crate::random::Random;

pub(crate) struct Cross {
    random: Random,
}

impl Cross {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
        }
    }

    /// A result and an expression.
    pub(crate) fn case(&mut self) -> (String, String) {
        let result = self.random.pick(RESULTS).to_owned();
        let expression = match self.random.below(10) {
            0 => {
                let (name, value) = (self.random.pick(UNARY), self.value());
                format!("{name}({value})")
            }
            1..3 => {
                let (name, a, b) = (self.random.pick(BINARY), self.value(), self.value());
                match self.random.one_in(5) {
                    true => format!("{name}({a}, {b}, {})", self.value()),
                    false => format!("{name}({a}, {b})"),
                }
            }
            3..5 => {
                let (a, operator, b) = (self.value(), self.random.pick(OPERATORS), self.value());
                match self.random.one_in(3) {
                    true => format!("{a} {operator} {b}"),
                    false => format!("({a}) {operator} ({b})"),
                }
            }
            5..7 => self.loops(),
            7 => self.access(),
            8 => self.method(),
            _ => {
                let (a, b) = (self.value(), self.value());
                let shape = self.random.pick(SHAPES);
                shape.replace("$a", &a).replace("$b", &b)
            }
        };
        (result, expression)
    }

    /// Two of one kind meet more often than two of any.
    fn value(&mut self) -> String {
        let kinds = [INTEGERS, FLOATS, TEXTS, LISTS, MAPS, TIMES, DURATIONS, OTHERS];
        let kind = kinds[self.random.below(kinds.len())];
        self.random.pick(kind).to_owned()
    }

    fn loops(&mut self) -> String {
        let name = self.random.pick(LOOPS);
        let list = match self.random.one_in(3) {
            true => "result",
            false => self.random.pick(LISTS),
        };
        let predicate = self.random.pick(PREDICATES);
        let predicate = match self.random.one_in(3) {
            true => format!("{{{predicate}}}"),
            false => predicate.to_owned(),
        };
        match self.random.below(8) {
            0 => format!("{name}({list}, {predicate}, {})", self.value()),
            1 => format!("{list} | {name}({predicate})"),
            2 => format!("len({name}({list}, {predicate}))"),
            3 => format!("{name}({list}, {predicate})[0]"),
            4 => {
                let (outer, other) = (self.random.pick(LOOPS), self.random.pick(PREDICATES));
                format!("{outer}({name}({list}, {predicate}), {other})")
            }
            _ => format!("{name}({list}, {predicate})"),
        }
    }

    fn access(&mut self) -> String {
        let mut expression = match self.random.one_in(2) {
            true => "result".to_owned(),
            false => self.value(),
        };
        for _ in 0..=self.random.below(3) {
            let step = match self.random.below(6) {
                0..3 => format!("[{}]", self.random.pick(INDEXES)),
                3 => format!("?.[{}]", self.random.pick(INDEXES)),
                4 => format!(".{}", self.random.pick(FIELDS)),
                _ => format!("?.{}", self.random.pick(FIELDS)),
            };
            expression.push_str(&step);
        }
        match self.random.one_in(4) {
            true => format!("({expression} ?? {})", self.value()),
            false => expression,
        }
    }

    fn method(&mut self) -> String {
        let (time, duration) = (self.random.pick(TIMES), self.random.pick(DURATIONS));
        match self.random.below(6) {
            0 => format!("{time}.{}()", self.random.pick(OF_TIMES)),
            1 => format!("({time} + {duration}).Format({})", self.random.pick(LAYOUTS)),
            2 => {
                let method = self.random.pick(&["Add", "Truncate", "Round"]);
                format!("{time}.{method}({duration})")
            }
            3 => {
                let method = self.random.pick(&["Sub", "Before", "After", "Equal", "Compare"]);
                format!("{time}.{method}({})", self.random.pick(TIMES))
            }
            4 => format!("{duration}.{}()", self.random.pick(OF_DURATIONS)),
            _ => {
                let [years, months, days] = [(); 3].map(|()| self.random.pick(&["0", "1", "-13", "400"]));
                format!("{time}.AddDate({years}, {months}, {days})")
            }
        }
    }
}

const RESULTS: &[&str] = &[
    "f:5",
    "f:0.95",
    "f:-0",
    "f:157387313134450.62",
    "i:5",
    "i:-9223372036854775808",
    "nan",
    "inf",
    "nil",
    "rawnil",
    "s:hello",
    "s:",
    "sf:[1,2,3]",
    "sf:[3,1,2,2,-0.5]",
    "sf:[]",
    "json:true",
    "json:[]",
    "json:{}",
    r#"json:{"a":1,"b":"x","c":[1,2,"z"],"d":null}"#,
    r#"json:[{"v":1,"n":"x"},{"v":2,"n":"y"}]"#,
];

const INTEGERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "63",
    "64",
    "9223372036854775807",
    "(-9223372036854775807-1)",
    "0xff",
];

const FLOATS: &[&str] = &[
    "0.0",
    "-0.0",
    "0.5",
    "1.5",
    "2.5",
    "-2.5",
    "1e308",
    "1e-320",
    "1e21",
    "123456789.125",
    "9032764045128.562",
    "float(\"NaN\")",
    "float(\"Inf\")",
];

const TEXTS: &[&str] = &[
    "\"\"",
    "\"a\"",
    "\"hello\"",
    "\"é\"",
    "\"日本語\"",
    "\" x \"",
    "\"a,b,c\"",
    "\"5\"",
    "\"1.5\"",
    "\"😀\"",
    "'[1,2]'",
    "'{\"b\":1,\"a\":[null,true]}'",
    "\"2023-08-14\"",
    "\"1h\"",
    "\"\\n\"",
    "\"ß\"",
    "\"İ\"",
    "\"aGVsbG8=\"",
    "\"<&>\"",
];

const LISTS: &[&str] = &[
    "[]",
    "[1,2,3]",
    "[1.5,2]",
    "[\"a\",\"b\"]",
    "[[1],[2,[3]]]",
    "[nil]",
    "1..3",
    "3..1",
    "[3,1,2]",
    "[true,false]",
    "[{a:1},{a:2}]",
    "[1,1,2]",
    "[[\"k\",1],[\"l\",2]]",
    "[float(\"NaN\")]",
    "[0.0,-0.0]",
    "[-2,1.5,-3.5]",
];

const MAPS: &[&str] = &[
    "{}",
    "{a:1}",
    "{\"a\":[1,2]}",
    "{a:nil}",
    "{a:{b:{c:1}}}",
    "{1:2}",
    "{\"x y\":true}",
];

const TIMES: &[&str] = &[
    "date(\"2023-08-14\")",
    "date(\"2024-02-29T23:59:59.999999999Z\")",
    "date(\"2023-08-14T01:02:03.5+02:00\")",
    "date(\"0001-01-01\")",
    "date(\"9999-12-31\")",
    "date(\"1969-12-31 23:59:59\")",
    "date(\"2023-10-29 01:30:00\", \"2006-01-02 15:04:05\", \"Europe/Berlin\")",
    "date(\"2023-08-14\").In(timezone(\"America/New_York\"))",
];

const DURATIONS: &[&str] = &[
    "duration(\"1h\")",
    "duration(\"-1.5s\")",
    "duration(\"1ms2us3ns\")",
    "duration(\"0s\")",
    "duration(\"2562047h47m16.854775807s\")",
    "duration(\"36h\")",
];

const OTHERS: &[&str] = &[
    "nil",
    "true",
    "false",
    "result",
    "result",
    "result",
    "$env",
    "isNaN",
    "len",
    "result.a",
    "result[0]",
    "result?.a",
    "first(result)",
    "timezone(\"UTC\")",
];

const UNARY: &[&str] = &[
    "-",
    "+",
    "!",
    "len",
    "type",
    "abs",
    "ceil",
    "floor",
    "round",
    "int",
    "float",
    "string",
    "trim",
    "upper",
    "lower",
    "max",
    "min",
    "mean",
    "median",
    "sum",
    "toJSON",
    "fromJSON",
    "toBase64",
    "fromBase64",
    "duration",
    "date",
    "timezone",
    "first",
    "last",
    "keys",
    "values",
    "toPairs",
    "fromPairs",
    "reverse",
    "uniq",
    "concat",
    "flatten",
    "sort",
    "bitnot",
    "asInt",
    "asFloat",
    "isNaN",
    "isInf",
    "isNil",
    "count",
];

const BINARY: &[&str] = &[
    "trim",
    "trimPrefix",
    "trimSuffix",
    "split",
    "splitAfter",
    "repeat",
    "join",
    "indexOf",
    "lastIndexOf",
    "hasPrefix",
    "hasSuffix",
    "max",
    "min",
    "mean",
    "median",
    "date",
    "get",
    "take",
    "concat",
    "sort",
    "bitand",
    "bitor",
    "bitxor",
    "bitnand",
    "bitshl",
    "bitshr",
    "bitushr",
    "default",
    "replace",
    "round",
];

const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "^",
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "not contains",
    "and",
    "or",
    "&&",
    "||",
    "??",
    "..",
];

const LOOPS: &[&str] = &[
    "all",
    "none",
    "any",
    "one",
    "filter",
    "map",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "count",
    "sum",
    "groupBy",
    "sortBy",
    "reduce",
];

const PREDICATES: &[&str] = &[
    "#",
    "# > 1",
    "#.a",
    ".v",
    ".n == \"x\"",
    "true",
    "#index",
    "# == 2",
    "nil",
    "# + 1",
    "string(#)",
    "let y = #; y",
    "#acc",
    "# ?? 1",
    "[#]",
    "{k: #}",
    "# in [1,2]",
    "type(#)",
    "not #",
    "-#",
    "len(#)",
    "#?.v",
    "#[0]",
    "asFloat(#)",
    "# % 2 == 0",
    "# > #index",
    "default(#, 1)",
    "# ** 0.3",
];

const INDEXES: &[&str] = &[
    "0",
    "1",
    "-1",
    "3",
    "-4",
    "1.0",
    "\"a\"",
    "nil",
    "0:1",
    "1:",
    "-1:",
    ":-1",
    ":",
    "5:",
    "2:1",
    "-9:9",
    "true",
    "result",
    "9223372036854775807",
];

const FIELDS: &[&str] = &["a", "b", "c", "d", "zz", "v", "n", "in", "not", "len"];

const OF_TIMES: &[&str] = &[
    "Year",
    "Month",
    "Day",
    "Hour",
    "Minute",
    "Second",
    "Nanosecond",
    "YearDay",
    "Weekday",
    "Unix",
    "UnixMilli",
    "UnixMicro",
    "UnixNano",
    "UTC",
    "Location",
    "IsZero",
    "IsDST",
    "String",
    "GoString",
    "Zone",
    "ISOWeek",
    "Date",
    "Clock",
    "MarshalJSON",
    "Format",
    "Nope",
];

const OF_DURATIONS: &[&str] = &[
    "Hours",
    "Minutes",
    "Seconds",
    "Milliseconds",
    "Microseconds",
    "Nanoseconds",
    "String",
    "Abs",
    "Nope",
];

const LAYOUTS: &[&str] = &[
    "\"2006-01-02\"",
    "\"Mon Jan _2 2006\"",
    "\"02/01/06 03:04 PM -07:00\"",
    "\"MST Z07:00 .000 002\"",
    "\"2006-01-02T15:04:05.999999999Z07:00\"",
    "\"05,000 05.999\"",
];

/// What one would not write, and what shows the type or the order of a value.
const SHAPES: &[&str] = &[
    "toJSON([$a])",
    "toJSON({z: $a, a: $b})",
    "fromJSON(toJSON($a))",
    "type($a)",
    "type([$a, $b])",
    "[$a, $b]",
    "{k: $a}",
    "$a == fromJSON(toJSON($a))",
    "sort([$a, $b])",
    "uniq([$a, $b, $a])",
    // Go prints keys of several types in the order in which its linker laid out the types.
    "fromPairs([[$a, 1], [$b, 2]])[$a]",
    "len(fromPairs([[$a, 1], [$b, 2]]))",
    "groupBy([$a, $b], #)[$b]",
    "len(keys(groupBy([$a, $b], #)))",
    "concat([$a], [$b])",
    "flatten([[$a], $b])",
    "reduce([$a, $b], #acc + #)",
    "let x = $a; [x, $b]",
    "($a; $b)",
    "(true ? $a : $b)",
    "$a | string()",
    "get([$a], 0)",
    "max([$a, $b])",
    "sum([$a, $b])",
    "round($a ** $b)",
    "join([string($a)], string($b))",
    "$a in [$b]",
    "any([$a, $b], # == $a)",
];
