//! What a stack uses and does not make: `external: true`, or as in version 3 `external: {name: NAME}`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::failure::Failure;

/// Whether something is there already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum External {
    /// The stack makes it.
    #[default]
    No,
    /// It is there.
    Yes,
    /// It is there under this name.
    Named(String),
}

impl External {
    /// Whether it is none of the stack's.
    pub fn is_external(&self) -> bool {
        *self != Self::No
    }

    /// The name in the cluster of what the file calls `short`, and by `name:` perhaps `given`.
    ///
    /// # Errors
    /// It has two names.
    pub fn full_name(&self, given: Option<&String>, stack: &str, short: &str) -> Result<String, Failure> {
        match (self, given) {
            (Self::Named(name), Some(given)) => Err(Failure::Wrong(format!(
                "{short} has two names, \"name: {given}\" and \"external: {{name: {name}}}\": keep the first one and \
                 \"external: true\""
            ))),
            (Self::Named(name), None) => Ok(name.clone()),
            (_, Some(given)) => Ok(given.clone()),
            (Self::Yes, None) => Ok(short.to_owned()),
            (Self::No, None) => Ok(format!("{stack}_{short}")),
        }
    }
}

impl<'de> Deserialize<'de> for External {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Named {
            name: Option<String>,
        }
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = External;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a map with a name")
            }
            fn visit_bool<E: Error>(self, external: bool) -> Result<External, E> {
                Ok(if external { External::Yes } else { External::No })
            }
            // From a variable.
            fn visit_str<E: Error>(self, text: &str) -> Result<External, E> {
                self.visit_bool(text.parse().map_err(E::custom)?)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<External, A::Error> {
                let Named { name } = Named::deserialize(MapAccessDeserializer::new(map))?;
                Ok(name.map_or(External::Yes, External::Named))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_two_ways() {
        let read = |text: &str| serde_saphyr::from_str::<External>(text);
        assert_eq!(read("true").unwrap(), External::Yes);
        assert_eq!(read("'false'").unwrap(), External::No);
        assert_eq!(read("{name: outer}").unwrap(), External::Named("outer".into()));
        assert_eq!(read("{}").unwrap(), External::Yes);
        assert!(read("{nmae: outer}").is_err() && read("maybe").is_err());
    }

    #[test]
    fn what_is_not_the_stacks_has_its_own_name() {
        let name = |external: External, given: Option<&str>| {
            let given = given.map(str::to_owned);
            let name = external.full_name(given.as_ref(), "shop", "net");
            name.map_err(|failure| failure.to_string())
        };
        assert_eq!(name(External::No, None).unwrap(), "shop_net");
        assert_eq!(name(External::Yes, None).unwrap(), "net");
        assert_eq!(name(External::Yes, Some("x")).unwrap(), "x");
        assert_eq!(name(External::Named("y".into()), None).unwrap(), "y");
        let refused = name(External::Named("y".into()), Some("x")).unwrap_err();
        assert!(refused.starts_with("net has two names"), "{refused}");
    }
}
