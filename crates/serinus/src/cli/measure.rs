//! `serinus measure`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::json;

use super::{confidence, print};
use crate::measure::ask::{Asker, Question};
use crate::measure::burst::{Burst, burst};
use crate::measure::by::By;
use crate::measure::expect::{Check, Expectation};
use crate::measure::interval::clopper_pearson;
use crate::measure::tally::Tally;
use crate::view::live::suitable_paint;
use crate::view::paint::{Paint, Tone, percent, thousands};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to ask: http:// or https://.
    #[arg(value_parser = url)]
    url: Uri,
    /// How often to ask.
    #[arg(short = 'n', long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    requests: u64,
    /// Where an answer says who served it: `header:NAME`, `body` (all of it, of a 2xx), `jsonpath:$.PATH`.
    #[arg(long, default_value = "body", value_name = "WHERE")]
    by: By,
    /// Who should serve which share, in percent, such as `canary=20`; may be repeated.
    #[arg(long = "expect", value_name = "NAME=PERCENT")]
    expected: Vec<Expectation>,
    /// How often a correct split passes a check, in percent.
    #[arg(long, default_value_t = 99.9, value_name = "PERCENT", value_parser = confidence)]
    confidence: f64,
    /// A request header, such as `Host: shop.example.com`; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(HeaderName, HeaderValue)>,
    /// HTTP method.
    #[arg(short = 'X', long, default_value = "GET", value_name = "METHOD")]
    method: Method,
    /// Requests under way at a time.
    #[arg(short = 'c', long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    clients: u32,
    /// Use connections again. Without this each request makes its own, as curl does.
    #[arg(long)]
    keep_alive: bool,
    /// Seconds to wait for an answer.
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Answers with a 5xx do not make the exit code 1.
    #[arg(long)]
    allow_errors: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// `true`: every share holds, and every request was answered by somebody who says who they are, and without a 5xx.
pub(super) async fn run(args: Args) -> anyhow::Result<bool> {
    let mut headers = HeaderMap::new();
    for (name, value) in args.headers.iter().cloned() {
        headers.append(name, value);
    }
    let asker = Asker::new(Question {
        uri: args.url.clone(),
        method: args.method.clone(),
        headers,
        by: args.by.clone(),
        timeout: Duration::from_secs(args.timeout),
        keep_alive: args.keep_alive,
    })?;
    let began = Instant::now();
    let burst = tokio::select! {
        burst = burst(&asker, args.requests, args.clients) => burst,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    };
    let took = began.elapsed();
    let confidence = args.confidence / 100.0;
    let checks: Vec<Check> = args
        .expected
        .iter()
        .map(|e| Check::judge(e.clone(), &burst.tally, confidence))
        .collect();
    let holds = checks.iter().all(|c| c.holds);
    let well = burst.is_well(args.allow_errors);
    if args.json {
        let complaints: BTreeMap<String, u64> = burst
            .complaints
            .iter()
            .map(|(complaint, times)| (complaint.to_string(), *times))
            .collect();
        let report = json!({
            "url": args.url.to_string(), "requests": args.requests, "seconds": took.as_secs_f64(),
            "tally": burst.tally, "named": burst.tally.named(), "failed": burst.tally.failed(),
            "statuses": burst.statuses, "complaints": complaints, "checks": checks, "holds": holds && well,
        });
        print(&format!("{report:#}\n"));
    } else {
        print(&text(&args, &burst, &checks, took, suitable_paint()));
    }
    anyhow::ensure!(burst.tally.named() > 0, "no answer says who served it; see --by");
    Ok(holds && well)
}

/// The longest name that is shown as a whole.
const NAME_COLUMNS: usize = 60;

/// The same for a complaint, which has a URL in it.
const COMPLAINT_COLUMNS: usize = 240;

