//! Order and colocation constraints.

use std::collections::BTreeMap;

use super::Checker;
use super::resources::{ROLES, role_remedy};
use crate::recipe::document::{Step, at};
use crate::recipe::suggest;

const ACTIONS: [&str; 4] = ["start", "promote", "stop", "demote"];

pub(super) fn check(checker: &mut Checker) {
    let recipe = checker.recipe;
    for (index, order) in recipe.order.iter().enumerate() {
        let path = |key: &'static str| [Step::Key("order"), Step::Index(index), Step::Key(key)];
        exists(checker, &path("first"), &order.first);
        exists(checker, &path("then"), &order.then);
        if order.first == order.then && order.first_action == order.then_action {
            checker.value(
                &path("then"),
                format!("`{}` is ordered behind itself", order.then),
                "name the resource that waits",
            );
        }
        if recipe.order[..index].contains(order) {
            checker.value(&path("first"), "the constraint is here twice", "keep one");
        }
        for (key, action, id) in [
            ("first_action", &order.first_action, &order.first),
            ("then_action", &order.then_action, &order.then),
        ] {
            let Some(action) = action else { continue };
            if !ACTIONS.contains(&action.as_str()) {
                checker.value(
                    &path(key),
                    format!("`{action}` is no action of an order"),
                    suggest::remedy(action, ACTIONS),
                );
            } else if ["promote", "demote"].contains(&action.as_str()) {
                promotable(checker, &path(key), id, &format!("nothing to {action}"));
            }
        }
    }
    for (index, colocation) in recipe.colocation.iter().enumerate() {
        let path =
            |key: &'static str| [Step::Key("colocation"), Step::Index(index), Step::Key(key)];
        exists(checker, &path("resource"), &colocation.resource);
        exists(checker, &path("with"), &colocation.with);
        if colocation.resource == colocation.with {
            checker.value(
                &path("with"),
                format!("`{}` is placed by itself", colocation.with),
                "name the resource that it shall be with",
            );
        }
        if recipe.colocation[..index].contains(colocation) {
            checker.value(
                &path("resource"),
                "the constraint is here twice",
                "keep one",
            );
        }
        if let Some(role) = &colocation.with_role {
            if ROLES.contains(&role.as_str()) {
                promotable(checker, &path("with_role"), &colocation.with, "no roles");
            } else {
                checker.value(
                    &path("with_role"),
                    format!("`{role}` is no role"),
                    role_remedy(role),
                );
            }
        }
        if let Some(score) = &colocation.score {
            let number = score.parse::<i32>().is_ok_and(|n| n.abs() <= 1_000_000);
            if !number && !["INFINITY", "+INFINITY", "-INFINITY"].contains(&score.as_str()) {
                checker.value(
                    &path("score"),
                    format!("`{score}` is no score"),
                    "write INFINITY, -INFINITY or a whole number up to 1000000",
                );
            }
        }
    }
    cycle(checker);
}

/// A constraint names what pacemaker places: not the inside of a clone.
fn exists(checker: &mut Checker, path: &[Step], id: &str) {
    let recipe = checker.recipe;
    if let Some(clone) = recipe.clone.iter().find(|clone| clone.of == id) {
        checker.value(
            path,
            format!("`{id}` is cloned by `{}`", clone.id),
            format!("write `{}`", clone.id),
        );
        return;
    }
    let known = recipe
        .resource
        .iter()
        .map(|resource| resource.id.as_str())
        .chain(recipe.group.iter().map(|group| group.id.as_str()))
        .chain(recipe.clone.iter().map(|clone| clone.id.as_str()));
    if !known.clone().any(|known| known == id) {
        checker.value(
            path,
            format!("there is no resource, group or clone `{id}`"),
            suggest::remedy(id, known),
        );
    }
}

fn promotable(checker: &mut Checker, path: &[Step], id: &str, without: &str) {
    let clone = checker.recipe.clone.iter().find(|clone| clone.id == id);
    if !clone.is_some_and(|clone| clone.promotable) {
        checker.value(
            path,
            format!("`{id}` is no promotable clone, so it has {without}"),
            "take this out, or refer to a [[clone]] with promotable = true",
        );
    }
}

/// An action of a resource, group or clone.
type Node<'a> = (&'a str, &'a str);

/// Orders that wait for each other: pacemaker would start none of them.
fn cycle(checker: &mut Checker) {
    let recipe = checker.recipe;
    let mut after: BTreeMap<Node, Vec<Node>> = BTreeMap::new();
    let mut edge = |from, to| after.entry(from).or_default().push(to);
    for order in &recipe.order {
        let action = order.first_action.as_deref().unwrap_or("start");
        let first = (order.first.as_str(), action);
        // Pacemaker gives `then` the action of `first` where it has none.
        let then_action = order.then_action.as_deref().unwrap_or(action);
        edge(first, (order.then.as_str(), then_action));
        // A group waits as soon as its first member does.
        for group in recipe.group.iter().filter(|group| group.id == order.then) {
            for member in &group.members {
                edge(first, (member.as_str(), then_action));
            }
        }
    }
    for group in &recipe.group {
        for member in &group.members {
            edge((member.as_str(), "start"), (group.id.as_str(), "start"));
        }
        for pair in group.members.windows(2) {
            edge((pair[0].as_str(), "start"), (pair[1].as_str(), "start"));
        }
    }
    for clone in recipe.clone.iter().filter(|clone| clone.promotable) {
        edge((clone.id.as_str(), "start"), (clone.id.as_str(), "promote"));
        edge((clone.id.as_str(), "demote"), (clone.id.as_str(), "stop"));
    }
    let Some(found) = find_cycle(&after) else {
        return;
    };
    let names: Vec<&str> = found.iter().map(|(id, _)| *id).collect();
    let closing = recipe.order.iter().rposition(|order| {
        names.contains(&order.first.as_str()) && names.contains(&order.then.as_str())
    });
    let mut shown: Vec<String> = found
        .iter()
        .map(|(id, what)| format!("{what} {id}"))
        .collect();
    shown.push(shown[0].clone());
    if let Some(index) = closing {
        checker.key(
            at!["order", index],
            format!("the orders wait for each other: {}", shown.join(", then ")),
            "take one of them out",
        );
    }
}

fn find_cycle<'a>(after: &BTreeMap<Node<'a>, Vec<Node<'a>>>) -> Option<Vec<Node<'a>>> {
    let mut done: Vec<Node> = Vec::new();
    for start in after.keys() {
        let mut trail: Vec<(Node, usize)> = vec![(*start, 0)];
        while let Some((node, next)) = trail.last_mut() {
            let node = *node;
            let following = after.get(&node).and_then(|all| all.get(*next)).copied();
            *next += 1;
            match following {
                None => {
                    done.push(node);
                    trail.pop();
                }
                Some(next) if done.contains(&next) => {}
                Some(next) => match trail.iter().position(|(seen, _)| *seen == next) {
                    Some(at) => return Some(trail[at..].iter().map(|(node, _)| *node).collect()),
                    None => trail.push((next, 0)),
                },
            }
        }
    }
    None
}
