//! Argo Rollouts' evaluator, asked over a pipe.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use serde::{Deserialize, Serialize};

/// A condition and what it is about; or an expression and the value it has; or two conditions and the phase they give.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Request {
    pub(crate) result: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) success: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<String>,
}

impl Request {
    pub(crate) fn condition(result: &str, condition: &str) -> Self {
        Self {
            condition: Some(condition.to_owned()),
            ..Self::about(result)
        }
    }

    pub(crate) fn expression(result: &str, expression: &str) -> Self {
        Self {
            expression: Some(expression.to_owned()),
            ..Self::about(result)
        }
    }

    pub(crate) fn phase(result: &str, success: &str, failure: &str) -> Self {
        Self {
            success: Some(success.to_owned()),
            failure: Some(failure.to_owned()),
            ..Self::about(result)
        }
    }

    fn about(result: &str) -> Self {
        Self {
            result: result.to_owned(),
            condition: None,
            expression: None,
            success: None,
            failure: None,
        }
    }
}

/// See `answer` in `go/conditions/main.go`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Answer {
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) line: usize,
    #[serde(default)]
    pub(crate) column: usize,
}

pub(crate) struct Oracle {
    program: PathBuf,
    running: Option<Running>,
    /// How often the program had to be started again: a condition without end ends it.
    pub(crate) restarts: usize,
}

struct Running {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    pub(crate) fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            running: None,
            restarts: 0,
        }
    }

    /// Answers in the order of the requests. `None` where the program timed out or crashed.
    pub(crate) fn ask(&mut self, requests: &[Request]) -> Vec<Option<Answer>> {
        let mut answers = Vec::with_capacity(requests.len());
        while answers.len() < requests.len() {
            let mut running = self.running.take().unwrap_or_else(|| start(&self.program));
            let given = running.ask(&requests[answers.len()..]);
            let finished = given.len() + answers.len() == requests.len();
            answers.extend(given.into_iter().map(Some));
            if finished {
                self.running = Some(running);
            } else {
                // The request after the last answer is the one that was too much.
                answers.push(None);
                self.restarts += 1;
                running.stop();
            }
        }
        answers
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

fn start(program: &Path) -> Running {
    let mut child = Command::new(program)
        // The zone of the controller's image.
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A crash prints the stack of every goroutine.
        .stderr(Stdio::null())
        .spawn()
        .expect("a program that was just built starts");
    let input = child.stdin.take().expect("stdin is piped");
    let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
    Running { child, input, output }
}

impl Running {
    /// As many answers as there were before the program ended.
    fn ask(&mut self, requests: &[Request]) -> Vec<Answer> {
        let lines: Vec<String> = requests
            .iter()
            .map(|request| serde_json::to_string(request).expect("a request is JSON"))
            .collect();
        let (input, output) = (&mut self.input, &mut self.output);
        thread::scope(|scope| {
            // Written beside the reading: the pipe is shorter than the requests.
            scope.spawn(|| {
                // A program that ended takes no more, which the missing answers tell.
                let _ = writeln!(input, "{}", lines.join("\n")).and_then(|()| input.flush());
            });
            let mut answers = Vec::with_capacity(lines.len());
            let mut line = String::new();
            while answers.len() < lines.len() {
                line.clear();
                if output.read_line(&mut line).unwrap_or(0) == 0 {
                    break;
                }
                let answer: Answer = serde_json::from_str(&line).expect("the program answers in JSON");
                if answer.outcome == "timeout" {
                    break;
                }
                answers.push(answer);
            }
            answers
        })
    }

    fn stop(mut self) {
        drop(self.input);
        // It may be in a loop without end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