fn text(args: &Args, burst: &Burst, checks: &[Check], took: Duration, paint: Paint) -> String {
    let tally = &burst.tally;
    let named = tally.named();
    let rate = tally.requests() as f64 / took.as_secs_f64();
    let mut out = format!(
        "{} requests to {} in {:.1} s ({rate:.0} a second)",
        thousands(tally.requests()),
        args.url,
        took.as_secs_f64()
    );
    if tally.failed() > 0 {
        let failed = format!("{} failed", thousands(tally.failed()));
        let _ = write!(out, ", {}", paint.text(Tone::Bad, &failed));
    }
    out.push('\n');
    let mut names: Vec<&String> = tally.by.keys().collect();
    names.extend(
        args.expected
            .iter()
            .map(|e| &e.who)
            .filter(|who| !tally.by.contains_key(*who)),
    );
    let names: Vec<(&String, String)> = names
        .into_iter()
        .map(|name| (name, legible(name, NAME_COLUMNS)))
        .collect();
    let width = names.iter().map(|(_, shown)| shown.chars().count()).max();
    let width = width.unwrap_or(0);
    // Without an answer that names anybody there is nothing to compare.
    for (name, shown) in names.into_iter().filter(|_| named > 0) {
        let count = tally.of(name);
        let (low, high) = clopper_pearson(count.answers, named, args.confidence / 100.0);
        let measured = count.answers as f64 / named as f64 * 100.0;
        let _ = write!(
            out,
            "  {shown:<width$}  {:>17}  {measured:>5.1} %  its share is between {:.1} % and {:.1} %",
            format!("{} of {}", thousands(count.answers), thousands(named)),
            low * 100.0,
            high * 100.0
        );
        for check in checks.iter().filter(|c| c.expected.who == *name) {
            let (low, high) = check.allowed;
            let (word, tone) = if check.holds {
                ("holds", Tone::Good)
            } else {
                ("does not hold", Tone::Bad)
            };
            let share = percent(check.expected.share);
            let _ = write!(
                out,
                "; {share} allows {} to {}: {}",
                thousands(low),
                thousands(high),
                paint.text(tone, word)
            );
        }
        for (status, times) in burst.statuses.get(name).into_iter().flatten() {
            let tone = if *status >= 500 { Tone::Bad } else { Tone::Strong };
            let answered = format!("{} answered {status}", thousands(*times));
            let _ = write!(out, "; {}", paint.text(tone, &answered));
        }
        out.push('\n');
    }
    for (complaint, times) in &burst.complaints {
        let _ = writeln!(
            out,
            "  {} ×{}",
            paint.text(Tone::Bad, &legible(&complaint.to_string(), COMPLAINT_COLUMNS)),
            thousands(*times)
        );
    }
    out += &shares(tally);
    if !checks.is_empty() {
        let _ = writeln!(
            out,
            "A correct split passes a check {} of the time.",
            percent(args.confidence / 100.0)
        );
    }
    out
}

/// Of which requests the shares are, where that is not all of them, or not all went well.
fn shares(tally: &Tally) -> String {
    let (named, errors) = (tally.named(), tally.errors());
    let others = tally.requests() - named;
    if named == 0 || others + errors == 0 {
        return String::new();
    }
    let mut out = format!(
        "Shares are of the {} answers that say who served",
        thousands(named)
    );
    if errors > 0 {
        let _ = write!(out, ", {} with a 5xx among them", thousands(errors));
    }
    if others > 0 {
        let _ = write!(out, "; {} requests have no such answer", thousands(others));
    }
    out.push_str(".\n");
    out
}

