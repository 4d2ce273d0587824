//! Destinations beside stable and canary.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_experiment_whose_service_is_missing_is_told_for_each_route_that_needs_it() {
    let fake = Fake::new(vec![]);
    fake.add_route("httproutes", "has-it");
    fake.add_route("tcproutes", "tcp");
    let path = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/has-it";
    let mut has_it = fake.web();
    has_it["metadata"]["name"] = json!("has-it");
    let backends = has_it["spec"]["rules"][0]["backendRefs"].as_array_mut().unwrap();
    backends.push(json!({"name": "exp", "port": 80, "weight": 0}));
    fake.add(path, has_it);
    let several = rollout(
        json!({"httpRoutes": [{"name": "web"}, {"name": "has-it"}], "tcpRoute": "tcp"}),
        1,
    );
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 10,
        ..Default::default()
    };
    let error = router(&fake)
        .set_weight(&several, 20, &[destination])
        .await
        .unwrap_err()
        .to_string();
    let why = "experiment Service \"exp\" cannot be read: the API server answered 404 NotFound: because of NotFound";
    assert_eq!(
        error,
        format!(
            "rollout shop/web: HTTPRoute shop/web: {why}; TCPRoute shop/tcp: {why}; done: HTTPRoute shop/has-it"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn an_experiments_ports_are_looked_up_once() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 10,
        ..Default::default()
    };
    let error = router
        .set_weight(&web(), 20, std::slice::from_ref(&destination))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("experiment Service \"exp\" cannot be read: the API server answered 404"),
        "{error}"
    );
    fake.add(
        "/api/v1/namespaces/shop/services/exp",
        json!({"spec": {"ports": [{"port": 8080}]}}),
    );
    fake.verbs();
    for verbs in ["GET GET GET PUT", "GET"] {
        router
            .set_weight(&web(), 20, std::slice::from_ref(&destination))
            .await
            .unwrap();
        assert_eq!(fake.verbs(), verbs);
    }
    let rule = fake.web()["spec"]["rules"][1].clone();
    assert_eq!(
        rule["backendRefs"][2],
        json!({"name": "exp", "port": 8080, "weight": 10})
    );
}

/// At a step that is an experiment with two weights, without managed routes.
fn experimenting() -> Rollout {
    let mut stored = stored(json!({"httpRoute": "web"}), 0);
    stored["spec"]["strategy"]["canary"]["steps"] = json!([{"experiment": {"templates": [
        {"name": "baseline", "specRef": "stable", "weight": 10}, {"name": "candidate", "specRef": "canary", "weight": 15},
    ]}}]);
    stored["status"]["canary"] = json!({"currentExperiment": "web-b-2-0"});
    parse(&stored)
}

fn nameless() -> [WeightDestination; 2] {
    [10, 15].map(|weight| WeightDestination {
        weight,
        ..Default::default()
    })
}

/// Seen of argo-rollouts 1.10.1 on a busy machine, for as long as the experiment ran.
#[tokio::test(start_paused = true)]
async fn an_experiment_whose_services_lost_their_names_gets_its_traffic() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    for template in ["baseline", "candidate"] {
        let path = format!("/api/v1/namespaces/shop/services/web-b-2-0-{template}");
        fake.add(&path, json!({"spec": {"ports": [{"port": 8080}]}}));
    }
    let running = experimenting();
    for verbs in ["GET GET GET GET GET PUT", "GET"] {
        fake.verbs();
        router.set_weight(&running, 20, &nameless()).await.unwrap();
        assert_eq!(fake.verbs(), verbs);
    }
    assert_eq!(
        fake.web()["spec"]["rules"][0]["backendRefs"],
        json!([
            {"name": "stable", "port": 80, "weight": 55}, {"name": "canary", "port": 80, "weight": 20},
            {"name": "web-b-2-0-baseline", "port": 8080, "weight": 10},
            {"name": "web-b-2-0-candidate", "port": 8080, "weight": 15},
        ])
    );
    assert_eq!(fake.events().await, [""; 0]);
    router.set_weight(&running, 20, &[]).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
}

/// What cannot be read for now is no reason to take an experiment its traffic for as long as nobody calls.
#[tokio::test(start_paused = true)]
async fn an_experiment_whose_service_cannot_be_read_for_now_is_tried_again() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    for template in ["baseline", "candidate"] {
        let path = format!("/api/v1/namespaces/shop/services/web-b-2-0-{template}");
        fake.add(&path, json!({"spec": {"ports": [{"port": 8080}]}}));
    }
    router.set_weight(&web(), 20, &[]).await.unwrap();
    // The first reading is that of the route.
    fake.fault(Method::GET, Fault::OtherWriter);
    fake.fault(Method::GET, Fault::Status(503, "ServiceUnavailable"));
    let error = router.set_weight(&experimenting(), 20, &nameless()).await;
    assert!(error.unwrap_err().to_string().contains("cannot be read"));
    router
        .set_weight(&experimenting(), 20, &nameless())
        .await
        .unwrap();
    assert_eq!(
        fake.web()["spec"]["rules"][0]["backendRefs"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(fake.events().await, [""; 0]);
}

/// The controller makes no Service for pods without ports (Go: `experiments/experiment.go` `createTemplateService`), and
/// a plugin may not be allowed to read Services.
#[tokio::test(start_paused = true)]
async fn an_experiment_without_a_service_is_told_and_holds_up_nothing() {
    let fake = Fake::new(vec![]);
    let router = router(&fake);
    router
        .set_weight(&experimenting(), 20, &nameless())
        .await
        .unwrap();
    assert_eq!(fake.weights(), "80:20");
    let mut events = fake.events().await;
    events.sort();
    let [baseline, candidate] = [("baseline", 10), ("candidate", 15)].map(|(template, weight)| {
        format!(
            "WeightNotServed: experiment Service \"web-b-2-0-{template}\" cannot be read: the API server answered 404 \
             NotFound: because of NotFound; the controller does not name it, and its weight {weight} is not given to it"
        )
    });
    assert_eq!(events, [baseline, candidate]);

    router.set_weight(&web(), 20, &nameless()).await.unwrap();
    assert_eq!(fake.weights(), "80:20");
    assert_eq!(
        fake.events().await,
        [
            "WeightNotServed: the controller asks for weight 25 for experiments whose Services it does not name: they get no traffic"
        ]
    );
}

/// The stable version got more with each experiment: what went back to the user's own backendRef was given twice.
#[tokio::test(start_paused = true)]
async fn experiments_give_back_what_they_borrowed() {
    let fake = Fake::new(vec![]);
    let backends = json!([
        {"name": "stable", "port": 80, "weight": 90}, {"name": "canary", "port": 80, "weight": 0},
        {"name": "exp", "port": 80, "weight": 10}, {"name": "else", "port": 80, "weight": 100}]);
    fake.edit_web(|route| route["spec"]["rules"][0]["backendRefs"] = backends.clone());
    let router = router(&fake);
    let destination = WeightDestination {
        service_name: "exp".into(),
        weight: 20,
        ..Default::default()
    };
    let calm = experimenting();
    for _ in 0..3 {
        router
            .set_weight(&calm, 0, std::slice::from_ref(&destination))
            .await
            .unwrap();
        assert_ne!(fake.web()["spec"]["rules"][0]["backendRefs"], backends);
        router.set_weight(&calm, 0, &[]).await.unwrap();
        assert_eq!(fake.web()["spec"]["rules"][0]["backendRefs"], backends);
    }
}
