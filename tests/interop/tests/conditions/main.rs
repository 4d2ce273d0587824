//! Conditions against Argo Rollouts' own evaluator, the Go program in `go/conditions`.
//!
//! Random conditions must have the same outcome, the same kind of error, and – with a few exceptions that are named
//! here – the same message in the same place. `cargo test -p interop conditions` tries a fixed number of them;
//! `CONDITIONS_FUZZ_SECONDS=600` goes on for that long with a new seed, which is printed and which
//! `CONDITIONS_FUZZ_SEED` repeats.

mod cross;
mod generate;
mod oracle;
mod random;
mod vocabulary;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use conditions::{ErrorKind, Value, evaluate, phase};
use interop::go_program;

use self::cross::Cross;
use self::generate::Generator;
use self::oracle::{Answer, Oracle, Request};

#[test]
fn conditions_of_the_fixtures_have_the_recorded_outcome() {
    let Some(program) = go_program("conditions") else {
        return;
    };
    let fixtures = fixtures();
    let requests: Vec<Request> = fixtures
        .iter()
        .map(|(result, condition)| Request::condition(result, condition))
        .collect();
    let answers = Oracle::new(&program).ask(&requests);
    let mut differ = Differences::default();
    for ((result, condition), answer) in fixtures.iter().zip(answers) {
        differ.compare(
            result,
            condition,
            &answer.expect("no fixture takes long"),
            &mut Vec::new,
        );
    }
    differ.fail();
}

#[test]
fn conditions_give_the_phases_of_argo() {
    let Some(program) = go_program("conditions") else {
        return;
    };
    let conditions = [
        "",
        "true",
        "false",
        "result > 1",
        "result < 5",
        "nope",
        "result[0] > 1",
        "result",
        "len(result) > 0",
    ];
    let results = [
        "f:0.5", "f:3", "f:7", "nil", "sf:[]", "sf:[2]", "nan", "json:{}", "json:[]", "s:",
    ];
    let mut requests = Vec::new();
    for result in results {
        for success in conditions {
            requests.extend(conditions.map(|failure| Request::phase(result, success, failure)));
        }
    }
    let answers = Oracle::new(&program).ask(&requests);
    for (request, answer) in requests.iter().zip(answers) {
        let answer = answer.expect("no phase takes long");
        let [success, failure] =
            [&request.success, &request.failure].map(|condition| condition.as_deref().unwrap_or(""));
        let value: Value = request
            .result
            .parse()
            .expect("the results above are spelled right");
        let (ours, message) = match phase(success, failure, &value) {
            Ok(phase) => (phase.to_string(), String::new()),
            Err(error) => ("Error".to_owned(), error.to_string()),
        };
        assert_eq!(ours, answer.outcome, "{request:?}");
        // Ours goes on with the place.
        assert!(
            same_message(&message, &answer.message),
            "{request:?}: {message}\nin Go {}",
            answer.message
        );
    }
}

#[test]
fn conditions_at_random_agree_with_go() {
    let fixtures = fixtures();
    let mut generator = Generator::new(seed(), &fixtures);
    agree(|_| generator.case());
}

/// What built-ins, operators and methods make of values of every type, down to the last digit and the order of keys.
#[test]
fn conditions_at_random_have_the_values_of_go() {
    let mut cross = Cross::new(seed());
    agree(|oracle| {
        let (result, expression) = cross.case();
        let asked = oracle.ask(&[Request::expression(&result, &expression)]);
        let condition = match asked.into_iter().next().flatten() {
            Some(answer) if answer.outcome == "value" => {
                format!("string({expression}) == {}", serde_json::json!(answer.message))
            }
            _ => format!("string({expression}) == \"\""),
        };
        (result, condition)
    });
}

fn seed() -> u64 {
    number_from("CONDITIONS_FUZZ_SEED").unwrap_or_else(|| match number_from("CONDITIONS_FUZZ_SECONDS") {
        None => 1,
        Some(_) => std::process::id().into(),
    })
}

/// Has Go and us answer cases until the budget of the run is spent.
#[expect(
    clippy::print_stdout,
    reason = "what was compared is the outcome of a long run"
)]
fn agree(mut case: impl FnMut(&mut Oracle) -> (String, String)) {
    let Some(program) = go_program("conditions") else {
        return;
    };
    let budget = match number_from("CONDITIONS_FUZZ_SECONDS") {
        None => Budget::Cases(6_000),
        Some(seconds) => Budget::Until(Instant::now() + Duration::from_secs(seconds)),
    };
    let mut oracle = Oracle::new(&program);
    let mut differ = Differences::default();
    while !budget.is_spent(differ.cases) {
        let cases: Vec<(String, String)> = (0..500).map(|_| case(&mut oracle)).collect();
        let requests: Vec<Request> = cases
            .iter()
            .map(|(result, condition)| Request::condition(result, condition))
            .collect();
        let answers = oracle.ask(&requests);
        for ((result, condition), answer) in cases.iter().zip(answers) {
            let Some(answer) = answer else {
                differ.endless(result, condition);
                continue;
            };
            let mut again = || {
                oracle
                    .ask(&vec![Request::condition(result, condition); 60])
                    .into_iter()
                    .flatten()
                    .collect()
            };
            differ.compare(result, condition, &answer, &mut again);
        }
    }
    println!(
        "seed {}, Go restarted {} times: {differ}",
        seed(),
        oracle.restarts
    );
    differ.fail();
}

enum Budget {
    Cases(usize),
    Until(Instant),
}

