//! Types of answers that say what they are: one declaration gives the type, how it becomes JSON, and its schema for
//! `openapi.rs`, so that the three cannot part.

use serde_json::{Map, Value, json};

/// A type that knows its JSON schema.
pub trait Shape {
    /// The schema, or a reference to it: types with a name put what they are into `named`.
    fn schema(named: &mut Map<String, Value>) -> Value;
}

/// Shapes of types that JSON has itself.
macro_rules! plain {
    ($($kind:ty: $schema:tt)*) => {
        $(impl Shape for $kind {
            fn schema(_named: &mut Map<String, Value>) -> Value {
                json!($schema)
            }
        })*
    };
}

plain! {
    bool: {"type": "boolean"}
    u64: {"type": "integer", "minimum": 0}
    usize: {"type": "integer", "minimum": 0}
    f64: {"type": "number"}
    String: {"type": "string"}
    &'static str: {"type": "string"}
}

impl<T: Shape> Shape for Option<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({"anyOf": [T::schema(named), {"type": "null"}]})
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({"type": "array", "items": T::schema(named)})
    }
}

/// What stands in a comment, as one text.
pub fn sentence(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// Declares a type of answers. Its comments are the descriptions in its schema.
macro_rules! described {
    ($(
        $(#[doc = $about:literal])+
        $sight:vis struct $name:ident {
            $( $(#[doc = $what:literal])+ $(pub)? $field:ident: $kind:ty, )+
        }
    )+) => { $(
        $(#[doc = $about])+
        #[derive(serde::Serialize)]
        $sight struct $name {
            $( $(#[doc = $what])+ pub $field: $kind, )+
        }

        impl $crate::described::Shape for $name {
            fn schema(named: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                use $crate::described::sentence;
                let name = stringify!($name);
                if !named.contains_key(name) {
                    // A place for itself first: a type may hold others of its kind.
                    named.insert(name.into(), serde_json::Value::Null);
                    let mut properties = serde_json::Map::new();
                    let mut required: Vec<&str> = Vec::new();
                    $(
                        let key = stringify!($field).trim_start_matches("r#");
                        let mut member = <$kind as $crate::described::Shape>::schema(named);
                        member["description"] = sentence(&[$($what),+]).into();
                        properties.insert(key.into(), member);
                        required.push(key);
                    )+
                    named.insert(name.into(), serde_json::json!({
                        "type": "object", "description": sentence(&[$($about),+]),
                        "properties": properties, "required": required,
                    }));
                }
                serde_json::json!({"$ref": format!("#/components/schemas/{name}")})
            }
        }
    )+ };
}

pub(crate) use described;
