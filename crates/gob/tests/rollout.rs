//! A real SetWeight call of the Argo Rollouts controller: `corpus/rollout.gob`.

#![allow(clippy::unwrap_used, reason = "a failed test is the answer")]

use gob::{Decoder, Encoder, Reader, Schema};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::rollout::{Arguments, Rollout, SetWeight, WeightDestination, fixture, messages};

#[path = "support/content.rs"]
mod content;
#[path = "support/rollout.rs"]
mod rollout;

#[test]
fn everything_that_go_sent_is_read() {
    let fixture = fixture();
    let mut reader = Reader::new(&fixture.stream[..]);
    for _ in 0..2 {
        content::compare(&reader.next_value().unwrap().unwrap(), &fixture.sent).unwrap();
    }
    assert!(reader.next_value().unwrap().is_none());
}

#[test]
fn a_router_reads_what_it_needs() {
    let fixture = fixture();
    let mut reader = Reader::new(&fixture.stream[..]);
    for _ in 0..2 {
        let Arguments::SetWeightAndVerifyWeightArgs(args) = reader.next().unwrap().unwrap();
        assert_eq!(args.desired_weight, 200);
        assert_eq!(
            args.additional_destinations[1],
            WeightDestination {
                service_name: "checkout-candidate".to_owned(),
                pod_template_hash: "6d5f7c9b8".to_owned(),
                weight: 50
            }
        );
        let Rollout {
            object_meta,
            spec,
            status,
        } = args.rollout;
        assert_eq!(
            (object_meta.namespace.as_str(), object_meta.name.as_str()),
            ("shop", "checkout")
        );
        let canary = spec.strategy.canary.unwrap();
        let weights: Vec<i32> = canary.steps.iter().filter_map(|step| step.set_weight).collect();
        assert_eq!(weights, [5, 20, 60, 100]);
        let plugins = canary.traffic_routing.unwrap().plugins;
        assert!(
            plugins["argoproj-labs/gatewayAPI"].starts_with('{'),
            "a json.RawMessage can be read as text"
        );
        assert_eq!(status.current_step_index, Some(5));
    }
}

/// The name of an interface value may be ignored.
#[test]
fn the_arguments_are_read_without_their_name() {
    let fixture = fixture();
    let args: SetWeight = Reader::new(&fixture.stream[..]).next().unwrap().unwrap();
    assert_eq!(args.desired_weight, 200);
}

/// The controller's side: all declarations and a value with a few fields.
#[test]
fn a_subset_of_the_fields_can_be_written() {
    let fixture = fixture();
    let schema = Schema::parse(&fixture.schema).unwrap();
    let args: Arguments = Reader::new(&fixture.stream[..]).next().unwrap().unwrap();
    let mut stream = Vec::new();
    Encoder::new()
        .encode(schema.ty("any").unwrap(), &args, &mut stream)
        .unwrap();
    assert_eq!(
        Reader::new(&stream[..]).next::<Arguments>().unwrap().unwrap(),
        args
    );
}

#[test]
fn the_second_value_is_written_as_go_writes_it() {
    let fixture = fixture();
    let schema = Schema::parse(&fixture.schema).unwrap();
    let mut decoder = Decoder::new();
    let mut last = None;
    for body in messages(&fixture.stream) {
        last = decoder
            .message(body)
            .unwrap()
            .map(|encoded| encoded.value().unwrap());
    }
    let mut encoder = Encoder::new();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let ty = schema.ty("any").unwrap();
    encoder.encode(ty, last.as_ref().unwrap(), &mut first).unwrap();
    encoder.encode(ty, last.as_ref().unwrap(), &mut second).unwrap();
    let go = messages(&fixture.stream);
    assert_eq!(messages(&second), go[go.len() - 1..]);
}

/// Two fields of the arguments and the name of the Rollout are wanted; the hundreds of others cost nothing.
#[test]
fn skipped_fields_are_not_allocated() {
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase", default)]
    struct Wanted {
        desired_weight: i32,
    }
    let fixture = fixture();
    let bodies = messages(&fixture.stream);
    let mut decoder = Decoder::new();
    for body in &bodies {
        decoder.message(body).unwrap();
    }
    let body = bodies[bodies.len() - 1];

    let mut all = 0;
    let everything = allocation_counter::measure(|| {
        all = decoder
            .message(body)
            .unwrap()
            .unwrap()
            .value()
            .unwrap()
            .to_string()
            .len();
    });
    let nothing = allocation_counter::measure(|| {
        decoder
            .message(body)
            .unwrap()
            .unwrap()
            .deserialize::<IgnoredAny>()
            .unwrap();
    });
    let wanted = allocation_counter::measure(|| {
        let wanted: Wanted = decoder.message(body).unwrap().unwrap().deserialize().unwrap();
        assert_eq!(wanted.desired_weight, 200);
    });
    assert!(
        body.len() > 45_000 && all > body.len(),
        "{} bytes: too small a Rollout",
        body.len()
    );
    assert!(
        everything.count_total > 2_000,
        "the counter counts: {everything:?}"
    );
    // The stack of the walk over what is skipped, which grows a few times.
    assert!(nothing.count_total <= 8, "{nothing:?}");
    assert!(wanted.count_total <= 8, "{wanted:?}");
}