impl Budget {
    fn is_spent(&self, cases: usize) -> bool {
        match self {
            Self::Cases(most) => cases >= *most,
            Self::Until(end) => Instant::now() >= *end,
        }
    }
}

fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{variable} is {value:?}, and should be a number")),
    )
}

/// Results and conditions of every recorded case.
fn fixtures() -> Vec<(String, String)> {
    let files = [
        include_str!("../../../../crates/conditions/fixtures/conditions.jsonl"),
        include_str!("../../../../crates/conditions/fixtures/argo-docs.jsonl"),
        include_str!("../../../../crates/conditions/fixtures/corners.jsonl"),
    ];
    let case = |line: &str| {
        let json: serde_json::Value = serde_json::from_str(line).expect("a fixture is JSON");
        let field = |name: &str| {
            json[name]
                .as_str()
                .expect("a fixture's fields are strings")
                .to_owned()
        };
        (field("result"), field("condition"))
    };
    files.iter().flat_map(|file| file.lines()).map(case).collect()
}

/// Whether the condition makes text of a function. Go prints its address, which a run does not change but the next
/// build does.
fn prints_a_function(condition: &str) -> bool {
    let names = [
        "$env", "isNaN", "isInf", "isNil", "asInt", "asFloat", "default", ".Year", ".Hours", "#",
    ];
    let prints = ["string(", "toJSON(", "string ("]
        .iter()
        .any(|call| condition.contains(call));
    prints && names.iter().any(|name| condition.contains(name))
}

/// What was compared, and what was found.
#[derive(Default)]
struct Differences {
    cases: usize,
    outcomes: BTreeMap<String, usize>,
    /// Cases that Go answers now so, now so: the order of a map, the time, the address of a function.
    unsteady: usize,
    /// Cases that only our budgets end.
    limited: usize,
    /// Errors with another message or place, which may be.
    reworded: usize,
    found: Vec<String>,
}

impl Differences {
    #[expect(
        clippy::print_stdout,
        reason = "asked for, to see which messages are worded otherwise"
    )]
    fn compare(
        &mut self,
        result: &str,
        condition: &str,
        go: &Answer,
        again: &mut dyn FnMut() -> Vec<Answer>,
    ) {
        self.cases += 1;
        let ours = answer(result, condition);
        *self
            .outcomes
            .entry(format!("{} {}", go.outcome, go.kind).trim().to_owned())
            .or_default() += 1;
        if ours.kind == "limit" && go.kind != "limit" {
            self.limited += 1;
            return;
        }
        let agrees = |go: &Answer| ours.outcome == go.outcome && (ours.kind == go.kind || go.kind == "panic");
        if !agrees(go) {
            // The order of a map is random there.
            let others = again();
            let is_unsteady = others.iter().any(|other| other != go);
            if is_unsteady
                || prints_a_function(condition) && (go.outcome != "error" || ours.outcome != "error")
            {
                self.unsteady += 1;
                return;
            }
            self.found.push(format!(
                "{condition}\n  with {result}\n  here {} {} {}\n  in Go {} {} {}",
                ours.outcome, ours.kind, ours.message, go.outcome, go.kind, go.message
            ));
        } else if !same_message(&ours.message, &go.message)
            || (ours.line, ours.column) != (go.line, go.column) && go.line > 0
        {
            self.reworded += 1;
            if std::env::var_os("CONDITIONS_FUZZ_MESSAGES").is_some() {
                println!(
                    "{condition}\n  with {result}\n  here {} {}:{}\n  in Go {} {}:{}",
                    ours.message, ours.line, ours.column, go.message, go.line, go.column
                );
            }
        }
    }

    /// Go did not come to an end; we must.
    fn endless(&mut self, result: &str, condition: &str) {
        self.cases += 1;
        self.limited += 1;
        let begin = Instant::now();
        let ours = answer(result, condition);
        if begin.elapsed() > Duration::from_secs(5) {
            self.found.push(format!(
                "{condition}\n  with {result}\n  here after {:?} {}",
                begin.elapsed(),
                ours.outcome
            ));
        }
    }

    fn fail(&self) {
        assert!(
            self.found.is_empty(),
            "{} conditions differ:\n{}",
            self.found.len(),
            self.found.join("\n")
        );
    }
}

impl std::fmt::Display for Differences {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            cases,
            outcomes,
            unsteady,
            limited,
            reworded,
            found,
        } = self;
        write!(
            f,
            "{cases} cases, {outcomes:?}, {} differ, {unsteady} unsteady in Go, {limited} ended by a budget, {reworded} reworded",
            found.len()
        )
    }
}

/// Our answer in the words of the Go program.
fn answer(result: &str, condition: &str) -> Answer {
    let value: Value = result.parse().expect("results are generated right");
    match evaluate(&value, condition) {
        Ok(answer) => Answer {
            outcome: answer.to_string(),
            ..Answer::default()
        },
        Err(error) => {
            let kind = match error.kind() {
                ErrorKind::Syntax => "syntax",
                ErrorKind::Type => "type",
                ErrorKind::NotBool => "not bool",
                // Go has these two budgets as well.
                ErrorKind::Limit if error.message() == "memory budget exceeded" => "run",
                ErrorKind::Limit => "limit",
                _ => "run",
            };
            let (line, column) = error.position().unwrap_or_default();
            let message = error.message().to_owned();
            Answer {
                outcome: "error".to_owned(),
                kind: kind.to_owned(),
                message,
                line,
                column,
            }
        }
    }
}

/// The same up to where ours goes on.
fn same_message(ours: &str, go: &str) -> bool {
    ours.lines().next().unwrap_or("").starts_with(go.trim_end()) || ours.starts_with(go.trim_end())
}