/// What a server says as one piece of a line: what a terminal would obey is escaped, and the rest is cut off.
fn legible(text: &str, columns: usize) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::new();
    let mut used = 0;
    for (at, c) in text.char_indices() {
        let escaped = if obeyed(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        };
        let width = escaped.chars().count();
        let last = text.len() == at + c.len_utf8();
        // The sign of a cut needs a column too.
        if used + width + usize::from(!last) > columns {
            out.push('…');
            break;
        }
        out += &escaped;
        used += width;
    }
    out
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME: VALUE")?;
    let name = name
        .trim()
        .parse()
        .map_err(|_| format!("{name:?} is not a header name"))?;
    let value = value.trim();
    // Servers refuse it, or take it for the name of nobody.
    if name == http::header::HOST && !value.parse().is_ok_and(|host| is_host(&host)) {
        return Err(format!("{value:?} is not a host; write NAME or NAME:PORT"));
    }
    let value = value
        .parse()
        .map_err(|_| format!("{value:?} is not a header value"))?;
    Ok((name, value))
}

fn url(text: &str) -> Result<Uri, String> {
    let write = "write http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH, with a blank as %20";
    let url: Uri = text.parse().map_err(|error| format!("{error}; {write}"))?;
    match (url.scheme_str(), url.authority()) {
        (Some("http" | "https"), Some(authority)) if is_host(authority) => Ok(url),
        (_, Some(authority)) if authority.as_str().contains('@') => {
            Err("a name and a password in it are not sent; give -H 'Authorization: …' instead".to_owned())
        }
        (Some("http" | "https"), _) => Err(format!("it has no host and port that can be asked; {write}")),
        _ => Err(write.to_owned()),
    }
}

