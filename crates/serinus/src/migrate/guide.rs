//! In which order the manifests are applied, why each move is safe, what is different afterwards, and the way back.

use super::deployment::Deployment;
use super::object::{Object, list, text};
use super::route::{self, Route};
use super::selector;
use super::service::{self, Canary, Service};
use super::{ScaleDown, Template};
use crate::manifests::Document;

/// What to tell whoever migrates.
#[derive(Debug, Clone, Default)]
pub struct Guide {
    /// `Deployment demo/shop becomes Rollout demo/shop`
    pub title: String,
    /// Move by move.
    pub order: Vec<Move>,
    /// What of these manifests deserves a thought.
    pub notes: Vec<String>,
    /// What is different afterwards.
    pub afterwards: Vec<String>,
    /// The way back.
    pub back: Vec<Move>,
}

/// One move.
#[derive(Debug, Clone)]
pub struct Move {
    /// A few words.
    pub title: String,
    /// What to do.
    pub how: How,
    /// Why nobody notices.
    pub safe: String,
    /// What must be true before the next move; empty where nothing is waited for.
    pub until: String,
}

/// How a move is made.
#[derive(Debug, Clone)]
pub enum How {
    /// A manifest is applied.
    Apply(Box<Document>),
    /// Commands.
    Run(Vec<String>),
}

/// Who takes part.
pub(super) struct Cast<'c, 'd> {
    pub(super) objects: &'c [Object<'d>],
    pub(super) deployment: &'c Deployment<'d>,
    pub(super) service: &'c Service<'d>,
    pub(super) canary: &'c Canary,
    pub(super) routes: &'c [Route<'d>],
    pub(super) rollout: &'c Document,
    pub(super) scalers: &'c [Document],
    pub(super) retired: Option<&'c Document>,
    pub(super) template: Template,
}

/// Label by which the controller tells the pods of versions apart.
const HASH: &str = "rollouts-pod-template-hash";

pub(super) fn write(cast: &Cast<'_, '_>) -> Guide {
    Guide {
        title: format!(
            "{} becomes {}",
            cast.deployment.object.title(),
            title(cast.rollout)
        ),
        order: cast.order(),
        notes: cast.notes(),
        afterwards: cast.afterwards(),
        back: cast.back(),
    }
}

fn title(document: &Document) -> String {
    Object::new(document).title()
}

fn apply(document: &Document, safe: String) -> Move {
    Move {
        title: title(document),
        how: How::Apply(Box::new(document.clone())),
        safe,
        until: String::new(),
    }
}

impl Cast<'_, '_> {
    fn order(&self) -> Vec<Move> {
        let (name, service) = (self.deployment.name(), self.service.object.name());
        let replicas = self.deployment.replicas;
        let mut order = vec![apply(
            &self.canary.document,
            format!("it is new, and nothing refers to it. It selects what Service {service} selects."),
        )];
        for route in self.routes {
            order.push(apply(
                &route.document,
                "the second backend has the weight 0: every request goes where it went. It comes before the Rollout, because \
                 the traffic router refuses a route without both Services, and a refused call starts no pods."
                    .to_owned(),
            ));
        }
        let fate = match self.template {
            Template::Referenced(ScaleDown::OnSuccess) => format!(
                " Then it takes the Deployment's away, which serve nobody by now; until then there are {replicas} more."
            ),
            Template::Referenced(ScaleDown::Progressively) => " For each of them that is ready it takes one of the \
                Deployment's away; only in the Rollout's first revision: if that one fails and another follows, the Deployment keeps its pods."
                .to_owned(),
            Template::Referenced(ScaleDown::Never) | Template::Inline => {
                " The Deployment keeps its pods, which serve nobody by then.".to_owned()
            }
        };
        let mut rollout = apply(
            self.rollout,
            format!(
                "a Rollout's first version goes without its steps. Its {replicas} pods have the labels that Service {service} \
                 selects, so they serve beside the Deployment's. When all are ready the controller points the Service at them alone.{fate}"
            ),
        );
        rollout.until = self.kubectl(&format!(
            "wait rollout/{name} --for=jsonpath={{.status.phase}}=Healthy --timeout=15m"
        ));
        order.push(rollout);
        for scaler in self.scalers {
            order.push(apply(
                scaler,
                "the Rollout stands with a fixed number of pods until now, and none of the Deployment's is left to be scaled."
                    .to_owned(),
            ));
        }
        order.push(self.last_move());
        order
    }

