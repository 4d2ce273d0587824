//! What a condition may cost: none of these may take the process, its memory or its time.

use conditions::{Condition, Error, ErrorKind, Limits, Value, evaluate};

fn outcome(condition: &str) -> Result<bool, Error> {
    evaluate(&Value::from(5.0), condition)
}

fn is_limited(condition: &str) -> bool {
    outcome(condition).is_err_and(|error| error.kind() == ErrorKind::Limit)
}

#[test]
fn deep_conditions_are_conditions() {
    let nested = |open: &str, middle: &str, close: &str, levels: usize| {
        format!("{}{middle}{}", open.repeat(levels), close.repeat(levels))
    };
    for condition in [
        nested("(", "result > 1", ")", 5_000),
        nested("!", "true", "", 4_000),
        nested("-", "result", "", 4_000) + " == 5",
        nested("[", "", "]", 300) + " != nil",
        nested("true && (", "true", ")", 3_000),
        nested("true ? ", "true", " : false", 2_000),
        nested("if true { ", "true", " } else { false }", 2_000),
        nested("all([1], {", "true", "})", 1_000),
        format!("result{} > 0", " + 1".repeat(3_000)),
        format!("true{}", " && true".repeat(3_000)),
        format!("result{}", " ?? 1".repeat(3_000)) + " ?? true",
        format!("len([{}]) == 9000", "1,".repeat(9_000)),
    ] {
        let start: String = condition.chars().take(40).collect();
        // Some are true and some are no bool; all come to an end.
        let kind = outcome(&condition).map_err(|error| error.kind());
        assert!(
            matches!(kind, Ok(_) | Err(ErrorKind::NotBool)),
            "{start}: {kind:?}"
        );
    }
}

#[test]
fn too_deep_is_an_error() {
    for open in [
        "(",
        "[",
        "!",
        "-",
        "{a:",
        "all([1], ",
        "if ",
        "result ? ",
        "f(",
        "let x = ",
        "result[",
        "1 ** ",
    ] {
        let condition = open.repeat(300_000);
        let error = outcome(&condition).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Limit | ErrorKind::Syntax),
            "{open}: {error}"
        );
        assert!(error.to_string().len() < 1_000);
    }
    assert!(is_limited(&("(".repeat(11_000) + "true" + &")".repeat(11_000))));
}

#[test]
fn nodes_have_a_budget_which_is_that_of_expr() {
    let sum = |terms: usize| format!("result{} > 0", " + 1".repeat(terms));
    // result, 0 and > are three; each term is two.
    assert_eq!(outcome(&sum(4_998)), Ok(true));
    assert!(is_limited(&sum(4_999)));
    let limits = conditions_of(|limits| limits.nodes = 4);
    let like = Value::from(1.0);
    assert!(Condition::compile_within("result > 1", &like, &limits).is_ok());
    assert!(Condition::compile_within("result + 1 > 1", &like, &limits).is_err());
}

