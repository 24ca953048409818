//! The CIB: "Pacemaker Explained".

use super::Fencing;
use super::expand::{Resource, Role};
use super::fence::{self, Plan};
use super::settings::Settings;
use super::xml::Element;
use crate::recipe::model;

/// The newest schema that pacemaker 2.1.6 and 3.0 both know.
const SCHEMA: &str = "pacemaker-3.9";

/// Set of our own bookkeeping; pacemaker passes over what it does not know.
const OWN_SET: &str = "ubuntu-ha";

/// Name of the property that holds the list of nodes.
pub const NODES_PROPERTY: &str = "ubuntu-ha-nodes";

/// Meta attributes of a primitive that says nothing else: three failures within
/// ten minutes move it, and it does not move back by itself.
const RESOURCE_DEFAULTS: [(&str, &str); 3] = [
    ("failure-timeout", "10min"),
    ("migration-threshold", "3"),
    ("resource-stickiness", "100"),
];

/// For an operation without a timeout of its own; pacemaker's 20 s are too
/// short for a stop under load.
const OPERATION_TIMEOUT: &str = "60s";

/// The whole document.
pub(super) fn document(settings: &Settings, fencing: &Plan, roles: &[Role]) -> String {
    let resources = fence::primitives(fencing)
        .into_iter()
        .chain(roles.iter().flat_map(|role| resources(role, settings)));
    let constraints = fence::locations(fencing)
        .into_iter()
        .chain(roles.iter().flat_map(|role| constraints(role, settings)));
    let configuration = Element::new("configuration")
        .with([
            Element::new("crm_config").with(properties(settings, fencing, roles)),
            Element::new("nodes"),
            Element::new("resources").with(resources),
            Element::new("constraints").with(constraints),
        ])
        .with(fence::topology(fencing, settings))
        .with([
            Element::new("rsc_defaults").with([set(
                "meta_attributes",
                "ubuntu-ha-resource",
                RESOURCE_DEFAULTS,
            )]),
            Element::new("op_defaults").with([set(
                "meta_attributes",
                "ubuntu-ha-operation",
                [("timeout", OPERATION_TIMEOUT)],
            )]),
        ]);
    let cib = Element::new("cib")
        .set("validate-with", SCHEMA)
        .set("admin_epoch", "0")
        .set("epoch", "0")
        .set("num_updates", "0")
        .with([configuration, Element::new("status")]);
    cib.text()
}

/// `<meta_attributes>` and its like.
pub(super) fn set<N: AsRef<str>, V: AsRef<str>>(
    kind: &'static str,
    id: &str,
    values: impl IntoIterator<Item = (N, V)>,
) -> Element {
    let pairs = values.into_iter().map(|(name, value)| {
        let (name, value) = (name.as_ref(), value.as_ref());
        Element::new("nvpair")
            .set("id", format!("{id}-{name}"))
            .set("name", name)
            .set("value", value)
    });
    Element::new(kind).set("id", id).with(pairs)
}

fn properties(settings: &Settings, fencing: &Plan, roles: &[Role]) -> Vec<Element> {
    let mut own: Vec<(&str, String)> = vec![
        ("cluster-name", settings.name.clone()),
        (
            "stonith-enabled",
            (fencing.fencing != Fencing::AcceptSplitBrain).to_string(),
        ),
    ];
    if let Some(delay) = fence::priority_delay(fencing) {
        own.push(("priority-fencing-delay", delay));
    }
    if fencing.sbd_watchdog.is_some() {
        // Pacemaker sets it itself; a CIB put in place of its own keeps it.
        own.push(("have-watchdog", "true".into()));
    }
    if matches!(fencing.fencing, Fencing::Watchdog { .. }) {
        let wait = settings.sbd().message;
        own.push(("stonith-watchdog-timeout", format!("{wait}s")));
    }
    let mut of_roles = std::collections::BTreeMap::from([("no-quorum-policy", "stop".to_owned())]);
    for role in roles {
        of_roles.extend(role.properties.iter().map(|(k, v)| (*k, v.clone())));
    }
    own.extend(of_roles);
    own.sort();
    let nodes = settings.text(super::settings::question::NODES);
    vec![
        set("cluster_property_set", "cib-bootstrap-options", own),
        set(
            "cluster_property_set",
            OWN_SET,
            [(NODES_PROPERTY, nodes.unwrap_or_default())],
        ),
    ]
}

/// The role's resources, each inside its group and clone.
fn resources(role: &Role, settings: &Settings) -> Vec<Element> {
    let mut elements = Vec::new();
    let mut grouped = Vec::new();
    let find = |id: &str| role.resources.iter().find(|r| r.recipe.id == id);
    for (id, members) in &role.groups {
        grouped.extend(members.iter().copied());
        let members = members
            .iter()
            .filter_map(|id| find(id))
            .map(|member| primitive(role, member, settings));
        let group = Element::new("group").set("id", role.id(id)).with(members);
        elements.push((role.clone_of(id), group));
    }
    for resource in &role.resources {
        let id = resource.recipe.id.as_str();
        if !grouped.contains(&id) {
            let clone = role.clone_of(id);
            elements.push((clone, primitive(role, resource, settings)));
        }
    }
    let elements = elements.into_iter().map(|(clone, inner)| match clone {
        Some(spec) => clone_element(role, spec, inner),
        None => inner,
    });
    elements.collect()
}