    /// The Deployment goes, or stays as a template.
    fn last_move(&self) -> Move {
        let name = self.deployment.name();
        let Some(retired) = self.retired else {
            return Move {
                title: format!("delete {}", self.deployment.object.title()),
                how: How::Run(vec![self.kubectl(&format!("delete deployment {name}"))]),
                safe: format!(
                    "no Service that the route knows selects its pods any more. Take it out of Git before it is synced again; {} has all of it.",
                    title(self.rollout)
                ),
                until: String::new(),
            };
        };
        let safe = match self.template {
            Template::Referenced(ScaleDown::Never) => {
                "no Service that the route knows selects its pods any more."
            }
            _ => {
                "the cluster is so already. With it Git says the same; without it the next sync would start pods that serve nobody."
            }
        };
        let mut last = apply(retired, safe.to_owned());
        last.title = format!("{} with replicas: 0", self.deployment.object.title());
        last
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let service = self.service.object;
        for route in self.routes {
            if route.anew {
                notes.push(format!(
                    "{}: written anew, because its text has a form that cannot be changed in place; comments in it are gone",
                    route.object.title()
                ));
            }
            if route::mirrors(route, self.service) {
                notes.push(format!(
                    "{}: a requestMirror to Service {} stays: copies go to the stable version",
                    route.object.title(),
                    service.name()
                ));
            }
        }
        if self.objects.iter().any(|object| object.document.rewritten) {
            notes.push(
                "objects of a List are written one by one, their keys in the order of the alphabet"
                    .to_owned(),
            );
        }
        for other in service::left_out(self.objects, self.service, self.deployment) {
            notes.push(format!(
                "{}: Service {} selects its pods too, but only until the Rollout is healthy: then the controller writes {HASH} into \
                 the selector, and no more requests reach them by it. Whoever needs them must call another Service before",
                other.title(),
                service.name()
            ));
        }
        for other in service::others(self.objects, self.service, self.deployment) {
            notes.push(format!(
                "{}: it selects the pods of every version; who calls it meets the new one by its share of the pods, not of the weights",
                other.title()
            ));
        }
        for object in self
            .objects
            .iter()
            .filter(|object| service::mentions(object, service.name()))
        {
            notes.push(format!(
                "{}: what comes in by it goes to the stable version alone, whatever the weights",
                object.title()
            ));
        }
        if !matches!(text(&service.value["spec"]["type"]), "" | "ClusterIP") {
            notes.push(format!(
                "{}: it is of type {}; the canary's is reached inside of the cluster only",
                service.title(),
                text(&service.value["spec"]["type"])
            ));
        }
        for object in self
            .objects
            .iter()
            .filter(|object| object.is("policy", "PodDisruptionBudget"))
        {
            notes.push(format!(
                "{}: unchanged; it selects pods by their labels, and those of the Rollout have the same",
                object.title()
            ));
        }
        notes
    }

    fn afterwards(&self) -> Vec<String> {
        let (name, service) = (self.deployment.name(), self.service.object.name());
        let release = match self.template {
            Template::Inline => format!("A release is a change of the pod template of Rollout {name}."),
            Template::Referenced(_) => format!(
                "A release is a change of the pod template of Deployment {name}, as ever: an image in Git, `kubectl set image \
                 deployment/{name}`, `kubectl rollout restart deployment/{name}`. The number of pods is that of the Rollout."
            ),
        };
        let weights = match list(&self.rollout.value["spec"]["strategy"]["canary"]["steps"]) {
            [] => "It has no steps: all requests change over at once, when all pods of the new version are ready.".to_owned(),
            steps => format!(
                "It walks {} steps; one that pauses without a duration waits for `kubectl argo rollouts promote {name}` or the button in Argo CD.",
                steps.len()
            ),
        };
        vec![
            release,
            weights,
            format!(
                "Service {service} selects the stable version alone (`{HASH}` in its selector), for everybody who calls it; the controller writes that, Git need not."
            ),
            format!(
                "Pods carry the label `{HASH}` in place of `pod-template-hash`, and belong to Rollout {name}."
            ),
            format!(
                "`kubectl rollout status deployment/{name}`, `helm --wait` and Argo CD's health of the Deployment speak of no pods; ask `kubectl argo rollouts status {name}` and the Rollout's health."
            ),
            "A release has up to twice the pods: maxSurge and maxUnavailable mean nothing where traffic is divided by weights."
                .to_owned(),
            "Weights change in the live route in mid-release. Where Argo CD syncs it, let it ignore `.spec.rules[].backendRefs[].weight` of the route."
                .to_owned(),
        ]
    }