/// The defaults with one change.
fn conditions_of(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[test]
fn chained_comparisons_within_each_other_double() {
    let mut condition = "1".to_owned();
    for _ in 0..40 {
        condition = format!("1 < ({condition} < 2 ? 1 : 0) < 2");
    }
    assert!(is_limited(&(condition + " == true")));
}

#[test]
fn overloads_within_each_other_multiply() {
    let nested = "sort(".repeat(40) + "[1]" + &")".repeat(40) + " == [1]";
    assert!(is_limited(&nested));
}

#[test]
fn steps_have_a_budget() {
    for condition in [
        "let r = 1..900000; all(r, all(r, # > 0))",
        "let r = 1..900000; all(r, 0 not in r)",
        "let r = 1..900000; count(r, r == r) > 0",
        "let r = 1..900000; all(r, max(r) > 0)",
        "let r = 1..900000; all(r, len(sort(r)) > 0)",
        "let r = map(1..9000, {let x = #; [x]}); uniq(r) == r",
        r#"let s = repeat("a", 999999); all(1..100, s matches "(a?){500}b" == false)"#,
        r#"let s = repeat("a", 999999); let m = {(s): 1}; all(1..1000, m[s] == 1) && all(1..9000, m[s] == 1)"#,
        r#"let s = repeat("a", 9999); all(1..100000, {s + "b" > s})"#,
        r#"all(1..100000, "a" matches ("a" + string(#)) == false)"#,
    ] {
        // A fiftieth of the default, to be done sooner.
        let limits = conditions_of(|limits| limits.steps /= 50);
        let like = Value::from(5.0);
        let compiled = Condition::compile_within(condition, &like, &limits).unwrap();
        let error = compiled.evaluate(&like).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{condition}: {error}");
    }
    assert!(is_limited("let r = 1..900000; all(r, all(r, # > 0))"));
    let limits = conditions_of(|limits| limits.steps = 20);
    let like = Value::from(1.0);
    let run = |condition| {
        Condition::compile_within(condition, &like, &limits)
            .unwrap()
            .evaluate(&like)
    };
    assert!(run("result > 0").is_ok());
    assert!(run("all(1..9, # > 0)").is_err());
}

#[test]
fn memory_has_a_budget_which_is_that_of_expr() {
    assert_eq!(outcome("len(1..999999) == 999999"), Ok(true));
    assert_eq!(outcome("len(map(1..400000, #)) + len(1..199998) > 0"), Ok(true));
    for condition in [
        "len(1..1000000000) > 0",
        "len(1..1000000) > 0",
        "len(map(1..500000, #)) > 0",
        r#"len(repeat("a", 1000000)) > 0"#,
        "reverse(1..500000) == nil",
    ] {
        let error = outcome(condition).unwrap_err();
        assert_eq!(
            (error.kind(), error.message()),
            (ErrorKind::Limit, "memory budget exceeded")
        );
    }
}

#[test]
fn strings_have_a_budget() {
    for condition in [
        r#"len(reduce(1..60, #acc + #acc, "abcd")) > 0"#,
        r#"let s = repeat("a", 999999); all(1..1000, len(s + "b") > 0)"#,
        r#"let s = repeat("a", 999999); len(replace(s, "a", s)) > 0"#,
        r#"let s = repeat("a", 999999); len(join(map(1..1000, s), "")) > 0"#,
        r#"let s = repeat("a", 999999); len(toJSON(map(1..1000, s))) > 0"#,
        r#"let a = 1..1000; let b = map(a, a); let c = map(a, b); len(string(c)) > 0"#,
        r#"let a = [1,2,3,4,5,6,7,8]; let b = [a,a,a,a,a,a,a,a]; let c = [b,b,b,b,b,b,b,b]; let d = [c,c,c,c,c,c,c,c];
           let e = [d,d,d,d,d,d,d,d]; let f = [e,e,e,e,e,e,e,e]; let g = [f,f,f,f,f,f,f,f]; len(toJSON([g,g,g,g,g,g,g,g])) > 0"#,
        r#"let s = repeat("a", 999999); all(1..200, len(split(s, "")) > 0)"#,
        r#"let s = repeat("January", 99999); all(1..1000, len(now().Format(s)) > 0)"#,
    ] {
        let error = outcome(condition).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit, "{condition}: {error}");
    }
}

#[test]
fn values_nest_so_deep() {
    assert_eq!(outcome("len(reduce(1..400, [#acc], 0)) == 1"), Ok(true));
    assert!(is_limited("len(reduce(1..900000, [#acc], 0)) == 1"));
    assert!(is_limited("len(reduce(1..900000, {{a: #acc}}, 0)) == 1"));
    assert!(outcome(r#"fromJSON(repeat("[", 5000) + repeat("]", 5000)) != nil"#).is_err());

    let mut deep = Value::from(1.0);
    for _ in 0..600 {
        deep = Value::from(vec![deep]);
    }
    assert!(evaluate(&deep, "result != nil").is_err_and(|error| error.kind() == ErrorKind::Limit));
}

#[test]
fn patterns_have_a_size() {
    let many: String = (0..400)
        .map(|n| format!(r#" || "a" matches `\p{{Greek}}{{2}}{n}`"#))
        .collect();
    assert!(is_limited(&format!("false{many}")));
    let unseen: String = (0..400)
        .map(|n| format!(r#" || "a" matches `\p{{Greek}}{{2}}{n}`"#))
        .collect();
    assert!(
        evaluate(
            &Value::from_iter([("x", Value::nil())]),
            &format!("result.x[(1 == 1{unseen}):] == nil")
        )
        .is_err()
    );
}

#[test]
fn messages_are_of_bounded_length() {
    for condition in [
        r#"asInt(repeat("x", 99999)) > 0"#,
        r#"date(repeat("x", 99999)).Year() > 0"#,
        r#"int(repeat("x", 99999)) > 0"#,
        "asInt(1..99999) > 0",
        &format!("{} > 1", "x".repeat(99_999)),
        &format!(r#""{}" > 1"#, "x".repeat(99_999)),
        r#"{a: 1}[repeat("x", 99999)].b == 1"#,
    ] {
        let error = outcome(condition).unwrap_err();
        assert!(error.to_string().len() < 5_000, "{}", error.to_string().len());
    }
}
