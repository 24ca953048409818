//! The shape of a recipe, derived from the model's structs.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::model::Recipe;

/// The JSON schema of a recipe (draft 2020-12), for editors and other tools.
pub fn schema() -> Value {
    schema_of::<Recipe>()
}

fn schema_of<T: JsonSchema>() -> Value {
    let generator = SchemaGenerator::new(SchemaSettings::draft2020_12().for_deserialize());
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    without_null(&mut schema);
    schema
}

/// TOML has no null: an optional key is absent.
fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// What the structural check needs of the schema.
#[derive(Debug)]
pub(crate) enum Shape {
    Table {
        fields: BTreeMap<String, Shape>,
        required: Vec<String>,
    },
    Map(Box<Shape>),
    List(Box<Shape>),
    Text,
    Words(Vec<String>),
    Integer {
        min: i128,
        max: i128,
    },
    Boolean,
}

/// The shape of a whole recipe.
pub(super) static RECIPE: LazyLock<Shape> = LazyLock::new(shape_of::<Recipe>);

/// The shape of a file that is read as a `T`.
pub(crate) fn shape_of<T: JsonSchema>() -> Shape {
    let schema = schema_of::<T>();
    let none = Map::new();
    let definitions = schema["$defs"].as_object().unwrap_or(&none);
    shape(&schema, definitions)
}

fn shape(schema: &Value, definitions: &Map<String, Value>) -> Shape {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        return shape(&definitions[name], definitions);
    }
    if let Some(words) = words(schema) {
        return Shape::Words(words);
    }
    match schema["type"].as_str() {
        Some("object") => match schema["properties"].as_object() {
            Some(properties) => Shape::Table {
                fields: properties
                    .iter()
                    .map(|(name, field)| (name.clone(), shape(field, definitions)))
                    .collect(),
                required: strings(&schema["required"]),
            },
            None => Shape::Map(Box::new(shape(
                &schema["additionalProperties"],
                definitions,
            ))),
        },
        Some("array") => Shape::List(Box::new(shape(&schema["items"], definitions))),
        Some("string") => Shape::Text,
        Some("boolean") => Shape::Boolean,
        Some("integer") => {
            let (min, max) = match schema["format"].as_str() {
                Some("uint8") => (0, u8::MAX.into()),
                Some("uint16") => (0, u16::MAX.into()),
                Some("uint32") => (0, u32::MAX.into()),
                _ => (i64::MIN.into(), i64::MAX.into()),
            };
            Shape::Integer { min, max }
        }
        _ => unreachable!("the model holds no other type: {schema}"),
    }
}

fn strings(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(String::from).collect()
}

/// The words of an enum; schemars gives documented and bare variants apart.
fn words(schema: &Value) -> Option<Vec<String>> {
    if let Some(word) = schema["const"].as_str() {
        return Some(vec![word.into()]);
    }
    if schema["enum"].is_array() {
        return Some(strings(&schema["enum"]));
    }
    let variants = schema["oneOf"].as_array()?;
    Some(variants.iter().filter_map(words).flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field<'a>(shape: &'a Shape, name: &str) -> &'a Shape {
        match shape {
            Shape::Table { fields, .. } => &fields[name],
            Shape::List(item) | Shape::Map(item) => field(item, name),
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn the_shape_knows_every_kind_of_value() {
        let recipe = &*RECIPE;
        assert!(matches!(field(recipe, "suite"), Shape::Map(_)));
        assert!(matches!(
            field(field(recipe, "role"), "homepage"),
            Shape::Text
        ));
        let port = field(field(recipe, "drbd"), "port");
        assert!(
            matches!(port, Shape::Integer { min: 0, max: 65535 }),
            "{port:?}"
        );
        match field(field(recipe, "question"), "type") {
            Shape::Words(words) => assert_eq!(words.len(), 12, "{words:?}"),
            other => panic!("{other:?}"),
        }
        match field(field(recipe, "question"), "priority") {
            Shape::Words(words) => assert_eq!(words, &["critical", "high", "medium", "low"]),
            other => panic!("{other:?}"),
        }
        match field(recipe, "tasksel") {
            Shape::Table { required, .. } => assert_eq!(required, &["title", "description"]),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_schema_is_documented_and_has_no_null() {
        let schema = schema();
        assert_eq!(schema["title"], "Recipe");
        let text = schema.to_string();
        assert!(!text.contains("null"));
        assert!(text.contains("Debconf priority"));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], serde_json::json!(["role"]));
    }
}
