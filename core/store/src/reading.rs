//! Reading tables from a snapshot, entry by entry. The crate `imbl` itself makes room at once for as many entries as the
//! bytes say that there are, and panics if that is more than there can be.

use std::{fmt, marker::PhantomData};

use imbl::{OrdMap, Vector};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// For `deserialize_with`.
pub(crate) fn map<'de, D, K, V>(from: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    from.deserialize_map(Entries::<OrdMap<K, V>>(PhantomData))
}

/// For `deserialize_with`.
pub(crate) fn vector<'de, D, T>(from: D) -> Result<Vector<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Clone,
{
    from.deserialize_seq(Entries::<Vector<T>>(PhantomData))
}

struct Entries<T>(PhantomData<T>);

impl<'de, K, V> Visitor<'de> for Entries<OrdMap<K, V>>
where
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    type Value = OrdMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = OrdMap::new();
        while let Some((key, value)) = access.next_entry()? {
            map.insert(key, value);
        }
        Ok(map)
    }
}

impl<'de, T> Visitor<'de> for Entries<Vector<T>>
where
    T: Deserialize<'de> + Clone,
{
    type Value = Vector<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut list = Vector::new();
        while let Some(next) = access.next_element()? {
            list.push_back(next);
        }
        Ok(list)
    }
}