    fn back(&self) -> Vec<Move> {
        let (name, service) = (self.deployment.name(), self.service.object.name());
        let replicas = self.deployment.replicas;
        let run = |title: &str, commands: Vec<String>, safe: String, until: String| Move {
            title: title.to_owned(),
            how: How::Run(commands),
            safe,
            until,
        };
        let mut begin = Vec::new();
        let again = match self.template {
            Template::Inline => {
                "apply the Deployment as it was, with the image that is stable now".to_owned()
            }
            Template::Referenced(scale_down) => {
                if scale_down != ScaleDown::Never {
                    begin.push(self.kubectl(&format!(
                        "patch rollout {name} --type merge -p '{{\"spec\":{{\"workloadRef\":{{\"scaleDown\":\"never\"}}}}}}'"
                    )));
                }
                begin.push(self.kubectl(&format!("scale deployment/{name} --replicas={replicas}")));
                format!("Deployment {name} has its pods again")
            }
        };
        begin.push(self.kubectl(&format!("rollout status deployment/{name}")));
        let owned: Vec<String> = self.routes.iter().map(|route| route.object.title()).collect();
        let scalers: Vec<String> = self.scalers.iter().map(title).collect();
        let mut scaled = String::new();
        if !scalers.is_empty() {
            scaled = format!(", and {} as before", scalers.join(", "));
        }
        vec![
            run(
                &again,
                begin,
                "in a quiet moment, with no release under way: its pods serve nobody yet, the Service still names the Rollout's. (Scaling \
                 the Rollout to 0 now, as Argo's page on migrating says, would leave the Service without a pod.)"
                    .to_owned(),
                String::new(),
            ),
            run(
                &format!("Rollout {name} goes, its pods stay"),
                vec![self.kubectl(&format!("delete rollout {name} --cascade=orphan"))],
                "the controller gives both Services their selectors back, and Service ".to_owned()
                    + service
                    + " selects the pods of both. Without --cascade=orphan the Rollout's pods would end first.",
                format!(
                    "until `{}` shows no {HASH}",
                    self.kubectl(&format!("get service {service} -o jsonpath={{.spec.selector}}"))
                ),
            ),
            run(
                &format!("{} as before{scaled}", owned.join(", ")),
                vec!["apply these manifests as you gave them to serinus migrate".to_owned()],
                "the backend that goes has the weight 0 when no release is under way.".to_owned(),
                String::new(),
            ),
            run(
                "the rest",
                vec![
                    self.orphans(),
                    self.kubectl(&format!("delete service {}", self.canary.name)),
                ],
                "pods end as in every scale-down, and the Deployment's serve.".to_owned(),
                String::new(),
            ),
        ]
    }

    /// How the ReplicaSets that the Rollout left behind are deleted, and no others.
    fn orphans(&self) -> String {
        match selector::written(&self.deployment.object.value["spec"]["selector"]) {
            Some(own) => {
                let labels = selector::quoted(&format!("{own},{HASH}"));
                self.kubectl(&format!("delete replicaset -l {labels}"))
            }
            None => format!(
                "delete the ReplicaSets called {}-HASH that have no owner, one by one: the Deployment's selector does not tell them \
                 from those of other Rollouts. `{}` lists them all",
                self.deployment.name(),
                self.kubectl(&format!(
                    "get replicaset -l {HASH} -o custom-columns=NAME:.metadata.name,OWNER:.metadata.ownerReferences[*].name"
                ))
            ),
        }
    }

    fn kubectl(&self, rest: &str) -> String {
        match self.deployment.object.namespace() {
            "" => format!("kubectl {rest}"),
            namespace => format!("kubectl -n {namespace} {rest}"),
        }
    }
}

impl Guide {
    /// The order in a line a move, and what deserves a thought.
    pub fn short(&self) -> String {
        let mut out = format!("{}\n", self.title);
        for (n, one) in self.order.iter().enumerate() {
            out.push_str(&format!("  {}. {}\n", n + 1, one.title));
            if !one.until.is_empty() {
                out.push_str(&format!("     then wait: {}\n", one.until));
            }
        }
        for note in &self.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        out
    }

    /// All of it, as Markdown.
    pub fn full(&self) -> String {
        let mut out = format!("# {}\n\n## In this order\n\n", self.title);
        moves(&mut out, &self.order);
        paragraph(&mut out, "To know", &self.notes);
        paragraph(&mut out, "What is different afterwards", &self.afterwards);
        out.push_str("## The way back\n\n");
        moves(&mut out, &self.back);
        out
    }
}

fn moves(out: &mut String, moves: &[Move]) {
    for (n, one) in moves.iter().enumerate() {
        out.push_str(&format!("{}. **{}**: {}\n", n + 1, one.title, one.safe));
        let commands = match &one.how {
            How::Apply(_) => &[][..],
            How::Run(commands) => commands,
        };
        for command in commands {
            out.push_str(&format!("   - {}\n", code(command)));
        }
        if !one.until.is_empty() {
            out.push_str(&format!("   - then wait: {}\n", code(&one.until)));
        }
    }
    out.push('\n');
}

fn code(command: &str) -> String {
    if command.starts_with("kubectl") {
        format!("`{command}`")
    } else {
        command.to_owned()
    }
}

fn paragraph(out: &mut String, heading: &str, entries: &[String]) {
    if entries.is_empty() {
        return;
    }
    out.push_str(&format!("## {heading}\n\n"));
    for entry in entries {
        out.push_str(&format!("- {entry}\n"));
    }
    out.push('\n');
}