fn clone_element(role: &Role, spec: &model::CloneSpec, inner: Element) -> Element {
    let id = role.id(&spec.id);
    let mut meta: Vec<(&str, &str)> = (spec.meta.iter())
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    if spec.promotable {
        meta.push(("promotable", "true"));
    }
    meta.sort_unstable();
    let attributes =
        (!meta.is_empty()).then(|| set("meta_attributes", &format!("{id}-meta"), meta));
    Element::new("clone")
        .set("id", &id)
        .with(attributes)
        .with([inner])
}

fn primitive(role: &Role, resource: &Resource, settings: &Settings) -> Element {
    let id = role.id(&resource.recipe.id);
    let mut meta = resource.meta.clone();
    // Of two halves the one that does the work has the higher sum, and lives.
    if settings.is_pair() && role.clone_of(&resource.recipe.id).is_none() {
        meta.entry("priority").or_insert_with(|| fence::WORK.into());
    }
    let params = (!resource.params.is_empty()).then(|| {
        set(
            "instance_attributes",
            &format!("{id}-params"),
            &resource.params,
        )
    });
    let meta = (!meta.is_empty()).then(|| set("meta_attributes", &format!("{id}-meta"), &meta));
    let operations = operations(&id, resource.recipe);
    let operations = (!operations.is_empty()).then(|| Element::new("operations").with(operations));
    agent(Element::new("primitive").set("id", &id), &resource.agent)
        .with(params)
        .with(meta)
        .with(operations)
}

/// `class:provider:type` or `class:type` as attributes.
pub(super) fn agent(element: Element, name: &str) -> Element {
    let (class, rest) = name.split_once(':').unwrap_or(("ocf", name));
    let element = element.set("class", class);
    match rest.split_once(':') {
        Some((provider, kind)) if class == "ocf" => {
            element.set("provider", provider).set("type", kind)
        }
        _ => element.set("type", rest),
    }
}

fn operations(id: &str, recipe: &model::Resource) -> Vec<Element> {
    let plain = recipe.monitor.as_ref().map(|interval| model::Operation {
        name: "monitor".into(),
        interval: Some(interval.clone()),
        timeout: None,
        role: None,
        depth: None,
    });
    let all = plain.iter().chain(&recipe.operation);
    all.map(|operation| {
        let interval = operation.interval.as_deref().unwrap_or("0s");
        let id = match &operation.interval {
            Some(interval) => format!("{id}-{}-{interval}", operation.name),
            None => format!("{id}-{}", operation.name),
        };
        let depth = operation.depth.filter(|depth| *depth > 0).map(|depth| {
            let values = [("OCF_CHECK_LEVEL", depth.to_string())];
            set("instance_attributes", &format!("{id}-params"), values)
        });
        Element::new("op")
            .set("id", id)
            .set("name", &operation.name)
            .set("interval", interval)
            .set_some("timeout", operation.timeout.as_ref())
            .set_some("role", operation.role.as_ref())
            .with(depth)
    })
    .collect()
}

fn constraints(role: &Role, settings: &Settings) -> Vec<Element> {
    let mut elements = fixed_places(role, settings);
    for order in &role.orders {
        let (first, then) = (&order.first, &order.then);
        elements.push(
            Element::new("rsc_order")
                .set("id", role.id(&format!("order-{first}-{then}")))
                .set("first", role.id(first))
                .set_some("first-action", order.first_action.as_ref())
                .set("then", role.id(then))
                .set_some("then-action", order.then_action.as_ref()),
        );
    }
    for colocation in &role.colocations {
        let (rsc, with) = (&colocation.resource, &colocation.with);
        elements.push(
            Element::new("rsc_colocation")
                .set("id", role.id(&format!("with-{rsc}-{with}")))
                .set("rsc", role.id(rsc))
                .set("with-rsc", role.id(with))
                .set_some("with-rsc-role", colocation.with_role.as_ref())
                .set("score", colocation.score.as_deref().unwrap_or("INFINITY")),
        );
    }
    elements
}

/// DRBD has two replicas: on the other nodes its resource is neither run nor
/// looked for.
fn fixed_places(role: &Role, settings: &Settings) -> Vec<Element> {
    let peers = super::drbd::peers(&settings.members).len();
    let elsewhere = &settings.members[peers..];
    let replicas = role
        .resources
        .iter()
        .filter(|r| r.agent == "ocf:linbit:drbd");
    let mut elements = Vec::new();
    for replica in replicas {
        let id = role
            .clone_of(&replica.recipe.id)
            .map_or(replica.recipe.id.as_str(), |clone| clone.id.as_str());
        for member in elsewhere {
            elements.push(
                Element::new("rsc_location")
                    .set("id", role.id(&format!("{id}-not-{}", member.name)))
                    .set("rsc", role.id(id))
                    .set("node", &member.name)
                    .set("score", "-INFINITY")
                    .set("resource-discovery", "never"),
            );
        }
    }
    elements
}
