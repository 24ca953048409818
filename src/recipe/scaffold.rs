//! A commented recipe to start from.

use super::date::Date;

const SCAFFOLD: &str = include_str!("scaffold.toml");

/// The text of a new recipe whose first changelog entry is of `date`. It passes
/// the check when `name` may name a role; every section stands in it, most of
/// them commented out.
pub fn new_recipe(name: &str, date: Date) -> String {
    SCAFFOLD
        .replace("NAME", name)
        .replace("DATE", &date.rfc3339())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::schema::{RECIPE, Shape};
    use crate::recipe::{Context, date, parse};

    fn web() -> String {
        new_recipe("web", date::parse("2026-11-30T09:05:07+01:00").unwrap())
    }

    #[test]
    fn a_new_recipe_passes_the_check() {
        let recipe = parse("web.toml", &web(), &Context::default()).unwrap();
        assert_eq!(recipe.role.name, "web");
        assert_eq!(recipe.changelog[0].date, "2026-11-30T08:05:07Z");
    }

    /// The examples: what stands behind a mark without a blank.
    fn with_examples() -> String {
        let text = web();
        let lines = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| !c.is_whitespace()) => rest,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    #[test]
    fn its_examples_pass_too() {
        let text = with_examples();
        match parse("web.toml", &text, &Context::default()) {
            Ok(recipe) => assert_eq!(recipe.question.len(), 6),
            Err(problems) => panic!("{problems}"),
        }
    }

    #[test]
    fn it_shows_every_key_of_the_model() {
        let tree: toml::Table = with_examples().parse().unwrap();
        let mut missing = Vec::new();
        compare(&RECIPE, &[&toml::Value::Table(tree)], "", &mut missing);
        // Written only where they apply: kinds other than a role, an OCF
        // check level, a file instead of a text.
        let left_out = [".role.kind", ".resource.operation.depth", ".file.source"];
        missing.retain(|path| !left_out.contains(&path.as_str()) && !path.starts_with(".suite"));
        assert_eq!(missing, Vec::<String>::new());
    }

    fn compare(shape: &Shape, values: &[&toml::Value], path: &str, missing: &mut Vec<String>) {
        match shape {
            Shape::Table { fields, .. } => {
                for (name, field) in fields {
                    let path = format!("{path}.{name}");
                    let inner: Vec<&toml::Value> =
                        values.iter().filter_map(|value| value.get(name)).collect();
                    match inner.is_empty() {
                        true => missing.push(path),
                        false => compare(field, &inner, &path, missing),
                    }
                }
            }
            Shape::List(item) => {
                let inner: Vec<&toml::Value> = values
                    .iter()
                    .filter_map(|value| value.as_array())
                    .flatten()
                    .collect();
                if matches!(**item, Shape::Table { .. }) {
                    compare(item, &inner, path, missing);
                }
            }
            _ => {}
        }
    }
}
