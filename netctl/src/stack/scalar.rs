//! Values that Compose files may write in several ways.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use super::Variables;

/// A text, or a number or truth value as its text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scalar(pub String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, number or truth value")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Scalar, E> {
                Ok(Scalar(flag.to_string()))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A value where it may come as text, from a variable: in what may be written in several ways.
pub fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    let Scalar(text) = Scalar::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

/// A command: one line that is split at blanks, or words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Words {
    /// As a shell would read it.
    Line(String),
    /// As they are.
    List(Vec<String>),
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Words;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Words, E> {
                Ok(Words::Line(text.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Words, A::Error> {
                let mut words = Vec::new();
                while let Some(Scalar(word)) = seq.next_element()? {
                    words.push(word);
                }
                Ok(Words::List(words))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Pairs: a map, or a list of `NAME=VALUE`. A name alone has no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs(pub Vec<(String, Option<String>)>);

impl Pairs {
    /// `NAME=VALUE`, and `NAME` where there is no value.
    pub fn texts(&self) -> Vec<String> {
        let text = |(name, value): &(String, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        };
        self.0.iter().map(text).collect()
    }

    /// Gives a name alone the value that it has in `set`, if it has one there.
    pub fn resolve(&mut self, set: &Variables) {
        for (name, value) in self.0.iter_mut().filter(|(_, value)| value.is_none()) {
            *value = set.get(name).cloned();
        }
    }

    /// As a map; what has no value is empty.
    pub fn map(&self) -> BTreeMap<String, String> {
        let pairs = self.0.iter().cloned();
        pairs.map(|(name, value)| (name, value.unwrap_or_default())).collect()
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map, or a list of NAME=VALUE")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Scalar(text)) = seq.next_element()? {
                    let (name, value) = text.split_once('=').map_or((&*text, None), |(n, v)| (n, Some(v)));
                    pairs.push((name.to_owned(), value.map(str::to_owned)));
                }
                Ok(Pairs(pairs))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Scalar(name), value)) = map.next_entry::<Scalar, Option<Scalar>>()? {
                    pairs.push((name, value.map(|Scalar(value)| value)));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// One or a list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Several(pub Vec<String>);

impl<'de> Deserialize<'de> for Several {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Words::deserialize(deserializer)? {
            Words::Line(one) => vec![one],
            Words::List(list) => list,
        }))
    }
}

/// Hosts and their addresses: a list of `HOST:IP` or `HOST=IP`, or a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(pub Vec<String>);

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Hosts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from hosts to addresses, or a list of HOST:IP")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Hosts, A::Error> {
                let mut texts = Vec::new();
                while let Some(Scalar(text)) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Hosts(texts))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Hosts, A::Error> {
                let mut texts = Vec::new();
                while let Some((Scalar(host), Several(addresses))) = map.next_entry()? {
                    texts.extend(addresses.iter().map(|address| format!("{host}={address}")));
                }
                Ok(Hosts(texts))
            }
        }
        deserializer.deserialize_any(Any)
    }
}
