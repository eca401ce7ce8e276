//! Where the values of a document stand, whatever they are.

use crate::document::Located;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

/// The places in one value.
#[derive(Debug)]
pub(super) enum Place {
    Map(BTreeMap<String, Located<Self>>),
    List(Vec<Located<Self>>),
    Scalar,
}

/// The place of a path such as `rules.keyword.phrases[3]`, as far as the document has it.
pub(super) fn find<'p>(root: &'p Located<Place>, path: &[super::super::rules::Step]) -> &'p Located<Place> {
    use super::super::rules::Step;
    let mut at = root;
    for step in path {
        let next = match (&at.value, step) {
            (Place::Map(map), Step::Key(key)) => map.get(key.as_ref()),
            (Place::List(list), Step::Index(index)) => list.get(*index),
            (Place::Map(_) | Place::List(_) | Place::Scalar, _) => None,
        };
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    at
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Place, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            map.insert(key, access.next_value()?);
        }
        Ok(Place::Map(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Place, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Place::List(list))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        Place::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Place::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_i128<E>(self, _: i128) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_u128<E>(self, _: u128) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_str<E>(self, _: &str) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_none<E>(self) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
    fn visit_unit<E>(self) -> Result<Place, E> {
        Ok(Place::Scalar)
    }
}