/// Whether it is a host, with a port or without one, and nothing else.
fn is_host(authority: &Authority) -> bool {
    let (host, port) = (
        authority.host(),
        authority.as_str().strip_prefix(authority.host()),
    );
    match port {
        Some("") => !host.is_empty(),
        Some(_) => !host.is_empty() && authority.port_u16().is_some_and(|port| port > 0),
        // Somebody's name and password stand before it.
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use expect_test::expect;
    use http::StatusCode;

    use super::*;
    use crate::measure::burst::Complaint;
    use crate::measure::tally::Count;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &[&str]) -> Result<Args, String> {
        Line::try_parse_from(["measure"].iter().chain(line))
            .map(|line| line.args)
            .map_err(|error| error.to_string())
    }

    fn shown(more: &[&str], burst: &Burst) -> String {
        let args = parse(&[&["http://shop.example/"], more].concat()).unwrap();
        let checks: Vec<Check> = args
            .expected
            .iter()
            .map(|e| Check::judge(e.clone(), &burst.tally, 0.999))
            .collect();
        text(
            &args,
            burst,
            &checks,
            Duration::from_secs(2),
            Paint { colour: false },
        )
    }

    #[test]
    fn all_is_well() {
        let mut burst = Burst::default();
        for (who, answers) in [("canary", 113), ("stable", 387)] {
            burst.tally.by.insert(who.into(), Count { answers, errors: 0 });
        }
        expect![[r#"
            500 requests to http://shop.example/ in 2.0 s (250 a second)
              canary         113 of 500   22.6 %  its share is between 16.8 % and 29.2 %; 20 % allows 72 to 130: holds
              stable         387 of 500   77.4 %  its share is between 70.8 % and 83.2 %
            A correct split passes a check 99.9 % of the time.
        "#]].assert_eq(&shown(&["--expect", "canary=20"], &burst));
    }

    #[test]
    fn what_failed_is_told_with_the_requests() {
        let mut burst = Burst::default();
        burst.tally.by.insert(
            "v1".into(),
            Count {
                answers: 80,
                errors: 5,
            },
        );
        burst
            .statuses
            .insert("v1".into(), [(302, 7), (500, 4), (503, 1)].into());
        burst.tally.unnamed.answers = 17;
        burst.tally.unanswered = 3;
        burst.complaints = [
            (Complaint::Nameless(StatusCode::SERVICE_UNAVAILABLE), 17),
            (Complaint::Unanswered("no answer in 10s".into()), 3),
        ]
        .into();
        expect![[r#"
            100 requests to http://shop.example/ in 2.0 s (50 a second), 25 failed
              v1           80 of 80  100.0 %  its share is between 90.9 % and 100.0 %; 7 answered 302; 4 answered 500; 1 answered 503
              answered 503 Service Unavailable without saying who served ×17
              no answer in 10s ×3
            Shares are of the 80 answers that say who served, 5 with a 5xx among them; 20 requests have no such answer.
        "#]]
        .assert_eq(&shown(&[], &burst));
    }

    #[test]
    fn what_servers_say_is_shown_and_not_obeyed() {
        let long = "y".repeat(61);
        let cases = [
            ("v2", "v2".to_owned()),
            ("naïve 🐤", "naïve 🐤".to_owned()),
            (
                "\x1b[31mred\x07\r\nnext\t",
                r"\u{1b}[31mred\u{7}\r\nnext\t".to_owned(),
            ),
            ("a\u{9b}b\u{202e}c", r"a\u{9b}b\u{202e}c".to_owned()),
            (&long[1..], "y".repeat(60)),
            (&long, format!("{}…", "y".repeat(59))),
            (&format!("{}\x1b", &long[..58]), format!("{}…", "y".repeat(58))),
        ];
        for (text, want) in cases {
            assert_eq!(legible(text, NAME_COLUMNS), want, "{text:?}");
        }
        let mut burst = Burst::default();
        let count = Count {
            answers: 3,
            errors: 0,
        };
        burst.tally.by.insert("\x1b]0;owned\x07\n".repeat(9), count);
        burst.complaints = [(Complaint::Unanswered("bad \x1b[2J".into()), 1)].into();
        let shown = shown(&[], &burst);
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert!(!shown.contains(['\x1b', '\x07']), "{shown:?}");
    }

    #[test]
    fn arguments() {
        let asked = "http://shop.example/";
        let taken: [&[&str]; 8] = [
            &[asked],
            &["https://shop.example"],
            &["http://127.0.0.1:8080/a%20b?c=d"],
            &["http://[::1]:8080/"],
            &[asked, "-H", "Host: shop.example:80"],
            &[asked, "-H", "Host: [::1]"],
            &[asked, "-H", "X-Words: a b"],
            &[asked, "--timeout", "3600"],
        ];
        for line in taken {
            assert!(parse(line).is_ok(), "{line:?}");
        }
        let refused: [(&[&str], &str); 17] = [
            (
                &["http://shop.example/a b"],
                "invalid uri character; write http://HOST[:PORT]/PATH",
            ),
            (&["shop.example"], "write http://HOST[:PORT]/PATH"),
            (&["/path"], "write http://HOST[:PORT]/PATH"),
            (&["ftp://shop.example/"], "write http://HOST[:PORT]/PATH"),
            (&["http://:80/"], "no host and port that can be asked"),
            (
                &["http://shop.example:99999/"],
                "no host and port that can be asked",
            ),
            (&["http://shop.example:0/"], "no host and port that can be asked"),
            (
                &["http://me:secret@shop.example/"],
                "a name and a password in it are not sent",
            ),
            (&[asked, "-H", "Host: a b"], "\"a b\" is not a host"),
            (&[asked, "-H", "host: http://x/"], "\"http://x/\" is not a host"),
            (&[asked, "-H", "Host:"], "\"\" is not a host"),
            (&[asked, "-H", "Host: x:99999"], "\"x:99999\" is not a host"),
            (
                &[asked, "-H", "two words: x"],
                "\"two words\" is not a header name",
            ),
            (&[asked, "-H", "Host"], "write NAME: VALUE"),
            (&[asked, "--timeout", "0"], "0 is not in 1..=3600"),
            (
                &[asked, "--timeout", "18446744073709551615"],
                "is not in 1..=3600",
            ),
            (
                &[asked, "--confidence", "1e300"],
                "not a percentage from 50 to 99.999999",
            ),
        ];
        for (line, want) in refused {
            let error = parse(line).unwrap_err();
            assert!(error.contains(want), "{line:?}: {error}");
        }
    }
}
