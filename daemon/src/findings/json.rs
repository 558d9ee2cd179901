//! JSON of which nothing is believed: each piece is taken if it is what it should be, passed over if it is something else, and
//! never larger than asked for. Must not know what the pieces mean.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::cut;

/// The fields of an object.
pub(super) trait Fields {
    /// Takes the value of one field, or passes it over.
    fn take<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// The elements of a list.
pub(super) trait Elements {
    /// Takes the next one; `false`: there is none.
    fn next<'de, A: SeqAccess<'de>>(&mut self, list: &mut A) -> Result<bool, A::Error>;
}

/// Fills what is there already. Whether it was an object.
#[derive(Debug)]
pub(super) struct Into<'a, T>(pub(super) &'a mut T);

/// Goes through a list. Whether it was one.
#[derive(Debug)]
pub(super) struct Each<'a, T>(pub(super) &'a mut T);

/// A new one, if it is an object.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) Option<T>);

/// A text of at most so many bytes; a longer one is cut.
#[derive(Debug)]
pub(super) struct Text<const MOST: usize>(pub(super) Option<String>);

/// A number from 0 on.
#[derive(Debug)]
pub(super) struct Number(pub(super) Option<u32>);

/// The first so many elements.
#[derive(Debug)]
pub(super) struct List<T, const MOST: usize>(pub(super) Vec<T>);

/// What a value is not when it is something else.
macro_rules! pass_over {
    ($otherwise:expr; $($kind:ident)*) => { $(pass_over!(@ $kind $otherwise);)* };
    (@ scalars $otherwise:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> { Ok($otherwise) }
        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok($otherwise) }
    };
    (@ numbers $otherwise:expr) => {
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> { Ok($otherwise) }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> { Ok($otherwise) }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> { Ok($otherwise) }
    };
    (@ texts $otherwise:expr) => {
        fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> { Ok($otherwise) }
    };
    (@ lists $otherwise:expr) => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok($otherwise)
        }
    };
    (@ objects $otherwise:expr) => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok($otherwise)
        }
    };
}

fn anything(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("anything")
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, T: Fields> Visitor<'de> for Into<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        anything(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            self.0.take(&name, &mut map)?;
        }
        Ok(true)
    }

    pass_over!(false; scalars numbers texts lists);
}

impl<'de, T: Fields> DeserializeSeed<'de> for Into<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Elements> Visitor<'de> for Each<'_, T> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        anything(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        while self.0.next(&mut list)? {}
        Ok(true)
    }

    pass_over!(false; scalars numbers texts objects);
}

impl<'de, T: Elements> DeserializeSeed<'de> for Each<'_, T> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de, T: Fields + Default> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut object = T::default();
        let is_one = Into(&mut object).deserialize(from)?;
        Ok(Self(is_one.then_some(object)))
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Text<MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Is<const MOST: usize>;
        impl<'de, const MOST: usize> Visitor<'de> for Is<MOST> {
            type Value = Text<MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<MOST>, E> {
                // One byte more than is kept: what is cut shows that it is.
                let mut end = text.len().min(MOST + 4);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                let mut text = text[..end].to_owned();
                cut(&mut text, MOST);
                Ok(Text(Some(text)))
            }

            pass_over!(Text(None); scalars numbers lists objects);
        }
        from.deserialize_any(Is)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Is;
        impl<'de> Visitor<'de> for Is {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(u32::try_from(number).ok()))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
                Ok(Number(whole.then_some(number as u32)))
            }

            pass_over!(Number(None); scalars texts lists objects);
        }
        from.deserialize_any(Is)
    }
}

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for List<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Is<T, const MOST: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for Is<T, MOST> {
            type Value = List<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                anything(f)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T, MOST>, A::Error> {
                let mut taken = Vec::new();
                while taken.len() < MOST {
                    match list.next_element()? {
                        Some(element) => taken.push(element),
                        None => return Ok(List(taken)),
                    }
                }
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(List(taken))
            }

            pass_over!(List(Vec::new()); scalars numbers texts objects);
        }
        from.deserialize_any(Is(PhantomData))
    }
}
