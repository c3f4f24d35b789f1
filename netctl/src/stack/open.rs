//! Keys of Compose files that are passed over: those that begin with `x-`, where files keep their anchors, and those that
//! say how one host builds or runs a container. Any other key that is not known is refused.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor, value::MapAccessDeserializer},
};

/// A part of a file that may have more keys than it is made of.
pub trait Open {
    /// Keys that are passed over, and told. Those that begin with `x-` are not.
    const PASSED_OVER: &'static [&'static str] = &[];

    /// Keeps a key that was passed over.
    fn passed_over(&mut self, _key: String) {}
}

/// Reads a part.
pub fn open<'de, D: Deserializer<'de>, T: Deserialize<'de> + Open>(deserializer: D) -> Result<T, D::Error> {
    Opened::deserialize(deserializer).map(|Opened(part)| part)
}

/// Reads parts by their names.
pub fn each<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Open,
{
    let parts = BTreeMap::<String, Opened<T>>::deserialize(deserializer)?;
    Ok(parts.into_iter().map(|(name, Opened(part))| (name, part)).collect())
}

/// Reads parts by their names, of which there may be nothing else.
pub fn each_or_none<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Open,
{
    let parts = BTreeMap::<String, Option<Opened<T>>>::deserialize(deserializer)?;
    let part = |(name, part): (_, Option<Opened<T>>)| (name, part.map(|Opened(part)| part));
    Ok(parts.into_iter().map(part).collect())
}

/// A part as it is read from a file.
pub struct Opened<T>(pub T);

impl<'de, T: Deserialize<'de> + Open> Deserialize<'de> for Opened<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Part<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de> + Open> Visitor<'de> for Part<T> {
            type Value = Opened<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Opened<T>, A::Error> {
                let mut seen = Vec::new();
                let known = Known {
                    map,
                    passed_over: T::PASSED_OVER,
                    seen: &mut seen,
                };
                let mut part = T::deserialize(MapAccessDeserializer::new(known))?;
                seen.into_iter().for_each(|key| part.passed_over(key));
                Ok(Opened(part))
            }
        }
        // As a struct, so that keys are read as the texts that they are.
        deserializer.deserialize_struct("", &[], Part(PhantomData))
    }
}

/// A map without the keys that are passed over.
struct Known<'a, A> {
    map: A,
    passed_over: &'static [&'static str],
    seen: &'a mut Vec<String>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Known<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            let told = self.passed_over.contains(&key.as_str());
            if !told && !key.starts_with("x-") {
                return seed
                    .deserialize(serde::de::IntoDeserializer::into_deserializer(key))
                    .map(Some);
            }
            self.map.next_value::<IgnoredAny>()?;
            self.seen.extend(told.then_some(key));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}
